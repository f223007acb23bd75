"""Money that is frozen after the settlement: what a dispute or a hold is about is kept while it stands.

It is taken from what the merchant has available, at most what there is. A refund uses what is frozen first; the rest is
released once nothing of the order is disputed or held any more.
"""

from __future__ import annotations

from core.aftersale.state import AfterSaleCase
from core.order.shares import Split, refundable_minor, return_units, take_all, take_amount
from core.order.state import Frozen, OrderState


def disputed_minor(state: OrderState) -> int:
    """How much of the merchant's settled money must be kept for this order now."""
    if state.phase != "settled":
        return 0
    held = _brought_in(state) if state.held_back else 0
    case = state.open_case
    if case is not None and case.by_buyer:  # what a channel disputes it has taken already
        return max(held, _at_stake(state, case))
    if held:
        return held
    owed = any(refund.status == "owed" and refund.source == "merchant" for refund in state.refunds)
    return state.freeze.asked_minor if owed and state.freeze is not None else 0


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
        return return_units(state, {part.line_id: part.quantity for part in case.lines})
    return take_all(state)


def to_freeze_minor(state: OrderState) -> int:
    """The disputed amount that was not requested to be frozen yet."""
    asked = state.freeze.asked_minor if state.freeze is not None else 0
    return max(0, disputed_minor(state) - asked)


def release_due(state: OrderState) -> bool:
    """Whether money is frozen while nothing is disputed any more."""
    return state.frozen and disputed_minor(state) == 0


def next_number(state: OrderState) -> int:
    """The number of the next freeze."""
    return state.freeze.number + 1 if state.freeze is not None else 1


def note_frozen(state: OrderState, number: int, amount_minor: int) -> OrderState:
    """The order once the books froze up to this amount, or had nothing to freeze."""
    asked = state.freeze.asked_minor if state.freeze is not None else 0
    return state.changed(freeze=Frozen(number=number, asked_minor=asked + amount_minor))


def note_released(state: OrderState) -> OrderState:
    """The order once nothing is frozen for it."""
    return state.changed(freeze=state.freeze.changed(asked_minor=0) if state.freeze is not None else None)
