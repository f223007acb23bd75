"""Compares a past order's outcome with the expected one, and says why they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from backtest.expecting import Ending, expectation
from backtest.living import Life
from backtest.past import PastOrder
from backtest.timeline import timeline
from core.money import format_minor

ENDINGS: dict[str, str] = {
    "settled": "the merchant has the money",
    "cancelled": "never shipped, or never picked up: the buyer has the money back",
    "refunded": "shipped and never received: the buyer has the money back",
    "refused": "the goods were refused: the buyer has the money back",
    "held": "the order is open: somebody must decide",
    "money_missing": "the order ended, and not all of the money is where it belongs",
    "not_lived": "the order was refused at its opening, or the stack failed it",
    "never_paid": "no money to hold: not an order of ours",
}
"""Every outcome, as a sentence."""


@dataclass(frozen=True)
class Fate:
    """One past order's outcome beside the expected one; amounts in centavos."""

    order_id: str
    payment_id: str
    outcome: str
    expected: Ending
    why: str
    paid_minor: int = 0
    credited_minor: int = 0
    commission_minor: int = 0
    refunded_minor: int = 0
    case: str | None = None
    """The kind of its after-sale case."""
    held: timedelta | None = None
    """From the payment until the merchant could withdraw the money, or until it was sent back."""
    waited: timedelta | None = None
    """From the buyer's wish until the refund was sent."""

    @property
    def surprising(self) -> bool:
        """Whether it differs from the expectation."""
        return self.outcome != self.expected

    @property
    def left_minor(self) -> int:
        """The amount that neither merchant and platform nor the buyer have."""
        return self.paid_minor - self.credited_minor - self.commission_minor - self.refunded_minor


def fate_unpaid(past: PastOrder) -> Fate:
    """The fate of an order that was never paid: it starts nothing."""
    expected = expectation(past)
    return Fate(past.order_id, past.payment_id, "never_paid", expected=expected.ending, why=expected.because)


def fate_of(life: Life) -> Fate:
    """The fate of an order that was played."""
    expected, state = expectation(life.past), life.state
    refunds = state.get("refunds", [])
    why = "; ".join(part for part in (expected.because, _events(life.past), *_refusals(life), _end(life)) if part)
    sent_at = _last([refund["since"] for refund in refunds if refund["status"] == "arrived"])
    ends_at = _last([state["settled_at"]] if state.get("settled_at") else []) or sent_at
    fate = Fate(
        order_id=life.past.order_id,
        payment_id=life.past.payment_id,
        outcome=_outcome(life),
        expected=expected.ending,
        why=why,
        paid_minor=life.order.total_minor if state.get("funded") else 0,
        credited_minor=state.get("credited_minor", 0),
        commission_minor=state.get("commission_minor", 0),
        refunded_minor=sum(refund["amount_minor"] for refund in refunds if refund["status"] == "arrived"),
        case=next((str(case["kind"]) for case in state.get("cases", [])), None),
        held=ends_at - life.order.payment.paid_at if ends_at and state.get("closed") else None,
        waited=max(sent_at - life.asked_at, timedelta(0)) if sent_at and life.asked_at else None,
    )
    if state.get("closed") and fate.left_minor:
        missing = format_minor(fate.left_minor, life.order.currency)
        return replace(fate, outcome="money_missing", why=f"{why}; {missing} is not accounted for")
    return fate


def _last(times: Sequence[str]) -> datetime | None:
    return max(map(datetime.fromisoformat, times), default=None)


def _outcome(life: Life) -> str:
    if life.failure is not None:
        return "not_lived"
    return str(life.state["phase"]) if life.state.get("closed") else "held"


def _events(past: PastOrder) -> str:
    """The events, with the day after the payment."""
    why = ", ".join(f"{event.what} on day {event.after / timedelta(days=1):.1f}" for event in timeline(past))
    return f"by the record: {why}" if why else ""


def _refusals(life: Life) -> list[str]:
    return [f"{verb} was refused: {code}" for verb, code in life.refused]


def _end(life: Life) -> str:
    """How it ended, from the order's own view."""
    if life.failure is not None:
        return life.failure
    if not life.state.get("closed"):
        waits = "; ".join(f"{hold['reason']}: {hold['what_helps']}" for hold in life.holds)
        return f"it is {life.state.get('phase')} and waits: {waits}"
    reasons = [str(refund["reason"]) for refund in life.state["refunds"]]
    if reasons:
        return f"refunded: {', '.join(reasons)}"
    receipt = life.state["receipt"]
    return f"receipt confirmed by {receipt['by']}" if receipt.get("by") else ""


def buyers_have_it(fates: Sequence[Fate], sent_back: Mapping[str, int]) -> bool:
    """Whether the channel's own journal agrees: it refunded exactly what these orders report as arrived.

    Args:
        fates: all of them; a payment with an open order is skipped, because its refund may be in progress.
        sent_back: centavos that the channel refunded, by the payment's reference.
    """
    owed: dict[str, int] = {}
    open_payments = {fate.payment_id for fate in fates if fate.outcome in {"held", "not_lived"}}
    for fate in fates:
        owed[fate.payment_id] = owed.get(fate.payment_id, 0) + fate.refunded_minor
    return sent_back.keys() <= owed.keys() and all(
        sent_back.get(payment, 0) == amount for payment, amount in owed.items() if payment not in open_payments
    )
