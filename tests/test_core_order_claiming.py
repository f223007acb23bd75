"""Claiming back from a buyer who has the goods and the money: who answers, what silence means, whose the money is."""

from __future__ import annotations

from typing import Any

import pytest
from case_driver import code, opened, say, stage
from claim_driver import COMMISSION, TOTAL, arrives, charging, claim, claimed, late, resolve, rule, settled_money
from order_driver import OrderDriver
from order_events import play
from order_samples import DAY, a_parcel, a_policy, an_order

from core.ids import charge_key
from core.order.claiming import claimable_minor
from core.order.recovering import recover
from core.order.views import holds_of
from core.order.watches import charge_watches

# --- the road --------------------------------------------------------------------------------------------


def test_an_operator_claims_back_what_arrived_after_the_refund_and_the_merchant_is_paid_once() -> None:
    driver = charging()
    assert (stage(driver), driver.phase, driver.holds()) == ("charging", "refunded", set())
    assert settled_money(driver) == (0, 0), "nothing moves before the channel has it"
    assert driver.buyer_pays()
    assert (stage(driver), driver.state.closed) == ("paid_back", True)
    assert settled_money(driver) == (TOTAL - COMMISSION, COMMISSION)
    assert not driver.buyer_pays()
    assert code(claim(driver)) == "nothing_to_claim", "each refund is claimed once"
    assert settled_money(driver) == (TOTAL - COMMISSION, COMMISSION)
    driver.check_json()


def test_both_sides_and_the_operator_are_notified_of_each_stage() -> None:
    driver = charging()
    driver.buyer_pays()
    for name in ("after_sale_claimed", "after_sale_charging", "after_sale_paid_back"):
        assert {notice.to for notice in driver.notices(name)} == {"buyer", "merchant", "operator"}, name
    facts = driver.notices("after_sale_claimed")[0].facts
    assert (facts["kind"], facts["amount_minor"]) == ("claim_back", str(TOTAL))
    # A channel that takes no money without its payer looks the payment up under this key.
    (watch,) = charge_watches(charging().state)
    asked = driver.notices("after_sale_charging")[0].facts
    assert asked["payment_key"] == charge_key("A1001", watch.case_id)
    assert (asked["amount_minor"], asked["currency"]) == (str(TOTAL), "CNY")


def test_a_claim_takes_the_place_of_the_hold_of_the_late_scan() -> None:
    driver = late()
    assert driver.holds() == {"late_scan"}
    claim(driver)
    assert driver.holds() == set()
    (view,) = [one for one in holds_of(driver.state) if one.reason == "after_sale_claimed"]
    assert (view.who_can_act, view.amount_minor) == ("buyer", TOTAL)


def test_the_silence_of_a_buyer_agrees_after_a_reminder() -> None:
    driver = claimed()
    driver.until(driver.deadline("case_reminder"))
    assert [notice.to for notice in driver.notices("case_reminder")] == ["buyer"]
    driver.until(driver.deadline("claim_answer_by"))
    assert stage(driver) == "charging"
    assert driver.buyer_pays()
    assert stage(driver) == "paid_back"


def test_after_an_outage_of_ours_a_silent_buyer_has_time_to_answer() -> None:
    driver = claimed()
    driver.outage(8 * DAY)
    driver.do_what_is_due()
    assert stage(driver) == "claimed"
    assert code(say(driver, "contest_claim_back", "buyer", reason="we were on holiday")) == "accepted"


def test_a_channel_that_refuses_ends_it_and_nothing_moves() -> None:
    driver = charging()
    assert driver.buyer_pays("refused")
    assert (stage(driver), driver.state.closed) == ("unpaid", True)
    assert settled_money(driver) == (0, 0)
    assert {notice.to for notice in driver.notices("after_sale_unpaid")} == {"buyer", "merchant", "operator"}
    assert code(claim(driver)) == "accepted", "it may be tried again"


def test_an_outcome_that_is_not_known_is_not_failed() -> None:
    driver = charging()
    driver.until(driver.deadline("charged_by"))
    assert (stage(driver), driver.holds()) == ("charging", {"claim_stuck"})
    assert charge_watches(driver.state), "the channel is asked still"
    assert driver.notices("claim_stuck")
    assert driver.buyer_pays()
    assert (stage(driver), driver.holds()) == ("paid_back", set())
    driver.check()


@pytest.mark.parametrize(("outcome", "ends"), [("arrived", "paid_back"), ("failed", "unpaid")])
def test_two_people_resolve_what_the_channel_does_not_say(outcome: str, ends: str) -> None:
    driver = charging()
    assert resolve(driver, "o-1", outcome) == "no_such_refund", "the channel is asked first"
    driver.until(driver.deadline("charged_by"))
    assert resolve(driver, "o-1", outcome) == "accepted"
    assert resolve(driver, "O-1", outcome) == "needs_other_person"
    assert stage(driver) == "charging"
    assert resolve(driver, "o-2", outcome) == "accepted"
    assert (stage(driver), driver.holds()) == (ends, set())
    driver.check()


@pytest.mark.parametrize("outcome", ["arrived", "failed"])
def test_the_channel_answers_after_one_person_has_voted_and_the_claim_is_booked(outcome: str) -> None:
    driver = charging()
    driver.until(driver.deadline("charged_by"))
    assert resolve(driver, "o-1", outcome) == "accepted"
    assert driver.buyer_pays()
    assert stage(driver) == "paid_back"
    driver.check()


def test_two_people_who_disagree_settle_nothing() -> None:
    driver = charging()
    driver.until(driver.deadline("charged_by"))
    assert [resolve(driver, "o-1", "arrived"), resolve(driver, "o-2", "failed")] == ["accepted", "accepted"]
    assert stage(driver) == "charging"
    assert resolve(driver, "o-2", "arrived") == "accepted"
    assert stage(driver) == "charging", "the votes start again"


def test_lifting_the_hold_gives_the_channel_time_again() -> None:
    driver = charging()
    driver.until(driver.deadline("charged_by"))
    driver.lift("claim_stuck")
    assert driver.holds() == set()
    driver.until(driver.deadline("charged_by"))
    assert driver.holds() == {"claim_stuck"}


# --- a buyer who objects ---------------------------------------------------------------------------------


def contested() -> OrderDriver:
    driver = claimed()
    assert code(say(driver, "contest_claim_back", "buyer", reason="the neighbour has it")) == "accepted"
    assert stage(driver) == "arbitration"
    return driver


def test_a_buyer_who_objects_pays_only_what_two_reviewers_decide() -> None:
    driver = contested()
    assert rule(driver, "r-1", "part", amount_minor=5000) == "accepted"
    assert (stage(driver), charge_watches(driver.state)) == ("arbitration", ())
    assert rule(driver, "R-1", "part", amount_minor=5000) == "needs_other_person"
    assert rule(driver, "r-2", "all") == "accepted", "another decision replaces the first"
    assert stage(driver) == "arbitration"
    assert rule(driver, "r-1", "all") == "accepted"
    assert stage(driver) == "charging"
    assert driver.buyer_pays()
    assert settled_money(driver) == (TOTAL - COMMISSION, COMMISSION)
    found = driver.state.cases[-1].claim
    assert found is not None
    assert found.ruled_by == ("r-2", "r-1")


def test_two_reviewers_may_decide_that_nothing_is_paid() -> None:
    driver = contested()
    assert [rule(driver, "r-1", "none"), stage(driver)] == ["accepted", "arbitration"]
    assert [rule(driver, "r-2", "none"), stage(driver)] == ["accepted", "closed"]
    assert driver.state.closed
    assert settled_money(driver) == (0, 0)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"decision": "part", "amount_minor": TOTAL + 1}, "nothing_to_claim"),
        ({"decision": "all", "bears": "platform"}, "nothing_to_claim"),
        ({"decision": "all", "after_return": True}, "nothing_to_return"),
        ({"decision": "all", "return_freight": "merchant"}, "nothing_to_return"),
        ({"decision": "all", "reason": ""}, "reason_missing"),
    ],
)
def test_a_decision_that_is_none_about_a_claim_is_refused(fields: dict[str, Any], wanted: str) -> None:
    assert code(say(contested(), "arbitrate", "reviewer", **{"reason": "seen", **fields})) == wanted


def test_a_late_decision_has_an_owner() -> None:
    driver = contested()
    driver.advance(20 * DAY)
    assert driver.holds() == {"arbitration_overdue"}
    driver.lift("arbitration_overdue")
    assert [rule(driver, "r-1", "all"), rule(driver, "r-2", "all")] == ["accepted", "accepted"]
    assert stage(driver) == "charging"


@pytest.mark.parametrize(
    ("verb", "role", "fields", "wanted"),
    [
        ("withdraw_after_sale", "buyer", {}, "wrong_actor"),
        ("agree_after_sale", "merchant", {}, "wrong_case_stage"),
        ("accept_claim_back", "operator", {}, "wrong_actor"),
        ("contest_claim_back", "merchant", {"reason": "no"}, "wrong_actor"),
        ("contest_claim_back", "buyer", {"reason": ""}, "reason_missing"),
        ("open_after_sale", "buyer", {"kind": "refund_only", "reason": "damaged"}, "order_over"),
        ("open_claim_back", "operator", {"reason": "again"}, "case_open"),
        ("open_claim_back", "merchant", {"reason": "mine"}, "wrong_actor"),
    ],
)
def test_what_does_not_fit_a_claim_is_refused(verb: str, role: str, fields: dict[str, Any], wanted: str) -> None:
    driver = claimed()
    assert code(say(driver, verb, role, **fields)) == wanted
    assert stage(driver) == "claimed"


def test_an_operator_takes_it_back_until_the_channel_is_asked() -> None:
    driver = claimed()
    assert code(say(driver, "withdraw_after_sale", "operator", reason="the wrong order")) == "accepted"
    assert (stage(driver), driver.state.closed) == ("closed", True)
    claim(driver)
    say(driver, "accept_claim_back", "buyer")
    assert code(say(driver, "withdraw_after_sale", "operator")) == "wrong_case_stage"


# --- how much --------------------------------------------------------------------------------------------


def test_only_what_a_carrier_delivered_can_be_claimed() -> None:
    driver = opened()
    driver.ship()
    say(driver, "open_after_sale", "buyer", kind="refund_only", reason="not_received")
    assert code(claim(driver)) == "too_early"
    say(driver, "agree_after_sale", "merchant")
    assert code(claim(driver)) == "nothing_to_claim", "nothing has arrived"
    arrives(driver)
    assert code(claim(driver)) == "nothing_to_claim", "the refund has not arrived"
    driver.channel_says("arrived")
    assert code(claim(driver, amount_minor=TOTAL + 1)) == "nothing_to_claim"
    assert code(claim(driver, reason="")) == "reason_missing"
    arrives(driver, scanned="returned")
    assert code(claim(driver)) == "nothing_to_claim", "the goods go back"


def test_one_parcel_of_two_is_claimed_for_what_its_lines_cost() -> None:
    driver = opened()
    driver.ship(a_parcel(1, {"1": 1}), a_parcel(2))
    say(driver, "open_after_sale", "buyer", kind="refund_only", reason="not_received")
    say(driver, "agree_after_sale", "merchant")
    driver.channel_says("arrived")
    arrives(driver, 1)
    assert claimable_minor(driver.state) == 1990
    arrives(driver, 2)
    assert claimable_minor(driver.state) == TOTAL, "the freight too"


def test_claims_in_parts_give_commission_and_discount_exactly() -> None:
    order = an_order(discount_funded_by="platform", discount_minor=333, total_minor=13247)
    driver = OrderDriver(order, a_policy()).open()
    late(driver)
    for amount in (1, 4999, 8247):
        assert code(claim(driver, amount_minor=amount)) == "accepted"
        say(driver, "accept_claim_back", "buyer")
        assert driver.buyer_pays()
        driver.check()
    sale = OrderDriver(order, a_policy()).open()
    play(sale, ["ship all", "all delivered", "confirm", "a month"])
    assert {name: driver.books.of(name) for name in ("available", "commission", "discount")} == {
        name: sale.books.of(name) for name in ("available", "commission", "discount")
    }, "as a sale would have"


def test_what_the_platform_bore_comes_back_to_it() -> None:
    driver = play(opened(), ["ship all", "all delivered", "confirm", "a month"])
    play(driver, ["platform refunds", "refund arrives", "claim: open", "claim: accept"])
    had = settled_money(driver)
    assert driver.books.of("goodwill") == -500
    assert driver.buyer_pays()
    assert driver.books.of("goodwill") == 0
    assert settled_money(driver) == had


def test_a_refund_that_arrives_between_two_claims_takes_nothing_from_what_the_platform_got_back() -> None:
    driver = play(opened(), ["ship all", "all delivered", "confirm", "a month"])
    play(driver, ["platform refunds", "refund arrives", "claim: open", "claim: accept"])
    assert driver.buyer_pays()
    play(driver, ["refund an amount", "refund arrives"])
    for amount in (300, 477):
        assert code(claim(driver, amount_minor=amount)) == "accepted"
        say(driver, "accept_claim_back", "buyer")
        assert driver.buyer_pays()
        assert driver.books.of("goodwill") == 0
        driver.check()
    assert settled_money(driver) == (TOTAL - COMMISSION, COMMISSION), "as a sale has"


# --- beside it -------------------------------------------------------------------------------------------


def test_a_chargeback_waits_until_the_channel_has_answered_and_closes_what_was_not_asked_for() -> None:
    asked, not_asked = charging(), claimed()
    fields = {"case_reference": "cb-1", "amount_minor": 100}
    assert code(say(asked, "report_chargeback", "channel", **fields)) == "too_early"
    assert code(say(not_asked, "report_chargeback", "channel", **fields)) == "accepted"
    assert [case.stage for case in not_asked.state.cases[1:]] == ["closed", "disputed"]


def test_a_hold_on_all_stops_it() -> None:
    driver = charging()
    driver.hold("risk", "all")
    assert charge_watches(driver.state) == ()
    driver.lift("risk")
    assert charge_watches(driver.state)


def test_what_stands_in_the_books_and_was_not_reported_is_followed() -> None:
    driver = charging()
    before = driver.state
    driver.buyer_pays()
    assert driver.record is not None
    recovered = recover(
        driver.order,
        before.policy,
        before.model_dump(mode="json", exclude={"order", "policy"}),
        [reference for reference in driver.books.movements if reference.startswith("order/")],
        driver.now,
    )
    assert recovered.cases[-1].claim is not None
    assert recovered.cases[-1].claim.status == "booked"
    driver.state = recovered
    driver.expected = None
    driver.do_what_is_due()
    assert stage(driver) == "paid_back"


def test_a_parcel_that_was_given_up_and_arrives_calls_an_operator_while_the_order_goes_on() -> None:
    driver = opened()
    driver.ship(a_parcel(1, {"1": 1}), a_parcel(2))
    driver.hear("p2", "pending", first_physical_at=driver.now)
    driver.say["p1"] = driver.parcel("p1").verdict
    driver.hear("p1", "pending", carrier_says="absent")
    driver.advance(5 * DAY)
    assert (driver.parcel("p1").ended, driver.phase) == (True, "shipped")
    arrives(driver, 1)
    assert driver.state.has_hold("late_scan", "p1")
    assert code(claim(driver)) == "too_early"
