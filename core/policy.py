"""The rules an order lives under: limits, delays, commission, audit thresholds, withdrawal limits.

A policy is a TOML text, registered by name and content hash. It is resolved for an order when the order opens
and travels with it until it closes: a later policy changes nothing for orders that are open.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError

from core.aftersale.limits import AfterSaleLimits
from core.audit.policy import AuditPolicy
from core.durations import Duration
from core.errors import BadInput
from core.fields import Id, Message, omitted_at
from core.intake import IntakePolicy
from core.merchants import MerchantTerms
from core.messages import DeliveryMode, Order
from core.reading import reasons_of
from core.reconciliation.policy import ReconciliationPolicy
from core.sender_proofs import NO_NEEDS, ProofNeeds
from core.withdrawal.policy import WithdrawalPolicy

Bps = Annotated[int, Field(strict=True, ge=0, le=10_000)]
Count = Annotated[int, Field(strict=True, ge=0, le=100_000)]

Grade = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,40}$")]

Few = Annotated[int, Field(strict=True, ge=0, le=200)]
"""An order keeps something of each: its state has a size budget, see `core.budgets`."""


class OrderLimits(Message):
    """Deadlines and counts of an order; `policies/default.toml` says where each number comes from.

    A limit that few orders meet is omitted at its default. Such a default means the same in open orders as long as they
    live: do not change it. A policy's text can.
    """

    screening_sla: Duration = timedelta(hours=24)
    screening_end: Duration = timedelta(hours=72)
    screening_appeal: Duration = timedelta(hours=24)
    ship_reminder: Duration = timedelta(hours=24)
    ship_within: Duration = timedelta(hours=48)
    ship_by_longest: Duration = timedelta(days=15)
    ship_after_screening: Duration = timedelta(hours=24)
    delay_answer_within: Duration = omitted_at(timedelta(hours=48))
    delay_longest: Duration = omitted_at(timedelta(days=15))
    delays_max: Few = omitted_at(2)
    pickup_within: Duration = timedelta(days=5)
    collect_within: Duration = omitted_at(timedelta(days=7))
    collect_reminder: Duration = omitted_at(timedelta(days=2))
    handover_tries: Few = omitted_at(5)
    receipt_within: Duration = timedelta(days=7)
    receipt_reminder: Duration = timedelta(days=2)
    undelivered_within: Duration = timedelta(days=30)
    undelivered_end: Duration = timedelta(days=7)
    extension: Duration = timedelta(days=3)
    extensions_max: Count = 1
    extension_opens: Duration = timedelta(days=3)
    corrections_max: Few = 3
    correction_within: Duration = timedelta(days=3)
    correction_least: Duration = timedelta(hours=24)
    review_sla: Duration = timedelta(hours=24)
    review_end: Duration = timedelta(days=7)
    settlement_delay: Duration = timedelta(days=4)
    after_sale_window: Duration = timedelta(days=7)
    outage_limit: Duration = omitted_at(timedelta(hours=1))
    outage_grace: Duration = omitted_at(timedelta(hours=24))
    refund_stuck_after: Duration = timedelta(days=3)
    refund_request_within: Duration = timedelta(days=3)
    auto_withdraw: bool = False
    stopped_merchants: Literal["refuse", "hold"] = omitted_at("refuse")
    """A new order of a frozen or suspended merchant: refused, or opened and held by name."""
    payment_oldest: Duration = timedelta(days=30)
    payment_skew: Duration = timedelta(minutes=5)
    commands_max: Few = 200
    commands_reserved: Count = 20
    scans_max: Count = 2000


class Rule(Message):
    """An exception: for orders to which all that is named here applies.

    It names a merchant or a grade of merchants, a delivery mode, a category of goods (and all below it).
    """

    category: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]{1,80}$")] | None = None
    merchant_id: Id | None = None
    grade: Grade | None = omitted_at(None)
    delivery_mode: DeliveryMode | None = omitted_at(None)
    commission_bps: Bps | None = None
    order: dict[str, Any] = {}
    after_sale: dict[str, Any] = {}

    def matches(self, merchant_id: str, category: str) -> bool:
        """Whether this rule applies to such goods of such a merchant, as far as these two say."""
        return self.merchant_id in (None, merchant_id) and (
            self.category is None or category == self.category or category.startswith(f"{self.category}.")
        )

    def applies_to(self, order: Order, grade: str | None) -> bool:
        """Whether this rule applies to an order: to any of its lines."""
        if self.grade not in (None, grade) or self.delivery_mode not in (None, order.delivery_mode):
            return False
        return any(self.matches(order.merchant_id, line.category) for line in order.lines)

    @property
    def specificity(self) -> tuple[bool, bool, int, bool]:
        """How specific it is: merchant, then grade, then category (a longer one first), then delivery mode."""
        return (
            self.merchant_id is not None,
            self.grade is not None,
            len(self.category or ""),
            self.delivery_mode is not None,
        )

    @property
    def selector(self) -> str:
        """What it applies to, in words."""
        named = {
            "merchant": self.merchant_id,
            "grade": self.grade,
            "category": self.category,
            "delivery mode": self.delivery_mode,
        }
        return ", ".join(f"{what} {value}" for what, value in named.items() if value is not None) or "every order"


class OrderPolicy(Message):
    """What of a policy travels with an order, its exceptions folded in. `content_hash` says from which text.

    Records and audits name the text by its hash: it never changes, and what they need of it is read from there.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,64}$")]
    content_hash: str = ""
    order: OrderLimits = OrderLimits()
    after_sale: AfterSaleLimits = AfterSaleLimits()
    commission_bps: Bps = 0
    rules: tuple[Rule, ...] = ()
    grade: Grade | None = omitted_at(None)
    """The merchant's, as it was when the order was paid."""
    terms: MerchantTerms | None = omitted_at(None)
    """The merchant's own terms, as they were when the order was paid; they are folded in."""
    proofs: ProofNeeds = omitted_at(NO_NEEDS)
    early_weak: Duration = AuditPolicy().early_weak
    """The audit's: a scan so long before the payment is another parcel's."""
    clock_skew: Duration = AuditPolicy().clock_skew
    """The audit's: how far a scan may lie in the future."""
    no_trace_apart: Duration = AuditPolicy().no_trace_apart
    """The audit's: how far two looks lie apart, of which a strong absence needs two."""

    def commission_for(self, merchant_id: str, category: str) -> int:
        """Basis points for one line: the most specific rule that names a rate, else the policy's own."""
        bps = self.commission_bps
        for rule in sorted(self.rules, key=lambda rule: rule.specificity):
            if rule.commission_bps is not None and rule.matches(merchant_id, category):
                bps = rule.commission_bps
        return bps


class Policy(Message):
    """A named set of rules, as its text has them. `resolve` computes from it what one order follows."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,64}$")]
    order: OrderLimits = OrderLimits()
    after_sale: AfterSaleLimits = AfterSaleLimits()
    commission_bps: Bps = 0
    audit: AuditPolicy = AuditPolicy()
    withdrawal: WithdrawalPolicy = WithdrawalPolicy()
    reconciliation: ReconciliationPolicy = ReconciliationPolicy()
    intake: IntakePolicy = IntakePolicy()
    proofs: ProofNeeds = NO_NEEDS
    rules: tuple[Rule, ...] = ()
    content_hash: str = ""


def policy_hash(text: str) -> str:
    """SHA-256 of the text: the identity of a policy's content."""
    return hashlib.sha256(text.encode()).hexdigest()


def parse_policy(text: str) -> Policy:
    """A policy from its TOML text.

    Raises:
        BadInput: not TOML, an unknown key, or a value out of range; says which key and why.
    """
    read: type[Message] = Policy
    try:
        policy = Policy.model_validate(tomllib.loads(text), extra="forbid")
        if policy.withdrawal.proofs != NO_NEEDS:
            raise BadInput("policy: withdrawal.proofs: proofs have a table of their own, [proofs]")
        for rule in policy.rules:
            for read, values in ((OrderLimits, rule.order), (AfterSaleLimits, rule.after_sale)):
                read.model_validate(values, extra="forbid")
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"policy: not TOML: {error}") from None
    except ValidationError as error:
        problems = "; ".join(f"{reason['field']}: {reason['message']}" for reason in reasons_of(error, read))
        raise BadInput(f"policy: {problems}") from None
    audit = policy.audit.model_copy(update={"name": policy.name})
    withdrawal = policy.withdrawal.model_copy(update={"proofs": policy.proofs})
    found = {"audit": audit, "withdrawal": withdrawal, "content_hash": policy_hash(text)}
    return policy.model_copy(update=found)


def resolve(policy: Policy, order: Order, grade: str | None = None) -> OrderPolicy:
    """The policy that an order follows: the rules that match are merged in; the most specific one sets each limit.

    If goods of an order are of several categories, a rule applies if any line matches. Commission stays by line. Of two
    rules that are as specific, the later in the file wins. Rules about other orders are left out.

    Args:
        grade: the merchant's, where it has one.
    """
    rules = tuple(rule for rule in policy.rules if rule.applies_to(order, grade))
    limits, after_sale = policy.order.model_dump(), policy.after_sale.model_dump()
    for rule in sorted(rules, key=lambda rule: rule.specificity):
        limits.update(rule.order)
        after_sale.update(rule.after_sale)
    return OrderPolicy(
        name=policy.name,
        content_hash=policy.content_hash,
        order=OrderLimits.model_validate(limits),
        after_sale=AfterSaleLimits.model_validate(after_sale),
        commission_bps=policy.commission_bps,
        rules=rules,
        grade=grade,
        proofs=policy.proofs,
        early_weak=policy.audit.early_weak,
        clock_skew=policy.audit.clock_skew,
        no_trace_apart=policy.audit.no_trace_apart,
    )


def with_terms(policy: OrderPolicy, order: Order, terms: MerchantTerms | None) -> OrderPolicy:
    """The policy with a merchant's own terms folded in. A rule about goods of this merchant sets their commission."""
    if terms is None or terms == MerchantTerms():
        return policy
    own = terms.model_dump(include={"settlement_delay", "auto_withdraw"}, exclude_none=True)
    rules = policy.rules
    if terms.commission_bps is not None:
        rules = (*rules, Rule(merchant_id=order.merchant_id, commission_bps=terms.commission_bps))
    return policy.model_copy(
        update={"order": policy.order.model_copy(update=own), "rules": rules, "terms": terms},
    )


def resolve_recorded(policy: Policy, order: Order, named: Mapping[str, Any]) -> OrderPolicy:
    """The policy of a recorded order: its record names its first grade and merchant's terms."""
    terms = named.get("terms")
    resolved = resolve(policy, order, named.get("grade"))
    return with_terms(resolved, order, MerchantTerms.model_validate(terms) if terms is not None else None)
