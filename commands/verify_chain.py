"""`verify-chain`: are the sealed books as they were sealed?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.console import Failed, JsonFlag, command, print_answer, print_line
from commands.link import books
from core.errors import BadInput
from core.texts import clock
from ledger.seals import CheckedSeal
from screens import Cell, Listing, table

COLUMNS = ("seal", "sealed", "movements", "up to", "as sealed", "what differs")


@command
async def verify_chain(
    heads: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Heads that `seal --heads` kept elsewhere.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Read the sealed books again and name the first movement that was changed. Exit code 1 if one was.

    A chain that was written anew as a whole is found by its heads alone.
    """
    kept = heads_in(heads) if heads is not None else ()
    found: list[CheckedSeal] = []
    async with books() as register:
        async for one in register.seals.verify():
            found.append(one)
            print_line(f"seal {one.seal.number}: {one.seal.movements:,} movements read")
    faults = [one.fault.message for one in found if one.fault is not None]
    faults += _missing(kept, found)
    view: dict[str, Any] = {
        "ok": not faults,
        "head": found[-1].seal.head if found else None,
        "seals": [one.model_dump(mode="json") for one in found],
        "faults": faults,
    }
    print_answer(view, lambda console: console.print(_listing(found)))
    for fault in faults:
        print_line(fault)
    if faults:
        raise Failed


def heads_in(file: Path) -> tuple[str, ...]:
    """The heads that a file keeps, `NUMBER:HASH` each. Two of one number stay two: they show a chain written anew.

    Raises:
        BadInput: a line is no head, or the file has none; nothing that was changed would be found.
    """
    try:
        heads = tuple(file.read_text(encoding="ascii").split())
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"heads: {file} cannot be read: {error}") from None
    for number, line in enumerate(heads, 1):
        if not re.fullmatch(r"\d{1,9}:[0-9a-f]{64}", line):
            raise BadInput(f"heads: line {number} of {file} is not NUMBER:HASH")
    if not heads:
        raise BadInput(f"heads: {file} holds no head; `seal --heads` adds one")
    return heads


def _missing(kept: Sequence[str], found: Sequence[CheckedSeal]) -> list[str]:
    heads = {one.seal.head for one in found}
    return [
        f"Seal {head.partition(':')[0]} is not the one whose head was kept: the chain was written anew, or ends before"
        " it."
        for head in sorted(kept, key=lambda one: int(one.partition(":")[0]))
        if head not in heads
    ]


def _listing(found: Sequence[CheckedSeal]) -> Listing:
    rows = [
        (
            str(one.seal.number),
            clock(one.seal.sealed_at),
            f"{one.seal.movements:,}",
            str(one.seal.last_movement),
            Cell(("NO",), "bold red") if one.fault else Cell(("yes",), "green"),
            one.fault.message if one.fault else "",
        )
        for one in found
    ]
    return table("Seals", COLUMNS, rows, numbers=COLUMNS[2:4])
