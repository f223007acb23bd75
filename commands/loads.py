"""`loads`: the statements that were loaded, and taking one back that was loaded by mistake, by two people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from commands.console import JsonFlag, command, print_answer
from commands.link import books
from commands.reading import actor_of
from core.errors import Refused
from core.messages import Actor
from core.texts import clock
from ledger.statements import Load
from screens import table

if TYPE_CHECKING:
    from rich.console import Console

DECIDING = ("operator", "reviewer")
LONGEST_REASON = 500


@command
async def loads(
    withdraw: Annotated[int | None, typer.Option(metavar="NUMBER", help="Take this load back.")] = None,
    actor: Annotated[str | None, typer.Option("--as", metavar="ROLE:ID", help="Who, such as operator:o-1.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why it was wrong.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List statements that were loaded. With --withdraw a first person asks to take one back, and a second one does."""
    async with books() as register:
        if withdraw is None:
            found = await register.statements.loads()
            print_answer(
                {"loads": [one.model_dump(mode="json") for one in found]}, lambda console: _show(console, found)
            )
            return
        person, why = _person(actor), _reason(reason)
        outcome = await register.statements.withdraw(withdraw, person, why, datetime.now(UTC))
    said = {
        "asked": f"Asked. Another person withdraws load {withdraw} with the same command.",
        "withdrawn": f"Load {withdraw} is withdrawn; run `reconcile` to see what is left.",
        "already": f"Load {withdraw} was withdrawn before.",
    }
    print_answer({"load_no": withdraw, "outcome": outcome}, lambda console: console.print(said[outcome]))


def _person(actor: str | None) -> Actor:
    if actor is None:
        raise typer.BadParameter("--withdraw needs --as ROLE:ID: who takes it back")
    try:
        person = Actor.model_validate(actor_of(actor))
    except ValidationError:
        raise Refused("malformed", f"--as {actor[:80]!r} is not ROLE:ID, such as operator:o-1", "actor") from None
    if person.role not in DECIDING:
        raise Refused("wrong_actor", f"A load is withdrawn by an {' or '.join(DECIDING)}.", "actor.role")
    return person


def _reason(reason: str | None) -> str:
    if not reason or not reason.strip() or len(reason) > LONGEST_REASON:
        raise Refused("reason_missing", f"--reason: say in 1 to {LONGEST_REASON} characters why it was wrong", "reason")
    return reason.strip()


def _show(console: Console, found: list[Load]) -> None:
    rows = [
        (
            str(one.load_no),
            f"{one.scope}/{one.name}",
            clock(one.loaded_at),
            str(one.lines),
            f"withdrawn by {one.withdrawn_by}"
            if one.withdrawn_by
            else f"asked by {one.asked_by}"
            if one.asked_by
            else "",
        )
        for one in found
    ]
    console.print(table("Loads", ("number", "of", "loaded", "lines", ""), rows, numbers=("number", "lines")))
