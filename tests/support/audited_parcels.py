"""Parcels for the tests of the audit: an honest one from Hangzhou to Beijing, which each test changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from core.audit.policy import AuditPolicy
from core.audit.trace import Trace, TraceAnswer
from core.audit.verdict import OrderFacts, ParcelFacts, Verdict, audit
from core.messages import Address, Scan, Stage

PAID_AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
HANGZHOU = Address(country="CN", province="浙江省", city="杭州市")
BEIJING = Address(country="CN", province="北京市", city="北京市", district="海淀区", phone_last4="8817")
POLICY = AuditPolicy()
SILENT: tuple[TraceAnswer, ...] = ("throttled", "auth", "unavailable")
"""Answers that say nothing about a parcel."""


def hour(hours: float) -> datetime:
    """This many hours after the payment."""
    return PAID_AT + timedelta(hours=hours)


def an_order(**changes: Any) -> OrderFacts:
    facts = {"order_id": "A1", "merchant_id": "m-1", "paid_at": PAID_AT, "ship_from": HANGZHOU, "ship_to": BEIJING}
    return OrderFacts.model_validate({**facts, **changes})


def a_parcel(**changes: Any) -> ParcelFacts:
    facts = {"parcel_id": "1", "carrier": "sf", "waybill": "SF6026131434978", "uploaded_at": hour(5)}
    return ParcelFacts.model_validate({**facts, **changes})


def scan(hours: float, stage: Stage, city: str | None = None, text: str | None = None, code: str = "") -> Scan:
    return Scan(at=hour(hours), code=code, stage=stage, city=city, text=text)


def a_trace(*scans: Scan, answer: TraceAnswer = "found", at: float = 60, **changes: Any) -> Trace:
    facts = {"provider": "one", "carrier": "sf", "waybill": "SF6026131434978", "fetched_at": hour(at)}
    return Trace.model_validate({**facts, "answer": answer, "scans": scans, **changes})


HONEST = (
    scan(4, "label", "杭州市"),
    scan(6, "picked_up", "杭州市", "已揽收"),
    scan(10, "in_transit", "杭州市", "离开杭州转运中心"),
    scan(20, "arrived", "天津市", "到达天津转运中心"),
    scan(30, "arrived", "北京市", "到达北京转运中心"),
    scan(40, "out_for_delivery", "北京市海淀区", "派件中"),
    scan(42, "delivered", "北京市海淀区", "已签收"),
)


def verdict_on(
    *scans: Scan,
    order: OrderFacts | None = None,
    parcel: ParcelFacts | None = None,
    policy: AuditPolicy = POLICY,
    now: float = 60,
    traces: tuple[Trace, ...] | None = None,
) -> Verdict:
    """The verdict on these scans (or traces) of an otherwise honest parcel, this many hours after the payment."""
    seen = traces if traces is not None else (a_trace(*scans, at=now),)
    return audit(order or an_order(), parcel or a_parcel(), seen, policy, hour(now))


def found(verdict: Verdict, rule: str) -> tuple[str, str]:
    """A rule's outcome and weight in a verdict."""
    finding = next(finding for finding in verdict.findings if finding.rule == rule)
    return finding.outcome, finding.weight
