"""`basket PAYMENT`: the orders of one payment, over several merchants, with their money, and a refund of them."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

import gateway
from commands.console import Failed, JsonFlag, command, print_answer
from commands.link import books
from commands.reading import id_of
from commands.service import temporal, why_idle
from commands.two_people import person_of, reason_of
from commands.unclaimed import payment_of, returns_table
from core.errors import Refused, Unavailable
from core.messages import Actor, Order
from core.money import format_minor
from core.reasons import SENTENCES
from ledger.payments import PaymentOrder, RestReturn, StoredPayment
from ledger.register import Register
from screens import facts, table

if TYPE_CHECKING:
    from rich.console import Console

AMOUNTS = ("total", "refunded", "held", "proceeds", "settled", "owed")


@command
async def basket(
    payment: Annotated[str, typer.Argument(help="The payment's reference at its channel.")],
    channel: Annotated[str | None, typer.Option(help="Its channel, where several know the reference.")] = None,
    refund: Annotated[
        list[str] | None, typer.Option(metavar="ORDER", help="Refund this order; may be given again; `all`: each.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why; buyer and merchants are notified.")] = None,
    actor: Annotated[str | None, typer.Option("--as", metavar="ROLE:ID", help="Who, such as operator:o-1.")] = None,
    command_id: Annotated[str | None, typer.Option("--id", help="The commands' id; a fresh one unless given.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the orders of one payment and where their money is. With --refund two people give back what is left of them.

    Each order follows its own rules; one that refuses stops no other. Exit code 1 where one did.
    """
    person = person_of(actor, "--refund", "A basket is refunded") if refund else None
    why = reason_of(reason) if refund else ""
    name = id_of(command_id, "command_id") if command_id is not None else str(uuid.uuid4())
    async with books() as register:
        stored = await payment_of(register, payment, channel)
        orders = await register.payments.orders_of(stored.channel, stored.payment)
        returns = [
            one
            for one in await register.payments.returns(open_only=False)
            if (one.channel, one.payment) == (stored.channel, stored.payment)
        ]
        if person is None:
            _look(stored, orders, returns)
            return
        chosen = await _chosen(register, orders, refund or [])
    async with temporal() as client:
        if idle := await why_idle(client):
            raise Unavailable(f"{idle} Nothing was sent.")
        answers = [await _refund(client, order, person, why, name) for order in chosen]
    view = {"payment": stored.payment, "command_id": name, "orders": answers}
    print_answer(view, lambda console: _show_answers(console, stored, answers))
    if any("error" in answer for answer in answers):
        raise Failed


async def _chosen(register: Register, orders: list[PaymentOrder], named: list[str]) -> list[Order]:
    """The named orders, or all with money left.

    Raises:
        Refused: `unknown_order`: one is not of this basket. Nothing is sent.
    """
    known = {one.order_id: one for one in orders}
    for order_id in named:
        if order_id not in known and order_id != "all":
            raise Refused(
                "unknown_order", f"{SENTENCES['unknown_order']} {order_id[:64]} is not of this basket", "refund"
            )
    wanted = [one.order_id for one in orders if one.refunded_minor < one.total_minor] if "all" in named else named
    found = [await register.orders.stored(order_id) for order_id in dict.fromkeys(wanted)]
    return [order for order in found if order is not None]


async def _refund(client: Any, order: Order, person: Actor, reason: str, name: str) -> dict[str, Any]:
    own = hashlib.sha256(f"{name}/{order.order_id}/{person.id}".encode()).hexdigest()[:32]
    body = {"command_id": f"basket-{own}", "actor": person.model_dump(), "reason": reason}
    try:
        answer = await gateway.refund_order(client, order, body)
    except Refused as refusal:
        return {"order_id": order.order_id, "error": {"code": refusal.code, "message": str(refusal)}}
    except Unavailable as error:
        return {"order_id": order.order_id, "error": {"code": "unavailable", "message": str(error)}}
    return {"order_id": order.order_id, **answer}


# --- for people ------------------------------------------------------------------------------------------


def _look(stored: StoredPayment, orders: list[PaymentOrder], returns: list[RestReturn]) -> None:
    view = {
        **stored.model_dump(mode="json", exclude={"orders"}),
        "rest_minor": stored.rest_minor,
        "orders": [one.model_dump(mode="json") for one in orders],
        "returns": [one.model_dump(mode="json") for one in returns],
    }
    print_answer(view, lambda console: _show(console, stored, orders, returns))


def _show(console: Console, stored: StoredPayment, orders: list[PaymentOrder], returns: list[RestReturn]) -> None:
    def money(amount: int) -> str:
        return format_minor(amount, stored.currency)

    at_a_glance = {
        "channel": stored.channel,
        "paid": money(stored.paid_minor),
        "in orders": money(stored.claimed_minor),
        "given back": money(stored.returned_minor) if stored.returned_minor else None,
        "unclaimed": money(stored.rest_minor) if stored.rest_minor else None,
    }
    console.print(facts(f"Payment {stored.payment}", at_a_glance))
    rows = [
        (
            one.order_id,
            one.merchant_id,
            one.phase,
            *(money(getattr(one, f"{name}_minor")) for name in AMOUNTS),
        )
        for one in orders
    ]
    console.print(table("Orders", ("order", "merchant", "phase", *AMOUNTS), rows, numbers=AMOUNTS))
    if returns:
        console.print(returns_table(returns))
    if stored.rest_minor:
        console.print(f"What no order claims can go back: python starter.py unclaimed --return {stored.payment}")


def _show_answers(console: Console, stored: StoredPayment, answers: list[dict[str, Any]]) -> None:
    rows = [
        (
            answer["order_id"],
            answer["error"]["code"] if "error" in answer else answer["outcome"],
            answer.get("phase", ""),
            answer["error"]["message"] if "error" in answer else "",
        )
        for answer in answers
    ]
    console.print(table(f"Refunds of {stored.payment}", ("order", "answer", "phase", "why"), rows))
