"""The verdict: how findings add up, and what silence may and may not do."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
from audited_parcels import (
    HONEST,
    POLICY,
    SILENT,
    a_parcel,
    a_trace,
    an_order,
    found,
    hour,
    scan,
    verdict_on,
)
from pydantic import TypeAdapter

from core.audit.facts import NoTrace, worth_keeping
from core.audit.findings import Finding
from core.audit.policy import AuditPolicy, Override, Trial
from core.audit.trace import TraceAnswer
from core.audit.verdict import Rival, Verdict, next_look
from core.messages import Address, Scan

CONFIRMED = an_order(buyer_confirmed_in_person=True)
WRONG_CITY = (*HONEST[:6], scan(42, "delivered", "上海市"))
LOCAL = (scan(6, "picked_up", "北京市"), scan(9, "out_for_delivery", "北京市"), scan(12, "delivered", "北京市"))
"""The empty parcel: from the buyer's own city to the buyer's city."""


# --- approved ----------------------------------------------------------------------------------------------


def test_an_honest_delivered_parcel_is_approved() -> None:
    verdict = verdict_on(*HONEST)
    assert (verdict.outcome, verdict.reasons, verdict.look_again_at) == ("approved", (), None)
    assert verdict.label_at == hour(4)
    assert verdict.first_physical_at == hour(6)
    assert verdict.delivered_at == verdict.last_scan_at == hour(42)
    assert verdict.returned_at is None
    assert verdict.carrier_answered
    assert (verdict.policy, verdict.rule_set) == ("default", "3")


@pytest.mark.parametrize("seen", range(1, 7))
def test_before_delivery_it_is_pending(seen: int) -> None:
    verdict = verdict_on(*HONEST[:seen])
    assert verdict.outcome == "pending"
    assert verdict.reasons == (("not_picked_up",) if seen == 1 else ("not_delivered",))
    assert verdict.look_again_at == hour(60.5 if seen == 1 else 68)


def test_one_physical_scan_is_enough_where_the_buyer_confirmed_in_person() -> None:
    assert verdict_on(*HONEST[:2], order=CONFIRMED).outcome == "approved"
    assert verdict_on(*HONEST[:1], order=CONFIRMED).outcome == "pending"


def test_one_weak_finding_does_not_stop_an_approval() -> None:
    scans = (HONEST[0], scan(6, "picked_up", "上海市"), *HONEST[2:])
    verdict = verdict_on(*scans)
    assert found(verdict, "origin_matches") == ("fail", "weak")
    assert verdict.outcome == "approved"


# --- review ------------------------------------------------------------------------------------------------


def test_two_weak_findings_go_to_a_person() -> None:
    verdict = verdict_on(*LOCAL)
    assert verdict.outcome == "needs_review"
    assert set(verdict.reasons) == {"origin_matches", "moved"}


def test_two_weak_findings_of_one_cause_count_once() -> None:
    scans = (scan(-20, "picked_up", "哈尔滨市"), scan(-19, "arrived", "广州市"), *HONEST[2:])
    order = an_order(ship_from=Address(country="CN", province="黑龙江省", city="哈尔滨市"))
    verdict = verdict_on(*scans, order=order)
    assert found(verdict, "not_recycled") == ("fail", "weak")
    assert found(verdict, "speed_possible") == ("fail", "weak")
    assert verdict.outcome == "approved"


def test_the_buyers_phone_digits_count_against_one_weak_finding() -> None:
    assert verdict_on(traces=(a_trace(*LOCAL, contact="matched"),)).outcome == "approved"
    assert verdict_on(traces=(a_trace(*LOCAL, contact="refused"),)).outcome == "needs_review"


def test_the_buyers_phone_digits_do_not_count_against_a_strong_finding() -> None:
    assert verdict_on(traces=(a_trace(*WRONG_CITY, contact="matched"),)).outcome == "needs_review"


def test_one_strong_finding_goes_to_a_person_with_all_reasons() -> None:
    verdict = verdict_on(*WRONG_CITY, parcel=a_parcel(rivals=(Rival(merchant_id="m-2", claimed_at=hour(50)),)))
    assert verdict.outcome == "needs_review"
    assert verdict.reasons == ("number_unclaimed", "destination_matches")


# --- rejected ----------------------------------------------------------------------------------------------


def test_an_impossible_number_is_rejected_even_after_the_buyer_confirmed() -> None:
    parcel = a_parcel(carrier="sandbox", waybill="SBX1234567")
    seen = (a_trace(*HONEST, carrier="sandbox"),)
    assert verdict_on(traces=seen, parcel=parcel).outcome == "rejected"
    assert verdict_on(traces=seen, parcel=parcel, order=CONFIRMED).reasons == ("number_possible",)


def test_a_returned_parcel_is_rejected_but_not_after_the_buyer_confirmed() -> None:
    scans = (*HONEST[:6], scan(43, "refused", "北京市"))
    assert verdict_on(*scans).outcome == "rejected"
    confirmed = verdict_on(*scans, order=CONFIRMED)
    assert confirmed.outcome == "needs_review"
    assert found(confirmed, "not_returned") == ("fail", "strong")


def test_a_return_after_the_delivery_is_seen() -> None:
    verdict = verdict_on(*HONEST, scan(50, "returning", "北京市"))
    assert verdict.outcome == "rejected"
    assert (verdict.delivered_at, verdict.returned_at, verdict.refused_at) == (hour(42), hour(50), None)


def test_a_refusal_is_told_apart() -> None:
    assert verdict_on(*HONEST[:6], scan(43, "refused")).refused_at == hour(43)


# --- fakes -------------------------------------------------------------------------------------------------


def moved_by(scans: tuple[Scan, ...], hours: float) -> tuple[Scan, ...]:
    return tuple(s.model_copy(update={"at": s.at + timedelta(hours=hours)}) for s in scans)


FAKES: dict[str, tuple[Scan, ...]] = {
    "frozen after pickup": HONEST[:3],
    "label only": HONEST[:1],
    "no trace at all": (),
    "signed where it was picked up": (HONEST[1], scan(12, "delivered", "杭州市")),
    "signed at once": (HONEST[1], scan(6.2, "delivered", "北京市")),
    "empty parcel in the buyer's city": LOCAL,
    "recycled from an older parcel": moved_by(HONEST, -24 * 40),
    "shifted three days before the payment": moved_by(HONEST, -72),
    "shifted a day before the payment and reported when delivered": moved_by(HONEST, -24 - 16),
    "wrong destination": WRONG_CITY,
    "another order's number": (*HONEST[:5], scan(40, "delivered", "广东省深圳市")),
    "wrong origin and destination district": (
        scan(6, "picked_up", "上海市"),
        *HONEST[2:6],
        scan(42, "delivered", "北京市朝阳区"),
    ),
    "delivered before it was picked up": (scan(5.5, "delivered", "北京市"), *HONEST[1:5]),
    "impossible speed": (HONEST[1], scan(7, "arrived", "北京市"), scan(7.5, "delivered", "北京市海淀区")),
    "returned": (*HONEST[:6], scan(43, "returned", "杭州市")),
    "from the future": moved_by(HONEST, 24 * 30),
}


@pytest.mark.parametrize("name", FAKES)
def test_no_fake_is_approved_without_a_person(name: str) -> None:
    now = 24 * 12
    traces = (a_trace(*FAKES[name], at=now, answer="found" if FAKES[name] else "no_trace"),)
    assert verdict_on(traces=traces, now=now).outcome in {"needs_review", "rejected"}


@pytest.mark.parametrize(
    "scans",
    [
        (scan(6, "picked_up", "上海市"), *HONEST[2:]),  # wrong origin: warehouses are many
        (*HONEST[:6], scan(42, "delivered", "北京市朝阳区")),  # another address in the buyer's city
        moved_by(HONEST, -24),  # a day before the payment was confirmed
    ],
)
def test_what_an_honest_parcel_could_also_look_like_is_not_decidable_and_passes(scans: tuple[Scan, ...]) -> None:
    assert verdict_on(*scans).outcome == "approved"


# --- silence -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", SILENT)
@pytest.mark.parametrize("days", [1, 9, 11, 400])
def test_a_providers_silence_never_goes_further_than_review(answer: TraceAnswer, days: int) -> None:
    traces = tuple(a_trace(answer=answer, at=24 * day) for day in range(1, min(days, 20)))
    verdict = verdict_on(traces=traces, now=24 * days)
    assert not verdict.carrier_answered
    if days < 10:
        assert (verdict.outcome, verdict.reasons) == ("pending", ("no_scan_yet",))
    else:
        assert (verdict.outcome, verdict.reasons) == ("needs_review", ("carrier_silent",))


@pytest.mark.parametrize("answer", [*SILENT, "no_trace", "unknown_carrier", "bad_number"])
def test_a_look_that_brings_nothing_takes_nothing_away(answer: TraceAnswer) -> None:
    before = verdict_on(*HONEST[:5], now=40)
    parcel = a_parcel(known=before.milestones)
    after = verdict_on(traces=(a_trace(answer=answer, at=260),), parcel=parcel, now=260)
    assert after.milestones == before.milestones
    assert (after.outcome, after.reasons) == ("pending", ("not_delivered",))


def test_silence_is_counted_from_the_last_scan_that_was_seen() -> None:
    before = verdict_on(*HONEST[:5], now=40)
    parcel = a_parcel(known=before.milestones)
    seen = (a_trace(answer="unavailable", at=260),)
    assert verdict_on(traces=seen, parcel=parcel, now=30 + 239).outcome == "pending"
    assert verdict_on(traces=seen, parcel=parcel, now=30 + 240).reasons == ("carrier_silent",)


def test_the_horizon_sends_a_frozen_parcel_to_a_person() -> None:
    last = 30
    assert verdict_on(*HONEST[:5], now=last + 239).outcome == "pending"
    frozen = verdict_on(*HONEST[:5], now=last + 240)
    assert (frozen.outcome, frozen.reasons) == ("needs_review", ("no_new_scan",))


def test_an_outage_waits_for_the_horizon() -> None:
    traces = (a_trace(answer="no_trace", at=24 * 8),)
    parcel = a_parcel(carrier_no_trace_share=0.9, carrier_answers=500)
    assert verdict_on(traces=traces, parcel=parcel, now=24 * 8).outcome == "pending"
    late = verdict_on(traces=traces, parcel=parcel, now=24 * 12)
    assert (late.outcome, late.reasons) == ("needs_review", ("no_new_scan",))


# --- looking again -----------------------------------------------------------------------------------------


def test_looks_grow_from_half_an_hour_to_half_a_day() -> None:
    waits = [next_look(attempt, POLICY) for attempt in range(8)]
    assert waits == [timedelta(minutes=m) for m in (30, 60, 120, 240, 480, 720, 720, 720)]
    assert next_look(10**9, POLICY) == timedelta(hours=12)
    assert next_look(10**9, AuditPolicy(look_factor=1.0)) == timedelta(minutes=30)
    assert verdict_on(parcel=a_parcel(looks=3), now=60).look_again_at == hour(64)


def test_looks_at_a_moving_or_subscribed_parcel_are_rare() -> None:
    def hours(policy: AuditPolicy = POLICY, **about: bool) -> list[float]:
        return [next_look(attempt, policy, **about) / timedelta(hours=1) for attempt in range(3)]

    assert hours(moving=True) == [8, 12, 12]
    assert hours(subscribed=True) == hours(moving=True, subscribed=True) == [12, 24, 24]
    quick = AuditPolicy(look_first=timedelta(minutes=1), look_longest=timedelta(hours=1))
    assert hours(quick, moving=True) == [1, 1, 1]
    slow = AuditPolicy(look_first=timedelta(days=10), look_longest=timedelta(days=30))
    assert hours(slow, moving=True) == hours(slow, subscribed=True) == [240, 480, 720]
    assert verdict_on(parcel=a_parcel(subscribed=True), now=60).look_again_at == hour(72)


def test_no_trace_answers_that_count_as_one_are_kept_as_one() -> None:
    def silences(*at: float) -> tuple[NoTrace, ...]:
        seen = [NoTrace(provider="one", first_at=hour(0), last_at=hour(last)) for last in at]
        return tuple(seen)

    apart = timedelta(hours=12)
    assert worth_keeping((), silences(0), apart) == silences(0)
    assert worth_keeping(silences(0), silences(11), apart) == silences(0)
    assert worth_keeping(silences(0), silences(12), apart) == silences(12)
    another = NoTrace(provider="two", first_at=hour(1), last_at=hour(1))
    assert worth_keeping(silences(0), (*silences(1), another), apart) == (*silences(0), another)


# --- policy ------------------------------------------------------------------------------------------------


def test_a_shadow_rule_is_recorded_and_does_not_count() -> None:
    verdict = verdict_on(*WRONG_CITY, policy=AuditPolicy(shadow=("destination_matches",)))
    assert verdict.outcome == "approved"
    assert [(f.rule, f.outcome, f.weight) for f in verdict.shadow] == [("destination_matches", "fail", "strong")]
    assert "destination_matches" not in {finding.rule for finding in verdict.findings}


def test_the_number_cannot_be_a_shadow() -> None:
    with pytest.raises(ValueError, match="number_possible"):
        AuditPolicy(shadow=("number_possible",))


def test_another_threshold_is_tried_beside_the_real_one() -> None:
    trial = Trial(name="earlier", rule="not_recycled", values={"early_unknown": "1h", "early_weak": "2h"})
    scans = (scan(-3, "picked_up", "杭州市"), *HONEST[2:])
    verdict = verdict_on(*scans, policy=AuditPolicy(trials=(trial,)))
    assert found(verdict, "not_recycled") == ("unknown", "none")
    assert [(f.rule, f.weight, f.trial) for f in verdict.shadow] == [("not_recycled", "strong", "earlier")]
    assert verdict.outcome == "approved"


def test_a_policy_can_weigh_a_rule_otherwise() -> None:
    assert verdict_on(*WRONG_CITY, policy=AuditPolicy(weights={"destination_matches": "weak"})).outcome == "approved"
    assert verdict_on(*WRONG_CITY, policy=AuditPolicy(weights={"destination_matches": "fatal"})).outcome == "rejected"
    lenient = AuditPolicy(weights={"moved": "none"})
    assert verdict_on(*LOCAL, policy=lenient).outcome == "approved"


@pytest.mark.parametrize(
    ("match", "applies"),
    [
        ({}, True),
        ({"category": "food"}, True),
        ({"category": "foo"}, False),
        ({"category": "food.tea"}, True),
        ({"carrier": "sf"}, True),
        ({"carrier": "zto"}, False),
        ({"merchant_id": "m-1", "to_province": "北京市"}, True),
        ({"to_province": "上海市"}, False),
        ({"from_country": "CN", "from_province": "浙江省", "to_country": "CN"}, True),
        ({"to_country": "BR"}, False),
    ],
)
def test_overrides_apply_by_category_carrier_merchant_and_route(match: dict[str, str], applies: bool) -> None:
    override = Override.model_validate({**match, "values": {"horizon": "1d"}})
    order = an_order(categories=("food.tea",))
    verdict = verdict_on(*HONEST[:3], order=order, policy=AuditPolicy(overrides=(override,)), now=40)
    assert verdict.outcome == ("needs_review" if applies else "pending")


@pytest.mark.parametrize("values", [{"horizn": "1d"}, {"horizon": "soon"}, {"overrides": []}, {"shadow": ["x"]}])
def test_an_override_or_trial_with_a_wrong_value_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"horizn|duration|overrides|shadow"):
        AuditPolicy(overrides=(Override(values=values),))
    with pytest.raises(ValueError, match=r"horizn|duration|overrides|shadow"):
        AuditPolicy(trials=(Trial(name="t", rule="moved", values=values),))


def test_a_policy_survives_json() -> None:
    policy = AuditPolicy(
        name="x",
        overrides=(Override(carrier="sf", values={"horizon": "3d"}),),
        weights={"moved": "none"},
        trials=(Trial(name="t", rule="moved", values={"clock_skew": "1m"}),),
    )
    assert AuditPolicy.model_validate_json(policy.model_dump_json()) == policy


# --- what is kept ------------------------------------------------------------------------------------------


def test_a_verdict_survives_json() -> None:
    adapter = TypeAdapter(Verdict)
    verdict = verdict_on(*WRONG_CITY, scan(70, "in_transit"), policy=AuditPolicy(shadow=("moved",)))
    assert adapter.validate_json(adapter.dump_json(verdict)) == verdict


def test_findings_take_little_room_and_are_read_with_and_without_their_defaults() -> None:
    weak = verdict_on(*WRONG_CITY)
    written = [asdict(finding) for finding in weak.findings]
    said = TypeAdapter(Verdict).dump_python(weak, mode="json")["findings"]
    assert {"rule": "number_possible", "outcome": "pass"} in said
    fitting = [
        {
            name: value
            for name, value in one.items()
            if name in {"rule", "outcome"} or value not in ("none", "", {}, None)
        }
        for one in written
    ]
    assert said == fitting
    read = TypeAdapter(tuple[Finding, ...]).validate_python
    assert read(said) == read(written) == weak.findings


def test_a_verdict_leaves_out_times_and_answers_that_it_does_not_have() -> None:
    adapter = TypeAdapter(Verdict)
    said = adapter.dump_python(verdict_on(*HONEST), mode="json")
    absent = {"look_again_at", "returned_at", "refused_at", "doubts", "no_trace"}
    assert absent & set(said) == set()
    older = {**said, **dict.fromkeys(("look_again_at", "returned_at", "refused_at")), "doubts": [], "no_trace": []}
    assert adapter.validate_python(older) == adapter.validate_python(said) == verdict_on(*HONEST)


def test_every_reason_is_told_in_two_languages() -> None:
    verdict = verdict_on(*WRONG_CITY)
    (english,) = verdict.sentences()
    (chinese,) = verdict.sentences("zh")
    assert "上海市" in english
    assert "海淀区" in chinese
    assert english.isascii() is False
    assert english != chinese
