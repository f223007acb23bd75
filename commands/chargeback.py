"""`chargeback PAYMENT|ORDER`: the payment channel took money back, or said who was right."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

import gateway
from commands.console import JsonFlag, command, print_answer
from commands.link import books
from commands.reading import actor_of, id_of, read_message
from commands.service import temporal, why_idle
from core.aftersale.messages import ReportChargeback
from core.errors import BadInput, Refused, Unavailable
from core.money import parse_amount
from core.reasons import SENTENCES
from screens import facts

if TYPE_CHECKING:
    from core.messages import Order


@command
async def chargeback(
    subject: Annotated[
        str, typer.Argument(metavar="PAYMENT|ORDER", help="The payment's reference, or the order's id.")
    ],
    case_reference: Annotated[str, typer.Option("--case-reference", help="The channel's own name for the dispute.")],
    actor: Annotated[str, typer.Option("--as", metavar="ROLE:ID", help="Who says so, such as operator:o-1.")],
    amount: Annotated[str | None, typer.Option(help="What was taken back, in major units, such as 12.50.")] = None,
    fee: Annotated[str | None, typer.Option(help="What the channel takes for the dispute, in major units.")] = None,
    evidence_due: Annotated[str | None, typer.Option(help="Until when the channel listens; RFC 3339.")] = None,
    reason: Annotated[str | None, typer.Option(help="What the channel says about it.")] = None,
    won: Annotated[bool, typer.Option("--won", help="The channel decided for the merchant.")] = False,
    lost: Annotated[bool, typer.Option("--lost", help="The channel decided for the buyer.")] = False,
    command_id: Annotated[str | None, typer.Option("--id", help="The command's id; a fresh one unless given.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Report a chargeback with its amount, and later its end with --won or --lost.

    The money leaves from where the order's money stands: escrow, what the order brought in, or what its merchant has or
    will owe. Won back, it returns exactly there.
    """
    outcome = _outcome(amount, won=won, lost=lost)
    order = await _order_of(subject)
    given: dict[str, Any] = {
        "command_id": id_of(command_id, "command_id") if command_id is not None else str(uuid.uuid4()),
        "actor": actor_of(actor),
        "case_reference": case_reference,
        "outcome": outcome,
        "amount_minor": parse_amount(amount, order.currency) if amount is not None else None,
        "fee_minor": parse_amount(fee, order.currency, "fee") if fee is not None else 0,
        "evidence_due": evidence_due,
        "reason": reason,
    }
    checked = read_message(ReportChargeback, given, "malformed")
    async with temporal() as client:
        if why := await why_idle(client):
            raise Unavailable(f"{why} Nothing was sent.")
        body = checked.model_dump(mode="json")
        answer = await gateway.send_reopening(client, order, ReportChargeback.verb, body)
    view = {"order_id": order.order_id, "command_id": checked.command_id, **answer}
    print_answer(view, lambda console: console.print(facts(f"chargeback {case_reference}", view)))


def _outcome(amount: str | None, *, won: bool, lost: bool) -> str:
    if won and lost:
        raise BadInput("--won or --lost, not both")
    if (amount is None) != (won or lost):
        raise BadInput("--amount reports a chargeback, --won or --lost its end: give one of them")
    return "won" if won else "lost" if lost else "opened"


async def _order_of(subject: str) -> Order:
    """The order of this id, or the one that was paid with this payment."""
    async with books() as register:
        order = await register.orders.stored(subject)
        paid = [] if order is not None else await register.orders.paid_with(subject)
        if order is None and len(paid) == 1:
            order = await register.orders.stored(paid[0])
    if order is None and paid:
        raise Refused("several_orders", f"{SENTENCES['several_orders']} {', '.join(paid)}", "subject")
    if order is None:
        raise Refused("unknown_payment", f"{SENTENCES['unknown_payment']} {subject[:80]}", "subject")
    return order
