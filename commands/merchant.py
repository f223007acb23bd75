"""`merchant`: the platform's decisions about a merchant, with their history: stops, terms, deposit, exit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.account_reading import By, CommandId, MerchantArgument, Reason, actor_by, command_of, once
from commands.console import Failed, JsonFlag, command, print_answer
from commands.grades import give_grade
from commands.group import plain_app
from commands.licences import licences
from commands.link import books
from commands.merchant_orders import reach_orders, tell_withdrawals
from commands.merchant_terms import deposit, deposit_back, terms
from commands.reading import id_of
from core.errors import Refused
from core.merchants import MERCHANT_STOPS, Stop
from core.money import format_minor
from core.payout_accounts import check_reason
from core.policy import parse_policy
from core.reconciliation.policy import ReconciliationPolicy
from core.texts import clock
from ledger.upkeep import look_after_merchants
from screens import counted, facts, table

if TYPE_CHECKING:
    from rich.console import Console

    from core.messages import Actor
    from ledger.register import Register

merchant = plain_app(
    name="merchant", help="Merchants: freeze, suspend, terms, deposit, exit, and their history.", no_args_is_help=True
)
merchant.command("grade")(give_grade)
merchant.command("terms")(terms)
merchant.command("deposit")(deposit)
merchant.command("deposit-back")(deposit_back)
merchant.add_typer(licences, name="licences")

HISTORY = ("at", "what", "value", "by", "why")
DEPOSITS = ("currency", "required", "held")


@merchant.command("freeze")
@command
async def freeze(
    merchant: MerchantArgument,
    by: By = None,
    reason: Reason = None,
    command_id: CommandId = None,
    as_json: JsonFlag = False,
) -> None:
    """Stop all money of a merchant at once: no new order, no credit, settlement, withdrawal or payout.

    It holds from the moment that this returns. Buyers still get their money back. Repeating it changes nothing, and
    names the orders that did not show the hold yet.
    """
    await _stop(merchant, "frozen", by, reason, command_id, on=True)


@merchant.command("unfreeze")
@command
async def unfreeze(
    merchant: MerchantArgument,
    by: By = None,
    reason: Reason = None,
    command_id: CommandId = None,
    as_json: JsonFlag = False,
) -> None:
    """Let a merchant's money go on. Orders and withdrawals that waited for it move at once."""
    await _stop(merchant, "frozen", by, reason, command_id, on=False)


@merchant.command("suspend")
@command
async def suspend(
    merchant: MerchantArgument,
    by: By = None,
    reason: Reason = None,
    command_id: CommandId = None,
    as_json: JsonFlag = False,
) -> None:
    """No new order and no payout. Open orders go on, and what they bring in becomes available."""
    await _stop(merchant, "suspended", by, reason, command_id, on=True)


@merchant.command("resume")
@command
async def resume(
    merchant: MerchantArgument,
    by: By = None,
    reason: Reason = None,
    command_id: CommandId = None,
    as_json: JsonFlag = False,
) -> None:
    """Lift a suspension. Withdrawals that waited for it are sent."""
    await _stop(merchant, "suspended", by, reason, command_id, on=False)


@merchant.command("exit")
@command
async def exit_merchant(
    merchant: MerchantArgument,
    by: By = None,
    reason: Reason = None,
    command_id: CommandId = None,
    as_json: JsonFlag = False,
) -> None:
    """A merchant leaves: no new order, open ones end, the deposit is no longer filled, any amount may be withdrawn.

    `merchant deposit-back` gives the deposit back once the last window has passed.
    """
    await _stop(merchant, "leaving", by, reason, command_id, on=True)


@merchant.command("stay")
@command
async def stay(
    merchant: MerchantArgument,
    by: By = None,
    reason: Reason = None,
    command_id: CommandId = None,
    as_json: JsonFlag = False,
) -> None:
    """A leaving merchant stays after all."""
    await _stop(merchant, "leaving", by, reason, command_id, on=False)


async def _stop(
    merchant: str, what: Stop, by: str | None, reason: str | None, command_id: str | None, *, on: bool
) -> None:
    """Store the decision first: the database enforces it even if the orders cannot be reached."""
    who, why = operator_by(by), check_reason(reason)
    id_of(merchant, "merchant")
    asked = command_of(command_id, who, f"merchant_{what}", {"merchant": merchant, "on": on, "why": why})
    async with books() as register:
        async with once(register, asked) as taken:
            changed = taken is not None and await taken.merchants.stop(
                merchant, what, on=on, by=who, why=why, now=datetime.now(UTC)
            )
        reached = await _reach_all(register, merchant, what, who, why, on=on)
        view = {**await _view(register, merchant), "changed": changed, **reached}
    print_answer(view, lambda console: _show(console, view))
    if reached["not_reached"]:
        raise Failed


async def _reach_all(
    register: Register, merchant: str, what: Stop, who: Actor, why: str, *, on: bool
) -> dict[str, list[str]]:
    """Let open orders show the stop, or move on; let waiting withdrawals look again."""
    orders = await reach_orders(register, merchant, what, who, why, on=on)
    withdrawals = await tell_withdrawals(register, merchant) if what != "leaving" else []
    return {"reached": orders.reached, "not_reached": [*orders.not_reached, *withdrawals]}


def operator_by(by: str | None) -> Actor:
    """Who does it: an operator.

    Raises:
        Refused: `wrong_actor`, or no one was named.
    """
    who = actor_by(by)
    if who.role != "operator":
        raise Refused("wrong_actor", f"{who.role}:{who.id} may not do this, only an operator.", "actor")
    return who


# --- what is known ----------------------------------------------------------------------------------------


@merchant.command("show")
@command
async def show_merchant(merchant: MerchantArgument, as_json: JsonFlag = False) -> None:
    """How a merchant stands, its terms and deposit, and every change with who made it, why and when."""
    id_of(merchant, "merchant")
    async with books() as register:
        view = await _view(register, merchant)
    print_answer(view, lambda console: _show(console, view))


@merchant.command("look-after")
@command
async def look_after(as_json: JsonFlag = False) -> None:
    """Call for debts that are overdue, and give deposits back whose time has come.

    The daily comparison of our own orders does it by itself.
    """
    async with books() as register:
        stored = await register.policies.newest(None)
        after = (parse_policy(stored.text).reconciliation if stored else ReconciliationPolicy()).receivable_overdue
        done = await look_after_merchants(register, datetime.now(UTC), after)
    view = done.model_dump(mode="json")
    shown = {"called for debts": str(done.called), "deposits given back": str(done.paid_back)}
    print_answer(view, lambda console: console.print(facts("merchants", shown)))


@merchant.command("list")
@command
async def list_merchants(
    stopped: Annotated[bool, typer.Option("--stopped", help="Only those that are frozen or suspended.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 1000,
    as_json: JsonFlag = False,
) -> None:
    """Merchants of whom anything was decided, and how they stand."""
    async with books() as register:
        found = [
            {"merchant_id": name, **_standing(await register.merchants.standing(name))}
            for name in await register.merchants.named(limit)
        ]
    view = {"merchants": [one for one in found if not stopped or one["stop"] in MERCHANT_STOPS]}
    rows = [(one["merchant_id"], one["state"], one["grade"] or "") for one in view["merchants"]]
    title = counted(len(rows), "merchant")
    print_answer(view, lambda console: console.print(table(title, ("merchant", "state", "grade"), rows)))


def _standing(standing: Any) -> dict[str, Any]:
    said = [name for name in ("frozen", "suspended", "leaving") if getattr(standing, name)]
    return {**standing.model_dump(mode="json"), "stop": standing.stop, "state": ", ".join(said) or "in order"}


async def _view(register: Register, merchant: str) -> dict[str, Any]:
    deposits = await register.merchants.deposits(merchant)
    moves = await register.merchants.moves(merchant)
    return {
        "merchant_id": merchant,
        **_standing(await register.merchants.standing(merchant)),
        "deposits": [one.model_dump(mode="json") for one in deposits],
        "history": [one.model_dump(mode="json", exclude={"merchant_id"}) for one in moves],
    }


def _show(console: Console, view: dict[str, Any]) -> None:
    stand = {"state": view["state"], "grade": view["grade"] or "none"}
    for name, value in view["terms"].items():
        stand[name] = str(value)
    if "reached" in view:
        stand |= {"orders reached": str(len(view["reached"])), "not reached": ", ".join(view["not_reached"]) or "none"}
    console.print(facts(f"merchant {view['merchant_id']}", stand))
    if view["deposits"]:
        rows = [
            (one["currency"], *(format_minor(one[part], one["currency"]) for part in ("required_minor", "held_minor")))
            for one in view["deposits"]
        ]
        console.print(table("Deposit", DEPOSITS, rows, numbers=DEPOSITS[1:]))
    moves = [
        (clock(one["at"]), one["what"], _value(one), f"{one['role']} {one['who']}", one["why"])
        for one in view["history"]
    ]
    console.print(table("History, the newest first", HISTORY, moves))


def _value(move: dict[str, Any]) -> str:
    """To which value it was set, an amount in major units."""
    what, _, currency = move["what"].partition(" ")
    if what == "deposit" and move["value"] is not None:
        return format_minor(int(move["value"]), currency)
    return move["value"] or "none"
