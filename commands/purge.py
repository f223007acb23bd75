"""`purge`: forget the raw bytes of old callbacks; what became of them stays."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from commands.advance import duration_of
from commands.console import JsonFlag, command, facts, tell
from commands.link import books
from core.errors import BadInput

SHORTEST_DAYS = 7
"""Within a week somebody may still want to know what exactly was said."""


@command
async def purge(
    older_than: Annotated[str, typer.Option(help="Age of what is forgotten, such as 90d.")] = "90d",
    as_json: JsonFlag = False,
) -> None:
    """Forget the raw callbacks of rails and payment channels that are older; their outcomes are kept for ever."""
    age = duration_of(older_than, "older-than")
    if age.days < SHORTEST_DAYS:
        raise BadInput(f"--older-than: {older_than[:40]!r} is less than {SHORTEST_DAYS}d")
    async with books() as register:
        purged = await register.purge_callbacks(datetime.now(UTC) - age)
    view = {"emptied": purged.emptied, "removed": purged.removed}
    tell(view, lambda console: console.print(facts("purge", view)))
