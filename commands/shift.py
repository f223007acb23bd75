"""`shift DEADLINE --where … --by … --reason …`: move a deadline of many orders. Nothing moves without `--apply`."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer
from rich.console import Console

from commands.console import Failed, JsonFlag, command, print_answer, said_of
from commands.link import books
from commands.reading import actor_of, read_message
from commands.service import temporal, why_idle
from core.answers import Answer
from core.audit.waybills import CARRIERS
from core.errors import DakuanError, Refused, Unavailable
from core.ids import order_workflow_id
from core.likeness import nearest
from core.messages import ShiftDeadline
from core.order.commands import first_answer, refusal_of
from core.order.shifting import earliest
from core.order.shifting import shift as shift_of
from core.order.state import OrderState, Phase
from core.policy import Policy, parse_policy, resolve_recorded
from core.reasons import SENTENCES, Refusal
from core.texts import clock
from ledger.shifting import CONDITIONS
from screens import counted, table

if TYPE_CHECKING:
    from temporalio.client import Client

    from ledger.register import Register

KNOWN: Mapping[str, Sequence[str]] = {
    "phase": get_args(Phase),
    "carrier": [*(carrier.id for carrier in CARRIERS.carriers), "other"],
}
"""Conditions with certain values."""
AT_ONCE = 8
"""Orders that get the command at one time."""


@command
async def shift(
    deadline: Annotated[
        Literal["ship_by", "pickup_by", "receipt_by", "undelivered_by"], typer.Argument(help="The deadline to move.")
    ],
    by: Annotated[str, typer.Option(help="By how much it is later, such as 3d; -3d takes a move back, with --undo.")],
    reason: Annotated[str, typer.Option(help="Why; merchant and buyer of each order read it.")],
    actor: Annotated[str, typer.Option("--as", metavar="ROLE:ID", help="Who does it, such as operator:ann.")],
    where: Annotated[
        list[str] | None, typer.Option(help=f"KEY=VALUE, all of them: {', '.join(CONDITIONS)}; needed without --undo.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Move them; otherwise they are only shown.")] = False,
    undo: Annotated[
        str | None,
        typer.Option("--undo", metavar="ID", help="The move that is taken back, of the orders that it moved."),
    ] = None,
    once: Annotated[str | None, typer.Option("--id", help="The id of the move; repeating it changes nothing.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Move a deadline of all open orders that match. A dry run unless --apply.

    For a holiday, or while a carrier is out. Merchant and buyer of each order are notified of old, new and why. A move
    has an id, under which it is taken back: --undo ID with the same DEADLINE, --by -3d where it was 3d. It names all
    orders that the move moved, and why one of them stays as it is.
    """
    chosen = conditions_of(where or [])
    body = {"deadline": deadline, "by": by, "reason": reason, "actor": actor_of(actor)}
    meant = (sorted(chosen.items()), body, *((undo,) if undo is not None else ()))
    command_id = once or f"shift-{hashlib.sha256(repr(meant).encode()).hexdigest()[:24]}"
    sent = read_message(ShiftDeadline, {**body, "command_id": command_id}, "malformed")
    if (sent.by < timedelta()) != (undo is not None):
        raise Refused("malformed", "by: less than nothing, such as -3d, goes with --undo ID, and only with it", "by")
    if not chosen and undo is None:
        raise Refused("malformed", "where: say which orders, such as merchant=m-1", "where")
    async with books() as register:
        if (policy := chosen.get("policy")) is not None and await register.policies.newest(policy) is None:
            raise Refused("unknown_policy", f"{SENTENCES['unknown_policy']} {policy[:80]}", "where")
        now, moved = datetime.now(UTC), await _move(register, undo, deadline) if undo is not None else 0
        found = [planned(state, sent, now) async for state in _chosen(register, chosen, undo)]
    if apply:
        async with temporal() as client:
            if why := await why_idle(client):
                raise Unavailable(f"{why} Nothing was moved.")
            await _apply(client, sent, [view for view in found if view["outcome"] == "would_move"])
    view = {"command_id": command_id, "deadline": deadline, "by": by, "applied": apply, "orders": found}
    if undo is not None:
        view |= {"undo": undo, "not_chosen": moved - len(found)}
    print_answer(view, lambda console: _show(console, view))
    if any(one["outcome"] == "failed" for one in found):
        raise Failed


def conditions_of(where: list[str]) -> dict[str, str]:
    """The typed conditions.

    Raises:
        Refused: `malformed`: an unknown key, one without a value, one that stands twice, or a value that none has: it
            would find nothing, and read as if no order had to be moved.
    """
    chosen: dict[str, str] = {}
    for one in where:
        key, equals, value = one.partition("=")
        if key not in CONDITIONS or not equals or not value:
            known = ", ".join(CONDITIONS)
            raise Refused("malformed", f"where: {one[:80]!r} is not KEY=VALUE with one of {known}", "where")
        if key in chosen:
            raise Refused("malformed", f"where: {key} stands twice", "where")
        if key in KNOWN and value not in KNOWN[key]:
            near = ", ".join(nearest(value, KNOWN[key], most=1)) or ", ".join(KNOWN[key])
            raise Refused("malformed", f"where: no {key} is called {value[:40]!r}; there is {near}", "where")
        if key.endswith("_country") and not re.fullmatch("[A-Z]{2}", value):
            raise Refused("malformed", f"where: {key} is two letters, such as CN, not {value[:40]!r}", "where")
        chosen[key] = value
    return chosen


async def _move(register: Register, move_id: str, deadline: str) -> int:
    """How many orders a move moved.

    Raises:
        Refused: `malformed`: it moved none, or another deadline.
    """
    move = await register.shifting.move(move_id)
    if move is None:
        raise Refused("malformed", f"undo: {move_id[:64]} moved no order", "undo")
    if move.deadline != deadline:
        raise Refused("malformed", f"undo: {move_id[:64]} moved {move.deadline}, not {deadline}", "undo")
    return move.orders


async def _chosen(register: Register, where: Mapping[str, str], undo: str | None) -> AsyncIterator[OrderState]:
    """Every open order that matches, as last recorded; a policy's text is parsed once.

    Args:
        undo: the id of the move that is taken back: the orders that it moved, also those that are closed.
    """
    policies: dict[str, Policy] = {}
    last = ""
    shifting = register.shifting
    pages = shifting.matching if undo is None else partial(shifting.moved_by, undo)
    while page := await pages(where, last):
        for one in page:
            if one.policy_hash not in policies:
                policies[one.policy_hash] = parse_policy(await register.policies.text(one.policy_hash))
            resolved = resolve_recorded(policies[one.policy_hash], one.order, one.state.get("policy") or {})
            yield OrderState.model_validate({**one.state, "order": one.order, "policy": resolved})
        last = page[-1].order.order_id


def planned(state: OrderState, sent: ShiftDeadline, now: datetime) -> dict[str, Any]:
    """The effect of the move on an order as last recorded: old and new, or why not."""
    view: dict[str, Any] = {"order_id": state.order.order_id, "merchant_id": state.order.merchant_id}
    old = earliest(state, sent.deadline)
    first = first_answer(state, sent)
    if isinstance(first, Answer):
        return {**view, "outcome": "moved_before", "new": old}
    refused = first or refusal_of(state, sent, now)
    if isinstance(refused, Refusal):
        return {**view, "outcome": "not_moved", "code": refused.code, "why": refused.message}
    assert old is not None  # what does not run is refused
    new = earliest(shift_of(state, sent, now), sent.deadline)
    assert new is not None  # a move ends no deadline
    return {**view, "outcome": "would_move", "old": old, "new": new, **({"left": True} if new > old + sent.by else {})}


async def _apply(client: Client, sent: ShiftDeadline, views: list[dict[str, Any]]) -> None:
    """Send the command to each; the result goes into its view."""
    import gateway

    limit, body = asyncio.Semaphore(AT_ONCE), sent.model_dump(mode="json")

    async def one(view: dict[str, Any]) -> None:
        async with limit:
            try:
                await gateway.send(client, order_workflow_id(view["order_id"]), sent.verb, body)
            except Refused as error:
                view |= {"outcome": "not_moved", "code": error.code, "why": str(error)}
            except DakuanError as error:
                view |= {"outcome": "failed", "code": str(error)}
            else:
                view["outcome"] = "moved"

    await asyncio.gather(*(one(view) for view in views))


def _show(console: Console, view: dict[str, Any]) -> None:
    rows = [
        (
            one["order_id"],
            one["merchant_id"],
            clock(one.get("old")),
            clock(one.get("new")),
            ": ".join(filter(None, (one["outcome"].replace("_", " "), _why(one), _left(one)))),
        )
        for one in view["orders"]
    ]
    title = f"Move of {view['deadline']} by {view['by']}: {counted(len(rows), 'order')}"
    console.print(table(title, ("order", "merchant", "old", "new", "outcome"), rows))
    if view.get("not_chosen"):
        console.print(f"The move moved {counted(view['not_chosen'], 'more order')} that --where leaves out.")
    if not view["applied"]:
        console.print("Nothing was moved: this is a dry run. --apply moves them.")
    elif not view["by"].startswith("-") and any(one["outcome"] == "moved" for one in view["orders"]):
        console.print(f"To take it back: the same with --by -{view['by']} --undo {view['command_id']}")


def _why(one: Mapping[str, Any]) -> str | None:
    said: str | None = one.get("why")
    return said_of(Refusal(code=one["code"], message=said)) if said is not None else one.get("code")


def _left(one: Mapping[str, Any]) -> str | None:
    return "a day is left, so a part of the move stays" if one.get("left") and "code" not in one else None
