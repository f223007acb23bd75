"""The clocks of receipt and settlement pause while an after-sale case is open.

Each keeps the time it had left, and at least a day when it goes on. An order's clocks pause for a limited time in
total. The money of an open case waits longer, until the case is decided.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from core.order.state import OrderState, Receipt


def settles_at(state: OrderState) -> datetime:
    """The later of credit + settlement delay and receipt + after-sale window, or where a pause moved it to."""
    assert state.credited_at is not None
    assert state.receipt.at is not None
    limits = state.policy.order
    at = max(state.credited_at + limits.settlement_delay, state.receipt.at + limits.after_sale_window)
    return max(at, state.settle_not_before) if state.settle_not_before is not None else at


def pause_ends_at(state: OrderState) -> datetime | None:
    """When the clocks go on although a case is open; None where they are not paused."""
    if state.paused_since is None:
        return None
    return state.paused_since + state.policy.after_sale.pause_most - state.paused_for


def follow_clocks(state: OrderState, now: datetime) -> OrderState:
    """Stop the clocks while a case is open, and let them go on when none is."""
    if state.open_case is None or state.over:
        return resume(state, now, "no case is open") if state.paused_since is not None else state
    if state.paused_since is None and state.paused_for < state.policy.after_sale.pause_most:
        state = _pause(state.changed(paused_since=now), now)
    if state.paused_since is not None and state.receipt.status == "awaited":
        state = _pause_receipt(state, now)  # the last parcel was delivered while the case is open
    return state


def _pause(state: OrderState, now: datetime) -> OrderState:
    if state.receipt.status == "awaited":
        return _pause_receipt(state, now)
    if state.phase == "credited":
        return _notify_paused(state, "settle_at", settles_at(state), now)
    return state


def _pause_receipt(state: OrderState, now: datetime) -> OrderState:
    deadline = state.receipt.deadline
    assert deadline is not None
    left = max(timedelta(0), deadline - now)
    receipt = Receipt(status="paused", remaining=left, extensions=state.receipt.extensions)
    return _notify_paused(state.changed(receipt=receipt), "receipt_by", deadline, now)


def resume(state: OrderState, now: datetime, why: str) -> OrderState:
    """The clocks go on with the time they had left, at least a day."""
    since, limits = state.paused_since, state.policy.after_sale
    assert since is not None
    least, stood = limits.resume_least, state.paused_for + (now - since)
    # While the worker was down they were paused for longer than allowed.
    state = state.changed(paused_since=None, paused_for=min(stood, limits.pause_most))
    if state.receipt.status == "paused":
        deadline = now + max(state.receipt.remaining or timedelta(0), least)
        receipt = Receipt(status="awaited", deadline=deadline, extensions=state.receipt.extensions)
        return _notify_resumed(state.changed(receipt=receipt), "receipt_by", None, deadline, why, now)
    if state.phase == "credited":
        old = settles_at(state)
        new = now + max(old - since, least)
        return _notify_resumed(state.changed(settle_not_before=new), "settle_at", old, new, why, now)
    return state


def _notify_paused(state: OrderState, clock: str, old: datetime, now: datetime) -> OrderState:
    """Merchant and buyer are notified which clock is paused and why; the journal keeps it."""
    why = f"case {state.cases[-1].case_id} is open"
    facts = {"clock": clock, "old": old.isoformat(), "new": "paused", "why": why}
    state = state.with_notice("merchant", "clock_paused", now, **facts)
    state = state.with_notice("buyer", "clock_paused", now, **facts)
    return _journal(state, "clock_paused", facts, now)


def _notify_resumed(
    state: OrderState, clock: str, old: datetime | None, new: datetime, why: str, now: datetime
) -> OrderState:
    """Merchant and buyer are notified until when the clock runs now; the journal keeps it."""
    facts = {"clock": clock, "old": old.isoformat() if old else "paused", "new": new.isoformat(), "why": why}
    state = state.with_notice("merchant", "clock_resumed", now, **facts)
    state = state.with_notice("buyer", "clock_resumed", now, **facts)
    return _journal(state, "clock_resumed", facts, now)


def _journal(state: OrderState, name: str, facts: dict[str, str], now: datetime) -> OrderState:
    said = f"{facts['clock']}: {facts['old']} → {facts['new']}, {facts['why']}"
    return state.changed(inbox=state.inbox.note(now, "system", name, "noted", message=said))
