"""Money that is frozen after the settlement: what a dispute or a hold is about is kept while it stands.

It is taken from what the merchant has available, at most what there is. A refund uses what is frozen first; the rest is
released once nothing of the order is disputed or held any more. What a buyer pays again while the merchant is frozen is
kept too, of an order in any phase, until the merchant is let go.
"""

from __future__ import annotations

from core.aftersale.state import AfterSaleCase
from core.merchants import MERCHANT_FROZEN
from core.order.refunds import Frozen
from core.order.shares import Split, refundable_minor, return_units, take_all, take_amount
from core.order.state import OrderState
from core.order.units import units_of


def disputed_minor(state: OrderState) -> int:
    """How much of the merchant's money must be kept for this order now: of what is settled, and of what came since."""
    claimed = state.freeze.claimed_minor if state.freeze is not None and state.has_hold(MERCHANT_FROZEN) else 0
    if state.phase != "settled":
        return claimed
    held = _brought_in(state) if state.held_back else 0
    case = state.open_case
    if case is not None and case.by_buyer:  # what a channel disputes it has taken already
        return max(held, _at_stake(state, case)) + claimed
    if held:
        return held + claimed
    owed = any(refund.status == "owed" and refund.source == "merchant" for refund in state.refunds)
    return state.freeze.asked_minor if owed and state.freeze is not None else claimed


def _brought_in(state: OrderState) -> int:
    """The order's proceeds for its merchant, less the refunds since."""
    back = sum(refund.from_merchant_minor for refund in state.refunds if refund.source == "merchant")
    return max(0, (state.settled_minor or 0) - back)


def _at_stake(state: OrderState, case: AfterSaleCase) -> int:
    """What the merchant would lose if the buyer got all that the case is about, and what the way back cost."""
    split = _split(state, case)
    freight = case.return_freight_minor if case.return_freight == "merchant" else 0
    return max(0, split.amount_minor - split.commission_minor + split.discount_minor + freight)


def _split(state: OrderState, case: AfterSaleCase) -> Split:
    if case.amount_minor is not None:
        return take_amount(state, min(case.amount_minor, refundable_minor(state)))
    if case.lines is not None:
        return return_units(state, units_of(case.lines))
    return take_all(state)


def to_freeze_minor(state: OrderState) -> int:
    """The disputed amount that was not requested to be frozen yet."""
    return max(0, disputed_minor(state) - (_asked(state.freeze) if state.freeze is not None else 0))


def _asked(freeze: Frozen) -> int:
    """What was requested, without what a channel took and gave back since."""
    return max(0, freeze.asked_minor - freeze.again_minor)


def release_due(state: OrderState) -> bool:
    """Whether money is frozen while nothing is disputed any more."""
    return state.frozen and disputed_minor(state) == 0


def next_number(state: OrderState) -> int:
    """The number of the next freeze."""
    return state.freeze.number + 1 if state.freeze is not None else 1


def note_frozen(state: OrderState, number: int, amount_minor: int) -> OrderState:
    """The order once the books froze up to this amount, or had nothing to freeze."""
    before = state.freeze or Frozen(number=number)
    asked = _asked(before) + amount_minor
    return state.changed(freeze=before.changed(number=number, asked_minor=asked, again_minor=0))


def note_claimed(state: OrderState, amount_minor: int) -> OrderState:
    """The order once what the buyer paid again is kept for it. What was kept before is released together with it."""
    if not amount_minor:
        return state
    number = state.freeze.number if state.freeze is not None and state.frozen else next_number(state)
    state = note_frozen(state, number, amount_minor)
    assert state.freeze is not None
    claimed = state.freeze.claimed_minor + amount_minor
    return state.changed(freeze=state.freeze.changed(claimed_minor=claimed))


def note_given_back(state: OrderState, amount_minor: int) -> OrderState:
    """The order once this much of what a channel took is the merchant's again: it is available, and is frozen again if
    it is kept still.

    What was asked for beyond what is kept now left with refunds and chargebacks, and is frozen no more. Where nothing
    is kept, what may be frozen yet must be released.
    """
    if state.freeze is None:
        return state
    asked = min(state.freeze.asked_minor, disputed_minor(state) or state.freeze.asked_minor)
    again = min(state.freeze.again_minor + amount_minor, asked)
    return state.changed(freeze=state.freeze.changed(asked_minor=asked, again_minor=again))


def note_released(state: OrderState) -> OrderState:
    """The order once nothing is frozen for it."""
    released = {"asked_minor": 0, "claimed_minor": 0, "again_minor": 0}
    return state.changed(freeze=state.freeze.changed(**released) if state.freeze is not None else None)
