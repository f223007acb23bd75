"""Chargebacks: the channel takes the money back at once, and gives it back exactly where it was wrong."""

from __future__ import annotations

from typing import Any

import pytest
from case_driver import ALL_OF_2, LINE_1, TOTAL, case, code, delivered, opened, say, stage
from charged_orders import FEE, PLACES, charge, credited, end, has, owing, refunded, report, settled
from order_driver import OrderDriver, verb_of
from order_samples import DAY, WAYBILLS, an_order

from core.order.bookings import CHARGEBACKS, unknown_bookings
from core.order.recovering import recover
from core.order.refunding import end_if_nothing_left
from core.order.shares import nothing_left
from core.order.steps import OrderStep
from core.reasons import Refusal

AMOUNTS = {"a part": 5000, "all": TOTAL}


# --- taken, won, lost --------------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", AMOUNTS.values(), ids=list(AMOUNTS))
@pytest.mark.parametrize("place", list(PLACES))
def test_the_money_goes_at_once_and_what_is_won_comes_back_to_the_unit(place: str, amount: int) -> None:
    driver = PLACES[place]()
    before, lines = has(driver), driver.state.lines
    assert charge(driver, amount) == "accepted"
    assert driver.books.of("psp") - before.get("psp", 0) == amount
    assert (stage(driver), driver.state.closed) == ("disputed", False)
    driver.check()
    assert end(driver, "won") == "accepted"
    assert has(driver) == before
    assert (driver.state.lines, driver.refunds()) == (lines, {})
    assert stage(driver) == "won"
    driver.check()


@pytest.mark.parametrize("place", ["credited", "settled", "withdrawn"])
@pytest.mark.parametrize("funded_by", ["merchant", "platform"])
def test_commission_and_discount_come_back_too(place: str, funded_by: Any) -> None:
    driver = OrderDriver(an_order(discount_minor=333, total_minor=TOTAL - 333, discount_funded_by=funded_by)).open()
    driver.ship()
    driver.deliver()
    driver.confirm()
    if place != "credited":
        driver.advance(8 * DAY)
    before = has(driver)
    charge(driver, 4001)
    driver.check()
    end(driver, "won")
    assert has(driver) == before
    driver.check()


@pytest.mark.parametrize("place", list(PLACES))
def test_lost_in_part_the_rest_goes_on(place: str) -> None:
    driver = PLACES[place]()
    phase = driver.phase
    charge(driver)
    assert end(driver, "lost") == "accepted"
    assert (stage(driver), driver.phase) == ("lost", phase)
    assert driver.refunds() == {"chargeback-1": 5000}
    driver.check()
    if driver.state.closed:
        return
    if place == "before the shipment":
        driver.ship()
        driver.deliver()
    if driver.receipt != "confirmed":
        driver.confirm()
    driver.advance(40 * DAY)
    assert (driver.phase, driver.state.closed) == ("settled", True)
    assert driver.books.of("available") + driver.books.of("commission") == TOTAL - 5000
    driver.check()


@pytest.mark.parametrize(
    ("place", "phase"),
    [
        ("before the shipment", "refunded"),
        ("delivered", "refunded"),
        ("credited", "refunded"),
        ("settled", "settled"),
        ("withdrawn", "settled"),
    ],
)
def test_lost_whole_the_order_is_over(place: str, phase: str) -> None:
    driver = PLACES[place]()
    charge(driver, TOTAL)
    end(driver, "lost")
    assert (driver.phase, driver.state.closed) == (phase, True)
    driver.check()


def test_what_the_merchant_has_no_more_is_owed() -> None:
    driver = owing()
    charge(driver, TOTAL)
    commission = driver.state.refunds[0].commission_minor
    assert (driver.books.of("available"), -driver.books.of("receivable")) == (0, TOTAL - commission - 1000)
    driver.check()


def test_an_order_that_was_cancelled_while_disputed_gives_the_buyer_what_is_won() -> None:
    driver = opened()
    charge(driver, 5000)
    assert code(driver.send("cancel_order", "buyer", reason="no")) == "accepted"
    assert (driver.phase, stage(driver)) == ("cancelled", "disputed")
    driver.channel_says("arrived", "cancel")
    end(driver, "won")
    assert driver.refunds() == {"cancel": TOTAL - 5000, "chargeback-1-won": 5000}
    driver.channel_says("arrived", "chargeback-1-won")
    assert (driver.phase, driver.state.closed) == ("cancelled", True)
    driver.check()


# --- the fee -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bearer", ["merchant", "platform"])
@pytest.mark.parametrize("place", list(PLACES))
def test_the_fee_is_the_policys_to_give_and_stays_with_the_channel(place: str, bearer: str) -> None:
    driver = PLACES[place](chargeback_fee_bearer=bearer)
    charge(driver, 5000, fee_minor=FEE)
    borne = -driver.books.of("psp_fee")
    assert borne == (FEE if bearer == "platform" else 0)
    driver.check()
    end(driver, "won")
    assert -driver.books.of("psp_fee") == borne
    assert "order/A1001/chargeback/1/fee" in driver.books.movements
    driver.check()


@pytest.mark.parametrize("ended", ["", "won", "lost"])
@pytest.mark.parametrize("place", list(PLACES))
def test_a_fee_that_the_channel_names_later_is_booked_once(place: str, ended: str) -> None:
    told_at_once, told_later = PLACES[place](), PLACES[place]()
    charge(told_at_once, 5000, fee_minor=FEE)
    charge(told_later, 5000)
    if ended:
        end(told_at_once, ended)
        end(told_later, ended)
    assert "order/A1001/chargeback/1/fee" not in told_later.books.movements
    assert [charge(told_later, 5000, fee_minor=FEE) for _ in range(2)] == ["accepted", "duplicate"]
    assert charge(told_later, 5000, fee_minor=FEE + 1) == "chargeback_exists_with_different_content"
    assert has(told_later) == has(told_at_once)
    told_later.check()


# --- what waits --------------------------------------------------------------------------------------------


def test_neither_credit_nor_settlement_goes_on_while_the_channel_decides() -> None:
    driver = delivered()
    charge(driver)
    assert code(driver.confirm()) == "case_open"
    end(driver, "won")
    driver.confirm()
    assert driver.phase == "credited"
    charge(driver, reference="wx-d-2")
    driver.advance(30 * DAY)
    assert driver.phase == "credited"
    end(driver, "won", "wx-d-2")
    assert driver.advance(8 * DAY).phase == "settled"
    driver.check()


def test_both_sides_give_evidence_until_the_channels_date_and_a_late_channel_is_a_hold() -> None:
    driver = credited()
    until = driver.now + 10 * DAY
    charge(driver, evidence_due=until.isoformat())
    assert driver.deadline("dispute_evidence_by") == until
    for role in ("merchant", "buyer"):
        assert code(say(driver, "add_evidence", role, evidence=[{"kind": "text", "text": "seen"}])) == "accepted"
    driver.until(until)
    assert [notice.to for notice in driver.notices("chargeback_heard")] == ["operator"]
    assert [notice.to for notice in driver.notices("case_reminder")] == ["merchant"]
    driver.advance(120 * DAY)
    assert driver.holds() == {"chargeback_overdue"}
    driver.lift("chargeback_overdue")
    driver.check()
    assert end(driver, "lost") == "accepted"
    assert driver.holds() == set()
    driver.check()


def test_the_channels_word_closes_the_buyers_case_and_no_other_opens() -> None:
    driver = settled()
    case(driver, "return_and_refund", "quality")
    assert driver.books.of("frozen") > 0
    assert charge(driver) == "accepted"
    first, second = driver.state.cases
    assert (first.closed_as, second.stage) == ("chargeback", "disputed")
    assert driver.books.of("frozen") == 0
    assert code(case(driver, "refund_only", "quality")) == "case_open"
    assert code(say(driver, "withdraw_after_sale", "buyer")) == "wrong_case_stage"
    actor = {"role": "operator", "id": "ann"}
    asked = driver.send("refund_order", "operator", actor=actor, amount_minor=1, reason="kind")
    assert code(asked) == "case_open"
    driver.check()


def test_a_hold_on_all_stops_the_posting_and_the_end_waits_for_it() -> None:
    driver = credited()
    driver.hold(scope="all")
    charge(driver)
    end(driver, "won")
    assert driver.refund_status() == ["owed"]
    driver.lift()
    assert list(driver.books.movements)[-2:] == [f"order/A1001/chargeback/1{end}" for end in ("", "/won")]
    assert driver.refunds() == {}
    driver.check()


# --- refused -----------------------------------------------------------------------------------------------


def test_the_same_report_again_changes_nothing() -> None:
    driver = credited()
    assert [charge(driver), charge(driver)] == ["accepted", "duplicate"]
    assert [end(driver, "won"), end(driver, "won")] == ["accepted", "duplicate"]
    assert len(driver.state.cases) == 1
    driver.check()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"amount_minor": TOTAL + 1}, "above_refundable"),
        ({"amount_minor": 10, "actor": {"role": "channel", "id": "paypal"}}, "wrong_actor"),
        ({"outcome": "won"}, "unknown_chargeback"),
        ({"outcome": "lost"}, "unknown_chargeback"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], expected: str) -> None:
    driver = credited()
    assert code(report(driver, **fields)) == expected
    driver.check()


def test_a_second_report_that_says_something_else_is_refused() -> None:
    driver = credited()
    charge(driver, fee_minor=FEE)
    assert charge(driver, 4999, fee_minor=FEE) == "chargeback_exists_with_different_content"
    assert charge(driver, 5000, fee_minor=FEE + 1) == "chargeback_exists_with_different_content"
    assert charge(driver, 100, reference="wx-d-2") == "case_open"
    end(driver, "lost")
    assert end(driver, "won") == "wrong_case_stage"
    assert charge(driver, TOTAL - 4999, reference="wx-d-2") == "above_refundable"
    assert charge(driver, TOTAL - 5000, reference="wx-d-2") == "accepted"
    driver.check()


# --- above what is left -------------------------------------------------------------------------------------


@pytest.mark.parametrize("bearer", ["platform", "merchant"])
@pytest.mark.parametrize("gone", [TOTAL, 4000])
@pytest.mark.parametrize("place", list(PLACES))
def test_what_the_buyer_had_back_already_is_borne_and_contested(place: str, gone: int, bearer: str) -> None:
    driver = refunded(place, gone, chargeback_after_refund_borne_by=bearer)
    before, lines = has(driver), driver.state.lines
    assert charge(driver, TOTAL) == "accepted"
    assert driver.books.of("psp") - before.get("psp", 0) == TOTAL, "the channel has taken all of it"
    moved = driver.books.movements["order/A1001/chargeback/1/above"]
    assert [leg[2] for leg in moved] == [gone]
    (notice,) = driver.notices("chargeback_above")
    facts = notice.facts
    assert (notice.to, facts["amount_minor"], facts["bearer"], facts["case_reference"]) == (
        "operator",
        str(gone),
        bearer,
        "wx-d-1",
    )
    assert not driver.state.closed
    driver.check()
    assert end(driver, "won") == "accepted"
    driver.check()
    assert ("order/A1001/chargeback/1/won" in driver.books.movements) == (gone < TOTAL)
    if place == "before the shipment" and gone == TOTAL:
        assert driver.state.closed
    if bearer == "platform":
        assert (has(driver), driver.state.lines) == (before, lines)
    assert driver.books.of("psp") == before.get("psp", 0)


@pytest.mark.parametrize("gone", [TOTAL, 4000])
@pytest.mark.parametrize("place", list(PLACES))
def test_lost_above_what_was_left_the_order_is_over(place: str, gone: int) -> None:
    driver = refunded(place, gone)
    charge(driver, TOTAL, fee_minor=FEE)
    assert end(driver, "lost") == "accepted"
    assert driver.state.closed
    assert -driver.books.of("goodwill") == gone
    driver.check()


def test_a_channel_takes_no_more_than_was_paid() -> None:
    driver = refunded("credited", 4000)
    assert charge(driver, TOTAL + 1) == "above_refundable"
    charge(driver, TOTAL - 500)
    end(driver, "lost")
    above = report(driver, "wx-d-2", amount_minor=501)
    assert isinstance(above, Refusal)
    assert above.message.endswith("The channel can take 5.00 CNY of this order."), above.message
    assert charge(driver, 500, "wx-d-2") == "accepted"
    driver.check()


def test_a_chargeback_waits_until_what_was_won_is_booked() -> None:
    driver = credited()
    charge(driver, TOTAL)
    driver.hold(scope="all")
    end(driver, "won")
    assert charge(driver, TOTAL, "wx-d-2") == "too_early"
    driver.lift()
    assert charge(driver, TOTAL, "wx-d-2") == "accepted"
    driver.check()


@pytest.mark.parametrize("kind", ["chargeback_above", "chargeback_above_won"])
def test_a_lost_report_of_what_was_above_books_it_once(kind: str) -> None:
    driver = refunded("settled", TOTAL)
    if kind == "chargeback_above_won":
        charge(driver, TOTAL)
    known = driver.state
    if kind == "chargeback_above":
        charge(driver, TOTAL)
    else:
        end(driver, "won")
    assert driver.record is not None
    references = list(driver.books.movements)
    state = recover(driver.order, known.policy, driver.record.state, references, driver.now)
    assert not [one for one in unknown_bookings(state, references) if one.kind in CHARGEBACKS]
    last = f"order/A1001/chargeback/1/above{'/won' if kind.endswith('won') else ''}"
    assert last in references
    saved = {**driver.record.state, "cases": [_without(case) for case in driver.record.state["cases"]]}
    state = recover(driver.order, known.policy, saved, references, driver.now)
    assert state.cases[-1].dispute is not None
    assert state.cases[-1].dispute.above is not None
    assert state.cases[-1].dispute.above.status == ("booked" if kind == "chargeback_above" else "returned")


def _without(case: dict[str, Any]) -> dict[str, Any]:
    """The case as it was before what was above was booked."""
    return {**case, "dispute": {**case["dispute"], "above": {**case["dispute"]["above"], "status": "owed"}}}


@pytest.mark.parametrize("kind", ["chargeback", "chargeback_won", "chargeback_fee"])
def test_a_command_that_arrives_meanwhile_undoes_nothing(kind: str) -> None:
    driver = credited()

    def during(step: OrderStep) -> None:
        if verb_of(step) == kind:
            driver.during = None
            driver.arrive(driver.command("place_hold", "operator", name="late", scope="all", reason="odd"))

    driver.during = during
    charge(driver, fee_minor=FEE)
    if driver.during is not None:
        end(driver, "won")
    driver.lift("late")
    if stage(driver) == "disputed":
        end(driver, "won")
    assert driver.refunds() == {}
    driver.check()


@pytest.mark.parametrize("outcome", ["disputed", "won"])
def test_an_order_does_not_end_while_its_money_may_come_back(outcome: str) -> None:
    """Won after the end, it would stay in the order's proceeds: an order that is over is not settled."""
    driver = credited()
    charge(driver, TOTAL)
    if outcome == "won":
        driver.hold(scope="all")
        assert end(driver, "won") == "accepted"
    state = driver.state
    assert nothing_left(state)
    assert end_if_nothing_left(state).phase == "credited"


def test_units_that_were_not_sent_wait_for_the_channel_and_go_back_when_it_was_won() -> None:
    """The second line is never shipped. Ended during the dispute, its price would be the merchant's after the win."""
    driver = opened()
    driver.ship({"parcel_id": "p1", "carrier": "sandbox", "waybill": WAYBILLS[0], "lines": ALL_OF_2})
    charge(driver, TOTAL)
    assert code(driver.send("decline_shipment", "merchant", reason="sold out")) == "case_open"
    driver.advance(3 * DAY)
    assert "ship_by" not in driver.waits_for()
    assert driver.state.left_to_ship()
    assert end(driver, "won") == "accepted"
    driver.advance(DAY / 24)
    assert not driver.state.left_to_ship()
    assert driver.refunds() == {"ship_by": LINE_1 * 2}
    driver.check()
