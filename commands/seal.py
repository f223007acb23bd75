"""`seal`: chain what was booked since the last seal by hashes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.console import JsonFlag, command, print_answer, print_line
from commands.link import books
from core.errors import BadInput
from screens import facts


@command
async def seal(
    heads: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Add the head of the chain to this file, kept elsewhere.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Seal what was booked since the last seal. The daily comparison of orders (`reconcile --schedule`) does it, too.

    Keep the head of the chain where the owner of the database cannot write: `verify-chain --heads` compares.
    """
    async with books() as register:
        made = await register.seals.seal()
        last = made or await register.seals.last()
    view = {"sealed": made.model_dump(mode="json") if made else None, "head": last.head if last else None}
    if heads is not None and last is not None:
        _add(heads, last.head)
    if made is None:
        print_line("Nothing was booked since the last seal.")
    shown = {"movements": made.movements, "up to": made.last_movement, **made.sums} if made else {}
    print_answer(view, lambda console: console.print(facts("seal", {**shown, "head": view["head"] or "none"})))


def _add(file: Path, head: str) -> None:
    try:
        known = file.read_text(encoding="ascii").split() if file.exists() else []
        if head not in known:
            with file.open("a", encoding="ascii") as opened:
                opened.write(head + "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"heads: {file} cannot be written: {error}") from None
