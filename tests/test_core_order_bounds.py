"""How large an order can become: its whole state must fit in one message of the engine, which takes 2 MB."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from largest_order import FULL_TEXT, full_findings, id_of, largest_lines, largest_shipments
from order_driver import OrderDriver
from order_samples import WAYBILLS, a_parcel, a_policy, a_verdict, an_order
from pydantic_core import to_json

from activities.requests import Rescued
from core.answers import Answer
from core.budgets import ENGINE_TAKES, PARTS_MOST, STATE_WEIGHS
from core.order.auditing import apply_verdict
from core.order.commands import note_unreadable
from core.order.folding import as_recorded
from core.order.page import SHOWN, details_of
from core.order.shipping import PARCELS_MAX
from core.order.views import holds_of, record_of
from core.order.weighing import is_full
from core.reasons import Refusal, refuse
from core.states import Hold


def long_scans(driver: OrderDriver, batch: int) -> list[dict[str, Any]]:
    return [
        {
            "at": (driver.now - timedelta(seconds=batch * 500 + number)).isoformat(),
            "code": f"{batch}-{number}",
            "stage": "in_transit",
            "city": "市" * 80,
            "text": "件" * 500,
        }
        for number in range(500)
    ]


def push_long_scans(driver: OrderDriver, batch: int) -> Answer | Refusal:
    scans = long_scans(driver, batch)
    return driver.send("report_scan", "carrier", carrier="sandbox", waybill=WAYBILLS[1], provider="x", scans=scans)


def test_long_scans_and_a_full_journal_leave_an_order_that_can_be_carried_over() -> None:
    driver = OrderDriver().open()
    driver.ship()
    for batch in range(6):
        answer = push_long_scans(driver, batch)
        assert isinstance(answer, Answer)
    for _ in range(600):
        driver.junk("confirm_receipt", {"字" * 100 + str(number): 1 for number in range(10)})
    assert driver.state.scans_kept + driver.state.scans_dropped == 6 * 500
    assert 100 < driver.state.scans_kept < 500
    assert len(driver.state.model_dump_json().encode()) < ENGINE_TAKES * 3 // 4


def test_an_order_has_a_limited_number_of_parcels() -> None:
    line: dict[str, Any] = {"line_id": "1", "title": "x", "category": "a", "quantity": 1000, "unit_price_minor": 10}
    order = an_order(
        lines=[line],
        total_minor=10_800,
        payment={**an_order().payment.model_dump(mode="json"), "paid_minor": 10_800},
    )
    driver = OrderDriver(order).open()
    for batch in range(PARCELS_MAX // 50):
        numbers = range(batch * 50, batch * 50 + 50)
        parcels = [a_parcel(1, {"1": 1}, parcel_id=f"q{number}") for number in numbers]
        assert isinstance(driver.send("report_shipment", "merchant", parcels=parcels), Answer)
    answer = driver.send("report_shipment", "merchant", parcels=[a_parcel(2)])
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.field) == ("too_many_parcels", "parcels")


def largest(**limits: Any) -> OrderDriver:
    """Shipped in 200 parcels, with long titles."""
    payment = {**an_order().payment.model_dump(mode="json"), "paid_minor": 20_000}
    order = an_order(lines=largest_lines(), freight_minor=0, total_minor=20_000, payment=payment)
    driver = OrderDriver(order, a_policy(**limits)).open()
    for parcels in largest_shipments():
        assert isinstance(driver.send("report_shipment", "merchant", parcels=parcels), Answer)
    return driver


def told_everything(driver: OrderDriver) -> None:
    """Every audit wants a person, and every party says all that it may."""
    findings = full_findings(driver.now)
    for parcel in driver.state.parcels:
        failed = [finding.rule for finding in findings if finding.outcome == "fail"]
        driver.state = apply_verdict(
            driver.state,
            parcel.parcel_id,
            parcel.waybill,
            a_verdict("needs_review", *failed, findings=findings, now=driver.now),
            driver.now,
        ).next_revision()
    for number in range(200):
        parcel_id = id_of("parcel", number)
        for verb, role, body in (
            ("decide_audit", "reviewer", {"verdict": "rejected", "parcel_id": parcel_id, "reason": FULL_TEXT}),
            ("appeal_audit", "merchant", {"parcel_id": parcel_id, "statement": FULL_TEXT}),
            ("place_hold", "operator", {"name": f"h{number}", "scope": "payout", "reason": FULL_TEXT}),
        ):
            driver.arrive(driver.command(verb, role, **body))
        driver.state = as_recorded(driver.state)


def weight(value: Any) -> int:
    return len(to_json(value))


def test_the_largest_order_fits_the_engine_in_every_message_that_carries_it() -> None:
    driver = largest()
    for batch in range(2):
        driver.send(
            "report_scan",
            "carrier",
            carrier="sandbox",
            waybill=driver.state.parcels[batch].waybill,
            provider="x",
            scans=long_scans(driver, batch),
        )
    for _ in range(600):
        driver.state = note_unreadable(driver.state, "confirm_receipt", refuse("malformed", FULL_TEXT), driver.now)
    told_everything(driver)
    record = record_of(driver.state, driver.now)
    assert weight(record.state) <= STATE_WEIGHS
    rescued = Rescued(order=driver.order, policy=driver.state.policy, state=record.state)
    assert weight(rescued) < ENGINE_TAKES
    assert weight(driver.order) + weight(driver.state.model_dump(mode="json", exclude={"order"})) < ENGINE_TAKES
    assert weight(record) < ENGINE_TAKES


def test_the_page_of_the_largest_order_shows_the_first_parcels_and_holds_and_says_how_many_there_are() -> None:
    driver = largest()
    told_everything(driver)
    held = driver.state.changed(
        holds=[
            Hold(name=f"h{n}", scope="credit", reason="x", owner="operator", since=driver.now) for n in range(SHOWN + 7)
        ]
    )
    # Of both, the receipt is waited for, too.
    for state, more in ((held, SHOWN + 8), (held.changed(holds=()), 1)):
        page = details_of(state)
        assert page.count("**Parcel ") == page.count("\n- `") == SHOWN
        assert page.endswith(f"\nand {PARCELS_MAX - SHOWN} more parcels")
        assert f"\n- and {more} more\n" in page
        assert len(holds_of(state)) == len(state.holds) + PARCELS_MAX + 1


def test_a_full_order_refuses_its_merchant_and_lets_its_buyer_and_people_end_it() -> None:
    driver = largest()
    told_everything(driver)
    assert is_full(driver.state)
    held = driver.state.parcels[0]
    assert held.audit in {"in_review", "rejected"}
    answer = driver.send(
        "correct_waybill",
        "merchant",
        parcel_id=driver.state.parcels[1].parcel_id,
        carrier="sandbox",
        waybill=WAYBILLS[40],
        reason=FULL_TEXT,
    )
    assert isinstance(answer, Refusal)
    assert answer.code == "too_many_commands"
    assert isinstance(driver.arrive(driver.command("cancel_order", "buyer", reason=FULL_TEXT)), Answer)
    assert driver.phase == "cancelled"


def test_lines_over_all_parcels_are_limited_and_the_rest_ships_at_once() -> None:
    lines = largest_lines(quantity=100)
    total = 200 * 100 * 100
    payment = {**an_order().payment.model_dump(mode="json"), "paid_minor": total}
    order = an_order(lines=lines, freight_minor=0, total_minor=total, payment=payment)
    driver = OrderDriver(order).open()
    everything = {line["line_id"]: 1 for line in lines}
    for number in range(PARTS_MOST // 200):
        assert isinstance(driver.send("report_shipment", "merchant", parcels=[a_parcel(number, everything)]), Answer)
    answer = driver.send("report_shipment", "merchant", parcels=[a_parcel(30, everything)])
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.field) == ("too_many_parcels", "parcels")
    assert isinstance(driver.send("report_shipment", "merchant", parcels=[a_parcel(31)]), Answer)
    assert driver.state.fully_shipped


def test_a_refusal_that_names_every_line_is_remembered_in_short() -> None:
    driver = largest()
    body = {"parcels": [a_parcel(50, {"no-such-line": 1})]}
    driver.state = driver.state.changed(parcels=())
    answer = driver.send("report_shipment", "merchant", channel="signal", **body)
    assert isinstance(answer, Refusal)
    assert len(answer.message) > 10_000
    assert max(len(kept.message) for kept in driver.state.inbox.answers.values() if isinstance(kept, Refusal)) <= 300
