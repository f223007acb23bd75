"""After an outage of ours: the deadlines that run against a party move, once an outage, and both parties hear of it.

Commands that came during the outage are decided first. Deadlines of our own do not move: retries, queries of a
channel, reviews, the settlement.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from core.aftersale.deadlines import AGAINST as CASE_AGAINST
from core.order.deadlines import deadlines
from core.order.state import OrderState
from core.outages import OUTAGE, overslept, with_grace
from core.states import Deadline

AGAINST: dict[str, str] = {
    "screening_appeal_by": "screening_appeal",
    "screening_end": "screening_end",
    "ship_by": "ship_within",
    "delay_answer_by": "delay_answer_within",
    "pickup_by": "pickup_within",
    "collect_by": "collect_within",
    "audit_correction": "correction_within",
    "receipt_by": "receipt_within",
    "undelivered_end": "undelivered_end",
}
"""Deadlines whose passing costs merchant or buyer something that a command of theirs, or of a reviewer, could have
averted; and the limit that is their own length. A case has its own.
"""


def spare(state: OrderState, expected: datetime, now: datetime) -> OrderState:
    """The order after an outage; the same state where there was none, or where nothing runs against a party.

    Args:
        expected: when the order's next deadline was to pass, as we last looked.
    """
    limits = state.policy.order
    if not limits.outage_grace or not overslept(expected, now, limits.outage_limit):
        return state
    moves = list(_moves(state, now))
    if not moves:
        return state
    for deadline, new in moves:
        state = _moved(state, deadline, new)
    for name in dict.fromkeys(deadline.name for deadline, _ in moves):
        of_name = [(deadline.at, new) for deadline, new in moves if deadline.name == name]
        state = _notify(state, name, min(old for old, _ in of_name), max(new for _, new in of_name), now)
    return state.next_revision()


def _moves(state: OrderState, now: datetime) -> Iterator[tuple[Deadline, datetime]]:
    for deadline in deadlines(state):
        length = _length(state, deadline.name)
        if length is not None:
            new = with_grace(deadline.at, now, state.policy.order.outage_grace, length)
            if new > deadline.at:
                yield deadline, new


def _length(state: OrderState, name: str) -> timedelta | None:
    """How long such a deadline runs; None where it is ours."""
    policy = state.policy
    for against, limits in ((AGAINST, policy.order), (CASE_AGAINST, policy.after_sale)):
        if name in against:
            length: timedelta = getattr(limits, against[name])
            return length
    return None


def _moved(state: OrderState, deadline: Deadline, new: datetime) -> OrderState:
    if deadline.name == "ship_by":
        return state.changed(ship_by=new)
    if deadline.name == "receipt_by":
        return state.changed(receipt=state.receipt.changed(deadline=new))
    if deadline.name == "delay_answer_by" and state.delay is not None:
        return state.changed(delay=state.delay.changed(answer_by=new))
    case = state.case(deadline.subject)
    if deadline.name in CASE_AGAINST and case is not None and case.due is not None:
        return state.with_case(case.changed(due=case.due.changed(at=new)))
    return state.changed(spared={**state.spared, deadline.about: new})


def _notify(state: OrderState, name: str, old: datetime, new: datetime, now: datetime) -> OrderState:
    facts = {"name": name, "old": old.isoformat(), "new": new.isoformat(), "reason": OUTAGE}
    for reader in ("merchant", "buyer"):
        state = state.with_notice(reader, "deadline_shifted", now, **facts)
    said = f"{name}: {facts['old']} → {facts['new']}, {OUTAGE}"
    return state.changed(inbox=state.inbox.note(now, "system", "deadline_shifted", "noted", message=said))
