"""Money of an order: fund, credit, settle, refund. Each posting and the order's record are one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.channels.base import PaymentChannel, RefundInstruction
from activities.pacing import UNREACHED_DELAY, refund_query_delay
from activities.requests import Posted, RefundRequest
from core.errors import Misconfigured, NotSent
from core.messages import refund_key
from core.order.postings import CreditPosting, FundPosting, RefundPosting, SettlePosting
from core.order.stepping import RefundOutcome
from ledger.book import Book
from ledger.book import Posted as Result


class MoneyActivities:
    """Posts an order's movements, and sends its refunds through the payment channels."""

    def __init__(self, book: Book, channels: Mapping[str, PaymentChannel]) -> None:
        self._book = book
        self._channels = channels

    @activity.defn
    async def fund(self, request: FundPosting) -> Posted:
        """The buyer's money arrives in escrow."""
        return _answer(
            await self._book.fund(
                request.order_id,
                channel=request.channel,
                amount_minor=request.amount_minor,
                currency=request.currency,
                occurred_at=request.occurred_at,
                record=request.record,
            )
        )

    @activity.defn
    async def credit(self, request: CreditPosting) -> Posted:
        """Escrow becomes the merchant's proceeds and the platform's commission."""
        return _answer(
            await self._book.credit(
                request.order_id,
                proceeds_minor=request.proceeds_minor,
                commission_minor=request.commission_minor,
                discount_minor=request.discount_minor,
                currency=request.currency,
                merchant_id=request.merchant_id,
                occurred_at=request.occurred_at,
                record=request.record,
            )
        )

    @activity.defn
    async def settle(self, request: SettlePosting) -> Posted:
        """Proceeds become available; what the merchant owes is repaid first."""
        return _answer(
            await self._book.settle(
                request.order_id,
                merchant_id=request.merchant_id,
                amount_minor=request.amount_minor,
                currency=request.currency,
                occurred_at=request.occurred_at,
                record=request.record,
            )
        )

    @activity.defn
    async def refund(self, request: RefundPosting) -> Posted:
        """What is owed to the buyer leaves escrow."""
        return _answer(
            await self._book.refund(
                request.order_id,
                cause=request.cause,
                from_escrow_minor=request.amount_minor,
                currency=request.currency,
                occurred_at=request.occurred_at,
                record=request.record,
            )
        )

    @activity.defn
    async def refund_arrived(self, request: RefundPosting) -> Posted:
        """The buyer has it: it leaves the channel's account."""
        return _answer(
            await self._book.refund_arrived(
                request.order_id,
                cause=request.cause,
                channel=request.channel,
                amount_minor=request.amount_minor,
                currency=request.currency,
                occurred_at=request.occurred_at,
                record=request.record,
            )
        )

    @classmethod
    def by_verb(cls, verb: str) -> Callable[..., Any]:
        """The activity of a posting step: one verb at every level."""
        return getattr(cls, verb)  # type: ignore[no-any-return]  # the five methods above

    @activity.defn
    async def pay_refund(self, request: RefundRequest) -> RefundOutcome:
        """Send the refund, and ask again until its outcome is known. One key for ever, so one effect at most.

        Query first: what an earlier try had done is found before anything is sent again.

        Raises:
            ApplicationError: benign, retried after a growing delay, while the outcome is not known.
        """
        channel = self._channels.get(request.channel) or self._channels.get("*")
        if channel is None:
            raise Misconfigured(f"no channel {request.channel} is set up, and order {request.order_id} was paid by it")
        key = refund_key(request.order_id, request.cause)
        answer = await channel.refund_status(key)
        if answer.state == "not_found":
            instruction = RefundInstruction(
                key=key,
                payment_reference=request.payment_reference,
                amount_minor=request.amount_minor,
                currency=request.currency,
                reason=request.reason,
            )
            answer = await channel.refund(instruction)
        # What arrived under this key must be what was sent: another amount is nobody's word yet.
        told = (answer.amount_minor or request.amount_minor, answer.currency or request.currency)
        if answer.state in {"arrived", "refused"} and told == (request.amount_minor, request.currency):
            return RefundOutcome(state=answer.state, reference=answer.reference, message=answer.message)
        attempt = activity.info().attempt
        delay = refund_query_delay(attempt)
        said = " ".join(filter(None, (answer.state, answer.code, answer.message)))
        raise ApplicationError(
            f"refund {key}: {said}; asked {attempt} times",
            type="OutcomeUnknown",
            category=ApplicationErrorCategory.BENIGN,
            # What was not even asked is asked again soon.
            next_retry_delay=min(delay, UNREACHED_DELAY) if answer.code == NotSent.__name__ else delay,
        )


def _answer(result: Result) -> Posted:
    return Posted(outcome=result.outcome, detail=result.detail, overtaken=result.overtaken)
