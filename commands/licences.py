"""`licences list|note|withdraw`: merchants' licences for goods that need one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.account_reading import By, MerchantArgument, Reason, actor_by
from commands.console import JsonFlag, command, print_answer
from commands.group import plain_app
from commands.link import books
from commands.reading import id_of
from config import load
from core.days import day_of
from core.errors import Refused
from core.messages import Actor
from core.payout_accounts import check_reason
from core.texts import clock
from ledger.register import Register
from screens import table
from wiring.screening import rules_in

if TYPE_CHECKING:
    from rich.console import Console

licences = plain_app(name="licences", help="Merchants' licences: note, withdraw, list.", no_args_is_help=True)

LicenceArgument = Annotated[str, typer.Argument(help="The licence's name in the screening rules, such as liquor.")]


@licences.command("list")
@command
async def list_licences(
    merchant: Annotated[str | None, typer.Argument(help="Only this merchant's.")] = None, as_json: JsonFlag = False
) -> None:
    """List merchants' licences, with number, end, and who noted them."""
    if merchant is not None:
        id_of(merchant, "merchant")
    async with books() as register:
        await _print(register, merchant)


@licences.command("note")
@command
async def note_licence(
    merchant: MerchantArgument,
    licence: LicenceArgument,
    number: Annotated[str, typer.Option(help="The certificate's own number.")],
    until: Annotated[
        str | None, typer.Option(help="Its last day, such as 2028-03-31; UTC. Else until withdrawn.")
    ] = None,
    by: By = None,
    reason: Reason = None,
    as_json: JsonFlag = False,
) -> None:
    """Note that a merchant has a licence. Repeating it changes nothing."""
    who, why = _checked(merchant, licence, by, reason)
    number = _number_of(number)
    valid_until = _end_of(until)
    async with books() as register:
        await register.licences.note(merchant, licence, number, valid_until, who, why, datetime.now(UTC))
        await _print(register, merchant)


@licences.command("withdraw")
@command
async def withdraw_licence(
    merchant: MerchantArgument,
    licence: LicenceArgument,
    by: By = None,
    reason: Reason = None,
    as_json: JsonFlag = False,
) -> None:
    """Note that a merchant no longer has a licence. Open orders go on."""
    who, why = _checked(merchant, licence, by, reason)
    async with books() as register:
        if not await register.licences.withdraw(merchant, licence, who, why, datetime.now(UTC)):
            raise Refused("malformed", f"licence: {merchant} has no licence {licence}", "licence")
        await _print(register, merchant)


def _checked(merchant: str, licence: str, by: str | None, reason: str | None) -> tuple[Actor, str]:
    id_of(merchant, "merchant")
    who, why = actor_by(by), check_reason(reason)
    if who.role not in {"operator", "reviewer"}:
        raise Refused("wrong_actor", f"{who.role}:{who.id} may not do this, only operator or reviewer.", "actor")
    known = sorted({rule.licence for rule in rules_in(load().screening).rules if rule.licence is not None})
    if licence not in known:
        raise Refused("malformed", f"licence: no rule asks for {licence[:40]!r}; known: {', '.join(known)}", "licence")
    return who, why


def _number_of(number: str) -> str:
    given = number.strip()
    if not 1 <= len(given) <= 80 or not given.isprintable():
        raise Refused("malformed", "number: must be 1 to 80 printable characters", "number")
    return given


def _end_of(day: str | None) -> datetime | None:
    """The end of its last day."""
    if day is None:
        return None
    try:
        end = day_of(day).replace(hour=23, minute=59, second=59)
    except ValueError as error:
        raise Refused("malformed", f"until: {error}", "until") from None
    if end < datetime.now(UTC):
        raise Refused("malformed", f"until: {day} has passed", "until")
    return end


async def _print(register: Register, merchant: str | None) -> None:
    views = [one.model_dump(mode="json") for one in await register.licences.list(merchant)]
    print_answer(views, lambda console: _show(console, views))


def _show(console: Console, views: list[dict[str, Any]]) -> None:
    rows = [
        (
            view["merchant_id"],
            view["licence"],
            view["number"],
            clock(view["valid_until"]) if view["valid_until"] else "withdrawn",
            f"{view['role']} {view['who']}",
            view["why"],
            clock(view["at"]),
        )
        for view in views
    ]
    columns = ("merchant", "licence", "number", "until", "noted by", "why", "at")
    console.print(table("Licences", columns, rows))
