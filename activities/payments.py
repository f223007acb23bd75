"""The return of a payment's unclaimed rest: sent through its channel, and closed with the channel's answer."""

from __future__ import annotations

from temporalio import activity

from activities.by_name import ByName
from activities.channels.base import PaymentChannel, RefundInstruction
from activities.money import settle_refund
from activities.requests import CloseRest, RestRequest
from core.errors import Refused
from core.ids import rest_key
from core.order.watches import RefundOutcome
from ledger.register import Register


class PaymentActivities:
    """Sends the rest of a payment back, and records the outcome."""

    def __init__(self, register: Register, channels: ByName[PaymentChannel]) -> None:
        self._register = register
        self._channels = channels

    @activity.defn
    async def pay_rest(self, request: RestRequest) -> RefundOutcome:
        """Send it, and ask again until its outcome is known. Its key never changes, so it has one effect.

        Raises:
            ApplicationError: benign, retried after a growing delay, while the outcome is not known.
            Refused: two people have not agreed on it. A retry does not help.
        """
        stored = await self._register.payments.returned(request.return_id)
        if stored is None or stored.state == "asked":
            raise Refused("not_held", f"Two people must agree on the return {request.return_id}.")
        instruction = RefundInstruction(
            key=rest_key(stored.return_id),
            payment_reference=stored.payment,
            amount_minor=stored.amount_minor,
            currency=stored.currency,
            reason=stored.reason,
        )
        return await settle_refund(self._channels, stored.channel, instruction)

    @activity.defn
    async def close_rest(self, request: CloseRest) -> bool:
        """Close the return in register and books, once.

        Raises:
            Unavailable: the database did not answer; a retry helps.
        """
        return await self._register.payments.close_return(
            request.return_id,
            arrived=request.outcome.state == "arrived",
            reference=request.outcome.reference,
            message=request.outcome.message,
            now=request.now,
        )
