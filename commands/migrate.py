"""`migrate`: bring the database to this version, as its owner."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.console import JsonFlag, command, print_answer
from config import load
from core.addresses import parse_database_address
from ledger.migrate import migrate as apply
from wiring.database import role_in


@command
async def migrate(
    restored: Annotated[
        bool,
        typer.Option("--restored", help="The database was restored to an earlier moment: events get other numbers."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Apply the missing migrations with DATABASE_OWNER_URL, and grant DATABASE_URL's role what it needs."""
    settings = load()
    owner = settings.needed("database_owner_url")
    applied = await apply(owner, worker=role_in(settings.needed("database_url")), restored=restored)
    said = ", ".join(applied) or "nothing was missing"
    if restored:
        said += "; events and notices go on under numbers that none had before"
    place = parse_database_address(owner).shown
    print_answer({"applied": applied, "restored": restored}, lambda console: console.print(f"{place}: {said}"))
