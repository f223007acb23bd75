"""What a refund takes from whom: by line, cumulative and exact, in every phase of the order."""

from __future__ import annotations

import pytest
import refund_walks
from order_driver import OrderDriver
from order_samples import T0, a_parcel
from sizes import REFUND_WALKS

from core.order.refunding import refund_amount, refund_rest, refund_units
from core.order.shares import credit_shares, refundable_minor
from core.order.state import OrderState


@pytest.mark.parametrize("first", range(0, REFUND_WALKS, 500))
def test_refunds_are_exact_in_any_order_and_any_size(first: int) -> None:
    assert sum(map(refund_walks.walk, range(first, first + 500))) > 500


def _shipped() -> OrderState:
    """Two units at 19.90 and one at 88.00, 8.00 freight; one unit of the first line is in no parcel."""
    driver = OrderDriver().open()
    driver.ship(a_parcel(1, {"1": 1, "2": 1}))
    return driver.state


def test_an_amount_is_spread_over_the_lines_by_what_is_left_of_them() -> None:
    state = refund_amount(_shipped(), 1278, "case-1", "dented", T0)
    assert [line.refunded_minor for line in state.lines] == [398, 880]
    assert [line.units_left for line in state.lines] == [2, 1]
    assert refundable_minor(state) == 13580 - 1278
    assert state.phase == "shipped"


def test_an_amount_above_the_goods_is_freight() -> None:
    state = refund_amount(_shipped(), 12780 + 300, "case-1", "dented", T0)
    assert (state.freight_refunded_minor, refundable_minor(state)) == (300, 500)


def test_units_are_priced_by_what_is_left_of_their_line() -> None:
    state = refund_amount(_shipped(), 1278, "case-1", "dented", T0)
    state = refund_units(state, {"1": 1}, "case-2", "broken", T0)
    assert state.refunds[-1].amount_minor == (3980 - 398) // 2


def test_units_that_were_not_shipped_leave_the_order_first() -> None:
    state = refund_units(_shipped(), {"1": 2}, "case-1", "broken", T0)
    assert (state.lines[0].ended, state.lines[0].returned) == (1, 1)
    assert state.left_to_ship() == {}


def test_freight_goes_back_with_a_unit_where_the_decision_says_so() -> None:
    state = refund_units(_shipped(), {"1": 1}, "case-1", "broken", T0, with_freight=True)
    assert state.refunds[-1].amount_minor == 1990 + 800


def test_all_that_is_left_ends_the_order_and_its_parcels() -> None:
    state = refund_rest(_shipped(), "case-1", "broken", T0)
    assert (state.phase, refundable_minor(state)) == ("refunded", 0)
    assert not state.live_parcels


def test_what_the_platform_bears_leaves_the_merchant_the_whole() -> None:
    before = _shipped()
    state = refund_rest(before, "case-1", "broken", T0, bearer="platform")
    assert credit_shares(state) == credit_shares(before)
    assert state.phase == "shipped"
    assert state.refunds[-1].from_merchant_minor == 0
