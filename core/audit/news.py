"""Which verdicts of a carrier's polls the order must learn of."""

from __future__ import annotations

from core.audit.facts import Milestones
from core.audit.verdict import Verdict


def is_news(
    verdict: Verdict,
    *,
    collecting: bool,
    silent_review: bool,
    moved: bool,
    delivered: bool,
    known: Milestones | None,
) -> bool:
    """Whether the order must be notified: of a verdict it waits for, a first scan, the delivery, a return.

    A delivered scan that is missing now is no news: the order keeps it until a later scan contradicts it.

    Args:
        collecting: the order waits for a verdict.
        silent_review: only silence sent the parcel to review, so that an approval ends it.
        moved: the order knows that the parcel is in the carrier's hands.
        delivered: the order knows that it was delivered.
        known: the milestones that the order knows.
    """
    if collecting and verdict.outcome != "pending":
        return True
    if silent_review and verdict.outcome == "approved":
        return True
    # Told of a way back that it knows, an order in review would ask again at once, without end.
    if not _tells_more(known or Milestones(), verdict.milestones):
        return False
    came_back = verdict.returned_at is not None
    now_delivered = verdict.delivered_at is not None and not came_back
    now_moved = verdict.first_physical_at is not None
    return (now_moved and not moved) or (now_delivered and not delivered) or (came_back and not collecting)


def _tells_more(known: Milestones, told: Milestones) -> bool:
    return (together(known, told) if reports_less(known, told) else told) != known


def reports_less(known: Milestones, told: Milestones) -> bool:
    """Whether a provider has heard less of a parcel than is known already."""
    return known.last_scan_at is not None and (told.last_scan_at is None or told.last_scan_at < known.last_scan_at)


def together(known: Milestones, told: Milestones) -> Milestones:
    """What is known and what is told by a provider that has heard less."""
    both = {name: getattr(told, name) or getattr(known, name) for name in Milestones.model_fields}
    return Milestones(**{**both, "last_scan_at": known.last_scan_at})
