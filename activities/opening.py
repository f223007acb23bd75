"""Opening an order: check its payment with the channel, then register, fund, screen and record it at once; rescue."""

from __future__ import annotations

from datetime import datetime

from temporalio import activity

from activities.by_name import ByName
from activities.channels.base import PaymentChannel, PaymentFact
from activities.policies import ParsedPolicies
from activities.requests import Opened, OpenRequest, Rescued, RescueRequest
from activities.screening import ScreeningActivities
from core.intake import Alike, IntakePolicy, hold_for, signals_of
from core.merchants import MERCHANT_FROZEN, MERCHANT_SUSPENDED, MerchantStanding
from core.messages import Order
from core.money import format_minor
from core.movements import fund
from core.order.calling import merchant_hold
from core.order.folding import open_at_once
from core.order.opening import check_payment_time, check_storefront
from core.order.views import record_of
from core.policy import OrderPolicy, resolve, resolve_recorded, with_terms
from core.reading import content_hash
from core.reasons import Refusal, refuse
from core.records import LedgerFacts, OrderRecord
from core.states import Hold
from core.votes import Left, Voters
from ledger.orders import NEVER_RECORDED
from ledger.register import Register

_NOT_OPENED = {
    "different_content": "order_exists_with_different_content",
    "payment_over_claimed": "payment_over_claimed",
    "money_moved": "order_already_open",
    "over": "order_over",
    MERCHANT_FROZEN: MERCHANT_FROZEN,
    MERCHANT_SUSPENDED: MERCHANT_SUSPENDED,
    "merchant_leaving": "merchant_leaving",
}
"""The register's answers that refuse an order, as reason codes."""


class OpeningActivities:
    """Opens, records and rescues orders against the register and the payment channels."""

    def __init__(
        self,
        register: Register,
        policies: ParsedPolicies,
        channels: ByName[PaymentChannel],
        screening: ScreeningActivities,
    ) -> None:
        self._register = register
        self._policies = policies
        self._channels = channels
        self._screening = screening

    @activity.defn
    async def open(self, request: OpenRequest) -> Opened:
        """Register, fund, screen and record an order whose payment the channel confirms, in one transaction.

        A repeated call gets the same answer.

        Raises:
            Unavailable: the channel or the database did not answer; a retry helps.
        """
        opened = await self._try(request)
        if opened.refusal is not None:
            opened = await self._known_order(request) or opened
        return opened.model_copy(update={"knows_people": True})

    async def _try(self, request: OpenRequest) -> Opened:
        order = request.order
        newest, merchant = await self._policies.newest_for(order.policy, order.merchant_id)
        if newest is None:
            return Opened(refusal=refuse("unknown_policy", order.policy or "default", field="policy"))
        policy = with_terms(resolve(newest, order, merchant.grade), order, merchant.terms)
        refusal = check_storefront(order, request.proof, policy, request.now)
        if (refusal := refusal or check_payment_time(order, policy, request.now)) is not None:
            return Opened(refusal=refusal)
        # Nothing is written before the channel has confirmed the payment.
        paid = await self._paid(order)
        if isinstance(paid, Refusal):
            return Opened(refusal=paid)
        holds = (*self._holds(policy, merchant, request.now), *await self._signals(newest.intake, request))
        return await self._open(request, policy, paid, holds)

    def _holds(self, policy: OrderPolicy, merchant: MerchantStanding, now: datetime) -> tuple[Hold, ...]:
        """What the order is held for from its beginning; a stopped merchant's order without is refused."""
        if merchant.stop is None or policy.order.stopped_merchants == "refuse":
            return ()
        return (merchant_hold(merchant.stop, "credit", now),)

    async def _signals(self, intake: IntakePolicy, request: OpenRequest) -> tuple[Hold, ...]:
        """A hold for a person, where the order looks like collusion. Others are counted only if the policy asks."""
        order, now = request.order, request.now
        alike = await self._register.orders.alike(order, now - intake.within) if intake.counts else Alike()
        signals = signals_of(order, intake, alike)
        return (hold_for(signals, intake, now),) if signals else ()

    async def _known_order(self, request: OpenRequest) -> Opened | None:
        """The register's answer for an order that the channel or the clock refuses today.

        This run may have opened the order before and then been reset, or lost its worker before the report: its money
        is in escrow. And the channel may have forgotten the payment of an order that ended long ago.
        """
        known = await self._register.orders.known(request.order.order_id)
        if known is None or content_hash(known.order) != content_hash(request.order):
            return None
        if known.opened_by == request.opened_by and known.state is not None:
            return Opened(known=True)
        return Opened(refusal=refuse("order_over")) if known.closed else None

    async def _open(
        self, request: OpenRequest, policy: OrderPolicy, paid: PaymentFact, holds: tuple[Hold, ...]
    ) -> Opened:
        order, screening = request.order, await self._screening.screen(request.order)
        opened = await self._register.orders.open(
            order,
            content_hash(order),
            opened_by=request.opened_by,
            paid_minor_confirmed=paid.paid_minor,
            payment_number=paid.number,
            policy_hash=policy.content_hash,
            now=request.now,
            fund=fund(
                order.order_id,
                channel=order.payment.channel,
                amount_minor=order.total_minor,
                currency=order.currency,
                occurred_at=request.now,
            ),
            record=record_of(open_at_once(order, policy, screening, request.now, holds), request.now),
        )
        if opened.outcome == "claimed_otherwise":
            return Opened(refusal=await self._claimed_otherwise(order, paid))
        if opened.outcome in _NOT_OPENED:
            stored = await self._register.orders.row(order.order_id)
            return Opened(refusal=refuse(_NOT_OPENED[opened.outcome]), stored_phase=stored and stored.phase)
        if opened.outcome == "registered" and opened.recorded:
            standing = LedgerFacts(
                kept=True, revision=NEVER_RECORDED, references=opened.references, let_go=opened.let_go
            )
            return Opened(policy=policy, screening=screening, standing=standing, holds=holds)
        return Opened(policy=policy, known=opened.outcome == "same_run" and opened.recorded)

    async def _paid(self, order: Order) -> PaymentFact | Refusal:
        """What the channel confirms: the storefront's claim alone must not create escrow."""
        channel = self._channels.of(order.payment.channel)
        if channel is None:
            known = ", ".join(sorted(self._channels))
            return refuse("payment_not_found", f"No such channel; known: {known}.", field="payment.channel")
        fact = await channel.payment(order.payment.reference, order.currency, order.payment.paid_minor)
        if fact is None:
            return refuse("payment_not_found", order.payment.reference, field="payment.reference")
        if fact.currency != order.currency:
            return refuse("wrong_currency", f"The payment is in {fact.currency}.", field="currency")
        if order.payment.paid_minor > fact.paid_minor:
            return refuse(
                "payment_over_claimed",
                f"{format_minor(fact.paid_minor, fact.currency)} was paid.",
                field="payment.paid_minor",
            )
        return fact

    async def _claimed_otherwise(self, order: Order, fact: PaymentFact) -> Refusal:
        """Refuse a second name of a payment: under each it would be claimed whole, and escrow would be minted."""
        assert fact.number is not None
        name = await self._register.payments.named(order.payment.channel, fact.number)
        hint = f"Orders claim this payment under the reference {name}." if name is not None else ""
        return refuse("payment_over_claimed", hint, field="payment.reference")

    @activity.defn
    async def record(self, record: OrderRecord) -> LedgerFacts:
        """Keep the order's row and notices; a lower revision changes nothing. Returns what the register had before.

        Raises:
            Unavailable: the database did not answer; a retry helps.
        """
        return await self._register.orders.record(record)

    @activity.defn
    async def rescue(self, request: RescueRequest) -> Rescued:
        """Load from register and ledger an order whose workflow was lost."""
        found = await self._register.orders.rescue(request.order_id, request.opened_by)
        if found is None:
            return Rescued(refusal=refuse("unknown_order", request.order_id))
        if found.closed and (found.state is None or not request.set_back):
            # Without its state, which may have been purged by age, a closed order must not start again.
            return Rescued(refusal=refuse("order_over"))
        policy = await self._policies.of(found.policy_hash)
        # An order that was recorded keeps the grade and the terms that it began under.
        named = (found.state or {}).get("policy")
        if named is None:
            merchant = await self._register.merchants.standing(found.order.merchant_id)
            named = {"grade": merchant.grade, "terms": merchant.terms}
        resolved = resolve_recorded(policy, found.order, named)
        return Rescued(
            order=found.order,
            policy=resolved,
            state=found.state or {},
            references=tuple(found.references),
            knows_people=True,
        )

    @activity.defn
    async def who_left(self, voters: Voters) -> Left:
        """Those of the voters who may not decide any more.

        Raises:
            Unavailable: the database did not answer; a retry helps.
        """
        return Left(people=tuple(await self._register.people.left(voters)))
