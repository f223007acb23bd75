"""`notices`: the notices for buyers, merchants and staff, numbered so that a reader can continue."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import typer

from commands.console import JsonFlag, command, print_answer
from commands.link import books
from core.texts import clock
from screens import counted, table

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d\S*")
COLUMNS = ("no", "at", "recipient", "about", "notice", "facts")


@command
async def notices(
    after: Annotated[int, typer.Option(min=0, max=2**62, help="The last number that was read.")] = 0,
    to: Annotated[Literal["buyer", "merchant", "reviewer", "operator"] | None, typer.Option(help="For whom.")] = None,
    subject: Annotated[str | None, typer.Option(help="order/A1001 or withdrawal/W1.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many.")] = 100,
    as_json: JsonFlag = False,
) -> None:
    """Read the notices after a number; none is ever skipped. Continue from the answer's `last`."""
    async with books() as register:
        rows = await register.notices.read(after_id=after, to=to, subject=subject, limit=limit)
    view = {
        "notices": [row.model_dump(mode="json") for row in rows],
        "last": rows[-1].notice_id if rows else after,
    }
    cells = [
        (
            str(row.notice_id),
            clock(row.at),
            row.to,
            row.subject,
            row.name,
            "; ".join(f"{name}: {_written(fact)}" for name, fact in row.facts.items()),
        )
        for row in rows
    ]
    print_answer(
        view, lambda console: console.print(table(counted(len(rows), "notice"), COLUMNS, cells, numbers=("no",)))
    )


def _written(fact: str) -> str:
    """A fact of a notice: a time in the form for people, anything else unchanged."""
    try:
        return clock(fact) if _TIME.fullmatch(fact) else fact
    except ValueError:
        return fact
