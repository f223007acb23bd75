"""What a merchant says of goods that are not shipped yet, and what the buyer makes of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from case_driver import FREIGHT, LINE_1, LINE_2, TOTAL, case, code, say
from order_driver import OrderDriver
from order_samples import DAY, HOUR, T0, a_parcel, a_policy, an_order

LINES_2 = [{"line_id": "2", "quantity": 1}]


def opened(**limits: Any) -> OrderDriver:
    return OrderDriver(policy=a_policy(**limits)).open()


def partly(**limits: Any) -> OrderDriver:
    """One unit of the first line is shipped; another, and the second line, are not."""
    driver = opened(**limits)
    driver.ship(a_parcel(1, {"1": 1}))
    return driver


def ask(driver: OrderDriver, ship_by: datetime = T0 + 7 * DAY, reason: str = "the factory is late") -> str:
    return code(say(driver, "request_delay", "merchant", ship_by=ship_by.isoformat(), reason=reason))


def answered(driver: OrderDriver, answer: str = "accept", role: str = "buyer", **fields: Any) -> str:
    return code(say(driver, "answer_delay", role, answer=answer, **fields))


def give_up(driver: OrderDriver, reason: str = "sold out", **fields: Any) -> str:
    return code(say(driver, "decline_shipment", "merchant", reason=reason, **fields))


# --- not at all ------------------------------------------------------------------------------------------


def test_a_merchant_who_cannot_ship_anything_gives_all_back_at_once() -> None:
    driver = opened()
    assert give_up(driver) == "accepted"
    assert (driver.phase, driver.refunds()) == ("cancelled", {"declined": TOTAL})
    driver.channel_says("arrived")
    assert driver.state.closed


def test_the_rest_is_given_back_early_and_the_part_is_credited_and_settled() -> None:
    driver = partly()
    assert give_up(driver) == "accepted"
    assert (driver.phase, driver.refunds()) == ("shipped", {"declined": LINE_1 + LINE_2})
    assert driver.state.shipped_at == driver.now
    driver.channel_says("arrived")
    driver.advance(3 * DAY).deliver()
    driver.confirm()
    driver.advance(8 * DAY).check()
    assert driver.phase == "settled"
    assert driver.state.credited_minor + driver.state.commission_minor == LINE_1 + FREIGHT
    assert driver.state.closed


def test_the_rest_is_given_back_at_ship_by_and_silence_confirms_the_part() -> None:
    driver = partly()
    driver.advance(2 * DAY)
    assert (driver.phase, driver.refunds()) == ("shipped", {"ship_by": LINE_1 + LINE_2})
    driver.channel_says("arrived")
    driver.deliver()
    driver.advance(15 * DAY).check()
    assert (driver.phase, driver.state.receipt.by) == ("settled", "timeout")
    assert driver.state.settled_minor == driver.state.credited_minor


def test_the_last_parcel_of_a_part_that_fails_its_audit_ends_the_order() -> None:
    driver = partly()
    give_up(driver)
    driver.hear("p1", "rejected")
    driver.advance(4 * DAY).check()
    assert (driver.phase, sum(driver.refunds().values())) == ("refunded", TOTAL)


def test_one_line_is_given_up_and_the_other_is_shipped() -> None:
    driver = opened()
    assert give_up(driver, lines=LINES_2) == "accepted"
    assert driver.state.left_to_ship() == {"1": 2}
    assert driver.deadline("ship_by") is not None
    driver.ship()
    driver.deliver()
    driver.confirm()
    assert driver.state.credited_minor + driver.state.commission_minor == TOTAL - LINE_2


def test_what_is_given_up_twice_is_refunded_once() -> None:
    driver = partly()
    assert give_up(driver) == "accepted"
    assert give_up(driver) == "nothing_left_to_ship"
    assert driver.refunds() == {"declined": LINE_1 + LINE_2}


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"lines": [{"line_id": "9", "quantity": 1}]}, "unknown_line"),
        ({"lines": [{"line_id": "1", "quantity": 2}]}, "quantity_too_large"),
        ({"lines": [*LINES_2, *LINES_2]}, "quantity_too_large"),
        ({"reason": " "}, "reason_missing"),
    ],
)
def test_only_what_is_left_is_given_up(fields: dict[str, Any], refused: str) -> None:
    driver = partly()
    assert give_up(driver, **fields) == refused
    assert driver.refunds() == {}


def test_a_case_about_a_line_that_is_given_up_finds_nothing_left() -> None:
    driver = partly()
    case(driver, reason="not_received", lines=LINES_2)
    give_up(driver, lines=LINES_2)
    say(driver, "agree_after_sale", "merchant")
    assert (driver.refunds(), driver.state.cases[-1].closed_as) == ({"declined": LINE_2}, "nothing_left")


# --- later -----------------------------------------------------------------------------------------------


def test_a_later_date_counts_once_the_buyer_accepts() -> None:
    driver = opened()
    assert ask(driver) == "accepted"
    assert driver.deadline("ship_by") == T0 + 2 * DAY
    assert [(n.to, n.facts["new"]) for n in driver.notices("delay_asked")] == [("buyer", (T0 + 7 * DAY).isoformat())]
    assert answered(driver) == "accepted"
    assert driver.deadline("ship_by") == T0 + 7 * DAY
    assert [(n.to, n.facts["old"]) for n in driver.notices("delay_accepted")] == [
        ("merchant", (T0 + 2 * DAY).isoformat()),
        ("buyer", (T0 + 2 * DAY).isoformat()),
    ]
    driver.advance(7 * DAY)
    assert driver.refunds() == {"ship_by": TOTAL}


def test_silence_refuses_a_later_date_and_the_old_one_passes() -> None:
    driver = opened(ship_within="10d")
    ask(driver, T0 + 12 * DAY)
    assert driver.deadline("delay_answer_by") == T0 + 2 * DAY
    driver.advance(2 * DAY)
    assert [n.facts["reason"] for n in driver.notices("delay_refused")] == ["no answer in time"] * 2
    assert answered(driver) == "no_delay_request"
    driver.advance(8 * DAY)
    assert driver.refunds() == {"ship_by": TOTAL}


def test_a_request_ends_with_the_date_that_it_would_move() -> None:
    driver = opened()
    driver.advance(47 * HOUR)
    ask(driver)
    driver.advance(HOUR)
    assert [n.name for n in driver.notices("delay_refused")] == ["delay_refused"] * 2
    assert driver.refunds() == {"ship_by": TOTAL}


def test_a_later_date_is_asked_for_as_often_as_the_policy_says() -> None:
    driver = opened()
    for days in (7, 14):
        assert ask(driver, T0 + days * DAY) == "accepted"
        assert ask(driver, T0 + days * DAY) == "delay_pending"
        answered(driver)
    assert ask(driver, T0 + 20 * DAY) == "too_many_delays"
    assert driver.deadline("ship_by") == T0 + 14 * DAY


@pytest.mark.parametrize("days", [2, 1, 18])
def test_a_date_is_later_than_the_promise_and_not_too_late(days: int) -> None:
    driver = opened()
    assert ask(driver, T0 + days * DAY) == "impossible_date"


def test_what_is_shipped_meanwhile_needs_no_answer() -> None:
    driver = opened()
    ask(driver)
    driver.ship()
    assert answered(driver) == "no_delay_request"
    assert "delay_answer_by" not in driver.waits_for()


def test_a_refused_date_stays_and_an_operator_says_why() -> None:
    driver = opened()
    ask(driver)
    assert answered(driver, "refuse", "operator") == "reason_missing"
    assert answered(driver, "refuse", "operator", reason="the buyer called") == "accepted"
    assert driver.deadline("ship_by") == T0 + 2 * DAY
    assert driver.notices("delay_refused")[0].facts["reason"] == "the buyer called"


def test_an_operator_may_have_moved_the_date_further_than_was_asked() -> None:
    driver = opened()
    ask(driver, T0 + 3 * DAY)
    say(driver, "shift_deadline", "operator", deadline="ship_by", by="5d", reason="holiday")
    answered(driver)
    assert driver.deadline("ship_by") == T0 + 7 * DAY


def test_a_date_of_the_order_is_kept_in_full_and_a_cut_is_told() -> None:
    own = T0 + 14 * DAY
    driver = OrderDriver(an_order(ship_by=own.isoformat())).open()
    assert (driver.deadline("ship_by"), driver.notices("ship_by_shortened")) == (own, [])
    driver.advance(13 * DAY + 23 * HOUR)
    assert driver.phase == "awaiting_shipment"
    far = OrderDriver(an_order(ship_by=(T0 + timedelta(days=40)).isoformat())).open()
    assert far.deadline("ship_by") == T0 + 15 * DAY
    assert [n.to for n in far.notices("ship_by_shortened")] == ["merchant", "buyer"]


def test_before_the_goods_are_allowed_nothing_is_given_up_or_put_off() -> None:
    driver = OrderDriver()
    assert driver.state.phase == "opening"
    assert code(driver.arrive(driver.command("decline_shipment", "merchant", reason="x"), "update")) == "not_released"
