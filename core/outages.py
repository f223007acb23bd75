"""Deadlines that passed while no worker of ours ran: the party that could not act gets time.

The shell says when it should have woken. Where it wakes much later, we were down, and no command could be answered
meanwhile. What counts as much later, and how much time is given, are limits of the policy.
"""

from __future__ import annotations

from datetime import datetime, timedelta

OUTAGE = "outage"
"""Why a deadline moved, in notices and in the journal."""


def overslept(expected: datetime, now: datetime, limit: timedelta) -> bool:
    """Whether we were down: we should have woken at `expected`, and more than the limit has passed since."""
    return now - expected > limit


def with_grace(at: datetime, now: datetime, grace: timedelta, length: timedelta) -> datetime:
    """When a deadline passes after an outage: not before the grace is over, which is never longer than the deadline's
    own length.
    """
    return max(at, now + min(grace, length))
