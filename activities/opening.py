"""Opening an order: register it, check its payment with the channel, resolve its policy; record and rescue it."""

from __future__ import annotations

from collections.abc import Mapping

from temporalio import activity

from activities.channels.base import PaymentChannel
from activities.policies import ParsedPolicies
from activities.requests import Opened, OpenRequest, Rescued, RescueRequest
from core.messages import Order, content_hash
from core.order.opening import check_payment_time
from core.policy import resolve
from core.reasons import Refusal, refuse
from core.records import OrderRecord, Standing
from ledger.register import Register

_NOT_OPENED = {
    "different_content": "order_exists_with_different_content",
    "payment_over_claimed": "payment_over_claimed",
    "money_moved": "order_already_open",
    "over": "order_over",
}
"""The register's answers that refuse an order, as reason codes."""


class OpeningActivities:
    """Opens, records and rescues orders against the register and the payment channels."""

    def __init__(self, register: Register, channels: Mapping[str, PaymentChannel]) -> None:
        self._register = register
        self._policies = ParsedPolicies(register.policies)
        self._channels = channels

    @activity.defn
    async def open(self, request: OpenRequest) -> Opened:
        """Register the order once its payment is known to the channel. The same order again gets the same answer.

        Raises:
            Unavailable: the channel or the database did not answer; a retry helps.
        """
        order = request.order
        newest = await self._policies.newest(order.policy)
        if newest is None:
            return Opened(refusal=refuse("unknown_policy", order.policy or "default", field="policy"))
        policy = resolve(newest, order)
        if (refusal := check_payment_time(order, policy, request.now)) is not None:
            return Opened(refusal=refusal)
        paid = await self._paid_minor(order)
        if isinstance(paid, Refusal):
            return Opened(refusal=paid)
        opened = await self._register.orders.open(
            order,
            content_hash(order),
            opened_by=request.opened_by,
            paid_minor_confirmed=paid,
            policy_hash=policy.content_hash,
            now=request.now,
        )
        if opened in _NOT_OPENED:
            return Opened(refusal=refuse(_NOT_OPENED[opened]))
        return Opened(policy=policy, known=opened == "same_run" and await self._recorded(order.order_id))

    async def _recorded(self, order_id: str) -> bool:
        known = await self._register.orders.known(order_id)
        return known is not None and known.state is not None

    async def _paid_minor(self, order: Order) -> int | Refusal:
        """What the channel says was paid: a storefront's word alone mints no escrow."""
        channel = self._channels.get(order.payment.channel) or self._channels.get("*")
        if channel is None:
            known = ", ".join(sorted(self._channels))
            return refuse("payment_not_found", f"No such channel; known: {known}.", field="payment.channel")
        fact = await channel.payment(order.payment.reference, order.currency, order.payment.paid_minor)
        if fact is None:
            return refuse("payment_not_found", order.payment.reference, field="payment.reference")
        if fact.currency != order.currency:
            return refuse("wrong_currency", f"The payment is in {fact.currency}.", field="currency")
        if order.payment.paid_minor > fact.paid_minor:
            return refuse("payment_over_claimed", f"{fact.paid_minor} was paid.", field="payment.paid_minor")
        return fact.paid_minor

    @activity.defn
    async def record(self, record: OrderRecord) -> Standing:
        """Keep the order's row and notices; a lower revision changes nothing. What stood tells the order where it is.

        Raises:
            Unavailable: the database did not answer; a retry helps.
        """
        return await self._register.orders.record(record)

    @activity.defn
    async def rescue(self, request: RescueRequest) -> Rescued:
        """What register and ledger know of an order whose workflow was lost."""
        found = await self._register.orders.rescue(request.order_id, request.opened_by)
        if found is None:
            return Rescued(refusal=refuse("unknown_order", request.order_id))
        if found.closed and not request.set_back:
            return Rescued(refusal=refuse("order_over"))
        policy = resolve(await self._policies.of(found.policy_hash), found.order)
        return Rescued(order=found.order, policy=policy, state=found.state or {}, references=tuple(found.references))
