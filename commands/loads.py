"""`loads`: the loaded statements, and how two people withdraw one that was loaded by mistake."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from commands.console import JsonFlag, command, print_answer
from commands.link import books
from commands.two_people import person_of, reason_of
from core.texts import clock
from ledger.statements import Load
from screens import table

if TYPE_CHECKING:
    from rich.console import Console


@command
async def loads(
    withdraw: Annotated[int | None, typer.Option(metavar="NUMBER", help="Withdraw this load.")] = None,
    actor: Annotated[str | None, typer.Option("--as", metavar="ROLE:ID", help="Who, such as operator:o-1.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why it was wrong.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List loaded statements. With --withdraw one person asks to withdraw one, and a second person does it."""
    async with books() as register:
        if withdraw is None:
            found = await register.statements.loads()
            print_answer(
                {"loads": [one.model_dump(mode="json") for one in found]}, lambda console: _show(console, found)
            )
            return
        person, why = person_of(actor, "--withdraw", "A load is withdrawn"), reason_of(reason)
        outcome = await register.statements.withdraw(withdraw, person, why, datetime.now(UTC))
    said = {
        "asked": f"Asked. Another person withdraws load {withdraw} with the same command.",
        "withdrawn": f"Load {withdraw} is withdrawn; run `reconcile` to see what is left.",
        "already": f"Load {withdraw} was withdrawn before.",
    }
    print_answer({"load_no": withdraw, "outcome": outcome}, lambda console: console.print(said[outcome]))


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
