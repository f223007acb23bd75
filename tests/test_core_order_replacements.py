"""Exchanges after the credit: new goods as a parcel of the case, while the merchant's money for them waits."""

from __future__ import annotations

from typing import Any

import pytest
from case_driver import ALL_OF_2, LINE_2, TOTAL, case, code, delivered, policy, say, send_back, stage
from order_driver import OrderDriver
from order_samples import DAY, HOUR, T0, WAYBILLS, an_order

from core.aftersale.deadlines import CASE_REMINDER
from core.answers import Answer
from core.order.claims import claims_to_release
from core.order.recovering import recover
from core.order.state import Receipt
from core.order.watches import audit_watches
from core.reasons import Refusal

LINE_2_OF_MERCHANT = LINE_2 - 440
NEW = 30


def credited(**limits: Any) -> OrderDriver:
    driver = delivered(**limits)
    driver.confirm()
    assert driver.phase == "credited"
    return driver


def settled(**limits: Any) -> OrderDriver:
    driver = credited(**limits).advance(8 * DAY)
    assert (driver.phase, driver.state.closed) == ("settled", True)
    return driver


def exchanging(driver: OrderDriver) -> OrderDriver:
    """The second line is to be exchanged, and has come back."""
    assert code(case(driver, "exchange", "quality", lines=ALL_OF_2)) == "accepted"
    say(driver, "agree_after_sale", "merchant")
    send_back(driver)
    driver.hear("return-1", "approved", first_physical_at=T0, delivered_at=driver.now)
    say(driver, "confirm_return", "merchant")
    assert stage(driver) == "replacing"
    return driver


def send_new(driver: OrderDriver, number: int = NEW, **fields: Any) -> Answer | Refusal:
    return say(driver, "report_replacement", "merchant", carrier="sandbox", waybill=WAYBILLS[number], **fields)


def arrives(driver: OrderDriver, outcome: str = "approved", *reasons: str) -> None:
    assert driver.hear("exchange-1", outcome, *reasons, first_physical_at=driver.now, delivered_at=driver.now)


def frozen(driver: OrderDriver) -> tuple[int, int]:
    return driver.books.of("available"), driver.books.of("frozen")


# --- to the end ------------------------------------------------------------------------------------------


def test_after_the_credit_the_settlement_waits_for_the_new_goods() -> None:
    driver = exchanging(credited())
    assert code(send_new(driver)) == "accepted"
    (watch,) = audit_watches(driver.state)
    assert (watch.parcel_id, watch.waybill) == ("exchange-1", WAYBILLS[NEW])
    driver.hear("exchange-1", "pending", first_physical_at=driver.now)
    assert "replacement_delivery_by" in driver.waits_for()
    driver.advance(12 * DAY)
    assert driver.phase == "credited"
    arrives(driver)
    assert stage(driver) == "replacement_delivered"
    assert code(say(driver, "confirm_replacement", "buyer")) == "accepted"
    assert (stage(driver), driver.refunds()) == ("exchanged", {})
    driver.advance(10 * DAY).check()
    assert (driver.phase, driver.state.closed) == ("settled", True)


def test_after_the_settlement_what_the_merchant_would_lose_is_frozen_and_then_released() -> None:
    driver = settled()
    had = driver.books.of("available")
    exchanging(driver)
    assert frozen(driver) == (had - LINE_2_OF_MERCHANT, LINE_2_OF_MERCHANT)
    send_new(driver)
    arrives(driver)
    assert frozen(driver) == (had - LINE_2_OF_MERCHANT, LINE_2_OF_MERCHANT)
    driver.advance(7 * DAY).check()
    assert (stage(driver), frozen(driver), driver.state.closed) == ("exchanged", (had, 0), True)


def test_the_buyer_may_confirm_before_a_carrier_says_so() -> None:
    driver = exchanging(settled())
    send_new(driver)
    assert code(say(driver, "confirm_replacement", "buyer")) == "accepted"
    assert (stage(driver), driver.state.closed) == ("exchanged", True)
    assert code(say(driver, "confirm_replacement", "buyer")) in {"no_open_case", "order_over"}
    driver.check()


def test_a_merchant_who_sends_nothing_gives_the_money_back() -> None:
    driver = exchanging(settled())
    had = sum(frozen(driver))
    driver.advance(2 * DAY)
    assert [notice.to for notice in driver.notices(CASE_REMINDER)][-1:] == ["merchant"]
    driver.advance(1 * DAY)
    assert (stage(driver), driver.refunds()) == ("refunding", {"case-1": LINE_2})
    assert code(send_new(driver)) == "no_open_case"
    driver.channel_says("arrived")
    assert (stage(driver), driver.state.closed) == ("refunded", True)
    assert frozen(driver) == (had - LINE_2_OF_MERCHANT, 0)
    driver.check()


def test_what_the_merchant_has_spent_is_owed_when_no_new_goods_come() -> None:
    driver = settled()
    driver.books.balances["spent"], driver.books.balances["available"] = driver.books.of("available"), 0
    exchanging(driver)
    driver.advance(3 * DAY)
    driver.channel_says("arrived")
    assert (driver.books.of("available"), -driver.books.of("receivable")) == (0, LINE_2_OF_MERCHANT)


def test_a_parcel_that_no_carrier_has_gives_the_money_back_only_where_they_say_so() -> None:
    for says, then in (("absent", "refunding"), ("nothing", "arbitration")):
        driver = exchanging(settled())
        send_new(driver)
        driver.hear("exchange-1", "pending", carrier_says=says)
        driver.advance(5 * DAY)
        assert stage(driver) == then
        driver.check()


def test_new_goods_that_turn_around_or_never_arrive_are_for_a_reviewer() -> None:
    driver = exchanging(settled())
    send_new(driver)
    driver.hear("exchange-1", "pending", first_physical_at=driver.now)
    driver.advance(20 * DAY)
    assert stage(driver) == "arbitration"
    other = exchanging(settled())
    send_new(other)
    other.hear("exchange-1", "needs_review", first_physical_at=other.now, returned_at=other.now)
    assert stage(other) == "arbitration"


def test_the_buyer_may_let_a_reviewer_decide_about_wrong_new_goods_and_gets_money_then() -> None:
    driver = exchanging(settled())
    send_new(driver)
    arrives(driver)
    assert code(say(driver, "escalate", "buyer", reason="wrong again")) == "accepted"
    say(driver, "arbitrate", "reviewer", decision="all", reason="wrong again")
    assert driver.refunds() == {"case-1": LINE_2}
    driver.channel_says("arrived")
    assert driver.state.closed
    driver.check()


def test_silence_confirms_no_parcel_whose_audit_did_not_pass() -> None:
    driver = exchanging(settled())
    send_new(driver)
    arrives(driver, "needs_review", "moved")
    driver.advance(7 * DAY)
    assert stage(driver) == "arbitration"


# --- numbers ---------------------------------------------------------------------------------------------


def test_a_number_may_be_corrected_until_a_carrier_has_it() -> None:
    driver = exchanging(settled())
    send_new(driver)
    assert code(send_new(driver, 31)) == "accepted"
    assert f"sandbox:{WAYBILLS[NEW]}" in driver.released
    driver.hear("exchange-1", "pending", first_physical_at=driver.now)
    assert code(send_new(driver, 32)) == "already_moving"
    assert not claims_to_release(driver.state)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"waybill": WAYBILLS[1]}, "outbound_number"),
        ({"waybill": WAYBILLS[20]}, "outbound_number"),
        ({"waybill": "nonsense"}, "impossible_waybill"),
        ({"carrier": "nobody"}, "unknown_carrier"),
    ],
)
def test_the_new_parcel_has_a_number_of_its_own(fields: dict[str, Any], wanted: str) -> None:
    driver = exchanging(settled())
    body = {"carrier": "sandbox", "waybill": WAYBILLS[NEW], **fields}
    assert code(say(driver, "report_replacement", "merchant", **body)) == wanted
    driver.register_says[WAYBILLS[NEW]] = "in_use"
    assert code(send_new(driver)) == "waybill_in_use"
    assert stage(driver) == "replacing"


# --- who, when, twice, killed ----------------------------------------------------------------------------


def test_only_its_merchant_sends_and_only_its_buyer_confirms() -> None:
    driver = exchanging(settled())
    assert code(say(driver, "report_replacement", "buyer", carrier="sandbox", waybill=WAYBILLS[NEW])) == "wrong_actor"
    assert code(say(driver, "confirm_replacement", "buyer")) == "wrong_case_stage"
    assert code(say(driver, "withdraw_after_sale", "buyer")) == "wrong_case_stage"
    send_new(driver)
    assert code(say(driver, "confirm_replacement", "merchant")) == "wrong_actor"
    assert code(say(driver, "escalate", "buyer")) == "wrong_case_stage"


def test_goods_that_no_carrier_brings_are_not_exchanged_after_the_credit() -> None:
    driver = OrderDriver(an_order(delivery_mode="local"), policy=policy()).open()
    received = Receipt(status="confirmed", by="buyer", at=driver.now)
    driver.state = driver.state.changed(credited_at=driver.now, phase="credited", receipt=received)
    answer = case(driver, "exchange", "quality")
    assert code(answer) == "already_credited"
    assert "return_and_refund" in getattr(answer, "message", "")


def test_the_same_report_twice_is_one_parcel() -> None:
    driver = exchanging(settled())
    assert code(send_new(driver, command_id="once")) == "accepted"
    assert code(send_new(driver, command_id="once")) == "duplicate"
    assert driver.state.cases[-1].replacement is not None
    assert driver.state.cases[-1].replacement.corrections == 0


def test_the_same_number_again_gives_the_merchant_no_more_time() -> None:
    driver = exchanging(settled())
    send_new(driver)
    due = driver.state.cases[-1].due
    assert code(send_new(driver)) == "same_waybill"
    assert driver.state.cases[-1].due == due


def test_a_worker_that_dies_with_the_money_frozen_finds_it_again_and_releases_it_once() -> None:
    driver = exchanging(settled())
    send_new(driver)
    arrives(driver)
    saved = driver.state.model_dump(mode="json")
    say(driver, "confirm_replacement", "buyer")
    had = frozen(driver)
    driver.state = recover(driver.order, driver.state.policy, saved, list(driver.books.movements), driver.now)
    say(driver, "confirm_replacement", "buyer")
    assert frozen(driver) == had
    assert had[1] == 0
    driver.check()


def test_before_the_credit_an_exchange_ships_from_the_order_as_before() -> None:
    driver = delivered()
    case(driver, "exchange", "quality", lines=ALL_OF_2)
    say(driver, "agree_after_sale", "merchant", with_return=False)
    assert (stage(driver), driver.state.left_to_ship()) == ("exchanged", {"2": 1})
    assert code(send_new(driver)) == "no_open_case"


# --- late truth ------------------------------------------------------------------------------------------


def _scan(driver: OrderDriver, number: int) -> Answer | Refusal:
    at = (driver.now - HOUR).isoformat()
    scans = [{"at": at, "code": "80", "stage": "delivered", "city": "上海市"}]
    return say(
        driver, "report_scan", "carrier", carrier="sandbox", waybill=WAYBILLS[number], scans=scans, provider="sandbox"
    )


def test_a_push_about_a_parcel_of_a_case_counts_after_the_settlement_too() -> None:
    driver = settled()
    case(driver, "exchange", "quality", lines=ALL_OF_2)
    say(driver, "agree_after_sale", "merchant")
    send_back(driver)
    assert code(_scan(driver, 20)) == "accepted"
    assert driver.state.cases[-1].parcel is not None
    assert len(driver.state.cases[-1].parcel.pushed) == 1
    assert not driver.notices("late_scan")


def test_new_goods_that_arrive_after_the_money_went_back_call_an_operator() -> None:
    driver = exchanging(settled())
    send_new(driver)
    driver.hear("exchange-1", "pending", carrier_says="absent")
    driver.advance(5 * DAY)
    driver.channel_says("arrived")
    assert (stage(driver), driver.state.closed) == ("refunded", True)
    driver.advance(2 * HOUR)
    assert code(_scan(driver, NEW)) == "accepted"
    assert {notice.to for notice in driver.notices("late_scan")} == {"merchant", "operator"}
    assert driver.state.has_hold("late_scan", "exchange-1")
    assert driver.books.of("psp") == -(TOTAL - LINE_2)
