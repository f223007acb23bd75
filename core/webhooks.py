"""Webhooks: what a consumer's answer means, when a failed event is tried again, and when an endpoint is disabled.

An event that fails parks its subject: later events of the subject wait behind it, so that a consumer sees each subject
in order. All other subjects go on. Nothing is skipped, also not when an endpoint is disabled.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from core.fields import Message

RETRIES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Delays after the first, second, … failure of one event; the last repeats. The schedule of Standard Webhooks."""
SPREAD = 0.2
"""Each delay is up to so much shorter or longer, so that what failed together is not tried together."""
DISABLED_AFTER = timedelta(days=5)
"""Of failures only."""
OVERLAP = timedelta(days=1)
"""After a rotation the old secret signs beside the new one for so long."""
SECRETS_AT_MOST = 5
"""Secrets of one endpoint that sign at a time."""
TYPES_AT_MOST = 50

EndpointState = Literal["active", "failing", "disabled"]
Outcome = Literal["delivered", "failed", "gone"]


class PostAnswer(Message):
    """What came back for one post. `status` None: no answer came, and `error` says why."""

    status: int | None = None
    text: str = ""
    error: str = ""
    retry_after: timedelta | None = None
    took: timedelta = timedelta(0)


class Health(Message):
    """Whether an endpoint is delivered to. `failing_since`: since then it has only failed."""

    state: EndpointState = "active"
    failing_since: datetime | None = None
    disabled_for: str | None = None


def outcome_of(answer: PostAnswer) -> Outcome:
    """What an answer means. A redirect is a failure: it could lead where the endpoint's address may not.

    410 says that the consumer is gone for good.
    """
    if answer.status is not None and 200 <= answer.status < 300:
        return "delivered"
    return "gone" if answer.status == 410 else "failed"


def next_try(failures: int, now: datetime, chance: float, retry_after: timedelta | None = None) -> datetime:
    """When an event that has failed so often is tried again.

    Args:
        failures: of this event, 1 or more.
        chance: from 0 to 1.
        retry_after: what the consumer asked for; heeded up to the longest delay of the schedule.
    """
    usual = RETRIES[min(max(failures, 1), len(RETRIES)) - 1]
    spread = usual * (1 - SPREAD + 2 * SPREAD * min(max(chance, 0.0), 1.0))
    return now + max(spread, min(retry_after or timedelta(0), RETRIES[-1]))


def pause_of(answer: PostAnswer) -> timedelta | None:
    """How long nothing at all is sent: a consumer that has too much, or is being mended, asks for time for itself."""
    asked = answer.retry_after if answer.status in (429, 503) else None
    return min(asked, RETRIES[-1]) if asked else None


def health_after(health: Health, outcome: Outcome, now: datetime) -> Health:
    """An endpoint's health after a post. A disabled one stays so: only a person enables it again."""
    if health.state == "disabled":
        return health
    if outcome == "delivered":
        return Health()
    if outcome == "gone":
        return Health(state="disabled", failing_since=health.failing_since or now, disabled_for="gone")
    since = health.failing_since or now
    if now - since >= DISABLED_AFTER:
        return Health(state="disabled", failing_since=since, disabled_for="failing")
    return Health(state="failing", failing_since=since)
