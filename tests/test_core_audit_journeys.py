"""A second journey under the same number: delivered, then back where it came from, or somewhere else."""

from __future__ import annotations

import pytest
from audited_parcels import BEIJING, HONEST, an_order, found, hour, scan, verdict_on

from core.messages import Scan

OUT = HONEST  # delivered in Beijing, 42 hours after the payment


@pytest.mark.parametrize(
    ("second", "what"),
    [
        ((scan(58, "picked_up", "北京市"), scan(70, "in_transit", "北京市"), scan(95, "delivered", "杭州市")), "back"),
        ((scan(58, "picked_up", "北京市"), scan(90, "arrived", "杭州市")), "back"),
        ((scan(70, "in_transit", "北京市"), scan(90, "arrived", "杭州市")), "back"),
        ((scan(95, "delivered", "杭州市"),), "back"),
        ((scan(58, "picked_up", "北京市"),), "moving"),
        ((scan(58, "picked_up"), scan(60, "in_transit")), "moving"),
        ((scan(70, "in_transit", "天津市"), scan(80, "arrived", "济南市")), "moving"),
        ((scan(70, "in_transit", "济南市"), scan(71, "in_transit")), "moving"),
        ((scan(58, "picked_up", "北京市"), scan(95, "delivered", "深圳市")), "elsewhere"),
        ((scan(95, "delivered", "深圳市"),), "elsewhere"),
        ((scan(58, "picked_up", "北京市"), scan(80, "delivered", "北京市")), "unclear"),
        ((scan(58, "picked_up"), scan(80, "delivered")), "unclear"),
    ],
)
def test_a_number_that_travels_again_after_its_delivery_is_a_persons_to_judge(
    second: tuple[Scan, ...], what: str
) -> None:
    verdict = verdict_on(*OUT, *second, now=100)
    assert verdict.outcome == "needs_review"
    assert "not_returned" in verdict.reasons
    finding = next(one for one in verdict.findings if one.rule == "not_returned")
    assert (finding.outcome, finding.weight) == ("fail", "strong")
    assert finding.evidence["what"] == f"after_delivery_{what}"
    assert verdict.returned_at == second[0].at
    for sentence in (finding.message, finding.message_zh):
        assert "?" not in sentence


@pytest.mark.parametrize(
    "second",
    [
        (scan(50, "delivered", "北京市海淀区"),),  # reported twice: by the locker, and when the buyer took it out
        (scan(50, "delivered"),),
        (scan(44, "locker", "北京市"), scan(60, "delivered", "北京市")),
        (scan(42.1, "picked_up", "北京市"),),  # within the clocks' skew
        (scan(50, "exception", "北京市"), scan(55, "out_for_delivery", "北京市"), scan(57, "delivered", "北京市")),
        (scan(43, "arrived", "北京市"),),  # written down late
    ],
)
def test_what_happens_at_the_buyers_place_is_no_second_journey(second: tuple[Scan, ...]) -> None:
    verdict = verdict_on(*OUT, *second, now=100)
    assert found(verdict, "not_returned") == ("pass", "none")
    assert (verdict.outcome, verdict.returned_at) == ("approved", None)


def test_a_delivery_that_was_scanned_before_the_pickup_is_no_journey() -> None:
    verdict = verdict_on(scan(40, "delivered", "北京市"), scan(41, "picked_up", "杭州市"), now=60)
    assert verdict.returned_at is None


def test_within_one_city_only_a_new_pickup_tells() -> None:
    order = an_order(ship_from=BEIJING)
    out = (scan(6, "picked_up", "北京市"), scan(20, "delivered", "北京市"))
    again = (scan(30, "picked_up", "北京市"), scan(50, "delivered", "北京市"))
    assert found(verdict_on(*out, scan(50, "delivered", "北京市"), order=order), "not_returned") == ("pass", "none")
    assert found(verdict_on(*out, *again, order=order), "not_returned") == ("fail", "strong")


def test_the_buyers_own_word_leaves_a_second_journey_to_a_person() -> None:
    order = an_order(buyer_confirmed_in_person=True)
    verdict = verdict_on(*OUT, scan(95, "delivered", "杭州市"), order=order, now=100)
    assert verdict.outcome == "needs_review"
    assert verdict.delivered_at == hour(42)
