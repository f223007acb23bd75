"""Orders that no carrier takes along: by a courier of the city, collected by the buyer, sent as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from case_driver import TOTAL, case, code, say
from order_driver import OrderDriver
from order_samples import DAY, HOUR, T0, WAYBILLS, a_parcel, a_scan, an_order
from order_walks import walks

from core.order.handover import hash_of_code
from core.order.views import holds_of
from core.order.watches import audit_watches
from core.policy import parse_policy, resolve

POLICY = parse_policy((Path(__file__).parents[1] / "policies" / "default.toml").read_text(encoding="utf-8"))
CODE = "KX7-3F9"
HASH = hash_of_code("A1001", CODE)
EVIDENCE = {"reference": "mail-4711", "sha256": "9f" * 32}


def opened(mode: str, **fields: Any) -> OrderDriver:
    """An order under the default policy, released at T0."""
    fields = {"handover_hash": HASH, **fields} if mode in {"local", "pickup"} else fields
    order = an_order(delivery_mode=mode, **fields)
    return OrderDriver(order, resolve(POLICY, order)).open()


def ready() -> OrderDriver:
    driver = opened("pickup")
    assert code(say(driver, "report_ready", "merchant", place="西湖区")) == "accepted"
    return driver


def on_its_way() -> OrderDriver:
    driver = opened("local")
    driver.ship({**a_parcel(), "carrier": "other", "carrier_name": "闪送"})
    return driver


def say_code(driver: OrderDriver, word: str = CODE, role: str = "merchant") -> str:
    return code(say(driver, "confirm_handover", role, code=word))


def scan(driver: OrderDriver, stage: str, city: str | None = "北京市") -> str:
    seen = [a_scan(stage, driver.now, city=city)]
    fields = {"carrier": "other", "waybill": WAYBILLS[1], "scans": seen, "provider": "courier"}
    return code(driver.send("report_scan", "carrier", **fields))


def test_each_mode_has_clocks_of_its_own() -> None:
    within = {mode: opened(mode).deadline("ship_by") - T0 for mode in ("express", "local", "pickup", "virtual")}
    assert within == {"express": 48 * HOUR, "local": 4 * HOUR, "pickup": 24 * HOUR, "virtual": 4 * HOUR}


@pytest.mark.parametrize("mode", ["local", "pickup", "virtual"])
def test_what_is_never_handed_over_is_refunded(mode: str) -> None:
    driver = opened(mode)
    driver.advance(5 * DAY)
    assert (driver.phase, driver.refunds()) == ("cancelled", {"ship_by": TOTAL})


# --- collected -------------------------------------------------------------------------------------------


def test_the_buyers_code_is_delivery_and_receipt_and_the_order_settles() -> None:
    driver = ready()
    (told,) = driver.notices("ready_to_collect")
    assert (told.to, told.facts["collect_by"]) == ("buyer", (T0 + 7 * DAY).isoformat())
    assert audit_watches(driver.state) == ()
    (hold,) = [hold for hold in holds_of(driver.state) if hold.reason == "audit_collecting"]
    assert "confirm_handover" in hold.what_helps
    driver.advance(3 * DAY)
    assert say_code(driver) == "accepted"
    assert (driver.phase, driver.state.receipt.by) == ("credited", "code")
    driver.advance(8 * DAY).check()
    assert driver.phase == "settled"


def test_what_is_not_collected_is_refunded_after_a_reminder() -> None:
    driver = ready()
    driver.advance(5 * DAY)
    assert [notice.to for notice in driver.notices("collect_reminder")] == ["buyer"]
    driver.advance(2 * DAY)
    assert (driver.phase, driver.refunds()) == ("cancelled", {"parcel-pickup-1": TOTAL})


def test_a_buyer_who_says_so_has_collected_it() -> None:
    driver = ready()
    driver.confirm()
    assert (driver.phase, driver.state.receipt.by) == ("credited", "buyer")


def test_a_buyer_may_call_off_what_was_not_collected() -> None:
    driver = ready()
    say(driver, "cancel_order", "buyer", reason="too far")
    assert (driver.phase, driver.refunds()) == ("cancelled", {"cancel": TOTAL})


def test_a_wrong_code_is_a_try_and_tries_end() -> None:
    driver = ready()
    for left in (4, 3, 2, 1, 0):
        assert say_code(driver, "guess") == "accepted"
        assert {notice.facts["tries_left"] for notice in driver.notices("handover_code_wrong")[-2:]} == {str(left)}
        assert driver.phase == "shipped"
    assert say_code(driver) == "handover_tries_used_up"
    driver.confirm()
    assert driver.phase == "credited"


def test_the_code_counts_once() -> None:
    driver = ready()
    say_code(driver)
    assert say_code(driver) == "already_confirmed"
    assert len(driver.notices("credited")) == 1


# --- brought ---------------------------------------------------------------------------------------------


def test_the_code_at_the_door_delivers_and_silence_confirms_after_hours() -> None:
    driver = on_its_way()
    assert audit_watches(driver.state) == ()
    driver.advance(2 * HOUR)
    assert say_code(driver, role="carrier") == "accepted"
    assert (driver.phase, driver.state.receipt.deadline) == ("shipped", T0 + 26 * HOUR)
    driver.advance(DAY)
    assert (driver.phase, driver.state.receipt.by) == ("credited", "timeout")


def test_a_couriers_scan_at_the_buyers_place_delivers() -> None:
    driver = on_its_way()
    scan(driver, "picked_up", "杭州市")
    assert driver.audit == "collecting"
    scan(driver, "delivered")
    assert (driver.audit, driver.receipt) == ("approved", "awaited")


def test_a_scan_elsewhere_is_for_a_person() -> None:
    driver = on_its_way()
    scan(driver, "delivered", "上海市")
    assert (driver.audit, driver.receipt) == ("in_review", "not_due")
    (hold,) = [hold for hold in holds_of(driver.state) if hold.reason == "audit_in_review"]
    assert "上海市" in hold.what_helps
    driver.decide("approved", "p1")
    driver.confirm()
    assert driver.phase == "credited"


def test_goods_that_come_back_before_the_credit_are_for_a_person() -> None:
    driver = on_its_way()
    scan(driver, "delivered")
    scan(driver.advance(HOUR), "returned")
    assert (driver.audit, driver.receipt) == ("in_review", "not_due")
    driver.decide("rejected", "p1")
    driver.advance(4 * DAY)
    assert (driver.phase, driver.refunds()) == ("refunded", {"parcel-p1": TOTAL})


def test_a_courier_who_is_not_heard_of_is_for_a_person_after_a_day() -> None:
    driver = on_its_way()
    driver.advance(DAY)
    assert (driver.audit, [notice.to for notice in driver.notices("undelivered")]) == ("in_review", ["buyer"])
    driver.advance(30 * DAY).check()
    assert driver.phase == "shipped", "no default pays or refunds what nobody proved"


# --- sent ------------------------------------------------------------------------------------------------


def sent(driver: OrderDriver, **fields: Any) -> str:
    return code(say(driver, "report_delivery", "merchant", **{**EVIDENCE, **fields}))


def test_what_was_sent_as_data_is_confirmed_by_a_day_of_silence() -> None:
    driver = opened("virtual")
    assert sent(driver) == "accepted"
    assert (driver.audit, driver.deadline("receipt_by")) == ("approved", T0 + DAY)
    assert [(notice.to, notice.facts["reference"]) for notice in driver.notices("sent")] == [("buyer", "mail-4711")]
    driver.advance(DAY)
    assert (driver.phase, driver.state.receipt.by) == ("credited", "timeout")
    driver.advance(8 * DAY).check()
    assert driver.phase == "settled"


def test_what_was_sent_to_another_buyer_is_refused() -> None:
    driver = opened("virtual")
    driver.register_says[EVIDENCE["sha256"]] = "in_use"
    assert sent(driver) == "waybill_in_use"
    assert driver.phase == "awaiting_shipment"


def test_two_lines_need_evidence_each() -> None:
    driver = opened("virtual")
    assert sent(driver, lines=[{"line_id": "1", "quantity": 2}]) == "accepted"
    assert driver.receipt == "not_due"
    assert sent(driver) == "evidence_used"
    assert sent(driver, sha256="ab" * 32) == "accepted"
    names = [parcel.parcel_id for parcel in driver.state.parcels]
    assert (driver.receipt, names) == ("awaited", ["virtual-1", "virtual-2"])


def test_data_cannot_come_back_and_silence_of_the_merchant_refunds_it() -> None:
    driver = opened("virtual")
    sent(driver)
    assert code(case(driver, "return_and_refund")) == "nothing_to_return"
    assert code(case(driver, "exchange")) == "nothing_to_return"
    case(driver, reason="quality")
    driver.advance(2 * DAY)
    assert (driver.phase, driver.refunds()) == ("refunded", {"case-1": TOTAL})


# --- refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "verb", "fields"),
    [
        ("pickup", "report_shipment", {"parcels": [a_parcel()]}),
        ("virtual", "report_shipment", {"parcels": [a_parcel()]}),
        ("express", "report_ready", {}),
        ("local", "report_ready", {}),
        ("pickup", "report_delivery", EVIDENCE),
        ("express", "confirm_handover", {"code": CODE}),
        ("virtual", "confirm_handover", {"code": CODE}),
    ],
)
def test_a_verb_of_another_mode_is_refused(mode: str, verb: str, fields: dict[str, Any]) -> None:
    assert code(say(opened(mode), verb, "merchant", **fields)) == "wrong_delivery_mode"


def test_an_order_without_a_code_has_none_to_say() -> None:
    driver = opened("local", handover_hash=None)
    driver.ship()
    assert say_code(driver) == "no_handover_code"


def test_nothing_is_handed_over_before_it_is_there() -> None:
    assert say_code(opened("pickup")) == "nothing_shipped"


@pytest.mark.parametrize(("mode", "given"), [("pickup", None), ("express", HASH), ("virtual", HASH), ("local", "x")])
def test_the_hash_of_a_code_belongs_to_goods_that_are_handed_over(mode: str, given: str | None) -> None:
    with pytest.raises(ValueError, match="handover_hash"):
        an_order(delivery_mode=mode, handover_hash=given)


# --- any life --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["local", "pickup", "virtual"])
def test_random_lives_keep_the_money_and_always_wait_for_something(mode: str) -> None:
    for driver, _ in walks(range(25), mode=mode):
        driver.check()
