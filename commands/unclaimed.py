"""`unclaimed`: the unclaimed rests of payments, and how two people give them back to the buyer."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

import gateway
from commands.console import JsonFlag, command, print_answer
from commands.link import books
from commands.reading import id_of
from commands.service import temporal
from commands.two_people import person_of, reason_of
from commands.views import paid_facts
from core.errors import Refused
from core.money import format_minor
from core.reasons import SENTENCES
from core.texts import clock
from core.votes import access_ended
from ledger.payments import RestReturn, Returned, StoredPayment
from ledger.register import Register
from screens import Listing, table

if TYPE_CHECKING:
    from rich.console import Console

_CODES = {
    "same_person": "needs_other_person",
    "different": "return_exists_with_different_content",
    "unknown_payment": "unknown_payment",
    "nothing_left": "nothing_unclaimed",
    "claimed": "rest_claimed",
}


@command
async def unclaimed(
    give_back: Annotated[
        str | None, typer.Option("--return", metavar="PAYMENT", help="Give the rest of this payment back.")
    ] = None,
    channel: Annotated[str | None, typer.Option(help="Its channel, where several know the reference.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why it goes back.")] = None,
    actor: Annotated[str | None, typer.Option("--as", metavar="ROLE:ID", help="Who, such as operator:o-1.")] = None,
    return_id: Annotated[str | None, typer.Option("--id", help="The return's id; made from the payment else.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
    as_json: JsonFlag = False,
) -> None:
    """List the unclaimed rests of payments.

    With --return one person asks to give a rest back, and a second person does it.

    Sent again by the second it starts again what was interrupted; the buyer gets it once.
    """
    async with books() as register:
        if give_back is None:
            await _list(register, limit)
            return
        person, why = person_of(actor, "--return", "A rest is given back"), reason_of(reason)
        payment = await payment_of(register, give_back, channel)
        name = id_of(return_id, "id") if return_id is not None else await id_of_return(register, payment)
        answer = await register.payments.return_rest(
            name, payment.channel, payment.payment, person=person.id, reason=why, now=datetime.now(UTC)
        )
        _refuse_unless_taken(answer)
        if answer.outcome in {"owed", "already"}:
            async with temporal() as client:
                await gateway.start_payment_return(client, name)
    view = {"id": name, "outcome": answer.outcome, "amount_minor": answer.amount_minor, "currency": answer.currency}
    print_answer(view, lambda console: console.print(paid_facts(f"return of {payment.payment}", view)))


async def payment_of(register: Register, reference: str, channel: str | None) -> StoredPayment:
    """The payment of this reference.

    Raises:
        Refused: `unknown_payment`; or `malformed`, where several channels know the reference.
    """
    found = await register.payments.of_reference(reference, channel)
    if not found:
        raise Refused("unknown_payment", f"{SENTENCES['unknown_payment']} {reference[:100]}", "payment")
    if len(found) > 1:
        known = ", ".join(one.channel for one in found)
        raise Refused("malformed", f"Several channels know this payment: {known}. Say which with --channel.", "channel")
    return found[0]


async def id_of_return(register: Register, payment: StoredPayment) -> str:
    """The id of this payment's next return, made from what goes back: two people mean the same by it.

    It changes with the rest, and once a return of it is closed. Where nothing is left, it is the return that runs.
    """
    known = [
        one
        for one in await register.payments.returns(open_only=False)
        if (one.channel, one.payment) == (payment.channel, payment.payment)
    ]
    if not payment.rest_minor and (running := [one for one in known if one.state == "owed"]):
        return running[-1].return_id
    closed = sum(one.state in {"arrived", "refused"} for one in known)
    name = hashlib.sha256(f"{payment.channel}/{payment.payment}".encode()).hexdigest()[:16]
    return f"rest-{name}-{closed + 1}-{payment.rest_minor}"


def _refuse_unless_taken(answer: Returned) -> None:
    if answer.outcome == "access_ended":
        raise access_ended()
    if answer.outcome not in _CODES:
        return
    code = _CODES[answer.outcome]
    field = "actor.id" if code == "needs_other_person" else "id" if answer.outcome == "different" else "payment"
    raise Refused(code, SENTENCES[code], field)


async def _list(register: Register, limit: int) -> None:
    found, returns = await register.payments.unclaimed(limit=limit), await register.payments.returns()
    view = {
        "payments": [{**one.model_dump(mode="json"), "rest_minor": one.rest_minor} for one in found],
        "returns": [one.model_dump(mode="json") for one in returns],
    }
    print_answer(view, lambda console: _show(console, found, returns))


def _show(console: Console, found: list[StoredPayment], returns: list[RestReturn]) -> None:
    rows = [
        (
            one.payment,
            one.channel,
            *(format_minor(amount, one.currency) for amount in (one.paid_minor, one.claimed_minor, one.rest_minor)),
            str(one.orders),
            clock(one.since),
        )
        for one in found
    ]
    amounts = ("paid", "claimed", "unclaimed")
    columns = ("payment", "channel", *amounts, "orders", "since")
    console.print(table("Unclaimed", columns, rows, numbers=(*amounts, "orders")))
    if returns:
        console.print(returns_table(returns))


def returns_table(returns: list[RestReturn]) -> Listing:
    """The returns of payments' rests, and who decided them."""
    rows = [
        (
            one.return_id,
            one.payment,
            format_minor(one.amount_minor, one.currency),
            one.state if one.done_by else "waits for another person",
            f"{one.asked_by}, {one.done_by}" if one.done_by else one.asked_by,
            one.message or one.reason,
        )
        for one in returns
    ]
    return table("Returns", ("id", "payment", "amount", "state", "by", "why"), rows, numbers=("amount",))
