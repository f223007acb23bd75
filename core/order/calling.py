"""Holds call an operator: each one that stops money sends a notice, once, with the facts that the operator needs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Literal

from core.order.holds import LEDGER_DISAGREES, REFUND_STUCK
from core.order.state import OrderState
from core.order.texts import MERCHANT_HELD, cause_zh, refund_why
from core.states import Hold


def merchant_hold(name: str, scope: Literal["credit", "payout"], now: datetime) -> Hold:
    """The hold of an order whose merchant is frozen or suspended."""
    return Hold(name=name, scope=scope, reason=MERCHANT_HELD[name].en, owner="operator", since=now)


def let_go_with_merchant(state: OrderState, names: Collection[str], now: datetime) -> OrderState:
    """The order without these holds of its merchant, which was let go before they were recorded: no one lifts them."""
    gone = [name for name in names if state.has_hold(name)]
    if not gone:
        return state
    inbox = state.inbox.note(now, "system", "lift_hold", "noted", message=f"{', '.join(gone)}: not so any more.")
    holds = tuple(hold for hold in state.holds if hold.name not in gone)
    return state.changed(holds=holds, inbox=inbox).next_revision()


def hold_money(state: OrderState, hold: Hold, now: datetime) -> OrderState:
    """The order with this hold, and a notice to an operator; the same order where the hold already stands."""
    if state.has_hold(hold.name, hold.subject):
        return state
    return _call(state.with_hold(hold), hold, now)


def hold_refund(state: OrderState, cause: str, now: datetime, **facts: str) -> OrderState:
    """The order whose refund people must resolve, and a notice to an operator; the hold stops nothing else.

    One that stands says from now on what is known: what was open and is then refused is no longer open.

    Args:
        facts: see `core.order.texts.refund_why`.
    """
    stood = next((hold for hold in state.holds if (hold.name, hold.subject) == (REFUND_STUCK, cause)), None)
    hold = Hold(
        name=REFUND_STUCK,
        subject=cause,
        scope="payout",
        reason=f"refund {cause}: {refund_why(facts).en}",
        owner="operator",
        since=stood.since if stood is not None else now,
        facts=facts,
    )
    return hold_money(state.without_hold(REFUND_STUCK, cause), hold, now)


def _call(state: OrderState, hold: Hold, now: datetime) -> OrderState:
    reason, reason_zh = hold.reason, cause_zh(hold)
    if hold.name == REFUND_STUCK:
        refund = state.refund(hold.subject)
        amount = str(refund.amount_minor) if refund is not None else ""
        return state.with_notice(
            "operator", "refund_stuck", now, cause=hold.subject, amount_minor=amount, reason=reason, reason_zh=reason_zh
        )
    if hold.name == LEDGER_DISAGREES:
        step, answer = hold.facts.get("movement", ""), hold.facts.get("outcome", "")
        return state.with_notice("operator", "ledger_disagrees", now, step=step, told=answer)
    review_at = hold.review_at.isoformat() if hold.review_at is not None else ""
    return state.with_notice(
        "operator",
        "money_held",
        now,
        name=hold.name,
        subject=hold.subject,
        scope=hold.scope,
        owner=hold.owner,
        reason=reason,
        reason_zh=reason_zh,
        review_at=review_at,
    )


def call_for_review(state: OrderState, name: str, now: datetime) -> OrderState:
    """The review date of a hold has come, and the hold still stands."""
    hold = next(hold for hold in state.holds if hold.name == name)
    return state.with_notice(
        "operator",
        "hold_review_due",
        now,
        name=hold.name,
        owner=hold.owner,
        reason=hold.reason,
        reason_zh=cause_zh(hold),
        since=hold.since.isoformat(),
    )
