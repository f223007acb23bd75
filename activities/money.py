"""Money: one activity posts every movement of an order or a withdrawal, others send refunds and charges through the
channel.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.by_name import ByName
from activities.channels.base import PaymentChannel, RefundAnswer, RefundInstruction
from activities.pacing import UNREACHED_DELAY, refund_query_delay
from activities.requests import ChargeRequest, RefundRequest
from core.errors import Misconfigured, NotSent
from core.ids import charge_key, refund_key
from core.order.watches import RefundOutcome
from core.steps import Post, Posted
from ledger.book import Book


class MoneyActivities:
    """Posts movements with their records, and sends refunds and charges through the payment channels."""

    def __init__(self, book: Book, channels: ByName[PaymentChannel]) -> None:
        self._book = book
        self._channels = channels

    @activity.defn
    async def post(self, step: Post) -> Posted:
        """Post the step's movement, and keep its record, in one database transaction.

        Raises:
            Unavailable: the database did not answer; a retry helps and posts nothing twice.
        """
        return await self._book.post(step.movement, step.record)

    @activity.defn
    async def pay_refund(self, request: RefundRequest) -> RefundOutcome:
        """Send the refund, and ask again until its outcome is known. Its key never changes, so it has one effect.

        Raises:
            ApplicationError: benign, retried after a growing delay, while the outcome is not known.
        """
        instruction = _instruction(refund_key(request.order_id, request.cause), request)
        return await settle_refund(self._channels, request.channel, instruction)

    @activity.defn
    async def charge_buyer(self, request: ChargeRequest) -> RefundOutcome:
        """Ask the buyer for the money, and ask again until its outcome is known. Its key never changes.

        Raises:
            ApplicationError: benign, retried after a growing delay, while the outcome is not known.
        """
        instruction = _instruction(charge_key(request.order_id, request.case_id), request)
        channel = _channel(self._channels, request.channel)
        return await _settle("charge", channel.charge_status, channel.charge, instruction)


def _instruction(key: str, request: RefundRequest | ChargeRequest) -> RefundInstruction:
    return RefundInstruction(
        key=key,
        payment_reference=request.payment_reference,
        amount_minor=request.amount_minor,
        currency=request.currency,
        reason=request.reason,
    )


async def settle_refund(channels: ByName[PaymentChannel], name: str, instruction: RefundInstruction) -> RefundOutcome:
    """Query a refund, send it where its channel does not know it, and say what became of it.

    Raises:
        ApplicationError: benign, retried after a growing delay, while the outcome is not known.
        Misconfigured: no such channel is set up.
    """
    channel = _channel(channels, name)
    return await _settle("refund", channel.refund_status, channel.refund, instruction)


def _channel(channels: ByName[PaymentChannel], name: str) -> PaymentChannel:
    channel = channels.of(name)
    if channel is None:
        raise Misconfigured(f"no channel {name} is set up, and a payment was made by it")
    return channel


async def _settle(
    what: str,
    ask: Callable[[str], Awaitable[RefundAnswer]],
    send: Callable[[RefundInstruction], Awaitable[RefundAnswer]],
    instruction: RefundInstruction,
) -> RefundOutcome:
    """Query first: find what an earlier try did before anything is sent again."""
    answer = await ask(instruction.key)
    if answer.state == "not_found":
        answer = await send(instruction)
    # What is under this key must have the amount that was sent: treat a different amount as no answer.
    sent = (instruction.amount_minor, instruction.currency)
    moved = (answer.amount_minor or instruction.amount_minor, answer.currency or instruction.currency)
    if answer.state in {"arrived", "refused"} and moved == sent:
        return RefundOutcome(state=answer.state, reference=answer.reference, message=answer.message)
    attempt = activity.info().attempt
    delay = refund_query_delay(attempt)
    said = " ".join(filter(None, (answer.state, answer.code, answer.message)))
    raise ApplicationError(
        f"{what} {instruction.key}: {said}; asked {attempt} times",
        type="OutcomeUnknown",
        category=ApplicationErrorCategory.BENIGN,
        # A query that was not sent is repeated soon.
        next_retry_delay=min(delay, UNREACHED_DELAY) if answer.code == NotSent.__name__ else delay,
    )
