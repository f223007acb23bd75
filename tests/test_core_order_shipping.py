"""Shipment and corrections: what is accepted, what is refused and why."""

from __future__ import annotations

from typing import Any

import pytest
from order_answers import accepted, refused
from order_driver import OrderDriver
from order_samples import DAY, HOUR, T0, WAYBILLS, a_parcel, a_policy, a_verdict

from core.answers import Answer
from core.order.claims import claims_to_release, note_unused_claims
from core.order.shipping import Claim
from core.order.steps import Look, finish
from core.order.watches import apply_audit, audit_watches
from core.reasons import Refusal


def opened(**limits: Any) -> OrderDriver:
    return OrderDriver(policy=a_policy(**limits)).open()


def correct(driver: OrderDriver, parcel_id: str = "p1", number: int = 11, **fields: Any) -> Answer | Refusal:
    body = {"parcel_id": parcel_id, "carrier": "sandbox", "waybill": WAYBILLS[number], "reason": "a typo", **fields}
    return driver.send("correct_waybill", "merchant", **body)


# --- report_shipment ------------------------------------------------------------------------------------------


def test_shipment_starts_the_audit_and_tells_the_buyer_carrier_and_waybill() -> None:
    driver = opened()
    answer = accepted(driver.ship())
    assert (answer.phase, answer.audit, answer.receipt) == ("shipped", "collecting", "not_due")
    notice = driver.notices("shipped")[0]
    assert (notice.to, notice.facts["carrier"], notice.facts["waybill"]) == ("buyer", "sandbox", WAYBILLS[1])
    assert driver.parcel().lines[0].quantity == 2


def test_lines_null_means_all_that_is_left() -> None:
    driver = opened()
    driver.ship(a_parcel(1, {"1": 1}), a_parcel(2))
    assert [(part.line_id, part.quantity) for part in driver.parcel("p2").lines] == [("1", 1), ("2", 1)]
    assert driver.state.fully_shipped


def test_part_of_an_order_is_shipped_and_the_rest_later() -> None:
    driver = opened()
    driver.ship(a_parcel(1, {"1": 1}))
    assert driver.state.left_to_ship() == {"1": 1, "2": 1}
    assert driver.state.shipped_at is None
    driver.advance(HOUR).ship(a_parcel(2))
    assert driver.state.shipped_at == T0 + HOUR


@pytest.mark.parametrize(
    ("parcel", "code", "field"),
    [
        (a_parcel(1, {"9": 1}), "unknown_line", "parcels.0.lines"),
        (a_parcel(1, {}), "unknown_line", "parcels.0.lines"),
        (a_parcel(1, {"1": 3}), "quantity_too_large", "parcels.0.lines"),
        (a_parcel(1, carrier="sandbx"), "unknown_carrier", "parcels.0.carrier"),
        (a_parcel(1, carrier="other"), "unknown_carrier", "parcels.0.carrier_name"),
        (a_parcel(1, waybill="SBX000011"), "impossible_waybill", "parcels.0.waybill"),
    ],
)
def test_shipment_that_cannot_be_is_refused_with_code_and_field(parcel: Any, code: str, field: str) -> None:
    driver = opened()
    assert refused(driver.ship(parcel)) == (code, field)
    assert driver.state.parcels == ()


def test_same_line_twice_in_a_parcel_counts_twice() -> None:
    parts = [{"line_id": "1", "quantity": 1}, {"line_id": "1", "quantity": 2}]
    assert refused(opened().ship({**a_parcel(1), "lines": parts}))[0] == "quantity_too_large"


def test_second_parcel_with_nothing_left_for_it_is_refused() -> None:
    assert refused(opened().ship(a_parcel(1), a_parcel(2))) == ("nothing_left_to_ship", "parcels.1.lines")


def test_nothing_left_to_ship_is_refused() -> None:
    driver = opened()
    driver.ship()
    assert refused(driver.ship(a_parcel(2)))[0] == "nothing_left_to_ship"


def test_parcel_id_is_used_once() -> None:
    driver = opened()
    driver.ship(a_parcel(1, {"1": 1}))
    assert refused(driver.ship(a_parcel(1))) == ("parcel_exists", "parcels.0.parcel_id")
    twice = [a_parcel(2, {"1": 1}), a_parcel(2)]
    assert refused(driver.ship(*twice)) == ("parcel_exists", "parcels.1.parcel_id")


def test_unknown_carrier_is_refused_with_a_suggestion() -> None:
    answer = opened().ship(a_parcel(1, carrier="yunda-express"))
    assert isinstance(answer, Refusal)
    assert "yunda" in answer.message


def test_other_carrier_with_a_name_is_accepted() -> None:
    driver = opened()
    accepted(driver.ship(a_parcel(1, carrier="other", carrier_name="Village Post", waybill="VP123456")))
    assert driver.parcel().carrier_name == "Village Post"


def test_number_in_use_by_this_merchant_is_refused_and_leaves_nothing() -> None:
    driver = opened()
    driver.register_says[WAYBILLS[1]] = "in_use"
    assert refused(driver.ship())[0] == "waybill_in_use"
    assert driver.state.parcels == ()
    assert driver.state.inbox.counted == 0


@pytest.mark.parametrize("claim", ["claimed", "merged", "contested"])
def test_merged_and_contested_numbers_are_accepted(claim: str) -> None:
    driver = opened()
    driver.register_says[WAYBILLS[1]] = claim
    accepted(driver.ship())


def test_shipment_after_the_credit_or_the_end_is_refused() -> None:
    driver = opened()
    driver.ship()
    driver.deliver()
    driver.confirm()
    assert refused(driver.ship(a_parcel(2)))[0] == "already_shipped"
    driver = opened()
    driver.send("cancel_order", "buyer", reason="no")
    assert refused(driver.ship())[0] == "order_over"


# --- correct_waybill ------------------------------------------------------------------------------------------


def test_correction_keeps_the_old_number_releases_its_claim_and_opens_a_new_attempt() -> None:
    driver = opened()
    driver.ship()
    driver.hear("p1", first_physical_at=T0)
    driver.advance(DAY)
    accepted(correct(driver))
    parcel = driver.parcel()
    assert parcel.waybill == WAYBILLS[11]
    assert (parcel.audit, parcel.verdict, parcel.moved, parcel.uploaded_at) == ("collecting", None, False, T0 + DAY)
    assert [(attempt.waybill, attempt.reason) for attempt in parcel.attempts] == [(WAYBILLS[1], "a typo")]
    assert driver.released == [f"sandbox:{WAYBILLS[1]}"]


def test_verdict_on_a_number_that_was_corrected_meanwhile_is_nothing() -> None:
    driver = opened()
    driver.ship()
    old = audit_watches(driver.state)[0]
    correct(driver)
    approved = a_verdict("approved", delivered_at=T0)
    assert apply_audit(driver.state, old, approved, T0).parcels == driver.state.parcels
    assert finish(driver.state, Look(parcel_id="p1", waybill=old.waybill), approved, T0).parcels == driver.state.parcels


def test_verdict_of_a_carrier_that_was_corrected_meanwhile_is_nothing() -> None:
    driver = opened()
    driver.ship(a_parcel(1, waybill="1234567890123"))
    old = audit_watches(driver.state)[0]
    accepted(correct(driver, carrier="zto", waybill="1234567890123"))
    rejected = a_verdict("rejected", "trace_exists")
    assert apply_audit(driver.state, old, rejected, T0).parcels == driver.state.parcels


def test_number_given_up_and_used_again_is_claimed_and_released_again() -> None:
    driver = opened()
    driver.ship()
    correct(driver, number=11)
    correct(driver, number=1)
    correct(driver, number=12)
    assert driver.released == [f"sandbox:{WAYBILLS[n]}" for n in (1, 11, 1)]


def test_corrections_are_counted() -> None:
    driver = opened(corrections_max=2)
    driver.ship()
    accepted(correct(driver, number=11))
    accepted(correct(driver, number=12))
    assert refused(correct(driver, number=13))[0] == "too_many_corrections"


def test_correction_that_corrects_nothing_is_refused() -> None:
    """It would move the pickup deadline, and close a review."""
    driver = opened()
    driver.ship()
    before = driver.state
    spelled = f" {WAYBILLS[1][:5]}-{WAYBILLS[1][5:].lower()}"
    for waybill in (WAYBILLS[1], spelled):
        assert refused(correct(driver, waybill=waybill)) == ("same_waybill", "waybill")
    assert driver.state.parcels == before.parcels
    accepted(correct(driver, carrier="other", carrier_name="Village Post", waybill=WAYBILLS[1]))
    accepted(correct(driver, carrier="other", carrier_name="Town Post", waybill=WAYBILLS[1]))


def test_correction_of_an_approved_parcel_is_refused() -> None:
    driver = opened()
    driver.ship()
    driver.deliver()
    assert refused(correct(driver))[0] == "parcel_approved"
    driver.confirm()
    assert refused(correct(driver))[0] == "parcel_approved"


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"parcel_id": "p9"}, "unknown_parcel", "parcel_id"),
        ({"reason": ""}, "reason_missing", "reason"),
        ({"carrier": "nobody"}, "unknown_carrier", "carrier"),
        ({"waybill": "SBX000011"}, "impossible_waybill", "waybill"),
    ],
)
def test_correction_that_cannot_be_is_refused(fields: Any, code: str, field: str) -> None:
    driver = opened()
    driver.ship()
    assert refused(correct(driver, **fields)) == (code, field)


def test_correction_to_a_number_in_use_is_refused() -> None:
    driver = opened()
    driver.ship()
    driver.register_says[WAYBILLS[11]] = "in_use"
    assert refused(correct(driver))[0] == "waybill_in_use"
    assert driver.parcel().waybill == WAYBILLS[1]


def test_correction_stops_a_receipt_clock_that_another_number_started() -> None:
    driver = opened()
    driver.ship()
    driver.hear("p1", "needs_review", "moved", first_physical_at=T0, delivered_at=T0)
    assert driver.receipt == "awaited"
    correct(driver)
    assert driver.receipt == "not_due"


def test_package_number_off_a_label_is_its_waybill_and_the_merchant_is_told() -> None:
    driver = opened()
    first = a_parcel(1, {"1": 1}, carrier="jd", waybill="JDVA00012340001-1-2-")
    accepted(driver.ship(first, a_parcel(2, carrier="jd", waybill="jdva00012340001-2-2-")))
    assert {parcel.waybill for parcel in driver.state.parcels} == {"JDVA00012340001"}
    notice = driver.notices("waybill_read_from_package")
    assert [(one.to, one.facts["typed"], one.facts["changes"]) for one in notice] == [
        ("merchant", "JDVA00012340001-1-2-", "package number: 1 of 2"),
        ("merchant", "jdva00012340001-2-2-", "package number: 2 of 2"),
    ]


def test_corrected_package_number_is_its_waybill_too() -> None:
    driver = opened()
    driver.ship()
    accepted(correct(driver, carrier="jd", waybill="JDVA00012340001-1-1-"))
    assert driver.parcel().waybill == "JDVA00012340001"
    assert len(driver.notices("waybill_read_from_package")) == 1


def test_number_claimed_for_a_command_refused_after_all_is_given_up_once_and_never_one_in_use() -> None:
    driver = opened()
    driver.ship()
    body = {"parcel_id": "p1", "carrier": "sandbox", "reason": "a typo"}
    other, own = (driver.command("correct_waybill", "merchant", waybill=WAYBILLS[n], **body) for n in (11, 1))
    claimed = (Claim(parcel_id="p1", outcome="claimed"),)
    for command in (other, own):
        driver.state = note_unused_claims(driver.state, command, claimed)
    driver.do_what_is_due()
    assert driver.released == [f"sandbox:{WAYBILLS[11]}"]
    assert claims_to_release(driver.state) == ()
    driver.state = note_unused_claims(driver.state, other, claimed)
    driver.do_what_is_due()
    assert driver.released == [f"sandbox:{WAYBILLS[11]}"] * 2
    for claims in ((), (Claim(parcel_id="p1", outcome="in_use"),)):
        assert note_unused_claims(driver.state, other, claims) == driver.state
