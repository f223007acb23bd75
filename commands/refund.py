"""`refund ORDER`: two people give a buyer money back, in every phase, also after the settlement."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

import typer

import gateway
from commands.console import JsonFlag, command, language_of, print_answer
from commands.headings import print_in
from commands.link import known_order
from commands.reading import actor_of, id_of, read_message
from commands.service import temporal, why_idle
from commands.views import answer_facts
from core.errors import Refused, Unavailable
from core.money import parse_amount
from core.refund_messages import RefundOrder


@command
async def refund(
    order: Annotated[str, typer.Argument(help="The order's id.")],
    actor: Annotated[str, typer.Option("--as", metavar="ROLE:ID", help="Who says so, such as operator:o-1.")],
    reason: Annotated[str, typer.Option(help="Why; buyer and merchant see it.")],
    line: Annotated[
        list[str] | None, typer.Option(metavar="LINE:UNITS", help="Units of a line; may be given several times.")
    ] = None,
    amount: Annotated[str | None, typer.Option(help="An amount in major units, such as 12.50.")] = None,
    freight: Annotated[bool, typer.Option("--freight", help="The freight too, with these lines.")] = False,
    platform: Annotated[bool, typer.Option("--platform", help="The platform bears it, not the merchant.")] = False,
    command_id: Annotated[str | None, typer.Option("--id", help="The command's id; a fresh one unless given.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Refund a buyer.

    One person asks, and a second person who gives the same makes it happen. Without a line and an amount it is all that
    is left. It comes from where the order's money is: escrow, the order's proceeds, or the merchant's other money or
    debt.
    """
    known = await known_order(id_of(order, "order"))
    given: dict[str, Any] = {
        "command_id": id_of(command_id, "command_id") if command_id is not None else str(uuid.uuid4()),
        "actor": actor_of(actor),
        "lines": [_line(one) for one in line] if line else None,
        "amount_minor": parse_amount(amount, known.currency) if amount is not None else None,
        "freight": freight,
        "bearer": "platform" if platform else "merchant",
        "reason": reason,
    }
    checked = read_message(RefundOrder, given, "malformed")
    async with temporal() as client:
        if why := await why_idle(client):
            raise Unavailable(f"{why} Nothing was sent.")
        answer = await gateway.refund_order(client, known, checked.model_dump(mode="json"))
    view = {"command_id": checked.command_id, **answer}
    language = language_of(None)
    shown = answer_facts("refund_order", order, view, language)
    print_answer(view, lambda console: print_in(console, shown, language))


def _line(text: str) -> dict[str, Any]:
    line_id, colon, units = text.rpartition(":")
    if not colon or not units.isdecimal():
        raise Refused("malformed", f"--line {text[:80]!r} is not LINE:UNITS, such as 1:2", "lines")
    return {"line_id": line_id, "quantity": int(units)}
