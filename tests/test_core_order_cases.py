"""After-sale cases in an order: what each verb and each silence comes to, whose money moves, and what waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from case_driver import (
    ALL_OF_2,
    LINE_1,
    LINE_2,
    ONE_OF_1,
    PHOTO,
    TOTAL,
    absent,
    absent_once,
    case,
    code,
    delivered,
    opened,
    returning,
    say,
    send_back,
    stage,
)
from order_driver import OrderDriver
from order_events import play
from order_samples import DAY, HOUR, SECOND, T0, WAYBILLS, a_parcel

from core.aftersale.deadlines import CASE_REMINDER
from core.aftersale.deadlines import PASSING as CASE_PASSING
from core.order.watches import audit_watches

# --- money -----------------------------------------------------------------------------------------------


class Scope(NamedTuple):
    """What a case asks for before anything is shipped, what goes back, and where that leaves the order."""

    name: str
    fields: dict[str, Any]
    refunded_minor: int
    phase: str


SCOPES = (
    Scope("everything", {}, TOTAL, "refunded"),
    Scope("one unit", {"lines": ONE_OF_1}, LINE_1, "awaiting_shipment"),
    Scope("a line", {"lines": ALL_OF_2}, LINE_2, "awaiting_shipment"),
    Scope("an amount", {"amount_minor": 500}, 500, "awaiting_shipment"),
    Scope("all by its amount", {"amount_minor": TOTAL}, TOTAL, "refunded"),
    Scope(
        "all by its lines",
        {"lines": [{"line_id": "1", "quantity": 2}, {"line_id": "2", "quantity": 1}]},
        TOTAL,
        "refunded",
    ),
)


@pytest.mark.parametrize("scope", SCOPES, ids=[scope.name for scope in SCOPES])
def test_what_a_case_is_about_goes_back_before_shipment(scope: Scope) -> None:
    driver = opened()
    assert code(case(driver, reason="changed_mind", **scope.fields)) == "accepted"
    assert code(say(driver, "agree_after_sale", "merchant")) == "accepted"
    assert driver.refunds() == {"case-1": scope.refunded_minor}
    assert (driver.phase, stage(driver), driver.state.after_sale) == (scope.phase, "refunding", "decided")
    assert driver.channel_says("arrived")
    assert stage(driver) == "refunded"
    assert driver.books.of("psp") == -(TOTAL - scope.refunded_minor)
    driver.check()


@pytest.mark.parametrize("scope", SCOPES, ids=[scope.name for scope in SCOPES])
def test_what_a_case_is_about_goes_back_after_the_delivery_and_the_rest_is_credited(scope: Scope) -> None:
    driver = delivered()
    case(driver, **scope.fields)
    say(driver, "agree_after_sale", "merchant")
    assert driver.refunds() == {"case-1": scope.refunded_minor}
    driver.channel_says("arrived")
    if scope.refunded_minor == TOTAL:
        assert (driver.phase, driver.state.closed) == ("refunded", True)
        return
    driver.confirm()
    assert driver.phase == "credited"
    assert driver.state.credited_minor + driver.state.commission_minor == TOTAL - scope.refunded_minor
    driver.advance(20 * DAY).check()
    assert driver.phase == "settled"


def test_two_cases_in_turn_never_give_back_more_than_was_paid() -> None:
    driver = delivered()
    case(driver, amount_minor=LINE_2)
    say(driver, "agree_after_sale", "merchant")
    left = TOTAL - LINE_2
    assert code(case(driver, amount_minor=left + 1)) == "above_refundable"
    assert code(case(driver, amount_minor=left)) == "accepted"
    say(driver, "agree_after_sale", "merchant")
    assert driver.refunds() == {"case-1": LINE_2, "case-2": left}
    assert driver.phase == "refunded"


def test_the_platform_may_bear_what_an_arbitration_gives() -> None:
    driver = delivered()
    _arbitrated(driver)
    verdict = {"decision": "all", "bears": "platform", "reason": "nobody's fault"}
    assert code(say(driver, "arbitrate", "reviewer", **verdict)) == "too_early"
    say(driver, "withdraw_after_sale", "buyer")
    driver.confirm()
    share = driver.state.credited_minor
    _arbitrated(driver)
    assert code(say(driver, "arbitrate", "reviewer", **verdict)) == "accepted"
    assert driver.state.refunds[-1].bearer == "platform"
    driver.channel_says("arrived")
    driver.advance(20 * DAY).check()
    assert (driver.phase, driver.books.of("available")) == ("settled", share)


# --- stages ----------------------------------------------------------------------------------------------


def test_goods_come_back_and_the_merchant_confirms_them() -> None:
    driver = delivered()
    case(driver, "return_and_refund", lines=ALL_OF_2)
    say(driver, "agree_after_sale", "merchant")
    assert stage(driver) == "awaiting_return"
    assert code(send_back(driver)) == "accepted"
    (watch,) = [watch for watch in audit_watches(driver.state) if watch.parcel_id == "return-1"]
    assert (watch.waybill, watch.collecting) == (WAYBILLS[20], True)
    driver.hear("return-1", "pending", first_physical_at=driver.now)
    assert driver.waits_for() >= {"return_delivery_by"}
    driver.advance(3 * DAY).hear("return-1", "approved", first_physical_at=T0, delivered_at=driver.now)
    assert stage(driver) == "inspecting"
    say(driver, "confirm_return", "merchant")
    assert driver.refunds() == {"case-1": LINE_2}
    assert (driver.phase, driver.receipt) == ("shipped", "awaited")
    assert not [watch for watch in audit_watches(driver.state) if watch.parcel_id == "return-1"]


def test_a_provider_that_has_heard_less_takes_no_scan_of_a_return_back() -> None:
    driver = delivered()
    case(driver, "return_and_refund", lines=ALL_OF_2)
    say(driver, "agree_after_sale", "merchant")
    send_back(driver)
    driver.hear("return-1", first_physical_at=driver.now)
    driver.hear("return-1", label_at=driver.now - HOUR)
    parcel = driver.state.cases[-1].parcel
    assert parcel is not None
    assert parcel.first_physical_at == driver.now


def test_a_return_that_is_not_the_goods_is_decided_in_part() -> None:
    driver = delivered()
    case(driver, "return_and_refund")
    say(driver, "agree_after_sale", "merchant")
    send_back(driver)
    driver.hear("return-1", "approved", first_physical_at=driver.now, delivered_at=driver.now)
    say(driver, "refuse_return", "merchant", reason="an empty box", evidence=[PHOTO])
    assert stage(driver) == "arbitration"
    say(driver, "add_evidence", "buyer", evidence=[PHOTO])
    assert [exhibit.by.role for exhibit in driver.state.cases[-1].evidence] == ["merchant", "buyer"]
    assert code(say(driver, "arbitrate", "reviewer", decision="part", amount_minor=4_000, reason="half")) == "accepted"
    assert driver.refunds() == {"case-1": 4_000}
    assert [n.to for n in driver.notices("after_sale_arbitration")] == ["buyer", "merchant", "reviewer"]


def test_an_exchange_is_shipped_and_audited_anew_and_moves_no_money() -> None:
    driver = delivered()
    case(driver, "exchange", "wrong_item", lines=ALL_OF_2)
    say(driver, "agree_after_sale", "merchant")
    send_back(driver)
    driver.hear("return-1", "approved", first_physical_at=driver.now, delivered_at=driver.now)
    say(driver, "confirm_return", "merchant")
    assert (stage(driver), driver.receipt) == ("exchanged", "not_due")
    assert driver.state.left_to_ship() == {"2": 1}
    assert driver.deadline("ship_by") == driver.now + 2 * DAY
    assert code(say(driver, "report_shipment", "merchant", parcels=[a_parcel(2)])) == "accepted"
    driver.deliver("p2")
    driver.confirm()
    assert driver.phase == "credited"
    assert driver.refunds() == {}
    assert driver.state.credited_minor + driver.state.commission_minor == TOTAL


def test_an_exchange_that_is_never_sent_is_refunded() -> None:
    driver = delivered()
    case(driver, "exchange", "wrong_item", lines=ALL_OF_2)
    say(driver, "agree_after_sale", "merchant", with_return=False)
    driver.advance(2 * DAY)
    assert driver.refunds() == {"ship_by": LINE_2}


def test_a_smaller_amount_is_offered_twice_at_most_and_taken() -> None:
    driver = delivered()
    case(driver, amount_minor=2_000)
    assert code(say(driver, "propose_amount", "merchant", amount_minor=2_000)) == "above_refundable"
    say(driver, "propose_amount", "merchant", amount_minor=500)
    say(driver, "propose_amount", "merchant", amount_minor=900)
    assert code(say(driver, "propose_amount", "merchant", amount_minor=950)) == "too_many_proposals"
    assert code(say(driver, "accept_amount", "buyer", amount_minor=500)) == "wrong_amount"
    assert code(say(driver, "accept_amount", "buyer", amount_minor=900)) == "accepted"
    assert driver.refunds() == {"case-1": 900}


def test_the_refund_of_an_order_that_ended_meanwhile_is_not_paid_again() -> None:
    driver = opened()
    case(driver)
    say(driver, "cancel_order", "buyer", reason="no longer wanted")
    assert driver.refunds() == {"cancel": TOTAL}
    assert (stage(driver), driver.state.cases[-1].closed_as) == ("closed", "order_over")
    assert code(say(driver, "agree_after_sale", "merchant")) == "order_over"


# --- silence ---------------------------------------------------------------------------------------------


class Wait(NamedTuple):
    """A stage without a decision: how it begins, which deadline ends it, after how long, and as what."""

    name: str
    start: Callable[[OrderDriver], object]
    after: timedelta
    becomes: str
    undelivered: bool = False


def _arbitrated(driver: OrderDriver) -> None:
    play(driver, ["case: refund 500", "case: refuse", "case: escalate"])


def _replacing(driver: OrderDriver, *then: str) -> None:
    play(driver, ["confirm", "case: exchange all", "case: agree, no return", *then])


WAITS = (
    Wait("answer_by", lambda d: play(d, ["case: refund"]), 2 * DAY, "refunding", undelivered=True),
    Wait("answer_by", lambda d: play(d, ["case: refund"]), 2 * DAY, "awaiting_return"),
    Wait("answer_by", lambda d: play(d, ["case: refund 500"]), 2 * DAY, "arbitration"),
    Wait("answer_by", lambda d: play(d, ["case: exchange all"]), 2 * DAY, "awaiting_return"),
    Wait("accept_by", lambda d: play(d, ["case: refund", "case: propose 300"]), 7 * DAY, "closed"),
    Wait("escalate_by", lambda d: play(d, ["case: refund", "case: refuse"]), 7 * DAY, "closed"),
    Wait("return_by", lambda d: play(d, ["case: return", "case: agree"]), 7 * DAY, "closed"),
    Wait("return_pickup_by", lambda d: returning(d, False), 5 * DAY, "arbitration"),
    Wait("return_pickup_by", absent, 5 * DAY, "closed"),
    Wait("return_pickup_by", absent_once, 5 * DAY, "arbitration"),
    Wait("return_delivery_by", lambda d: returning(d, True), 20 * DAY, "arbitration"),
    Wait("inspect_by", lambda d: play(d, ["case: return", "case: agree", "case: send back", "back: delivered"]),
         7 * DAY, "refunding"),
    Wait("replace_by", lambda d: _replacing(d), 3 * DAY, "refunding"),
    Wait("replacement_pickup_by", lambda d: _replacing(d, "case: send new"), 5 * DAY, "arbitration"),
    Wait("replacement_delivery_by", lambda d: _replacing(d, "case: send new", "back: moves"), 20 * DAY, "arbitration"),
    Wait("replacement_receipt_by", lambda d: _replacing(d, "case: send new", "back: delivered"), 7 * DAY, "exchanged"),
    Wait("evidence_by", _arbitrated, 2 * DAY, "arbitration"),
)  # fmt: skip


@pytest.mark.parametrize("wait", WAITS, ids=[f"{wait.name}: {wait.becomes}" for wait in WAITS])
def test_every_stage_ends_by_itself_at_its_second_and_not_before(wait: Wait) -> None:
    driver = opened() if wait.undelivered else delivered()
    wait.start(driver)
    before = stage(driver)
    assert driver.deadline(wait.name, "case-1") == driver.now + wait.after
    driver.advance(wait.after - SECOND)
    assert stage(driver) == before
    driver.advance(SECOND)
    assert stage(driver) == wait.becomes
    assert wait.name not in driver.waits_for()
    driver.check()


def test_every_deadline_of_a_case_is_tested_here() -> None:
    late = {"decide_by", "decide_end", CASE_REMINDER, "pause_end", "dispute_evidence_by", "dispute_answer_by"}
    late |= {"claim_answer_by", "charged_by"}  # in test_core_order_claiming
    assert {wait.name for wait in WAITS} | late == {*CASE_PASSING, CASE_REMINDER, "pause_end"}


def test_a_reviewer_who_is_late_is_told_and_then_the_money_is_held_by_name() -> None:
    driver = delivered()
    _arbitrated(driver)
    driver.advance(2 * DAY)
    assert [n.to for n in driver.notices("after_sale_decide")] == ["reviewer"]
    driver.advance(3 * DAY)
    assert [n.to for n in driver.notices("arbitration_late")] == ["reviewer"]
    driver.advance(2 * DAY)
    assert driver.holds() == {"arbitration_overdue"}
    assert [n.to for n in driver.notices("arbitration_overdue")] == ["operator"]
    driver.lift("arbitration_overdue")
    assert driver.deadline("decide_end") == driver.now + 7 * DAY
    driver.advance(7 * DAY)
    assert driver.holds() == {"arbitration_overdue"}
    say(driver, "arbitrate", "reviewer", decision="none", reason="nothing speaks for it")
    assert (driver.holds(), stage(driver)) == (set(), "closed")


def test_who_must_answer_is_reminded_a_day_before() -> None:
    driver = delivered()
    case(driver)
    driver.advance(DAY)
    assert [n.to for n in driver.notices(CASE_REMINDER)] == ["merchant"]
    say(driver, "refuse_after_sale", "merchant", reason="no")
    driver.advance(6 * DAY)
    assert [n.to for n in driver.notices(CASE_REMINDER)] == ["merchant", "buyer"]


def test_little_is_refunded_by_silence_even_after_the_delivery() -> None:
    driver = delivered(silent_refund_most_minor=500)
    case(driver, amount_minor=500)
    driver.advance(2 * DAY)
    assert driver.refunds() == {"case-1": 500}


# --- clocks ----------------------------------------------------------------------------------------------


def test_the_receipt_clock_keeps_what_it_had_left() -> None:
    driver = delivered().advance(2 * DAY)
    due = driver.deadline("receipt_by")
    case(driver)
    assert (driver.receipt, driver.state.receipt.remaining) == ("paused", due - driver.now)
    driver.advance(DAY)
    say(driver, "withdraw_after_sale", "buyer")
    assert driver.deadline("receipt_by") == due + DAY
    paused, resumed = driver.notices("clock_paused"), driver.notices("clock_resumed")
    assert [n.to for n in paused] == [n.to for n in resumed] == ["merchant", "buyer"]
    assert paused[0].facts == {
        "clock": "receipt_by",
        "old": due.isoformat(),
        "new": "paused",
        "why": "case 1 is open",
    }
    assert resumed[0].facts["new"] == (due + DAY).isoformat()
    assert [e.verb for e in driver.state.inbox.journal if e.verb.startswith("clock")] == [
        "clock_paused",
        "clock_resumed",
    ]


def test_a_clock_goes_on_with_a_day_at_least() -> None:
    driver = delivered()
    driver.until(driver.deadline("receipt_by") - HOUR)
    case(driver)
    say(driver, "withdraw_after_sale", "buyer")
    assert driver.deadline("receipt_by") == driver.now + DAY


def test_a_delivery_while_a_case_is_open_starts_a_clock_that_stands() -> None:
    driver = opened()
    driver.ship()
    case(driver, reason="not_received")
    driver.deliver()
    assert driver.receipt == "paused"
    assert code(driver.confirm()) == "case_open"
    assert code(say(driver, "extend_receipt", "buyer")) == "case_open"


def test_nothing_is_credited_while_a_case_is_open_and_all_at_once_afterwards() -> None:
    driver = opened()
    driver.ship()
    driver.hear("p1", "needs_review", "odd", first_physical_at=driver.now, delivered_at=driver.now)
    driver.confirm()
    case(driver)
    driver.decide("approved")
    assert driver.phase == "shipped"
    say(driver, "withdraw_after_sale", "buyer")
    assert driver.phase == "credited"


def test_the_clocks_of_an_order_stand_for_a_month_in_all_and_money_waits_for_the_case() -> None:
    driver = delivered()
    _arbitrated(driver)
    driver.advance(30 * DAY)
    assert driver.receipt == "awaited"
    assert driver.notices("clock_resumed")[0].facts["why"] == "the order's clocks stood as long as they may"
    driver.advance(20 * DAY)
    assert (driver.receipt, driver.phase) == ("confirmed", "shipped")
    say(driver, "arbitrate", "reviewer", decision="part", amount_minor=500, reason="late")
    assert driver.phase == "credited"
    assert driver.state.paused_for == 30 * DAY


def test_a_unit_that_was_paid_back_is_not_shipped_again_by_exchanges() -> None:
    driver = delivered()
    case(driver, lines=ONE_OF_1)
    say(driver, "agree_after_sale", "merchant", with_return=False)
    for _ in range(2):
        case(driver, "exchange", "wrong_item", lines=ONE_OF_1)
        say(driver, "agree_after_sale", "merchant", with_return=False)
    assert driver.state.lines[0].units_left == 1
    assert driver.state.left_to_ship() == {"1": 1}
    driver.check()
