"""`seal`: chain what was booked since the last seal by hashes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.console import JsonFlag, command, print_answer, print_line
from commands.link import books
from commands.verify_chain import heads_in
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
    """Add a head, unless another one of its number is kept: that chain was written anew.

    Raises:
        BadInput: it was, or the file cannot be read or written.
    """
    known = heads_in(file) if file.exists() and file.stat().st_size else ()
    number = head.partition(":")[0]
    if others := [one for one in known if one.startswith(f"{number}:") and one != head]:
        raise BadInput(
            f"heads: {file} keeps {others[0]}, and seal {number} is now {head}: the chain was written anew. Nothing was"
            " added; `verify-chain --heads` names what differs"
        )
    try:
        if head not in known:
            with file.open("a", encoding="ascii") as opened:
                opened.write(head + "\n")
    except OSError as error:
        raise BadInput(f"heads: {file} cannot be written: {error.strerror}") from None
