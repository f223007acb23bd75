"""`receivable MERCHANT`: a merchant's debt and its age, paid in by the merchant or written off by two people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from commands.console import JsonFlag, command, print_answer
from commands.known_names import refuse_unknown
from commands.link import books
from commands.reading import id_of
from commands.two_people import person_of, reason_of
from commands.views import paid_facts
from config import load
from core.errors import Refused
from core.messages import Actor
from core.money import format_minor, parse_amount
from core.movements import paid_in
from core.reasons import SENTENCES
from core.votes import access_ended
from ledger.receivables import Debt
from ledger.register import Register
from screens import table

COLUMNS = ("currency", "owed", "0-30 days", "31-90 days", "older")


@command
async def receivable(
    merchant: Annotated[str, typer.Argument(help="The merchant's id.")],
    paid: Annotated[str | None, typer.Option("--paid-in", metavar="AMOUNT", help="What the merchant paid.")] = None,
    given_up: Annotated[
        str | None, typer.Option("--write-off", metavar="AMOUNT", help="Write off this amount.")
    ] = None,
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = "CNY",
    receipt: Annotated[str | None, typer.Option("--id", help="The receipt's id, or that of the write-off.")] = None,
    channel: Annotated[str | None, typer.Option(help="The payment channel that it came through.")] = None,
    rail: Annotated[str | None, typer.Option(help="The rail that it came to.")] = None,
    actor: Annotated[str | None, typer.Option("--as", metavar="ROLE:ID", help="Who writes it off.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why it is written off.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what a merchant owes, by age.

    Book a payment with --paid-in; write debt off with --write-off (two people).
    """
    id_of(merchant, "merchant")
    if paid is not None and given_up is not None:
        raise typer.BadParameter("--paid-in or --write-off, not both")
    if paid is None and given_up is None:
        async with books() as register:
            debts = await register.receivables.of_merchant(merchant, datetime.now(UTC))
        _show(merchant, debts)
        return
    if receipt is None:
        raise typer.BadParameter("--id: under which id, so that it counts once")
    id_of(receipt, "id")
    async with books() as register:
        if paid is not None:
            view = await _pay_in(register, merchant, parse_amount(paid, currency), currency, receipt, channel, rail)
        else:
            amount = parse_amount(given_up or "", currency)
            view = await _write_off(
                register,
                merchant,
                amount,
                currency,
                receipt,
                person_of(actor, "--write-off", "A debt is given up"),
                reason_of(reason),
            )
    print_answer(view, lambda console: console.print(paid_facts(f"receivable {merchant}", view)))


async def _pay_in(
    register: Register,
    merchant: str,
    amount_minor: int,
    currency: str,
    receipt: str,
    channel: str | None,
    rail: str | None,
) -> dict[str, Any]:
    if (channel is None) == (rail is None):
        raise typer.BadParameter("--channel or --rail: where the money came")
    await refuse_unknown(load(), register, "channel" if channel else "rail", channel or rail or "")
    posted = await register.receivables.pay_in(
        paid_in(
            merchant,
            receipt,
            channel=channel or "",
            rail=rail or "",
            amount_minor=amount_minor,
            currency=currency,
            occurred_at=datetime.now(UTC),
        )
    )
    if posted.outcome == "insufficient_funds":
        _refuse_more_than_owed(posted.short_by_minor, currency)
    if posted.outcome == "conflict":
        raise Refused("receipt_exists_with_different_content", SENTENCES["receipt_exists_with_different_content"], "id")
    return {"id": receipt, "outcome": posted.outcome, "amount_minor": amount_minor, "currency": currency}


async def _write_off(
    register: Register, merchant: str, amount_minor: int, currency: str, request: str, person: Actor, reason: str
) -> dict[str, Any]:
    answer = await register.receivables.write_off(
        request,
        merchant,
        amount_minor=amount_minor,
        currency=currency,
        person=person.id,
        reason=reason,
        now=datetime.now(UTC),
    )
    if answer.outcome == "insufficient_funds":
        _refuse_more_than_owed(answer.short_by_minor, currency)
    if answer.outcome == "disputed":
        part = format_minor(answer.short_by_minor or 0, currency)
        raise Refused("debt_disputed", f"{SENTENCES['debt_disputed']} It is {part}.", "amount")
    if answer.outcome == "access_ended":
        raise access_ended()
    if answer.outcome == "same_person":
        raise Refused("needs_other_person", SENTENCES["needs_other_person"], "actor.id")
    if answer.outcome == "different":
        raise Refused("receipt_exists_with_different_content", SENTENCES["receipt_exists_with_different_content"], "id")
    return {"id": request, "outcome": answer.outcome, "amount_minor": amount_minor, "currency": currency}


def _refuse_more_than_owed(short_by_minor: int | None, currency: str) -> None:
    more = format_minor(short_by_minor or 0, currency)
    raise Refused("above_receivable", f"{SENTENCES['above_receivable']} It is {more} more.", "amount")


def _show(merchant: str, debts: list[Debt]) -> None:
    view = {"merchant_id": merchant, "debts": [debt.model_dump(mode="json") for debt in debts]}
    cells = [
        (
            debt.currency,
            *(
                format_minor(amount, debt.currency)
                for amount in (debt.owed_minor, debt.days_30_minor, debt.days_90_minor, debt.older_minor)
            ),
        )
        for debt in debts
    ]
    print_answer(view, lambda console: console.print(table(f"Owed by {merchant}", COLUMNS, cells, numbers=COLUMNS[1:])))
