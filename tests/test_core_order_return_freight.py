"""Freight of the way back: who bears it, how much it may be, and that it is a refund of its own."""

from __future__ import annotations

from typing import Any

import pytest
from case_driver import ALL_OF_2, LINE_1, LINE_2, TOTAL, case, code, delivered, say, send_back, stage
from order_driver import OrderDriver
from order_events import play
from order_samples import DAY, T0

from core.order.recovering import recover

FREIGHT = 1_200


def _back(driver: OrderDriver, **agreed: Any) -> None:
    """The second line is back with its merchant, who has not confirmed it."""
    case(driver, "return_and_refund", "quality", lines=ALL_OF_2)
    assert code(say(driver, "agree_after_sale", "merchant", **agreed)) == "accepted"
    send_back(driver)
    driver.hear("return-1", "approved", first_physical_at=T0, delivered_at=driver.now)


def _to_arbitration(driver: OrderDriver, **agreed: Any) -> None:
    _back(driver, **agreed)
    say(driver, "refuse_return", "merchant", reason="worn")
    assert stage(driver) == "arbitration"


def _decide(driver: OrderDriver, **fields: Any) -> str:
    return code(say(driver, "arbitrate", "reviewer", **{"decision": "all", "reason": "seen", **fields}))


@pytest.mark.parametrize("verb", ["agree_after_sale", "confirm_return"])
def test_the_merchant_gives_the_way_back_with_the_refund(verb: str) -> None:
    driver = delivered()
    freight = {"return_freight_minor": FREIGHT}
    _back(driver, **(freight if verb == "agree_after_sale" else {}))
    assert not driver.refunds()
    assert (
        code(say(driver, "confirm_return", "merchant", **(freight if verb == "confirm_return" else {}))) == "accepted"
    )
    assert driver.refunds() == {"case-1": LINE_2, "case-1-freight": FREIGHT}
    while driver.channel_says("arrived"):
        pass
    assert stage(driver) == "refunded"
    driver.confirm()
    driver.advance(20 * DAY).check()
    assert driver.state.credited_minor + driver.state.commission_minor == TOTAL - LINE_2 - FREIGHT


def test_after_the_settlement_it_comes_out_of_what_was_frozen_for_the_case() -> None:
    driver = delivered()
    driver.confirm()
    driver.advance(8 * DAY)
    assert (driver.phase, driver.state.closed) == ("settled", True)
    before = driver.books.of("available")
    _back(driver, return_freight_minor=FREIGHT)
    assert driver.books.of("frozen") == LINE_2 - 440 + FREIGHT
    say(driver, "confirm_return", "merchant")
    while driver.channel_says("arrived"):
        pass
    assert driver.books.of("frozen") == 0
    commission_of_freight = before - driver.books.of("available") - (LINE_2 - 440)
    assert 0 < FREIGHT - commission_of_freight < FREIGHT
    assert driver.state.closed
    driver.check()


def test_a_reviewer_lets_the_platform_bear_it_and_the_merchant_keeps_the_money() -> None:
    driver = delivered()
    driver.confirm()
    _to_arbitration(driver)
    credited = driver.state.credited_minor
    freight = {"return_freight": "platform", "return_freight_minor": FREIGHT}
    assert _decide(driver, decision="part", amount_minor=500, **freight) == "accepted"
    bearers = {refund.cause: refund.bearer for refund in driver.state.refunds}
    assert bearers == {"case-1": "merchant", "case-1-freight": "platform"}
    assert driver.state.proceeds_minor == credited - driver.state.refunds[0].from_merchant_minor
    while driver.channel_says("arrived"):
        pass
    driver.advance(20 * DAY).check()
    assert driver.phase == "settled"


def test_decided_twice_it_is_given_once() -> None:
    driver = delivered()
    _to_arbitration(driver)
    body = {"command_id": "once", "return_freight": "merchant", "return_freight_minor": FREIGHT}
    assert [_decide(driver, **body), _decide(driver, **body)] == ["accepted", "duplicate"]
    assert _decide(driver, return_freight_minor=FREIGHT) == "no_open_case"
    assert driver.refunds() == {"case-1": LINE_2, "case-1-freight": FREIGHT}


def test_a_worker_that_dies_before_its_report_books_it_no_second_time() -> None:
    driver = delivered()
    _to_arbitration(driver)
    _decide(driver, return_freight="merchant", return_freight_minor=FREIGHT)
    booked = driver.state.refunds
    assert [refund.status for refund in booked] == ["booked", "booked"]
    before = driver.state.changed(refunds=tuple(refund.changed(status="owed") for refund in booked))
    saved, references = before.model_dump(mode="json"), list(driver.books.movements)
    driver.state = recover(driver.order, driver.state.policy, saved, references, driver.now)
    driver.do_what_is_due()
    assert [refund.status for refund in driver.state.refunds] == ["booked", "booked"]
    assert list(driver.books.movements) == references
    driver.check()


def test_an_exchange_may_give_it_too() -> None:
    driver = delivered()
    case(driver, "exchange", "wrong_item", lines=ALL_OF_2)
    say(driver, "agree_after_sale", "merchant", return_freight_minor=FREIGHT)
    send_back(driver)
    driver.hear("return-1", "approved", first_physical_at=T0, delivered_at=driver.now)
    say(driver, "confirm_return", "merchant")
    assert (stage(driver), driver.refunds()) == ("exchanged", {"case-1-freight": FREIGHT})
    driver.check()


def test_all_ways_back_of_an_order_share_one_limit() -> None:
    driver = delivered(return_freight_most_minor=2_000)
    _back(driver, return_freight_minor=FREIGHT)
    say(driver, "confirm_return", "merchant")
    case(driver, "return_and_refund", "damaged", lines=[{"line_id": "1", "quantity": 1}])
    say(driver, "agree_after_sale", "merchant")
    send_back(driver, 21)
    driver.hear("return-2", "approved", first_physical_at=T0, delivered_at=driver.now)
    above = say(driver, "confirm_return", "merchant", return_freight_minor=801)
    assert (code(above), getattr(above, "field", None)) == ("above_return_freight", "return_freight_minor")
    assert code(say(driver, "confirm_return", "merchant", return_freight_minor=800)) == "accepted"
    assert driver.refunds()["case-2-freight"] == 800
    assert driver.refunds()["case-2"] <= LINE_1
    driver.check()


def test_a_return_of_everything_leaves_nothing_that_a_channel_could_send_back() -> None:
    driver = delivered()
    case(driver, "return_and_refund", "quality")
    answer = say(driver, "agree_after_sale", "merchant", return_freight_minor=1)
    assert (code(answer), getattr(answer, "field", None)) == ("above_refundable", "return_freight_minor")
    assert not driver.refunds()
    assert stage(driver) == "applied"


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"return_freight_minor": 5_001}, "above_return_freight"),
        ({"return_freight_minor": 100, "return_freight": "platform"}, "too_early"),
    ],
)
def test_a_reviewer_gives_no_more_than_the_policy_and_no_money_of_the_platform_too_early(
    fields: dict[str, Any], wanted: str
) -> None:
    driver = delivered()
    _to_arbitration(driver)
    assert _decide(driver, **fields) == wanted
    assert not driver.refunds()


def test_freight_that_the_merchant_agreed_to_is_no_money_of_the_platform_too_early_either() -> None:
    driver = delivered()
    _to_arbitration(driver, return_freight_minor=FREIGHT)
    assert _decide(driver, return_freight="platform") == "too_early"
    assert _decide(driver, return_freight="merchant") == "accepted"
    assert {refund.cause: refund.bearer for refund in driver.state.refunds}["case-1-freight"] == "merchant"
    driver.check()


def test_a_buyer_who_bears_it_gets_nothing() -> None:
    driver = delivered()
    case(driver, "return_and_refund", "changed_mind", lines=ALL_OF_2)
    say(driver, "agree_after_sale", "merchant")
    send_back(driver)
    driver.hear("return-1", "approved", first_physical_at=T0, delivered_at=driver.now)
    say(driver, "refuse_return", "merchant", reason="worn")
    assert _decide(driver, return_freight_minor=100) == "above_return_freight"
    assert _decide(driver) == "accepted"
    assert driver.refunds() == {"case-1": LINE_2}


def test_without_a_way_back_there_is_no_freight() -> None:
    driver = delivered()
    case(driver)
    answer = say(driver, "agree_after_sale", "merchant", return_freight_minor=100)
    assert (code(answer), getattr(answer, "field", None)) == ("nothing_to_return", "return_freight_minor")
    play(driver, ["case: refuse", "case: escalate"])
    assert _decide(driver, return_freight="merchant", return_freight_minor=100) == "nothing_to_return"
