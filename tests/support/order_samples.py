"""Orders, policies, parcels, scans and verdicts for tests of the order's core."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from core.audit.findings import Finding
from core.audit.verdict import Verdict
from core.audit.waybills import sandbox_number
from core.messages import Order
from core.policy import OrderLimits, OrderPolicy

T0 = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
PEOPLE = {
    "merchant": "m-7",
    "buyer": "b-42",
    "carrier": "gateway",
    "reviewer": "r-1",
    "operator": "o-1",
    "channel": "wechat",
}
WAYBILLS = [sandbox_number(serial) for serial in range(1, 60)]
MILESTONES = ("label_at", "first_physical_at", "delivered_at", "returned_at")


def an_order(**fields: Any) -> Order:
    """Three units in two lines, 135.80 CNY, paid at T0; `fields` replace what is given."""
    body: dict[str, Any] = {
        "order_id": "A1001",
        "merchant_id": PEOPLE["merchant"],
        "buyer_id": PEOPLE["buyer"],
        "currency": "CNY",
        "lines": [
            {"line_id": "1", "title": "手工酥饼", "category": "food.snacks", "quantity": 2, "unit_price_minor": 1990},
            {"line_id": "2", "title": "茶叶", "category": "food.tea", "quantity": 1, "unit_price_minor": 8800},
        ],
        "freight_minor": 800,
        "total_minor": 13580,
        "payment": {"reference": "wx-1", "channel": "wechat", "paid_minor": 13580, "paid_at": T0.isoformat()},
        "ship_from": {"country": "CN", "province": "浙江省", "city": "杭州市"},
        "ship_to": {"country": "CN", "province": "北京市", "city": "北京市"},
    }
    return Order.model_validate({**body, **fields})


def a_policy(commission_bps: int = 500, **limits: Any) -> OrderPolicy:
    """The default limits with these replaced."""
    return OrderPolicy(name="test", commission_bps=commission_bps, order=OrderLimits.model_validate(limits))


def failing(rule: str, weight: Any) -> Finding:
    """A rule that failed."""
    return Finding(rule, "fail", weight)


def a_verdict(outcome: Any = "pending", *reasons: str, now: datetime = T0, **fields: Any) -> Verdict:
    """A verdict of the audit. A given milestone is also the last scan, unless that is given too."""
    scans = [fields[name] for name in MILESTONES if fields.get(name) is not None]
    defaults: dict[str, Any] = {
        "findings": (),
        "carrier": "sandbox",
        "policy": "default",
        "rule_set": "test",
        "judged_at": now,
        "carrier_answered": True,
        "last_scan_at": max(scans, default=None),
        "carrier_says": _says(fields),
    }
    return Verdict(outcome=outcome, reasons=reasons, **{**defaults, **fields})


def _says(fields: dict[str, Any]) -> str:
    """What defaults may rely on in such a verdict: by default an answer without a scan is a strong absence."""
    if not fields.get("carrier_answered", True):
        return "nothing"
    return "scans" if fields.get("first_physical_at") else "absent"


def a_parcel(number: int = 1, lines: Mapping[str, int] | None = None, **fields: Any) -> dict[str, Any]:
    """A parcel report `p{number}`; `lines` by id, None for all that is left."""
    parts = None if lines is None else [{"line_id": line, "quantity": count} for line, count in lines.items()]
    return {
        "parcel_id": f"p{number}",
        "carrier": "sandbox",
        "waybill": WAYBILLS[number],
        "lines": parts,
        **fields,
    }


def a_scan(stage: str, at: datetime, **fields: Any) -> dict[str, Any]:
    """One scan as a carrier's gateway reports it."""
    return {"at": at.isoformat(), "code": stage, "stage": stage, **fields}
