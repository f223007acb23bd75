"""After-sale cases in an order: what is refused, and what lists and holds show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from case_driver import TOTAL, absent, case, code, delivered, opened, say, stage
from order_events import play
from order_samples import DAY, WAYBILLS

from core.order.views import hold_reasons, holds_of, search_values
from core.reasons import Refusal

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
        "the same number again",
        (*_RETURN, "case: send back"),
        "report_return",
        "buyer",
        {"carrier": "sandbox", "waybill": WAYBILLS[20]},
        "same_waybill",
        "waybill",
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
    driver.advance(8 * DAY + timedelta(microseconds=7))
    refused = case(driver)
    assert code(refused) == "after_sale_window_over"
    assert re.search(r"It ended at \d{4}-\d\d-\d\d \d\d:\d\d UTC\.", str(refused)), "to the minute, as all times"
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
    absent(driver)
    driver.advance(5 * DAY)
    assert f"sandbox:{WAYBILLS[20]}" in driver.released


def test_a_mistyped_number_is_corrected_and_the_first_released() -> None:
    driver = delivered()
    play(driver, ["case: return", "case: agree", "case: send back", "case: send back, again"])
    parcel = driver.state.awaited_by_case[0]
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
