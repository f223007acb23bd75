"""Holds and stuck refunds: what stops which money, who lets it go, and what the ledger's refusal does."""

from __future__ import annotations

from typing import Any

import pytest
from order_driver import OrderDriver, verb_of
from order_points import in_review
from order_samples import DAY, HOUR, T0, WAYBILLS, a_policy, a_scan, a_verdict

from core.answers import Answer
from core.order.refunding import refund_amount
from core.order.steps import Look, OrderStep, finish
from core.order.views import holds_of, journal_view
from core.order.watches import refund_watches
from core.reasons import Refusal


def delivered(**limits: Any) -> OrderDriver:
    driver = OrderDriver(policy=a_policy(**limits)).open()
    driver.ship()
    driver.deliver()
    return driver


def cancelled() -> OrderDriver:
    driver = OrderDriver().open()
    driver.send("cancel_order", "buyer", reason="no")
    return driver


def code(answer: Answer | Refusal) -> str:
    return answer.code if isinstance(answer, Refusal) else answer.outcome


def resolve(driver: OrderDriver, person: str, outcome: str = "arrived", **fields: Any) -> str:
    actor = {"role": "operator", "id": person}
    body = {"actor": actor, "cause": "cancel", "outcome": outcome, "reference": "bank-1", "reason": "bank statement"}
    return code(driver.send("resolve_refund", "operator", **{**body, **fields}))


# --- scopes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scope", "phase"), [("credit", "shipped"), ("all", "shipped"), ("payout", "credited")])
def test_hold_stops_the_credit_by_its_scope_and_lifting_moves_it_at_once(scope: str, phase: str) -> None:
    driver = delivered()
    driver.hold(scope=scope)
    driver.confirm()
    assert driver.phase == phase
    assert code(driver.lift()) == "accepted"
    assert driver.phase == "credited"


@pytest.mark.parametrize("scope", ["payout", "all"])
def test_hold_on_a_credited_order_keeps_its_money_from_being_withdrawn(scope: str) -> None:
    driver = delivered(auto_withdraw=True)
    driver.confirm()
    assert code(driver.hold(scope=scope)) == "accepted"
    driver.advance(8 * DAY)
    assert (driver.phase, driver.withdrawals, driver.books.of("available")) == ("credited", 0, 0)
    driver.check()
    driver.lift()
    assert (driver.phase, driver.withdrawals, driver.state.closed) == ("settled", 1, True)


def test_refund_that_is_stuck_does_not_stop_the_settlement() -> None:
    driver = delivered()
    driver.confirm()
    driver.state = refund_amount(driver.state, 100, "case-1", "dented", driver.now)
    driver.do_what_is_due()
    driver.advance(8 * DAY)
    assert (driver.phase, driver.holds()) == ("settled", {"refund_stuck"})


def test_hold_on_all_stops_refunds_too() -> None:
    driver = OrderDriver().open()
    driver.hold(scope="all")
    driver.send("cancel_order", "buyer", reason="no")
    assert driver.refund_status() == ["owed"]
    driver.check()
    driver.lift()
    assert driver.refund_status() == ["booked"]
    driver.hold(scope="all")
    assert refund_watches(driver.state) == ()
    assert not driver.channel_says("arrived")
    driver.lift()
    assert driver.channel_says("arrived")
    assert driver.state.closed


def test_credit_hold_stops_no_refund() -> None:
    driver = OrderDriver().open()
    driver.hold(scope="credit")
    driver.send("cancel_order", "buyer", reason="no")
    driver.channel_says("arrived")
    assert driver.state.closed


def test_clocks_run_on_under_a_hold() -> None:
    driver = delivered()
    driver.hold(scope="all")
    driver.advance(7 * DAY)
    assert driver.state.receipt.by == "timeout"
    assert driver.phase == "shipped"
    driver.lift()
    assert driver.phase == "credited"


def test_two_holds_are_lifted_one_by_one() -> None:
    driver = delivered()
    driver.hold("one")
    driver.hold("two")
    driver.confirm()
    driver.lift("one")
    assert driver.phase == "shipped"
    driver.lift("two")
    assert driver.phase == "credited"


def test_hold_after_the_credit_is_refused() -> None:
    driver = delivered()
    driver.confirm()
    assert code(driver.hold(scope="credit")) == "already_credited"


@pytest.mark.parametrize("scope", ["credit", "all", "payout"])
def test_hold_that_arrives_while_the_credit_is_posted_comes_too_late(scope: str) -> None:
    driver = delivered()
    answers: list[str] = []

    def during(step: OrderStep) -> None:
        if verb_of(step) == "credit":
            late = driver.command("place_hold", "operator", name="late", scope=scope, reason="odd")
            answers.append(code(driver.arrive(late)))

    driver.during = during
    driver.confirm()
    assert driver.phase == "credited"
    assert answers == ["already_credited" if scope == "credit" else "accepted"]
    driver.check()


def test_notices_of_a_command_that_overtakes_a_posting_are_all_kept() -> None:
    driver = delivered()

    def during(step: OrderStep) -> None:
        if verb_of(step) == "credit":
            driver.arrive(driver.command("place_hold", "operator", name="late", scope="payout", reason="odd"))

    driver.during = during
    driver.confirm()
    assert [notice.name for _, notice in sorted(driver.noticed.items())][-3:] == [
        "credited",
        "money_held",
        "hold_placed",
    ]
    assert sorted(driver.noticed) == list(range(1, len(driver.noticed) + 1))


def test_return_that_arrives_while_the_credit_is_posted_changes_no_audit() -> None:
    driver = delivered()

    def during(step: OrderStep) -> None:
        if verb_of(step) == "credit":
            scans = [a_scan("returned", driver.now)]
            body = {"carrier": "sandbox", "waybill": WAYBILLS[1], "scans": scans, "provider": "sandbox"}
            driver.arrive(driver.command("report_scan", "carrier", **body))

    driver.during = during
    driver.confirm()
    assert (driver.phase, driver.audit) == ("credited", "approved")


def test_audit_that_reports_while_the_credit_is_posted_changes_nothing() -> None:
    driver = delivered()

    def during(step: OrderStep) -> None:
        if verb_of(step) == "credit":
            back = a_verdict("rejected", "not_returned", first_physical_at=T0, returned_at=T0)
            driver.state = finish(driver.state, Look(parcel_id="p1", waybill=WAYBILLS[1]), back, driver.now)

    driver.during = during
    driver.confirm()
    assert (driver.phase, driver.audit) == ("credited", "approved")


def test_holds_need_a_reason_and_a_name_of_their_own() -> None:
    driver = delivered()
    assert code(driver.send("place_hold", "operator", name="a", scope="all", reason="")) == "reason_missing"
    assert code(driver.hold("a")) == "accepted"
    assert code(driver.hold("a")) == "hold_exists"
    assert code(driver.send("lift_hold", "operator", name="a", reason="")) == "reason_missing"
    assert code(driver.lift("b")) == "no_such_hold"
    narrower = driver.send("lift_hold", "operator", name="a", scope="payout", reason="half of it is cleared")
    assert code(narrower) == "no_such_hold", "a hold is lifted as a whole: no money may move by another one's name"
    assert code(driver.lift("a")) == "accepted"


def test_hold_names_its_owner_reason_and_review_date() -> None:
    driver = delivered()
    review = (T0 + DAY).isoformat()
    driver.send("place_hold", "operator", name="a", scope="all", reason="police request", review_at=review)
    hold = driver.state.holds[0]
    assert (hold.owner, hold.reason, hold.since, hold.review_at) == ("operator o-1", "police request", T0, T0 + DAY)


def test_a_lifted_hold_has_no_review() -> None:
    driver = delivered()
    review = (T0 + DAY).isoformat()
    driver.send("place_hold", "operator", name="a", scope="all", reason="police request", review_at=review)
    driver.send("place_hold", "operator", name="b", scope="payout", reason="a second look")
    for name, at in (("a", (T0 + 2 * DAY).isoformat()), ("b", review)):
        later = driver.send("lift_hold", "operator", name=name, reason="look again then", review_at=at)
        assert isinstance(later, Refusal)
        assert (later.code, later.field) == ("no_such_hold", "review_at"), "it would never be looked at"
    assert code(driver.send("lift_hold", "operator", name="a", reason="cleared", review_at=review)) == "accepted"


# --- refunds --------------------------------------------------------------------------------------------------


def test_refund_counts_only_when_the_channel_says_that_the_buyer_has_it() -> None:
    driver = cancelled()
    assert driver.books.of("payable/cancel") == 13580
    assert not driver.state.closed
    driver.channel_says("arrived")
    assert driver.books.of("payable/cancel") == 0
    assert driver.state.closed


def test_refund_without_an_outcome_is_held_after_three_days_and_still_asked_about() -> None:
    driver = cancelled().advance(3 * DAY)
    assert driver.state.holds[0].name == "refund_stuck"
    assert (driver.state.holds[0].subject, driver.state.holds[0].owner) == ("cancel", "operator")
    assert len(refund_watches(driver.state)) == 1
    driver.channel_says("arrived")
    assert (driver.state.closed, driver.holds()) == (True, set())


def test_refund_that_the_channel_refused_waits_for_people() -> None:
    driver = cancelled()
    driver.channel_says("refused")
    assert driver.refund_status() == ["failed"]
    assert driver.holds() == {"refund_stuck"}
    assert refund_watches(driver.state) == ()
    driver.check()


def test_two_people_resolve_a_stuck_refund() -> None:
    driver = cancelled()
    assert resolve(driver, "o-1") == "no_such_refund"
    driver.advance(3 * DAY)
    assert resolve(driver, "o-1", reason="") == "reason_missing"
    assert resolve(driver, "o-1", cause="other") == "no_such_refund"
    assert resolve(driver, "o-1") == "accepted"
    assert not driver.state.closed
    assert [resolve(driver, again) for again in ("o-1", "O-1")] == ["needs_other_person"] * 2
    assert resolve(driver, "o-2") == "accepted"
    assert (driver.state.closed, driver.holds()) == (True, set())
    assert driver.state.refunds[0].reference == "bank-1"


@pytest.mark.parametrize("outcome", ["arrived", "failed"])
def test_the_channel_answers_after_one_person_has_voted_and_the_refund_is_booked(outcome: str) -> None:
    driver = cancelled().advance(3 * DAY)
    assert resolve(driver, "o-1", outcome) == "accepted"
    assert driver.channel_says("arrived")
    assert (driver.state.closed, driver.state.refunds[0].votes) == (True, ())
    driver.check()


def test_two_people_who_disagree_settle_nothing() -> None:
    driver = cancelled().advance(3 * DAY)
    resolve(driver, "o-1", "arrived")
    view = holds_of(driver.state)[0]
    assert "o-1 said `arrived`: another person" in view.what_helps
    assert "o-1 已报告已到账" in (view.what_helps_zh or "")
    resolve(driver, "o-2", "failed")
    assert "o-1" not in holds_of(driver.state)[0].what_helps
    said = [entry["message"] for entry in journal_view(driver.state) if entry["verb"] == "resolve_refund"]
    assert said == [
        "cancel arrived, bank-1: bank statement",
        "cancel failed, bank-1: bank statement; o-1 had said arrived: nothing is settled",
    ]
    assert driver.refund_status() == ["stuck"]
    assert driver.state.refunds[0].votes == ()
    resolve(driver, "o-1")
    resolve(driver, "o-2")
    assert driver.state.closed


def test_refund_that_two_people_call_failed_stays_with_them() -> None:
    driver = cancelled().advance(3 * DAY)
    resolve(driver, "o-1", "failed")
    resolve(driver, "o-2", "failed")
    assert driver.refund_status() == ["failed"]
    assert driver.holds() == {"refund_stuck"}
    driver.check()
    resolve(driver, "o-1")
    resolve(driver, "o-2")
    assert driver.state.closed


def test_the_hold_of_a_refund_says_what_is_known_now() -> None:
    driver = cancelled().advance(3 * DAY)
    since = driver.state.holds[0].since
    said = [holds_of(driver.state)[0]]
    driver.channel_says("refused")
    said.append(holds_of(driver.state)[0])
    resolve(driver, "o-1", "failed")
    resolve(driver, "o-2", "failed")
    said.append(holds_of(driver.state)[0])
    assert [one.what_helps.partition(".")[0] for one in said] == [
        "Refund cancel: its outcome is not known",
        "Refund cancel: the channel refused it",
        "Refund cancel: two people said that it failed",
    ]
    assert [(one.what_helps_zh or "").partition("。")[0] for one in said] == [
        "退款 cancel 结果未知",
        "退款 cancel 被支付渠道拒绝",
        "退款 cancel 经两人核定为失败",
    ]
    assert {one.since for one in said} == {since}
    assert len(called(driver)) == 3


def test_lifting_the_hold_of_a_failed_refund_asks_the_channel_again() -> None:
    driver = cancelled()
    driver.channel_says("refused")
    driver.lift("refund_stuck")
    assert (driver.refund_status(), driver.holds()) == (["booked"], set())
    driver.channel_says("refused")
    assert driver.holds() == {"refund_stuck"}
    driver.lift("refund_stuck")
    driver.channel_says("arrived")
    assert driver.state.closed


def test_channel_that_speaks_after_people_did_changes_nothing() -> None:
    driver = cancelled().advance(3 * DAY)
    resolve(driver, "o-1")
    resolve(driver, "o-2")
    assert not driver.channel_says("refused")
    driver.check()


# --- the ledger disagrees -------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["conflict", "insufficient_funds"])
@pytest.mark.parametrize("verb", ["fund", "credit", "settle", "refund", "refund_arrived"])
def test_ledger_that_disagrees_is_a_hold_with_an_owner_and_never_a_retry_for_ever(verb: str, answer: str) -> None:
    driver = disagreeing(verb, answer)
    hold = driver.state.holds[0]
    assert (hold.name, hold.scope, hold.owner) == ("ledger_disagrees", "all", "operator")
    assert answer in hold.reason
    driver.check()
    tried = len(driver.steps)
    driver.advance(DAY)
    assert not [step for step in driver.steps[tried:] if verb_of(step) == verb]
    driver.lift("ledger_disagrees")
    assert [step for step in driver.steps[tried:] if verb_of(step) == verb]
    driver.check()


def disagreeing(verb: str, answer: str) -> OrderDriver:
    """An order whose ledger refuses this posting."""
    driver = OrderDriver()
    if verb == "fund":
        driver.ledger_says.append(answer)
        return driver.open()
    driver.open()
    if verb in {"credit", "settle"}:
        driver.ship()
        driver.deliver()
        if verb == "settle":
            driver.confirm()
        driver.ledger_says.append(answer)
        if verb == "credit":
            driver.confirm()
        return driver.advance(8 * DAY) if verb == "settle" else driver
    if verb == "refund":
        driver.ledger_says.append(answer)
    driver.send("cancel_order", "buyer", reason="no")
    if verb == "refund_arrived":
        driver.ledger_says.append(answer)
        driver.channel_says("arrived")
    return driver


def test_posting_that_stands_already_is_success() -> None:
    driver = OrderDriver()
    driver.ledger_says.append("exists")
    assert driver.open().phase == "awaiting_shipment"


def test_automatic_withdrawal_starts_once_after_settlement() -> None:
    driver = delivered(auto_withdraw=True)
    driver.confirm()
    driver.advance(7 * DAY - HOUR)
    assert driver.withdrawals == 0
    driver.advance(HOUR)
    assert (driver.withdrawals, driver.state.closed) == (1, True)


# --- operators are called ------------------------------------------------------------------------------------


def called(driver: OrderDriver) -> list[str]:
    return [notice.name for _, notice in sorted(driver.noticed.items()) if notice.to == "operator"]


def test_a_hold_that_a_person_places_calls_an_operator_once() -> None:
    driver = delivered()
    driver.hold(scope="payout")
    assert code(driver.hold(scope="payout")) == "hold_exists"
    (notice,) = driver.notices("money_held")
    assert {name: notice.facts[name] for name in ("name", "scope", "owner", "reason_zh")} == {
        "name": "risk",
        "scope": "payout",
        "owner": "operator o-1",
        "reason_zh": "原因：“looks odd”。",
    }
    assert called(driver) == ["money_held"]


def test_a_hold_calls_an_operator_again_on_the_day_it_is_to_be_looked_at() -> None:
    driver = delivered()
    driver.confirm()
    review_at = (driver.now + 2 * DAY).isoformat()
    driver.send("place_hold", "operator", name="risk", scope="payout", reason="odd", review_at=review_at)
    driver.advance(9 * DAY)
    assert called(driver) == ["money_held", "hold_review_due"]
    assert driver.phase == "credited"


def test_a_hold_that_was_lifted_before_its_day_calls_nobody_then() -> None:
    driver = delivered()
    driver.confirm()
    review_at = (driver.now + 2 * DAY).isoformat()
    driver.send("place_hold", "operator", name="risk", scope="payout", reason="odd", review_at=review_at)
    driver.lift()
    driver.advance(9 * DAY)
    assert called(driver) == ["money_held"]


def test_a_stuck_refund_calls_an_operator_once_for_each_time_that_it_sticks() -> None:
    driver = cancelled()
    driver.advance(4 * DAY)
    assert called(driver) == ["refund_stuck"]
    driver.lift("refund_stuck")
    driver.advance(4 * DAY)
    assert called(driver) == ["refund_stuck"] * 2
    (amount,) = {notice.facts["amount_minor"] for notice in driver.notices("refund_stuck")}
    assert amount == "13580"


def test_a_refused_posting_calls_an_operator_once_for_each_refusal() -> None:
    driver = delivered()
    driver.ledger_says.extend(["conflict", "conflict"])
    driver.confirm()
    assert called(driver) == ["ledger_disagrees"]
    driver.lift("ledger_disagrees")
    assert called(driver) == ["ledger_disagrees"] * 2
    driver.lift("ledger_disagrees")
    assert driver.phase == "credited"
    assert {notice.facts["step"] for notice in driver.notices("ledger_disagrees")} == {"credit"}


def test_a_review_that_nobody_finished_calls_an_operator() -> None:
    driver = in_review().advance(7 * DAY)
    assert driver.holds() == {"review_overdue"}
    assert [notice.facts["owner"] for notice in driver.notices("money_held")] == ["reviewer"]
