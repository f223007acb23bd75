"""`refund_order`: two people give a buyer money back, in every phase of the order."""

from __future__ import annotations

import re
from typing import Any

import pytest
from order_driver import OrderDriver, verb_of
from order_samples import DAY, a_parcel, a_policy, an_order

from core.answers import Answer
from core.order.steps import OrderStep
from core.reasons import Refusal

LINE: dict[str, Any] = {"lines": [{"line_id": "1", "quantity": 1}]}


def code(answer: Answer | Refusal) -> str:
    return answer.code if isinstance(answer, Refusal) else answer.outcome


def ask(driver: OrderDriver, person: str = "ann", **fields: Any) -> str:
    actor = {"role": "operator", "id": person}
    return code(driver.send("refund_order", "operator", **{"actor": actor, "reason": "dented", **fields}))


def grant(driver: OrderDriver, **fields: Any) -> None:
    assert [ask(driver, person, **fields) for person in ("ann", "bob")] == ["accepted", "accepted"]


def delivered(**limits: Any) -> OrderDriver:
    driver = OrderDriver(policy=a_policy(**limits)).open()
    driver.ship()
    driver.deliver("p1")
    return driver


def credited() -> OrderDriver:
    driver = delivered()
    driver.confirm()
    return driver


def test_what_is_left_is_said_as_people_read_it() -> None:
    answer = delivered().send("refund_order", "operator", reason="dented", amount_minor=99_999_999)
    assert isinstance(answer, Refusal)
    assert re.search(r"[0-9]\.[0-9]{2} CNY is left\.$", answer.message), answer.message


# --- two people -----------------------------------------------------------------------------------------------


def test_one_person_alone_moves_nothing() -> None:
    driver = delivered()
    assert ask(driver, **LINE) == "accepted"
    assert driver.refunds() == {}
    assert ask(driver, **LINE) == "needs_other_person"
    assert ask(driver, "bob", **LINE) == "accepted"
    assert list(driver.refunds().values()) == [1990]
    driver.check()


def test_two_who_say_different_things_move_nothing() -> None:
    driver = delivered()
    assert ask(driver, "ann", amount_minor=100) == "accepted"
    assert ask(driver, "bob", amount_minor=200) == "accepted"
    assert driver.refunds() == {}
    assert ask(driver, "ann", amount_minor=200) == "accepted"
    assert list(driver.refunds().values()) == [200]


def test_what_was_asked_long_ago_is_asked_anew() -> None:
    driver = delivered()
    ask(driver, "ann", amount_minor=100)
    driver.advance(3 * DAY)
    assert ask(driver, "bob", amount_minor=100) == "accepted"
    assert driver.refunds() == {}


def test_of_a_line_no_more_units_are_refunded_than_are_left() -> None:
    driver = delivered()
    grant(driver, **LINE)
    assert ask(driver, lines=[{"line_id": "1", "quantity": 2}]) == "above_refundable"
    grant(driver, **LINE)
    assert list(driver.refunds().values()) == [1990, 1990]


def test_the_same_refund_may_be_granted_again() -> None:
    driver = delivered()
    grant(driver, amount_minor=100)
    grant(driver, amount_minor=100)
    assert list(driver.refunds().values()) == [100, 100]
    driver.check()


# --- in every phase ------------------------------------------------------------------------------------------


def test_before_the_shipment_a_line_leaves_the_order() -> None:
    driver = OrderDriver().open()
    grant(driver, **LINE)
    assert driver.state.left_to_ship() == {"1": 1, "2": 1}
    driver.ship()
    driver.deliver("p1")
    driver.confirm()
    assert driver.books.of("proceeds") == driver.state.credited_minor
    driver.check()


def test_the_whole_order_before_the_shipment_goes_back_with_its_freight() -> None:
    driver = OrderDriver().open()
    grant(driver)
    driver.channel_says("arrived")
    assert (driver.phase, driver.state.closed, driver.refund_status()) == ("refunded", True, ["arrived"])
    driver.check()


def test_while_it_is_shipped_the_buyer_keeps_the_goods_and_the_rest_is_credited() -> None:
    driver = delivered()
    grant(driver, amount_minor=1000)
    driver.channel_says("arrived")
    driver.confirm()
    assert driver.phase == "credited"
    assert driver.books.of("proceeds") + driver.books.of("commission") == 13580 - 1000
    driver.check()


def test_after_the_credit_it_comes_from_proceeds_and_commission() -> None:
    driver = credited()
    before = driver.books.of("proceeds"), driver.books.of("commission")
    grant(driver, amount_minor=1000)
    after = driver.books.of("proceeds"), driver.books.of("commission")
    assert driver.books.payable() == 1000
    assert sum(before) - sum(after) == 1000
    assert before[1] - after[1] == driver.state.refunds[0].commission_minor > 0
    driver.advance(8 * DAY)
    driver.channel_says("arrived")
    assert (driver.phase, driver.state.closed, driver.books.of("available")) == ("settled", True, after[0])
    driver.check()


def test_after_the_credit_the_platforms_discount_goes_back_to_it() -> None:
    payment = {"reference": "wx-1", "channel": "wechat", "paid_minor": 12580, "paid_at": an_order().payment.paid_at}
    order = an_order(discount_minor=1000, discount_funded_by="platform", total_minor=12580, payment=payment)
    driver = OrderDriver(order).open()
    driver.ship()
    driver.deliver("p1")
    driver.confirm()
    assert driver.books.of("discount") == -1000
    grant(driver, lines=[{"line_id": "2", "quantity": 1}])
    assert driver.books.of("discount") == -(1000 - driver.state.refunds[0].discount_minor)
    driver.check()
    grant(driver)
    assert driver.books.of("discount") == driver.books.of("proceeds") == driver.books.of("commission") == 0
    driver.check()


def test_all_of_it_after_the_credit_ends_the_order_unsettled() -> None:
    driver = credited()
    grant(driver)
    driver.channel_says("arrived")
    assert (driver.phase, driver.state.closed) == ("refunded", True)
    assert driver.books.of("proceeds") == driver.books.of("commission") == driver.books.of("available") == 0
    driver.check()


def test_what_the_platform_bears_leaves_the_merchant_the_whole() -> None:
    driver = credited()
    before = driver.books.of("proceeds")
    grant(driver, amount_minor=5000, bearer="platform")
    assert (driver.books.of("proceeds"), driver.books.of("goodwill")) == (before, -5000)
    driver.channel_says("arrived")
    driver.advance(8 * DAY)
    assert (driver.phase, driver.books.of("available")) == ("settled", before)
    driver.check()


# --- refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "why", "field"),
    [
        ({"amount_minor": 13581}, "above_refundable", "amount_minor"),
        ({"lines": [{"line_id": "1", "quantity": 3}]}, "above_refundable", "lines.0.quantity"),
        ({"lines": [{"line_id": "9", "quantity": 1}]}, "unknown_line", "lines.0.line_id"),
        ({"amount_minor": 1, "bearer": "platform"}, "too_early", "bearer"),
        ({"amount_minor": 1, "reason": ""}, "reason_missing", "reason"),
    ],
)
def test_bad_wishes_are_refused_and_move_nothing(fields: dict[str, Any], why: str, field: str) -> None:
    driver = delivered()
    actor = {"role": "operator", "id": "ann"}
    answer = driver.send("refund_order", "operator", actor=actor, **{"reason": "dented", **fields})
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.field) == (why, field)
    driver.check()


def test_more_than_is_left_is_refused_to_the_second_person_too() -> None:
    driver = delivered()
    ask(driver, "ann", amount_minor=13000)
    driver.send("refund_order", "reviewer", actor={"role": "reviewer", "id": "eve"}, reason="x", amount_minor=1000)
    assert ask(driver, "ann", amount_minor=1000) == "accepted"
    assert ask(driver, "bob", amount_minor=13000) == "above_refundable"


def test_merchants_and_buyers_may_not() -> None:
    driver = delivered()
    assert code(driver.send("refund_order", "merchant", amount_minor=1, reason="x")) == "wrong_actor"
    assert code(driver.send("refund_order", "buyer", amount_minor=1, reason="x")) == "wrong_actor"


def test_while_the_credit_is_posted_it_is_asked_again() -> None:
    driver = delivered()
    answers: list[str] = []

    def during(step: OrderStep) -> None:
        if verb_of(step) == "credit":
            actor = {"role": "operator", "id": "ann"}
            late = driver.command("refund_order", "operator", actor=actor, reason="x", amount_minor=1)
            answers.append(code(driver.arrive(late)))

    driver.during = during
    driver.confirm()
    assert answers == ["too_early"]


def test_after_the_settlement_the_closed_order_runs_again_until_the_buyer_has_it() -> None:
    driver = credited()
    driver.advance(8 * DAY)
    assert (driver.phase, driver.state.closed) == ("settled", True)
    available = driver.books.of("available")
    assert ask(driver, amount_minor=1000) == "accepted"
    assert not driver.state.closed
    driver.check()
    assert ask(driver, "bob", amount_minor=1000) == "accepted"
    assert driver.refund_status() == ["booked"]
    assert driver.books.of("available") == available - driver.state.refunds[0].from_merchant_minor
    driver.check()
    driver.channel_says("arrived")
    assert (driver.phase, driver.state.closed) == ("settled", True)
    driver.check()


def test_what_the_merchant_has_withdrawn_is_owed() -> None:
    driver = credited()
    driver.advance(8 * DAY)
    driver.books.balances |= {"available": 0, "psp": -driver.books.of("commission")}
    grant(driver)
    driver.channel_says("arrived")
    assert driver.books.of("receivable") == -driver.state.refunds[0].from_merchant_minor
    assert (driver.phase, driver.state.closed, driver.books.of("commission")) == ("settled", True, 0)


def test_a_word_for_a_closed_order_that_nobody_seconds_is_forgotten() -> None:
    driver = credited()
    driver.advance(8 * DAY)
    ask(driver, amount_minor=1000)
    driver.advance(3 * DAY)
    assert (driver.state.closed, driver.refunds()) == (True, {})
    driver.check()


def test_an_order_that_gave_everything_back_has_nothing_left() -> None:
    driver = OrderDriver().open()
    driver.send("cancel_order", "buyer", reason="no")
    driver.channel_says("arrived")
    assert driver.state.closed
    assert ask(driver) == "above_refundable"


def test_a_refund_of_a_part_that_was_never_shipped_leaves_a_parcel_alone() -> None:
    driver = OrderDriver().open()
    driver.ship(a_parcel(1, {"1": 1, "2": 1}))
    grant(driver, lines=[{"line_id": "1", "quantity": 2}])
    assert (driver.phase, driver.state.left_to_ship()) == ("shipped", {})
    driver.deliver("p1")
    driver.confirm()
    assert driver.phase == "credited"
    driver.check()
