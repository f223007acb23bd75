"""`chargeback PAYMENT|ORDER`: the payment channel took money back, or said who was right."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

import gateway
from commands.console import (
    Failed,
    JsonFlag,
    command,
    error_view,
    language_of,
    print_answer,
    speaking_screen,
    wants_json,
)
from commands.headings import print_in
from commands.link import books
from commands.reading import actor_of, id_of, read_message
from commands.service import temporal, why_idle
from commands.views import answer_facts
from core.aftersale.messages import ReportChargeback
from core.errors import BadInput, Refused, Unavailable
from core.money import format_minor, parse_amount
from core.order.dividing import ChargedOrder, reports_of
from core.reasons import SENTENCES, Refusal
from inbound.chargebacks import OrderAnswer, Reports, send_reports
from screens import Listing, table

if TYPE_CHECKING:
    from rich.console import Console


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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what each order would get; nothing is sent.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Report a chargeback with its amount, and later its end with --won or --lost.

    A payment of several orders is divided by what is left of each; the parts are shown before they are sent.

    The money leaves from where the order's money stands: escrow, what the order brought in, or what its merchant has or
    will owe. Won back, it returns exactly there.
    """
    outcome = _outcome(amount, won=won, lost=lost)
    orders = await _orders_of(subject, case_reference)
    currency = orders[0].currency
    given: dict[str, Any] = {
        "command_id": id_of(command_id, "command_id") if command_id is not None else str(uuid.uuid4()),
        "actor": actor_of(actor),
        "case_reference": case_reference,
        "outcome": outcome,
        "amount_minor": parse_amount(amount, currency) if amount is not None else None,
        "fee_minor": parse_amount(fee, currency, "fee") if fee is not None else 0,
        "evidence_due": evidence_due,
        "reason": reason,
    }
    report = read_message(ReportChargeback, given, "malformed")
    reports = reports_of(report, orders)
    if isinstance(reports, Refusal):
        raise Refused(reports.code, reports.message, reports.field)
    if len(reports) == 1 and not dry_run:
        await _send_one(*reports[0])
    else:
        await _send_several(report, reports, currency, dry_run=dry_run)


async def _send_one(order_id: str, report: ReportChargeback) -> None:
    (one,) = await _send_all([(order_id, report)])
    if one.refused is not None:
        raise one.refused
    view = {"order_id": order_id, "command_id": report.command_id, **one.answer}
    language = language_of(None)
    shown = answer_facts(report.verb, report.case_reference, view, language)
    print_answer(view, lambda console: print_in(console, shown, language))


async def _send_several(report: ReportChargeback, reports: Reports, currency: str, *, dry_run: bool) -> None:
    if not wants_json():
        speaking_screen().print(_division(report.case_reference, currency, reports))
    parts = {order_id: _part(order_id, one) for order_id, one in reports}
    answers = [] if dry_run else await _send_all(reports)
    for one in answers:
        parts[one.order_id] |= one.answer if one.refused is None else {"error": error_view(one.refused)}
    reached = parts if dry_run else [one.order_id for one in answers]
    view = {
        "case_reference": report.case_reference,
        "command_id": report.command_id,
        "sent": not dry_run,
        "orders": [parts[order_id] for order_id in reached],
    }
    print_answer(view, lambda console: _show(console, view))
    if any(one.refused for one in answers):
        raise Failed


async def _send_all(reports: Reports) -> list[OrderAnswer]:
    async with books() as register, temporal() as client:
        if why := await why_idle(client):
            raise Unavailable(f"{why} Nothing was sent.")
        return await send_reports(register, reports, partial(gateway.report_chargeback, client))


def _part(order_id: str, report: ReportChargeback) -> dict[str, Any]:
    amounts = (
        {} if report.amount_minor is None else {"amount_minor": report.amount_minor, "fee_minor": report.fee_minor}
    )
    return {"order_id": order_id, **amounts}


def _division(case_reference: str, currency: str, reports: Reports) -> Listing:
    """What each order of the payment gets, before it is sent."""
    rows = [
        (
            order_id,
            one.outcome,
            format_minor(one.amount_minor, currency) if one.amount_minor is not None else "",
            format_minor(one.fee_minor, currency) if one.fee_minor else "",
        )
        for order_id, one in reports
    ]
    return table(f"Chargeback {case_reference}", ("order", "says", "amount", "fee"), rows, numbers=("amount", "fee"))


def _show(console: Console, view: dict[str, Any]) -> None:
    if not view["sent"]:
        console.print("Nothing was sent: this is a dry run.")
        return
    rows = [
        (
            one["order_id"],
            one["error"]["code"] if "error" in one else one["outcome"],
            one.get("phase", ""),
            one["error"]["message"] if "error" in one else "",
        )
        for one in view["orders"]
    ]
    console.print(table("Answers", ("order", "answer", "phase", "why"), rows))


def _outcome(amount: str | None, *, won: bool, lost: bool) -> str:
    if won and lost:
        raise BadInput("--won or --lost, not both")
    if (amount is None) != (won or lost):
        raise BadInput("--amount reports a chargeback, --won or --lost its end: give one of them")
    return "won" if won else "lost" if lost else "opened"


async def _orders_of(subject: str, case_reference: str) -> list[ChargedOrder]:
    """The order of this id, or those that were paid with this payment.

    Raises:
        Refused: `unknown_payment`: there is none; `several_orders`: orders at two channels have such a payment.
    """
    async with books() as register:
        order = await register.orders.stored(subject)
        payment = order.payment.reference if order is not None else subject
        found = await register.payments.charged_orders(
            payment, case_reference, order.payment.channel if order else None
        )
        if not found:
            found = await register.payments.charged_claims(payment, None)
    if order is not None:
        return [one for one in found if one.order_id == order.order_id]
    if not found:
        raise Refused("unknown_payment", f"{SENTENCES['unknown_payment']} {subject[:80]}", "subject")
    if len({one.channel for one in found}) > 1:
        named = ", ".join(one.order_id for one in found)
        raise Refused("several_orders", f"{SENTENCES['several_orders']} {named}", "subject")
    return found
