"""The largest allowed order: as many lines and parcels as possible, with full fields."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from core.audit.findings import Finding
from core.audit.policy import SERVICE_RULES, TRUTH_RULES
from core.audit.waybills import sandbox_number
from core.order.shipping import PARCELS_MAX

LINES = 200
FULL_TEXT = "🧧" * 500
"""Four bytes a character: the heaviest text that fits."""


def id_of(kind: str, number: int) -> str:
    """An id as long as one may be."""
    return f"{kind}{number}".ljust(64, "-")


def largest_lines(quantity: int = 1) -> list[dict[str, Any]]:
    """Each with the longest id, title and category."""
    return [
        {
            "line_id": id_of("line", number),
            "title": FULL_TEXT,
            "category": f"c{number}.".ljust(80, "x"),
            "quantity": quantity,
            "unit_price_minor": 100,
        }
        for number in range(LINES)
    ]


def largest_shipments() -> list[list[dict[str, Any]]]:
    """One line a parcel, 50 parcels a command."""
    parcels = [
        {
            "parcel_id": id_of("parcel", number),
            "carrier": "sandbox",
            "waybill": sandbox_number(number + 1),
            "lines": [{"line_id": id_of("line", number), "quantity": 1}],
        }
        for number in range(PARCELS_MAX)
    ]
    return [parcels[first : first + 50] for first in range(0, PARCELS_MAX, 50)]


def full_findings(at: datetime) -> tuple[Finding, ...]:
    """A finding of every rule about a parcel, a third of them against it, with long texts of a carrier."""
    evidence = {"place": FULL_TEXT, "at": at.isoformat(), "took_h": 12.5}
    rules = (*TRUTH_RULES, *SERVICE_RULES)
    return tuple(
        Finding(rule, "fail", "weak", "trace", evidence) if number % 6 == 0 else Finding(rule, "pass")
        for number, rule in enumerate(rules)
    )
