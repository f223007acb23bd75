"""An order's money by line: refunds, freight, discounts, commission; to the last minor unit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from order_driver import OrderDriver
from order_samples import T0, a_parcel, a_policy, an_order
from sizes import at_least

from core.messages import Order
from core.order.bookings import Booking
from core.order.opening import begin
from core.order.shares import credit_shares, end_units, everything_ended, lines_of
from core.order.state import OrderState
from core.order.steps import post
from core.policy import OrderPolicy, Rule
from core.records import OrderRecord


def order_of(*lines: tuple[int, int], freight: int = 0, discount: int = 0, by: str = "merchant") -> Order:
    """Lines as (quantity, unit price)."""
    total = sum(quantity * price for quantity, price in lines) + freight - discount
    payment = {"reference": "wx-1", "channel": "wechat", "paid_minor": total, "paid_at": T0.isoformat()}
    return an_order(
        lines=[
            {"line_id": str(n), "title": "x", "category": "food", "quantity": quantity, "unit_price_minor": price}
            for n, (quantity, price) in enumerate(lines, 1)
        ],
        freight_minor=freight,
        discount_minor=discount,
        discount_funded_by=by,
        total_minor=total,
        payment=payment,
    )


def opened(order: Order, bps: int = 500) -> OrderState:
    return begin(order, a_policy(commission_bps=bps), T0)


def ending(state: OrderState, **units: int) -> tuple[OrderState, int]:
    split = end_units(state, {line.removeprefix("l"): count for line, count in units.items()})
    freight = state.freight_refunded_minor + split.freight_minor
    return state.changed(lines=split.lines, freight_refunded_minor=freight), split.amount_minor


# --- shares ---------------------------------------------------------------------------------------------------


def test_credit_takes_commission_on_goods_and_none_on_freight() -> None:
    shares = credit_shares(opened(order_of((2, 1000), freight=800)))
    assert (shares.proceeds_minor, shares.commission_minor, shares.discount_minor) == (2700, 100, 0)


def test_commission_is_by_line_and_rounded_down() -> None:
    shares = credit_shares(opened(order_of((1, 199), (1, 199)), bps=250))
    assert shares.commission_minor == 4 + 4


def test_merchants_discount_lowers_the_price_and_the_commission() -> None:
    shares = credit_shares(opened(order_of((1, 1000), discount=200)))
    assert (shares.proceeds_minor, shares.commission_minor, shares.discount_minor) == (760, 40, 0)


def test_platforms_discount_comes_on_top_of_what_the_buyer_paid() -> None:
    shares = credit_shares(opened(order_of((1, 1000), discount=200, by="platform")))
    assert (shares.proceeds_minor, shares.commission_minor, shares.discount_minor) == (760, 40, 200)


def test_platforms_discount_is_taken_back_in_proportion() -> None:
    state, back = ending(opened(order_of((4, 250), discount=200, by="platform")), l1=1)
    shares = credit_shares(state)
    assert back == 200
    assert (shares.discount_minor, shares.commission_minor) == (150, 30)
    assert shares.proceeds_minor + shares.commission_minor == 600


def test_discount_is_spread_over_the_lines_by_price() -> None:
    lines = lines_of(order_of((1, 100), (1, 200), (1, 0), discount=31), a_policy())
    assert [line.paid_minor for line in lines] == [90, 179, 0]


def test_commission_is_the_lines_most_specific_rate() -> None:
    rules = (Rule(category="food", commission_bps=100), Rule(merchant_id="m-7", commission_bps=1000))
    policy = OrderPolicy(name="x", commission_bps=500, rules=rules)
    assert lines_of(order_of((1, 1000)), policy)[0].commission_minor == 100


# --- refunds --------------------------------------------------------------------------------------------------


def test_freight_goes_back_with_the_last_line() -> None:
    state = opened(order_of((2, 1000), (1, 500), freight=800))
    state, first = ending(state, l1=2)
    assert first == 2000
    state, last = ending(state, l2=1)
    assert last == 1300
    assert everything_ended(state)
    assert ending(state, l2=1)[1] == 0, "freight goes back once"


def test_units_of_an_indivisible_price_go_back_exactly_in_the_end() -> None:
    state, amounts = opened(order_of((3, 100), discount=1)), []
    for _ in range(3):
        state, amount = ending(state, l1=1)
        amounts.append(amount)
    assert amounts == [99, 100, 100]


def test_more_units_than_there_are_end_only_those() -> None:
    assert ending(opened(order_of((2, 100))), l1=5)[1] == 200


Lines = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 10_000)), min_size=1, max_size=4)


@settings(max_examples=at_least(300))
@given(lines=Lines, freight=st.integers(0, 900), share=st.integers(0, 100), bps=st.integers(0, 10_000), data=st.data())
def test_refunds_and_credit_together_are_what_was_paid_whatever_is_refunded_in_whatever_steps(
    lines: list[tuple[int, int]], freight: int, share: int, bps: int, data: st.DataObject
) -> None:
    goods = sum(quantity * price for quantity, price in lines)
    discount = goods * share // 100
    if goods + freight - discount < 1:
        freight = 1 + discount - goods if goods < discount else freight + 1
    by = data.draw(st.sampled_from(["merchant", "platform"]))
    state = opened(order_of(*lines, freight=freight, discount=discount, by=by), bps)
    back = 0
    for _ in range(data.draw(st.integers(0, 6))):
        line = data.draw(st.integers(1, len(lines)))
        state, amount = ending(state, **{f"l{line}": data.draw(st.integers(1, 3))})
        assert amount >= 0
        back += amount
    if everything_ended(state):
        assert back == state.order.total_minor
        return
    shares = credit_shares(state)
    assert back + shares.proceeds_minor + shares.commission_minor == state.order.total_minor
    assert shares.commission_minor >= 0
    assert shares.discount_minor >= 0
    assert shares.commission_minor <= sum(line.commission_minor for line in state.lines)
    rates = [(line.paid_minor, line.commission_minor) for line in state.lines]
    assert all(commission * 10_000 <= paid * bps for paid, commission in rates)


@settings(max_examples=at_least(200))
@given(quantity=st.integers(1, 50), price=st.integers(0, 9999), bps=st.integers(0, 10_000), steps=st.data())
def test_commission_given_back_in_steps_is_never_negative_and_exact_in_the_end(
    quantity: int, price: int, bps: int, steps: st.DataObject
) -> None:
    state = opened(order_of((quantity, price), freight=1), bps)
    whole = left = credit_shares(state).commission_minor
    while not everything_ended(state):
        state, _ = ending(state, l1=steps.draw(st.integers(1, quantity)))
        now = credit_shares(state).commission_minor
        assert 0 <= now <= left <= whole
        left = now
    assert left == 0


# --- postings -------------------------------------------------------------------------------------------------


def test_postings_carry_amounts_and_the_record_of_the_order_as_it_will_be() -> None:
    driver = OrderDriver().open()
    driver.ship()
    driver.hold()
    driver.deliver()
    driver.confirm()
    state = driver.state.without_hold("risk", "")
    credit = post(state, Booking("credit"), driver.now)
    assert sum(leg.amount_minor for leg in credit.movement.legs) == 13580
    assert isinstance(credit.record, OrderRecord)
    assert (credit.record.phase, credit.record.revision) == ("credited", state.revision + 1)
    fund = post(opened(an_order()), Booking("fund"), T0)
    assert fund.movement.legs == (("psp/wechat", "order/A1001/escrow", 13580),)
    assert (fund.movement.reference, fund.summary, fund.record.revision) == ("order/A1001/fund", "fund", 1)


def test_settlement_moves_what_was_credited() -> None:
    driver = OrderDriver(order_of((1, 1000), discount=100, by="platform")).open()
    driver.ship()
    driver.deliver()
    driver.confirm()
    settle = post(driver.state, Booking("settle"), driver.now).movement
    assert settle.into("merchant/m-7/available") == driver.state.credited_minor == driver.books.of("proceeds") == 955


def test_refund_posting_names_its_cause() -> None:
    driver = OrderDriver().open()
    driver.hold(scope="all")
    driver.send("cancel_order", "buyer", reason="no")
    refund = post(driver.state, Booking("refund", "cancel"), driver.now)
    assert isinstance(refund.record, OrderRecord)
    assert (refund.movement.name("cause"), refund.summary) == ("cancel", "refund cancel")
    assert refund.movement.into("order/A1001/refund_payable/cancel") == refund.record.refunded_minor == 13580


@pytest.mark.parametrize("gift", [(1, 0), (3, 0)])
def test_refund_of_a_gift_is_nothing_and_needs_no_posting(gift: tuple[int, int]) -> None:
    driver = OrderDriver(order_of(gift, (1, 500), freight=100)).open()
    driver.ship(a_parcel(1, {"1": gift[0]}), a_parcel(2))
    driver.hear("p1", "rejected", "x")
    driver.deliver("p2")
    driver.until(driver.deadline("audit_correction"))
    assert driver.refunds() == {}
    assert driver.parcel("p1").ended
    driver.confirm()
    assert driver.phase == "credited"
    driver.check()


def test_credit_of_nothing_but_a_gift_still_closes_the_order() -> None:
    driver = OrderDriver(order_of((1, 0), (1, 500))).open()
    driver.ship(a_parcel(1, {"1": 1}), a_parcel(2))
    driver.deliver("p1")
    driver.hear("p2", "rejected", "x")
    driver.until(driver.deadline("audit_correction"))
    driver.channel_says("arrived")
    driver.confirm()
    driver.advance(driver.deadline("settle_at") - driver.now)
    assert (driver.phase, driver.state.closed, driver.books.of("available")) == ("settled", True, 0)
    driver.check()


def notices_of(driver: OrderDriver) -> list[Any]:
    return [(notice.to, notice.name, notice.facts.get("amount_minor")) for notice in driver.noticed.values()]


def test_buyer_and_merchant_are_told_of_every_refund() -> None:
    driver = OrderDriver().open()
    driver.send("cancel_order", "buyer", reason="no")
    driver.channel_says("arrived")
    notices = notices_of(driver)
    assert ("buyer", "refund_owed", "13580") in notices
    assert ("merchant", "refund_owed", "13580") in notices
    assert ("buyer", "refund_arrived", "13580") in notices
