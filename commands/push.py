"""`push VENDOR`: takes a tracking provider's push from a file, as its HTTP address would."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.console import Failed, JsonFlag, command, print_answer
from commands.link import books
from commands.reading import read_bytes
from commands.service import temporal
from config import load
from core.errors import BadInput
from screens import facts


@command
async def push(
    vendor: Annotated[str, typer.Argument(help="A provider of the file in DAKUAN_CARRIERS, such as kuaidi100.")],
    file: Annotated[str, typer.Option(help="The body, byte for byte; - reads stdin.")],
    header: Annotated[list[str] | None, typer.Option(help="A header as NAME:VALUE; may be given again.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Take one push of a tracking provider: verify, journal, and report it to its orders.

    Exit code 1 where it is refused.
    """
    from wiring.desks import push_desk  # loaded when it runs: vendors, HTTP and keys

    headers = dict(_header(text) for text in header or ())
    body = read_bytes(file)
    async with books() as register, temporal() as client, push_desk(load(), register, client) as desk:
        answer = await desk.receive(vendor, body, headers)
    view = {
        "outcome": answer.outcome,
        "repeated": answer.repeated,
        "orders": list(answer.subjects),
        "detail": answer.detail,
        "status": answer.status,
        "acknowledgement": answer.body.decode(),
    }
    print_answer(view, lambda console: console.print(facts(f"push {vendor}", view)))
    if answer.status != 200:
        raise Failed


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise BadInput(f"--header: {text[:80]!r} is not NAME:VALUE")
    return name.strip().lower(), value.strip()
