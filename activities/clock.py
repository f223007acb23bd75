"""The time for activities."""

from __future__ import annotations

from datetime import UTC, datetime

from temporalio import activity


def activity_time() -> datetime:
    """The server's time when this try began, which follows the skipped clock of its workflow; aware, UTC.

    Outside of an activity it is the machine's time.
    """
    return activity.info().started_time if activity.in_activity() else datetime.now(UTC)
