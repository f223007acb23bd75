"""The verdict: how findings add up, what silence may and may not do, and what no trace whatever can break."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from audited_parcels import (
    BEIJING,
    HANGZHOU,
    HONEST,
    POLICY,
    a_parcel,
    a_trace,
    an_order,
    found,
    hour,
    scan,
    verdict_on,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from sizes import at_least

from core.audit.findings import Finding
from core.audit.policy import AuditPolicy, Override, Trial
from core.audit.trace import Trace, TraceAnswer
from core.audit.verdict import OrderFacts, Rival, Verdict, audit, next_look
from core.messages import Address, Scan, Stage

CONFIRMED = an_order(buyer_confirmed_in_person=True)
WRONG_CITY = (*HONEST[:6], scan(42, "delivered", "上海市"))
LOCAL = (scan(6, "picked_up", "北京市"), scan(9, "out_for_delivery", "北京市"), scan(12, "delivered", "北京市"))
"""The empty parcel: from the buyer's own city to the buyer's city."""


# --- approved --------------------------------------------------------------------------------------------


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
    assert verdict.look_again_at == hour(60.5)


def test_one_physical_scan_is_enough_where_the_buyer_confirmed_in_person() -> None:
    assert verdict_on(*HONEST[:2], order=CONFIRMED).outcome == "approved"
    assert verdict_on(*HONEST[:1], order=CONFIRMED).outcome == "pending"


def test_one_weak_finding_does_not_stop_an_approval() -> None:
    scans = (HONEST[0], scan(6, "picked_up", "上海市"), *HONEST[2:])
    verdict = verdict_on(*scans)
    assert found(verdict, "origin_matches") == ("fail", "weak")
    assert verdict.outcome == "approved"


# --- review ----------------------------------------------------------------------------------------------


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


# --- rejected --------------------------------------------------------------------------------------------


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


# --- fakes -----------------------------------------------------------------------------------------------


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


# --- silence ---------------------------------------------------------------------------------------------

SILENT: tuple[TraceAnswer, ...] = ("throttled", "auth", "unavailable")


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


# --- looking again ---------------------------------------------------------------------------------------


def test_looks_grow_from_half_an_hour_to_half_a_day() -> None:
    waits = [next_look(attempt, POLICY) for attempt in range(8)]
    assert waits == [timedelta(minutes=m) for m in (30, 60, 120, 240, 480, 720, 720, 720)]
    assert next_look(10**9, POLICY) == timedelta(hours=12)
    assert next_look(10**9, AuditPolicy(look_factor=1.0)) == timedelta(minutes=30)
    assert verdict_on(parcel=a_parcel(looks=3), now=60).look_again_at == hour(64)


# --- policy ----------------------------------------------------------------------------------------------


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


# --- what is kept ----------------------------------------------------------------------------------------


def test_a_verdict_survives_json() -> None:
    adapter = TypeAdapter(Verdict)
    verdict = verdict_on(*WRONG_CITY, scan(70, "in_transit"), policy=AuditPolicy(shadow=("moved",)))
    assert adapter.validate_json(adapter.dump_json(verdict)) == verdict


def test_every_reason_is_told_in_two_languages() -> None:
    verdict = verdict_on(*WRONG_CITY)
    (english,) = verdict.sentences()
    (chinese,) = verdict.sentences("zh")
    assert "上海市" in english
    assert "海淀区" in chinese
    assert english.isascii() is False
    assert english != chinese


# --- no trace whatever breaks it -------------------------------------------------------------------------

CITIES = [None, "", "杭州市", "北京市", "北京市海淀区", "上海市", "中转站", "sao paulo, SP", "Beijing", "深圳"]
moments = st.one_of(
    st.floats(-2000, 2000).map(hour),
    st.integers(10**6, 7 * 10**9).map(lambda second: datetime.fromtimestamp(second, UTC)),
)
scans = st.builds(
    Scan,
    at=moments,
    code=st.sampled_from(["", "1", "3"]),
    stage=st.sampled_from(list(get_args(Stage))),
    city=st.sampled_from(CITIES),
    text=st.one_of(st.none(), st.sampled_from(["", "已签收", "转寄", "{what}"])),
)
traces = st.builds(
    Trace,
    provider=st.sampled_from(["one", "two"]),
    carrier=st.sampled_from(["sf", "zto", "unheard-of"]),
    waybill=st.just("SF6026131434978"),
    fetched_at=moments,
    answer=st.sampled_from(list(get_args(TraceAnswer))),
    scans=st.lists(scans, max_size=8).map(tuple),
    contact=st.sampled_from([None, "matched", "refused"]),
    weight_g=st.sampled_from([None, 1, 500]),
)
places = st.builds(
    Address,
    country=st.sampled_from(["CN", "BR"]),
    province=st.sampled_from([None, "浙江省", "北京市", "SP", ""]),
    city=st.sampled_from([None, "杭州市", "北京市", "São Paulo", ""]),
    district=st.sampled_from([None, "海淀区", ""]),
)
orders = st.builds(
    OrderFacts,
    order_id=st.just("A1"),
    merchant_id=st.just("m-1"),
    paid_at=moments,
    ship_from=places,
    ship_to=places,
    buyer_confirmed_in_person=st.booleans(),
)
nows = st.floats(-2000, 5000)


@settings(max_examples=at_least(200))
@given(orders, st.lists(traces, max_size=3), nows)
def test_the_audit_never_raises_and_always_explains_itself(order: OrderFacts, seen: list[Trace], now: float) -> None:
    verdict = audit(order, a_parcel(), seen, POLICY, hour(now))
    assert verdict.outcome in {"approved", "rejected", "needs_review", "pending"}
    assert (verdict.outcome == "approved") == (verdict.reasons == ())
    assert (verdict.outcome == "pending") == (verdict.look_again_at is not None)
    assert len(verdict.sentences()) == len(verdict.sentences("zh")) == len(verdict.reasons)
    for said in (*verdict.sentences(), *verdict.sentences("zh")):
        assert not any(wrong in said for wrong in ("?", "？", "something is wrong", "发现异常", " in ,", "在 ，")), said
    for finding in verdict.findings:
        assert finding.message
        assert finding.message_zh
        assert (finding.weight not in {"none", "confirms"}) <= (finding.outcome == "fail")
    adapter = TypeAdapter(Verdict)
    assert adapter.validate_json(adapter.dump_json(verdict)) == verdict


@given(orders, st.lists(traces, max_size=3), st.lists(traces, min_size=1, max_size=3), st.sampled_from(SILENT), nows)
def test_silent_answers_change_nothing(
    order: OrderFacts, seen: list[Trace], more: list[Trace], answer: TraceAnswer, now: float
) -> None:
    silent = [trace.model_copy(update={"answer": answer}) for trace in more]
    without = audit(order, a_parcel(), seen, POLICY, hour(now))
    assert audit(order, a_parcel(), [*silent, *seen], POLICY, hour(now)) == without
    assert audit(order, a_parcel(), [*seen, *silent], POLICY, hour(now)) == without


@given(orders, st.lists(traces, max_size=3), nows)
def test_telling_the_same_twice_changes_nothing(order: OrderFacts, seen: list[Trace], now: float) -> None:
    once = audit(order, a_parcel(), seen, POLICY, hour(now))
    assert audit(order, a_parcel(), [*seen, *seen], POLICY, hour(now)) == once


@given(orders, st.lists(traces, max_size=3), nows)
def test_after_the_buyer_confirmed_only_an_impossible_number_is_rejected(
    order: OrderFacts, seen: list[Trace], now: float
) -> None:
    confirmed = order.model_copy(update={"buyer_confirmed_in_person": True})
    assert audit(confirmed, a_parcel(), seen, POLICY, hour(now)).outcome != "rejected"


@given(orders, st.lists(traces.map(lambda t: t.model_copy(update={"answer": "found", "scans": ()})), max_size=3), nows)
def test_without_a_scan_that_can_be_this_orders_nothing_is_approved(
    order: OrderFacts, seen: list[Trace], now: float
) -> None:
    assert audit(order, a_parcel(), seen, POLICY, hour(now)).outcome != "approved"


way = st.lists(
    st.tuples(
        st.floats(6.1, 39.9),
        st.sampled_from(["in_transit", "arrived"]),
        st.sampled_from([None, "天津市", "河北省廊坊市", "济南转运中心"]),
    ),
    max_size=8,
)


@given(way, st.sampled_from([HONEST, HONEST[:2], (HONEST[1], HONEST[-1])]))
def test_more_honest_scans_never_turn_an_approval_into_a_rejection(
    more: list[tuple[float, Stage, str | None]], seen: tuple[Scan, ...]
) -> None:
    before = verdict_on(*seen, order=an_order(buyer_confirmed_in_person=len(seen) == 2))
    assert before.outcome == "approved" or len(seen) == 2
    added = tuple(scan(at, stage, city) for at, stage, city in more)
    after = verdict_on(*seen, *added)
    assert after.outcome != "rejected"
    if seen[-1].stage == "delivered":
        assert after.outcome == "approved"


def test_a_failing_rule_says_so_in_one_sentence_each_way() -> None:
    finding = Finding("speed_possible", "fail", "strong", "clock", {"from": "杭州", "to": "北京"})
    assert finding.message == "From 杭州 to 北京 took ?; no parcel does it in less than ?."
    assert finding.advice
    assert finding.advice_zh
    assert Finding("speed_possible", "pass").advice == ""
    assert Finding("unheard_of", "fail").message == "unheard_of: something is wrong."


# --- real timelines --------------------------------------------------------------------------------------

SPARSE = AuditPolicy(
    name="olist",
    no_trace_strong="15d",
    no_trace_fatal="30d",
    early_unknown="120h",
    early_weak="240h",
    horizon="60d",
    shadow=("moved",),
)


def _olist(folder: Path) -> list[dict[str, str]]:
    with gzip.open(folder / "olist" / "orders.csv.gz", "rt", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["order_status"] == "delivered"]


def _when(text: str) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


@pytest.mark.parametrize("policy", [SPARSE, POLICY], ids=["sparse", "default"])
def test_no_honest_past_order_is_rejected(shared_data: Path, policy: AuditPolicy) -> None:
    outcomes: dict[str, int] = {}
    for row in _olist(shared_data)[:2000]:
        paid, picked, delivered = (
            _when(row[f"order_{what}"]) for what in ("approved_at", "delivered_carrier_date", "delivered_customer_date")
        )
        if paid is None or picked is None or delivered is None:
            continue
        order = OrderFacts(order_id="A", merchant_id="m", paid_at=paid, ship_from=HANGZHOU, ship_to=BEIJING)
        seen = (
            Scan(at=picked, code="", stage="picked_up", city="杭州市"),
            Scan(at=delivered, code="", stage="delivered", city="北京市"),
        )
        verdict = audit(
            order, a_parcel(uploaded_at=min(picked, delivered)), [a_trace(*seen)], policy, max(picked, delivered)
        )
        outcomes[verdict.outcome] = outcomes.get(verdict.outcome, 0) + 1
    assert outcomes.get("rejected", 0) == 0
    assert sum(outcomes.values()) > 1000
    if policy is SPARSE:
        assert outcomes.get("needs_review", 0) <= sum(outcomes.values()) * 0.005
