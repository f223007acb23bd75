"""`callback PROVIDER`: takes a rail's or payment channel's callback from a file, as its HTTP address would."""

from __future__ import annotations

import json
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
async def callback(
    provider: Annotated[str, typer.Argument(help="An account or a source of disputes of the file in DAKUAN_RAILS.")],
    file: Annotated[str, typer.Option(help="The body, byte for byte; - reads stdin.")],
    headers: Annotated[str, typer.Option(help="A file with its headers: a line NAME: VALUE each, or a JSON object.")],
    as_json: JsonFlag = False,
) -> None:
    """Take one callback: verify, journal, and report it to whom it is about. Exit code 1 where it is refused."""
    from wiring.desks import callback_desk  # loaded when it runs: vendors, HTTP and keys

    settings = load()
    of_disputes = settings.rails is not None and provider in settings.rails.disputes
    given = headers_of(read_bytes(headers))
    body = read_bytes(file)
    async with books() as register, temporal() as client:
        answer = await callback_desk(settings, register, client).receive(provider, body, given)
    view = {
        "outcome": answer.outcome,
        "repeated": answer.repeated,
        "withdrawal_id": None if of_disputes else next(iter(answer.subjects), None),
        "orders": list(answer.subjects) if of_disputes else [],
        "detail": answer.detail,
        "status": answer.status,
        "acknowledgement": answer.body.decode(),
    }
    print_answer(view, lambda console: console.print(facts(f"callback {provider}", view)))
    if answer.status != 200:
        raise Failed


def headers_of(raw: bytes) -> dict[str, str]:
    """The headers of a file.

    Raises:
        BadInput: it is neither of the two forms.
    """
    try:
        text = raw.decode()
        if text.lstrip().startswith("{"):
            found = json.loads(text)
            if all(isinstance(value, str) for value in found.values()):
                return {name.strip().lower(): value for name, value in found.items()}
            raise BadInput("--headers: every value of the JSON object must be a string")
    except (ValueError, RecursionError) as error:
        raise BadInput(f"--headers: it is neither lines of NAME: VALUE nor a JSON object: {error}") from None
    lines = [line.partition(":") for line in text.splitlines() if line.strip()]
    if not all(colon and name.strip() for name, colon, _ in lines):
        raise BadInput("--headers: a line is not NAME: VALUE")
    return {name.strip().lower(): value.strip() for name, _, value in lines}
