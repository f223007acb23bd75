"""After an outage of ours: what ran against a party moves, once, and both hear of it; what is ours passes at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from case_driver import case, returning, say, send_back
from case_driver import delivered as bought
from order_driver import OrderDriver
from order_events import play
from order_points import asked, delivered, held, in_review, opened, refused, rejected, shipped
from order_samples import DAY, HOUR, T0, WAYBILLS
from order_walks import a_driver
from test_core_order_deadlines import asked_for_a_delay, to_collect

from core.aftersale.deadlines import AGAINST as CASE_AGAINST
from core.aftersale.deadlines import CASE_REMINDER
from core.aftersale.deadlines import PASSING as CASE_PASSING
from core.answers import Answer
from core.durations import format_duration
from core.order.passing import PASSING
from core.order.sparing import AGAINST, spare
from core.order.state import OrderState

OURS = {
    "screening_sla": "a notice to our reviewers",
    "ship_reminder": "a reminder, which follows its deadline",
    "collect_reminder": "a reminder",
    "receipt_reminder": "a reminder",
    "case_reminder": "a reminder",
    "undelivered_by": "asks the buyer, and gives a week for the answer",
    "review_sla": "a notice to our reviewers",
    "review_end": "ends in an approval or in a hold with an owner",
    "refund_stuck": "our own look at the channel",
    "refund_request_by": "two people of the platform",
    "hold_review": "calls an operator",
    "pause_end": "each clock goes on with a day at least",
    "return_delivery_by": "a person decides",
    "replacement_delivery_by": "a person decides",
    "decide_by": "a notice to our reviewers",
    "decide_end": "a hold with an owner",
    "dispute_evidence_by": "the channel's own date",
    "dispute_answer_by": "a hold with an owner",
    "charged_by": "a hold with an owner",
}


def asked_for_all() -> OrderDriver:
    driver = bought()
    case(driver, "return_and_refund")
    return driver


def claimed() -> OrderDriver:
    """The goods came after the refund, and an operator claims their price."""
    return a_driver("claimed", 1)


def offered() -> OrderDriver:
    driver = asked_for_all()
    say(driver, "propose_amount", "merchant", amount_minor=500)
    return driver


def turned_down() -> OrderDriver:
    driver = asked_for_all()
    say(driver, "refuse_after_sale", "merchant", reason="it was fine")
    return driver


def awaited_back() -> OrderDriver:
    driver = asked_for_all()
    say(driver, "agree_after_sale", "merchant")
    return driver


def numbered() -> OrderDriver:
    driver = awaited_back()
    send_back(driver)
    return driver


def came_back() -> OrderDriver:
    driver = awaited_back()
    returning(driver, seen=True)
    driver.hear("return-1", "approved", first_physical_at=driver.now, delivered_at=driver.now)
    return driver


def replacing(*then: str) -> OrderDriver:
    return play(bought(), ["confirm", "case: exchange all", "case: agree, no return", *then])


def arbitrated() -> OrderDriver:
    driver = turned_down()
    say(driver, "escalate", "buyer")
    return driver


RUNNING: dict[str, Callable[[], OrderDriver]] = {
    "screening_appeal_by": refused,
    "screening_end": held,
    "ship_by": opened,
    "delay_answer_by": asked_for_a_delay,
    "pickup_by": shipped,
    "collect_by": to_collect,
    "audit_correction": rejected,
    "receipt_by": delivered,
    "undelivered_end": asked,
    "answer_by": asked_for_all,
    "accept_by": offered,
    "escalate_by": turned_down,
    "return_by": awaited_back,
    "return_pickup_by": numbered,
    "inspect_by": came_back,
    "replace_by": replacing,
    "replacement_pickup_by": lambda: replacing("case: send new"),
    "replacement_receipt_by": lambda: replacing("case: send new", "back: delivered"),
    "evidence_by": arbitrated,
    "claim_answer_by": claimed,
}


def down_past(driver: OrderDriver, name: str, by: timedelta = 2 * HOUR) -> OrderDriver:
    """We are down until so long after this deadline, and look again."""
    driver.outage(driver.deadline(name) - driver.now + by).do_what_is_due()
    return driver


@pytest.mark.parametrize("name", RUNNING)
def test_what_ran_against_a_party_moves_by_the_grace_and_both_know_why(name: str) -> None:
    driver = RUNNING[name]()
    old = driver.deadline(name)
    driver.outage(old - driver.now + 2 * HOUR).do_what_is_due()
    new = driver.now + DAY
    assert driver.deadline(name) == new
    facts = {"name": name, "old": old.isoformat(), "new": new.isoformat(), "reason": "outage"}
    told = [notice for notice in driver.notices("deadline_shifted") if notice.facts["name"] == name]
    assert [(notice.to, notice.facts) for notice in told] == [("merchant", facts), ("buyer", facts)]
    said = [entry.message for entry in driver.state.inbox.journal if entry.verb == "deadline_shifted"]
    assert f"{name}: {facts['old']} → {facts['new']}, outage" in said
    driver.check()
    assert OrderState.model_validate(driver.state.model_dump(mode="json")) == driver.state
    driver.until(new)
    assert name in [entry.verb for entry in driver.state.inbox.journal if entry.channel == "deadline"]
    driver.check()


def test_each_deadline_is_against_a_party_or_says_why_not() -> None:
    against = {*AGAINST, *CASE_AGAINST}
    assert set(RUNNING) == against
    assert not against & OURS.keys()
    assert against | OURS.keys() == {*PASSING, *CASE_PASSING, CASE_REMINDER}


@pytest.mark.parametrize(
    ("start", "name"), [(in_review, "review_sla"), (in_review, "review_end"), (held, "screening_sla")]
)
def test_what_is_ours_passes_at_once(start: Callable[[], OrderDriver], name: str) -> None:
    driver = down_past(start(), name)
    assert name in [entry.verb for entry in driver.state.inbox.journal if entry.channel == "deadline"]
    assert name not in {notice.facts["name"] for notice in driver.notices("deadline_shifted")}


@pytest.mark.parametrize(
    ("limits", "by", "moved"),
    [
        ({}, HOUR, None),
        ({}, HOUR + timedelta(seconds=1), 24 * HOUR),
        ({"outage_limit": "3h"}, 2 * HOUR, None),
        ({"outage_grace": "0s"}, 9 * DAY, None),
        ({"outage_grace": "6h"}, 9 * DAY, 6 * HOUR),
        ({"ship_within": "4h", "ship_reminder": "1h"}, 5 * HOUR, 4 * HOUR),
    ],
)
def test_the_policy_says_what_an_outage_is_and_how_much_time_it_gives(
    limits: dict[str, str], by: timedelta, moved: timedelta | None
) -> None:
    driver = opened(**{"ship_reminder": "48h", **limits})
    down_past(driver, "ship_by", by)
    if moved is None:
        assert (driver.phase, driver.notices("deadline_shifted")) == ("cancelled", [])
    else:
        assert (driver.phase, driver.deadline("ship_by") - driver.now) == ("awaiting_shipment", moved)


def test_a_deadline_soon_after_the_outage_moves_too() -> None:
    """The merchant could not ship for a day; twelve hours are left."""
    driver = opened().outage(36 * HOUR)
    driver.do_what_is_due()
    assert driver.deadline("ship_by") == driver.now + DAY
    assert len(driver.notices("ship_reminder")) == 1


def test_one_with_more_time_left_than_the_grace_stays() -> None:
    driver = opened(ship_within="9d", ship_reminder="8d")
    old = driver.deadline("ship_by")
    down_past(driver, "ship_reminder")
    assert (driver.deadline("ship_by"), driver.notices("deadline_shifted")) == (old, [])


def test_a_command_of_the_outage_comes_first() -> None:
    driver = opened().outage(60 * HOUR)
    assert isinstance(driver.ship(), Answer)
    assert driver.phase == "shipped"
    driver = rejected().outage(5 * DAY)
    body = {"parcel_id": "p1", "carrier": "sandbox", "waybill": WAYBILLS[9], "reason": "a typo"}
    assert isinstance(driver.send("correct_waybill", "merchant", **body), Answer)
    assert (driver.phase, driver.audit) == ("shipped", "collecting")


def test_the_grace_is_given_once_an_outage_and_again_after_the_next() -> None:
    driver = down_past(opened(), "ship_by")
    first = driver.deadline("ship_by")
    driver.advance(HOUR)
    driver.confirm()  # refused, and a look all the same
    assert driver.deadline("ship_by") == first
    down_past(driver, "ship_by")
    assert driver.deadline("ship_by") == driver.now + DAY
    assert len(driver.notices("deadline_shifted")) == 4
    driver.until(driver.deadline("ship_by"))
    assert (driver.phase, driver.refunds()) == ("cancelled", {"ship_by": 13580})
    driver.check()


def test_the_buyer_may_still_object_to_what_silence_would_have_confirmed() -> None:
    driver = down_past(delivered(), "receipt_by", 3 * DAY)
    assert driver.state.receipt.by is None
    assert case(driver) is not None
    assert driver.state.after_sale == "open"


def test_a_look_in_time_is_no_outage() -> None:
    state = opened().state
    assert spare(state, T0 + DAY, T0 + DAY + HOUR) is state
    assert spare(state, T0 + DAY, T0 + 2 * HOUR) is state


def test_a_state_without_an_outage_does_not_grow() -> None:
    carried = opened().state.model_dump(mode="json")
    assert "spared" not in carried
    assert not {"outage_limit", "outage_grace"} & carried["policy"]["order"].keys()


def test_the_lengths_are_limits_of_the_policy() -> None:
    limits = opened().state.policy
    for names, of in ((AGAINST, limits.order), (CASE_AGAINST, limits.after_sale)):
        assert all(format_duration(getattr(of, limit)) != "0s" for limit in names.values())
