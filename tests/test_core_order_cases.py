"""After-sale cases in an order: what each verb and each silence comes to, whose money moves, and what waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from order_driver import OrderDriver
from order_events import play
from order_samples import DAY, HOUR, SECOND, T0, WAYBILLS, a_parcel, a_policy, a_verdict

from core.aftersale.deadlines import CASE_REMINDER
from core.aftersale.deadlines import PASSING as CASE_PASSING
from core.aftersale.limits import AfterSaleLimits
from core.answers import Answer
from core.order.views import hold_reasons, holds_of, search_values
from core.order.watches import audit_watches
from core.policy import OrderPolicy
from core.reasons import Refusal

TOTAL, LINE_1, LINE_2, FREIGHT = 13_580, 1_990, 8_800, 800
ONE_OF_1: Sequence[dict[str, Any]] = ({"line_id": "1", "quantity": 1},)
ALL_OF_2: Sequence[dict[str, Any]] = ({"line_id": "2", "quantity": 1},)
PHOTO = {"kind": "photo", "reference": "https://shop.example/1.jpg"}


def opened(**limits: Any) -> OrderDriver:
    return OrderDriver(policy=policy(**limits)).open()


def policy(**after_sale: Any) -> OrderPolicy:
    return a_policy().model_copy(update={"after_sale": AfterSaleLimits.model_validate(after_sale)})


def delivered(**limits: Any) -> OrderDriver:
    """Everything in one parcel, delivered; the receipt is awaited, so that nothing is credited."""
    driver = opened(**limits)
    driver.ship()
    driver.deliver()
    return driver


def case(driver: OrderDriver, kind: str = "refund_only", reason: str = "damaged", **fields: Any) -> Answer | Refusal:
    return driver.send("open_after_sale", "buyer", kind=kind, reason=reason, **fields)


def say(driver: OrderDriver, verb: str, role: str, **fields: Any) -> Answer | Refusal:
    return driver.send(verb, role, **fields)


def code(answer: Answer | Refusal) -> str:
    return answer.code if isinstance(answer, Refusal) else answer.outcome


def stage(driver: OrderDriver) -> str:
    return driver.state.cases[-1].stage


def send_back(driver: OrderDriver, number: int = 20) -> Answer | Refusal:
    return say(driver, "report_return", "buyer", carrier="sandbox", waybill=WAYBILLS[number])


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
    """A stage that nobody ends: how it begins, which deadline ends it, after how long, and as what."""

    name: str
    start: Callable[[OrderDriver], object]
    after: timedelta
    becomes: str
    undelivered: bool = False


def _returning(driver: OrderDriver, seen: bool) -> None:
    play(driver, ["case: return", "case: agree", "case: send back"])
    if seen:
        driver.hear("return-1", "pending", first_physical_at=driver.now)


def _absent(driver: OrderDriver) -> None:
    _returning(driver, False)
    driver.say["return-1"] = a_verdict("pending", now=driver.now)


def _arbitrated(driver: OrderDriver) -> None:
    play(driver, ["case: refund 500", "case: refuse", "case: escalate"])


WAITS = (
    Wait("answer_by", lambda d: play(d, ["case: refund"]), 2 * DAY, "refunding", undelivered=True),
    Wait("answer_by", lambda d: play(d, ["case: refund"]), 2 * DAY, "awaiting_return"),
    Wait("answer_by", lambda d: play(d, ["case: refund 500"]), 2 * DAY, "arbitration"),
    Wait("answer_by", lambda d: play(d, ["case: exchange all"]), 2 * DAY, "awaiting_return"),
    Wait("accept_by", lambda d: play(d, ["case: refund", "case: propose 300"]), 7 * DAY, "closed"),
    Wait("escalate_by", lambda d: play(d, ["case: refund", "case: refuse"]), 7 * DAY, "closed"),
    Wait("return_by", lambda d: play(d, ["case: return", "case: agree"]), 7 * DAY, "closed"),
    Wait("return_pickup_by", lambda d: _returning(d, False), 5 * DAY, "arbitration"),
    Wait("return_pickup_by", _absent, 5 * DAY, "closed"),
    Wait("return_delivery_by", lambda d: _returning(d, True), 20 * DAY, "arbitration"),
    Wait("inspect_by", lambda d: play(d, ["case: return", "case: agree", "case: send back", "back: delivered"]),
         7 * DAY, "refunding"),
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
    late = {"decide_by", "decide_end", CASE_REMINDER, "pause_end"}
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


# --- what is refused -------------------------------------------------------------------------------------


class Bad(NamedTuple):
    name: str
    before: Sequence[str]
    verb: str
    role: str
    fields: dict[str, Any]
    code: str
    field: str | None = None


_OPEN = {"kind": "refund_only", "reason": "damaged"}
_RETURN = ("case: return", "case: agree")
BAD = (
    Bad("no case", (), "escalate", "buyer", {}, "no_open_case"),
    Bad("two at once", ("case: refund",), "open_after_sale", "buyer", _OPEN, "case_open"),
    Bad("no text", (), "open_after_sale", "buyer", {**_OPEN, "reason": "other"}, "reason_missing", "text"),
    Bad(
        "a line of another order",
        (),
        "open_after_sale",
        "buyer",
        {**_OPEN, "lines": [{"line_id": "9", "quantity": 1}]},
        "unknown_line",
        "lines.0.line_id",
    ),
    Bad(
        "more units than there are",
        (),
        "open_after_sale",
        "buyer",
        {**_OPEN, "lines": [{"line_id": "1", "quantity": 3}]},
        "above_refundable",
        "lines.0.quantity",
    ),
    Bad(
        "more than was paid",
        (),
        "open_after_sale",
        "buyer",
        {**_OPEN, "amount_minor": TOTAL + 1},
        "above_refundable",
        "amount_minor",
    ),
    Bad("wrong stage", ("case: refund",), "confirm_return", "merchant", {}, "wrong_case_stage"),
    Bad("a buyer's answer", ("case: refund",), "agree_after_sale", "buyer", {}, "wrong_actor", "actor.role"),
    Bad("a merchant's escalation", ("case: refund",), "escalate", "merchant", {}, "wrong_actor", "actor.role"),
    Bad("no reason", ("case: refund",), "refuse_after_sale", "merchant", {"reason": " "}, "reason_missing", "reason"),
    Bad(
        "arbitration without a reason",
        ("case: refund", "case: refuse", "case: escalate"),
        "arbitrate",
        "reviewer",
        {"decision": "all", "reason": ""},
        "reason_missing",
        "reason",
    ),
    Bad(
        "arbitration above what is left",
        ("case: refund", "case: refuse", "case: escalate"),
        "arbitrate",
        "reviewer",
        {"decision": "part", "amount_minor": TOTAL + 1, "reason": "x"},
        "above_refundable",
        "amount_minor",
    ),
    Bad(
        "the outbound number",
        _RETURN,
        "report_return",
        "buyer",
        {"carrier": "sandbox", "waybill": WAYBILLS[1]},
        "outbound_number",
        "waybill",
    ),
    Bad(
        "an impossible number",
        _RETURN,
        "report_return",
        "buyer",
        {"carrier": "sandbox", "waybill": "nonsense"},
        "impossible_waybill",
        "waybill",
    ),
    Bad(
        "another number on the way",
        (*_RETURN, "case: send back", "back: moves"),
        "report_return",
        "buyer",
        {"carrier": "sandbox", "waybill": WAYBILLS[21]},
        "already_moving",
    ),
    Bad(
        "too much evidence",
        ("case: refund",),
        "add_evidence",
        "buyer",
        {"evidence": [{"kind": "text", "text": "字" * 500}] * 4},
        "too_much_evidence",
        "evidence",
    ),
)


@pytest.mark.parametrize("bad", BAD, ids=[bad.name for bad in BAD])
def test_what_cannot_be_is_refused_with_its_reason_and_moves_nothing(bad: Bad) -> None:
    driver = delivered()
    play(driver, bad.before)
    cases, refunds = driver.state.cases, driver.state.refunds
    answer = say(driver, bad.verb, bad.role, channel="signal", **bad.fields)
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.field) == (bad.code, bad.field)
    assert (driver.state.cases, driver.state.refunds) == (cases, refunds)
    assert driver.state.inbox.journal[-1].code == bad.code


def test_before_the_delivery_nothing_can_come_back() -> None:
    driver = opened()
    assert code(case(driver, "return_and_refund")) == "nothing_to_return"
    assert code(case(driver)) == "accepted"
    assert code(say(driver, "agree_after_sale", "merchant", with_return=True)) == "nothing_to_return"


def test_an_order_has_five_cases_at_most() -> None:
    driver = delivered()
    for _ in range(5):
        case(driver)
        say(driver, "withdraw_after_sale", "buyer")
    assert code(case(driver)) == "too_many_cases"


def test_a_buyer_opens_no_case_after_the_window_and_an_operator_may() -> None:
    driver = opened(windows={"quality": "15d"})
    driver.ship()
    driver.hear("p1", "needs_review", "odd", first_physical_at=driver.now, delivered_at=driver.now)
    driver.hold()
    driver.confirm()
    driver.advance(8 * DAY)
    assert code(case(driver)) == "after_sale_window_over"
    assert code(case(driver, reason="quality")) == "accepted"
    say(driver, "withdraw_after_sale", "buyer")
    answer = driver.send("open_after_sale", "operator", kind="refund_only", reason="damaged")
    assert code(answer) == "accepted"


def test_a_number_of_another_buyers_parcel_is_refused_and_nothing_is_sent_back() -> None:
    driver = delivered()
    play(driver, ["case: return", "case: agree", "case: send back a number in use"])
    assert stage(driver) == "awaiting_return"


def test_a_return_that_was_never_picked_up_gives_its_number_back() -> None:
    driver = delivered()
    _absent(driver)
    driver.advance(5 * DAY)
    assert f"sandbox:{WAYBILLS[20]}" in driver.released


def test_a_mistyped_number_is_corrected_and_the_first_released() -> None:
    driver = delivered()
    play(driver, ["case: return", "case: agree", "case: send back", "case: send back, again"])
    parcel = driver.state.returns[0]
    assert (parcel.waybill, parcel.corrections) == (WAYBILLS[21], 1)
    assert f"sandbox:{WAYBILLS[20]}" in driver.released


# --- what others see -------------------------------------------------------------------------------------


def test_lists_and_holds_name_the_case_in_two_languages() -> None:
    driver = delivered()
    assert search_values(driver.state)["AfterSaleState"] is None
    case(driver, "return_and_refund")
    view = next(view for view in holds_of(driver.state) if view.reason == "after_sale_applied")
    assert (view.who_can_act, view.expected_release) == ("merchant", driver.now + 2 * DAY)
    assert view.what_helps.startswith("Case 1: The buyer asks for a return and a refund.")
    assert view.what_helps_zh is not None
    assert view.what_helps_zh.startswith("售后 1：买家申请退货退款。")
    assert "after_sale_applied" in hold_reasons(driver.state)
    assert search_values(driver.state)["AfterSaleState"] == "applied"
    notice = driver.notices("after_sale_applied")[0]
    assert notice.facts["text_zh"].startswith("买家申请退货退款")
    say(driver, "withdraw_after_sale", "buyer")
    assert search_values(driver.state)["AfterSaleState"] == "decided"


def test_an_order_without_a_case_says_nothing_of_cases() -> None:
    driver = delivered()
    kept = driver.state.model_dump(mode="json")
    assert not {"cases", "paused_since", "paused_for", "settle_not_before", "after_sale"} & set(kept)


# --- late truth ------------------------------------------------------------------------------------------


def push(driver: OrderDriver, number: int, scanned: str) -> Answer | Refusal:
    scan = {"at": driver.now.isoformat(), "code": scanned, "stage": scanned}
    fields = {"carrier": "sandbox", "waybill": WAYBILLS[number], "scans": [scan], "provider": "sandbox"}
    return say(driver, "report_scan", "carrier", **fields)


def test_a_delivery_after_the_refund_is_kept_and_told_to_merchant_and_operator() -> None:
    driver = opened()
    driver.ship()
    case(driver, reason="not_received")
    say(driver, "agree_after_sale", "merchant")
    assert (driver.phase, driver.state.closed) == ("refunded", False)
    refunds = driver.refunds()
    assert code(push(driver, 1, "delivered")) == "accepted"
    assert code(push(driver, 1, "delivered")) == "duplicate"
    assert [(n.to, n.facts["stage"]) for n in driver.notices("late_scan")] == [
        ("merchant", "delivered"),
        ("operator", "delivered"),
    ]
    assert (driver.phase, driver.refunds()) == ("refunded", refunds)
    assert [scan.stage for scan in driver.parcel().pushed] == ["delivered"]
    driver.channel_says("arrived")
    assert driver.state.closed
    assert code(push(driver, 1, "returned")) == "order_over"


def test_a_return_that_comes_after_its_case_closed_is_told() -> None:
    driver = delivered()
    _absent(driver)
    driver.advance(5 * DAY)
    assert stage(driver) == "closed"
    assert code(push(driver, 20, "delivered")) == "accepted"
    assert [n.to for n in driver.notices("late_scan")] == ["merchant", "operator"]
    assert driver.state.cases[-1].parcel is not None
    assert [scan.stage for scan in driver.state.cases[-1].parcel.pushed] == ["delivered"]


def test_a_scan_that_the_audit_knew_before_the_refund_is_no_news() -> None:
    driver = opened()
    driver.ship()
    driver.hear("p1", "pending", first_physical_at=driver.now, last_scan_at=driver.now)
    case(driver, reason="not_received")
    say(driver, "agree_after_sale", "merchant")
    push(driver, 1, "picked_up")
    assert driver.notices("late_scan") == []
