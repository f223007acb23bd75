"""`send VERB ID`: any command of an order or a withdrawal, checked here before it is sent."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

import gateway
from commands.console import JsonFlag, Malformed, command, language_of, print_answer
from commands.headings import print_in
from commands.link import books
from commands.reading import Subject, actor_of, id_of, read_message, read_text, subject_of
from commands.service import temporal, why_idle
from commands.views import answer_facts
from core.errors import BadInput, Refused, Unavailable
from core.messages import ORDER_COMMANDS, WITHDRAWAL_COMMANDS, Command, ReportPayout
from core.strict_json import parse_json

if TYPE_CHECKING:
    from temporalio.client import Client


@command
async def send(
    verb: Annotated[str, typer.Argument(help="The command's name, such as confirm_receipt.")],
    subject: Annotated[str, typer.Argument(metavar="ID", help="An order's id, or withdrawal-… .")],
    body: Annotated[str, typer.Option(help="The command's fields: JSON, or @FILE (@- reads stdin).")] = "{}",
    command_id: Annotated[str | None, typer.Option("--id", help="The command's id; a fresh one unless given.")] = None,
    actor: Annotated[str | None, typer.Option("--as", metavar="ROLE:ID", help="Who sends it.")] = None,
    as_signal: Annotated[bool, typer.Option("--signal", help="Send a Signal: the answer is in the journal.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Send a command to an order or a withdrawal and print its answer. The same id gets the first answer again."""
    about = subject_of(subject)
    checked = checked_command(about, verb, body, command_id, actor)
    payload = checked.model_dump(mode="json", exclude_unset=True)
    async with temporal() as client:
        if as_signal and isinstance(checked, ReportPayout):
            await gateway.report_payout(client, about.id, checked)  # also to one that has ended
            answer: dict[str, Any] = {"outcome": "sent"}
        elif as_signal:
            await gateway.signal(client, about.workflow_id, verb, payload)
            answer = {"outcome": "sent"}
        else:
            if why := await why_idle(client):
                raise Unavailable(f"{why} Nothing was sent.")
            answer = await _answer(client, about, checked, payload)
    view = {"command_id": checked.command_id, **answer}
    language = language_of(None)
    shown = answer_facts(verb, subject, view, language)
    print_answer(view, lambda console: print_in(console, shown, language))


async def _answer(client: Client, about: Subject, checked: Command, payload: dict[str, Any]) -> dict[str, Any]:
    if about.is_withdrawal:
        return await gateway.send(client, about.workflow_id, checked.verb, payload)
    from wiring.commanding import send_to_order  # loaded when it is needed: the whole order machine

    return await send_to_order(client, books, about.id, checked, payload)


def checked_command(about: Subject, verb: str, body: str, command_id: str | None, actor: str | None) -> Command:
    """The command from the typed arguments.

    Raises:
        Refused: `unknown_verb` or `malformed`, field by field.
        BadInput: the body's file cannot be read.
    """
    commands = WITHDRAWAL_COMMANDS if about.is_withdrawal else ORDER_COMMANDS
    model = commands.get(verb)
    if model is None:
        known = ", ".join(sorted(commands))
        raise Refused("unknown_verb", f"There is no command {verb[:64]!r} of {about.a_noun}. Known: {known}.")
    fields = _fields(body)
    _put(fields, "command_id", id_of(command_id, "command_id") if command_id is not None else None)
    _put(fields, "actor", actor_of(actor) if actor is not None else None)
    fields.setdefault("command_id", str(uuid.uuid4()))
    return read_message(model, fields, "malformed")


def _fields(body: str) -> dict[str, Any]:
    text = read_text(body[1:]) if body.startswith("@") else body
    try:
        text.encode()  # an argument that is not UTF-8 arrives as lone surrogates
        value = parse_json(text)
    except UnicodeEncodeError:
        raise Malformed("malformed", [{"field": "body", "message": "is not UTF-8"}]) from None
    except BadInput as error:
        raise Malformed("malformed", [{"field": "body", "message": str(error)}]) from None
    if not isinstance(value, dict):
        raise Malformed("malformed", [{"field": "body", "message": "must be one JSON object"}])
    return value


def _put(fields: dict[str, Any], name: str, given: Any) -> None:
    """Add a field that was given beside the body. Two different values are refused, not guessed."""
    if given is None:
        return
    if name in fields and fields[name] != given:
        raise Refused("malformed", f"The body and the option disagree about {name}.", name)
    fields[name] = given
