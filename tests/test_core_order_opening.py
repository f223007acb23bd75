"""How an order begins: payment time, funding, screening, and when the merchant must have shipped."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from order_driver import OrderDriver, verb_of
from order_samples import DAY, HOUR, SECOND, T0, a_policy, an_order

from core.answers import Answer
from core.messages import Order
from core.order.opening import Screening, check_payment_time
from core.order.steps import Screen, finish
from core.reasons import Refusal

HELD = Screening(verdict="hold", reasons=("medicine",))


def paid_at(at: Any) -> Order:
    return an_order(payment={"reference": "wx-1", "channel": "wechat", "paid_minor": 13580, "paid_at": at.isoformat()})


def test_escrow_is_funded_before_the_goods_are_screened() -> None:
    driver = OrderDriver().open()
    assert [verb_of(step) for step in driver.steps][:2] == ["fund", "screen"]
    assert driver.books.of("escrow") == 13580
    assert driver.phase == "awaiting_shipment"


@pytest.mark.parametrize(
    ("paid", "refused"),
    [
        (T0 + timedelta(minutes=5), False),
        (T0 + timedelta(minutes=5) + SECOND, True),
        (T0 - 30 * DAY, False),
        (T0 - 30 * DAY - SECOND, True),
    ],
)
def test_payment_of_the_future_or_of_long_ago_is_refused(paid: Any, refused: bool) -> None:
    refusal = check_payment_time(paid_at(paid), a_policy(), T0)
    assert (refusal is not None) == refused
    assert refusal is None or (refusal.code, refusal.field) == ("payment_time", "payment.paid_at")


def test_policy_may_allow_an_older_payment() -> None:
    assert check_payment_time(paid_at(T0 - 40 * DAY), a_policy(payment_oldest="60d"), T0) is None


# --- the ship-by clock ----------------------------------------------------------------------------------------


def test_ship_by_clock_starts_at_the_payment_when_screening_passes_at_once() -> None:
    driver = OrderDriver(paid_at(T0 - 3 * HOUR)).open()
    assert driver.state.ship_by == T0 + 45 * HOUR


def test_payment_a_little_in_the_future_starts_the_clock_now() -> None:
    assert OrderDriver(paid_at(T0 + timedelta(minutes=4))).open().state.ship_by == T0 + 48 * HOUR


def test_order_that_reaches_us_after_its_limit_leaves_the_merchant_a_day() -> None:
    driver = OrderDriver(paid_at(T0 - 3 * DAY)).open()
    assert driver.state.ship_by == T0 + 24 * HOUR
    assert driver.phase == "awaiting_shipment"


def test_ship_by_clock_starts_when_a_person_lets_the_goods_go() -> None:
    driver = OrderDriver(screening=HELD).open().advance(10 * HOUR)
    assert driver.phase == "screening_held"
    driver.send("decide_screening", "reviewer", verdict="allow", reason="a prescription exists")
    assert driver.phase == "awaiting_shipment"
    assert driver.state.ship_by == T0 + 58 * HOUR


@pytest.mark.parametrize(
    ("own", "ship_by"),
    [
        (T0 + 5 * DAY, T0 + 5 * DAY),
        (T0 + 20 * HOUR, T0 + 20 * HOUR),
        (T0 + 40 * DAY, T0 + 15 * DAY),
        (T0 - HOUR, T0 + 24 * HOUR),
    ],
)
def test_an_order_may_carry_its_own_limit_up_to_fifteen_days(own: Any, ship_by: Any) -> None:
    assert OrderDriver(an_order(ship_by=own.isoformat())).open().state.ship_by == ship_by


@pytest.mark.parametrize(("own_hours", "hours"), [(20, 30 + 24), (30, 30 + 24), (31, 31), (53, 53)])
def test_own_limit_that_passed_in_screening_leaves_a_day(own_hours: int, hours: int) -> None:
    driver = OrderDriver(an_order(ship_by=(T0 + own_hours * HOUR).isoformat()), screening=HELD).open()
    driver.advance(30 * HOUR).send("decide_screening", "reviewer", verdict="allow", reason="fine")
    assert driver.state.ship_by == T0 + hours * HOUR


# --- screening ------------------------------------------------------------------------------------------------


def test_prohibited_goods_are_refused_and_the_refund_reaches_the_buyer() -> None:
    driver = OrderDriver(screening=Screening(verdict="refuse", reasons=("weapons",))).open()
    assert (driver.phase, driver.state.closed) == ("refused", False)
    assert driver.refunds() == {"screening": 13580}
    driver.channel_says("arrived")
    assert driver.state.closed
    driver.check()


def test_reviewer_refuses_held_goods() -> None:
    driver = OrderDriver(screening=HELD).open()
    assert isinstance(driver.send("decide_screening", "reviewer", verdict="refuse", reason="counterfeit"), Answer)
    assert driver.phase == "refused"
    assert driver.refunds() == {"screening": 13580}


MAY_APPEAL = Screening(verdict="refuse", reasons=("firearms (line 1: 手枪)",), edition="1+abc", appealable=True)


def test_goods_that_a_rule_refused_wait_for_their_merchants_appeal() -> None:
    driver = OrderDriver(screening=MAY_APPEAL).open()
    assert (driver.phase, driver.refunds()) == ("screening_held", {})
    assert driver.waits_for() == {"screening_appeal_by"}
    notice = driver.notices("screening_refused")[0]
    assert (notice.to, notice.facts["edition"], notice.facts["reasons"]) == (
        "merchant",
        "1+abc",
        "firearms (line 1: 手枪)",
    )
    assert isinstance(driver.advance(23 * HOUR).send("appeal_screening", "merchant", statement="a toy"), Answer)
    assert driver.waits_for() == {"screening_sla", "screening_end"}
    driver.advance(2 * HOUR).send("decide_screening", "reviewer", verdict="allow", reason="a toy indeed")
    assert driver.phase == "awaiting_shipment"
    assert driver.state.ship_by == driver.now + 48 * HOUR
    driver.check()


def test_a_merchant_who_does_not_appeal_agrees_and_a_policy_may_know_no_appeal() -> None:
    driver = OrderDriver(screening=MAY_APPEAL).open().advance(24 * HOUR)
    assert (driver.phase, driver.refunds()) == ("refused", {"screening": 13580})
    at_once = OrderDriver(policy=a_policy(screening_appeal="0s"), screening=MAY_APPEAL).open()
    assert (at_once.phase, at_once.refunds()) == ("refused", {"screening": 13580})


def test_held_goods_are_appealed_once_and_the_reviewers_clock_runs_on() -> None:
    driver = OrderDriver(screening=HELD).open().advance(5 * HOUR)
    assert isinstance(driver.send("appeal_screening", "merchant", statement="here is the licence"), Answer)
    assert driver.deadline("screening_sla") == T0 + 24 * HOUR
    again = driver.send("appeal_screening", "merchant", statement="please")
    assert isinstance(again, Refusal)
    assert again.code == "appeal_used"
    assert len(driver.notices("screening_appealed")) == 1


def test_an_appeal_says_why_and_only_of_goods_that_wait() -> None:
    empty = OrderDriver(screening=MAY_APPEAL).open().send("appeal_screening", "merchant", statement="  ")
    assert isinstance(empty, Refusal)
    assert (empty.code, empty.field) == ("reason_missing", "statement")
    passed = OrderDriver().open().send("appeal_screening", "merchant", statement="why not")
    assert isinstance(passed, Refusal)
    assert passed.code == "not_held"


@pytest.mark.parametrize(("reason", "code"), [("", "reason_missing"), ("  ", "reason_missing")])
def test_screening_is_decided_with_a_reason(reason: str, code: str) -> None:
    driver = OrderDriver(screening=HELD).open()
    answer = driver.send("decide_screening", "reviewer", verdict="allow", reason=reason)
    assert isinstance(answer, Refusal)
    assert answer.code == code


def test_screening_of_goods_that_are_not_held_is_refused() -> None:
    answer = OrderDriver().open().send("decide_screening", "reviewer", verdict="allow", reason="fine")
    assert isinstance(answer, Refusal)
    assert answer.code == "not_held"


def test_buyer_may_cancel_while_goods_are_held_and_the_later_decision_comes_too_late() -> None:
    driver = OrderDriver(screening=HELD).open()
    assert isinstance(driver.send("cancel_order", "buyer", reason="too slow"), Answer)
    assert driver.phase == "cancelled"
    answer = driver.send("decide_screening", "reviewer", verdict="allow", reason="fine")
    assert isinstance(answer, Refusal)
    assert answer.code == "order_over"


def test_held_goods_cannot_be_shipped() -> None:
    answer = OrderDriver(screening=HELD).open().ship()
    assert isinstance(answer, Refusal)
    assert answer.code == "not_released"


def test_what_arrives_while_the_order_opens_finds_it_as_it_is() -> None:
    """A fund that the ledger refuses leaves the order opening under a hold: every command gets an answer."""
    driver = OrderDriver()
    driver.ledger_says.append("conflict")
    driver.open()
    assert driver.phase == "opening"
    assert driver.holds() == {"ledger_disagrees"}
    driver.check()
    answer = driver.ship()
    assert isinstance(answer, Refusal)
    assert answer.code == "not_released"
    assert isinstance(driver.lift("ledger_disagrees"), Answer)
    assert driver.phase == "awaiting_shipment"


def test_order_cancelled_while_it_opens_is_funded_and_refunded_and_never_released() -> None:
    driver = OrderDriver()
    driver.ledger_says.append("conflict")
    driver.open().send("cancel_order", "buyer", reason="no")
    assert driver.phase == "cancelled"
    driver.lift("ledger_disagrees")
    assert [verb_of(step) for step in driver.steps if verb_of(step) != "record"] == ["fund", "fund", "refund"]
    driver.channel_says("arrived")
    assert driver.state.closed
    driver.check()


def test_screening_that_reports_after_the_order_was_cancelled_releases_nothing() -> None:
    driver = OrderDriver()
    driver.ledger_says.append("conflict")
    driver.open().send("cancel_order", "buyer", reason="no")
    assert finish(driver.state, Screen(), Screening(verdict="allow"), driver.now).phase == "cancelled"
