"""The holds that an order places on itself. People give others any name; see `holding`."""

from __future__ import annotations

REVIEW_OVERDUE = "review_overdue"
"""The hold for a parcel's review that was not finished in time; its subject is the parcel."""
REFUND_STUCK = "refund_stuck"
"""The hold for a refund that people must resolve; its subject is the refund's cause."""
LEDGER_DISAGREES = "ledger_disagrees"
"""The hold for a posting that the ledger refused."""
LATE_SCAN = "late_scan"
"""The hold for goods and money that are with one party; its subject is the parcel."""
ARBITRATION_OVERDUE = "arbitration_overdue"
"""The hold for an after-sale case that no reviewer decided in time; its subject is the case."""
CHARGEBACK_OVERDUE = "chargeback_overdue"
"""The hold for a chargeback that the channel did not answer in time; its subject is the case."""
CLAIM_STUCK = "claim_stuck"
"""The hold for a claim of which the channel does not say whether the buyer paid; its subject is the case."""

OWN_HOLDS: frozenset[str] = frozenset(
    {REVIEW_OVERDUE, REFUND_STUCK, LEDGER_DISAGREES, LATE_SCAN, ARBITRATION_OVERDUE, CHARGEBACK_OVERDUE, CLAIM_STUCK}
)
"""Holds that the order places on itself."""
