"""The service rules: late, slow, stale.

They measure a merchant and never affect the verdict. In honest markets most failures are a slow carrier or a buyer who
is not at home.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from operator import sub
from typing import Any

from core.audit.case import Case
from core.audit.findings import PASS, UNKNOWN, Finding
from core.audit.places import same_region


def _judge(rule: str, took: timedelta, limit: timedelta, **evidence: Any) -> Finding:
    if took <= limit:
        return PASS[rule]
    hours = {"took_h": round(took.total_seconds() / 3600, 1), "limit_h": round(limit.total_seconds() / 3600, 1)}
    return Finding(rule, "fail", evidence={**hours, **evidence})


def shipped_in_time(case: Case) -> Finding:
    """The number was reported by the order's ship-by, or the policy's limit after the payment."""
    order = case.order
    limit = case.policy.ship_within if order.ship_by is None else order.ship_by - order.paid_at
    return _judge("shipped_in_time", case.parcel.uploaded_at - order.paid_at, limit)


def picked_up_in_time(case: Case) -> Finding:
    """The first physical scan came soon after the number."""
    limit, uploaded = case.policy.picked_up_within, case.parcel.uploaded_at
    if case.own:
        return _judge("picked_up_in_time", case.waited(uploaded, case.own[0].at), limit)
    waited = case.waited(uploaded, case.now)
    if case.answered and waited > limit:
        return _judge("picked_up_in_time", waited, limit, what="waiting")
    return UNKNOWN["picked_up_in_time"]


def keeps_moving(case: Case) -> Finding:
    """No long gap between scans on the way; remote regions have longer."""
    if len(case.own) < 2:
        return UNKNOWN["keeps_moving"]
    times = [scan.at for scan in case.own]
    gap = max(map(sub, times[1:], times))
    policy, to = case.policy, case.order.ship_to
    if gap <= policy.gap_max:
        return PASS["keeps_moving"]
    limit = policy.gap_max
    if same_region(to, policy.very_remote):
        limit = policy.gap_max_very_remote
    elif same_region(to, policy.remote):
        limit = policy.gap_max_remote
    since = max(sooner for sooner, later in pairwise(times) if later - sooner == gap)
    return _judge("keeps_moving", case.waited(since, since + gap), limit, since=since.isoformat())


def signed_in_time(case: Case) -> Finding:
    """Signed soon after the first attempt or the locker, and no silence at the end of the way."""
    if not case.own:
        return UNKNOWN["signed_in_time"]
    policy = case.policy
    end = case.delivered.at if case.delivered is not None else case.now
    for first, limit in ((case.attempt, policy.attempt_within), (case.locker, policy.locker_within)):
        if first is not None and end - first.at > limit and (waited := case.waited(first.at, end)) > limit:
            return _judge("signed_in_time", waited, limit, after=first.stage)
    if case.delivered is None and case.back is None:
        last: datetime = case.own[-1].at
        return _judge("signed_in_time", case.waited(last, end), policy.stale_after, after="last_scan")
    return PASS["signed_in_time"]
