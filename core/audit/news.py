"""Which verdicts of a carrier's polls the order must learn of."""

from __future__ import annotations

from core.audit.verdict import Verdict


def is_news(verdict: Verdict, *, collecting: bool, silent_review: bool, moved: bool, delivered: bool) -> bool:
    """Whether the order must be notified: of a verdict it waits for, a first scan, the delivery, a return.

    A delivered scan that is missing now is no news: the order keeps it until a later scan contradicts it.

    Args:
        collecting: the order waits for a verdict.
        silent_review: only silence sent the parcel to review, so that an approval ends it.
        moved: the order knows that the parcel is in the carrier's hands.
        delivered: the order knows that it was delivered.
    """
    if collecting and verdict.outcome != "pending":
        return True
    if silent_review and verdict.outcome == "approved":
        return True
    came_back = verdict.returned_at is not None
    now_delivered = verdict.delivered_at is not None and not came_back
    now_moved = verdict.first_physical_at is not None
    return (now_moved and not moved) or (now_delivered and not delivered) or (came_back and not collecting)
