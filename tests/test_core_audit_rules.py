"""Every rule of the audit from both sides: what passes, what fails and how much that weighs, what is not known."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from audited_parcels import BEIJING, HONEST, POLICY, a_parcel, a_trace, an_order, found, hour, scan, verdict_on

from core.audit.policy import AuditPolicy, ClosedDays
from core.audit.verdict import NoTrace, Rival, remember
from core.messages import Address, Scan


def changed(scans: tuple[Scan, ...], **cities: str | None) -> tuple[Scan, ...]:
    """The scans, those of a stage with another place."""
    return tuple(s.model_copy(update={"city": cities[s.stage]}) if s.stage in cities else s for s in scans)


def shifted(scans: tuple[Scan, ...], hours: float) -> tuple[Scan, ...]:
    return tuple(s.model_copy(update={"at": s.at + timedelta(hours=hours)}) for s in scans)


def test_an_honest_parcel_passes_every_rule() -> None:
    verdict = verdict_on(*HONEST)
    assert {finding.outcome for finding in verdict.findings} == {"pass", "unknown"}
    assert len(verdict.findings) == 18


# --- the number ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("carrier", "waybill", "expected"),
    [
        ("sf", "SF6026131434978", ("pass", "none")),
        ("s10", "RR473124828CN", ("fail", "fatal")),
        ("sf", "X", ("fail", "fatal")),
        ("jd", "SF6026131434978", ("unknown", "none")),
    ],
)
def test_number_possible(carrier: str, waybill: str, expected: tuple[str, str]) -> None:
    verdict = verdict_on(parcel=a_parcel(carrier=carrier, waybill=waybill))
    assert found(verdict, "number_possible") == expected


def test_carrier_known() -> None:
    assert found(verdict_on(*HONEST), "carrier_known") == ("pass", "none")
    other = a_parcel(carrier="other", carrier_name="阿强快运", waybill="12345678")
    assert found(verdict_on(parcel=other), "carrier_known") == ("fail", "strong")


@pytest.mark.parametrize(
    ("claimed", "expected"),
    [
        (None, ("pass", "none")),
        (4, ("fail", "strong")),  # the rival was first
        (6, ("fail", "weak")),  # the rival came later
        (-24 * 31, ("pass", "none")),  # outside the reuse window
    ],
)
def test_number_unclaimed(claimed: float | None, expected: tuple[str, str]) -> None:
    rivals = () if claimed is None else (Rival(merchant_id="m-2", claimed_at=hour(claimed)),)
    assert found(verdict_on(*HONEST, parcel=a_parcel(rivals=rivals)), "number_unclaimed") == expected


def test_a_wrong_drop_down_is_no_fraud() -> None:
    trace = a_trace(*HONEST, carrier="yto")
    parcel = a_parcel(carrier="sf", waybill="YT9693083639795")
    verdict = verdict_on(traces=(trace,), parcel=parcel)
    assert verdict.carrier == "yto"
    assert verdict.outcome == "approved"
    assert found(verdict, "carrier_agrees") == ("pass", "none")


def test_a_changed_carrier_is_weak_where_several_fit() -> None:
    verdict = verdict_on(
        traces=(a_trace(*HONEST, carrier="zto"),), parcel=a_parcel(carrier="dhl", waybill="78474409893076")
    )
    assert found(verdict, "carrier_agrees") == ("fail", "weak")


def test_another_carrier_that_a_provider_found_can_verify_an_unlisted_one() -> None:
    parcel = a_parcel(carrier="other", carrier_name="顺风", waybill="SF6026131434978")
    verdict = verdict_on(traces=(a_trace(*HONEST),), parcel=parcel)
    assert (verdict.carrier, verdict.outcome) == ("sf", "approved")


# --- the trace -------------------------------------------------------------------------------------------


def silence(*hours: float, provider: str = "one") -> NoTrace:
    return NoTrace(provider=provider, first_at=hour(min(hours)), last_at=hour(max(hours)), looks=len(hours))


@pytest.mark.parametrize(
    ("parcel", "expected"),
    [
        ({}, ("unknown", "none")),  # no provider answered
        ({"no_trace": (silence(5 + 71),)}, ("unknown", "none")),  # too early
        ({"no_trace": (silence(5 + 72),)}, ("fail", "strong")),
        ({"no_trace": (silence(5 + 167),)}, ("fail", "strong")),
        ({"no_trace": (silence(5 + 168),)}, ("fail", "strong")),  # one look only
        ({"no_trace": (silence(168, 5 + 168),)}, ("fail", "strong")),  # two looks, too near
        ({"no_trace": (silence(100, 5 + 168),)}, ("fail", "fatal")),
        ({"no_trace": (silence(100, 173),), "providers": 2}, ("fail", "strong")),  # the second was not asked
        ({"no_trace": (silence(100, 173), silence(173, provider="two")), "providers": 2}, ("fail", "fatal")),
        # an outage of the carrier
        ({"no_trace": (silence(100, 173),), "carrier_no_trace_share": 0.6, "carrier_answers": 50}, ("unknown", "none")),
        ({"no_trace": (silence(100, 173),), "carrier_no_trace_share": 0.6, "carrier_answers": 5}, ("fail", "fatal")),
        ({"no_trace": (silence(100, 173),), "carrier_no_trace_share": 0.1, "carrier_answers": 50}, ("fail", "fatal")),
    ],
)
def test_trace_exists(parcel: dict[str, Any], expected: tuple[str, str]) -> None:
    assert found(verdict_on(traces=(), parcel=a_parcel(**parcel), now=175), "trace_exists") == expected


def test_the_looks_of_now_count_with_those_remembered() -> None:
    traces = (a_trace(answer="no_trace", at=174),)
    verdict = verdict_on(traces=traces, parcel=a_parcel(no_trace=(silence(100),)), now=175)
    assert found(verdict, "trace_exists") == ("fail", "fatal")
    assert verdict.outcome == "rejected"


def test_an_unknown_carrier_at_the_provider_is_not_the_merchants_fault() -> None:
    verdict = verdict_on(traces=(a_trace(answer="unknown_carrier", at=174),), now=175)
    assert found(verdict, "trace_exists") == ("unknown", "none")
    assert not verdict.carrier_answered


def test_the_history_of_no_trace_answers_counts_each_look_once() -> None:
    looks = [a_trace(answer="no_trace", at=h) for h in (80, 90)]
    history = remember((), looks)
    assert history == (silence(80, 90),)
    assert remember(history, looks) == history
    assert remember(history, [a_trace(answer="unavailable", at=99)]) == history
    assert remember(history, [a_trace(answer="no_trace", at=100, provider="two")])[1].provider == "two"


@pytest.mark.parametrize(
    ("contact", "expected"),
    [("matched", ("pass", "confirms")), ("refused", ("fail", "weak")), (None, ("unknown", "none"))],
)
def test_contact_matches(contact: str | None, expected: tuple[str, str]) -> None:
    assert found(verdict_on(traces=(a_trace(*HONEST, contact=contact),)), "contact_matches") == expected


@pytest.mark.parametrize(
    ("claimed", "weighed", "expected"),
    [
        (500, 600, ("pass", "none")),
        (500, 1500, ("pass", "none")),
        (500, 1501, ("fail", "weak")),
        (500, 166, ("fail", "weak")),
        (None, 600, ("unknown", "none")),
        (500, None, ("unknown", "none")),
    ],
)
def test_weight_plausible(claimed: int | None, weighed: int | None, expected: tuple[str, str]) -> None:
    verdict = verdict_on(traces=(a_trace(*HONEST, weight_g=weighed),), parcel=a_parcel(weight_g=claimed))
    assert found(verdict, "weight_plausible") == expected


# --- times -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (0, ("pass", "none")),
        (0.1, ("unknown", "none")),
        (12, ("unknown", "none")),
        (12.1, ("fail", "weak")),
        (48, ("fail", "weak")),
        (48.1, ("fail", "strong")),
        (2000, ("fail", "strong")),
    ],
)
def test_not_recycled(hours: float, expected: tuple[str, str]) -> None:
    verdict = verdict_on(*shifted(HONEST, -6 - hours), order=an_order())
    assert found(verdict, "not_recycled") == expected


def test_a_label_before_the_payment_is_nothing() -> None:
    assert found(verdict_on(scan(-100, "label"), *HONEST[1:]), "not_recycled") == ("pass", "none")


def test_scans_of_a_recycled_number_are_no_milestones_of_this_order() -> None:
    verdict = verdict_on(*shifted(HONEST, -500))
    assert verdict.outcome == "needs_review"
    assert (verdict.first_physical_at, verdict.delivered_at) == (None, None)


def test_a_number_that_the_carrier_used_before_is_judged_by_its_new_life() -> None:
    verdict = verdict_on(*shifted(HONEST, -24 * 200), *HONEST)
    assert verdict.outcome == "approved"
    assert verdict.first_physical_at == hour(6)


def test_an_old_trace_does_not_become_new_by_a_single_late_scan_before_the_payment() -> None:
    verdict = verdict_on(*shifted(HONEST, -24 * 200), scan(-100, "delivered", "北京市"))
    assert found(verdict, "not_recycled") == ("fail", "strong")


@pytest.mark.parametrize(
    ("scans", "expected"),
    [
        (HONEST, ("pass", "none")),
        ((*HONEST, scan(61, "in_transit")), ("fail", "strong")),
        ((*HONEST, scan(60.1, "in_transit")), ("pass", "none")),
        ((scan(6, "delivered", "北京市"), scan(7, "picked_up", "杭州市")), ("fail", "weak")),
        ((scan(6, "picked_up"), scan(6.1, "delivered")), ("pass", "none")),
        ((scan(3, "picked_up"), scan(4, "delivered")), ("fail", "weak")),  # delivered before it was reported
        ((), ("unknown", "none")),
    ],
)
def test_time_order(scans: tuple[Scan, ...], expected: tuple[str, str]) -> None:
    assert found(verdict_on(*scans), "time_order") == expected


def test_a_corrected_number_may_be_reported_after_the_delivery() -> None:
    verdict = verdict_on(*HONEST, parcel=a_parcel(uploaded_at=hour(50), attempt=2))
    assert found(verdict, "time_order") == ("pass", "none")


@pytest.mark.parametrize(
    ("scans", "expected"),
    [
        (HONEST, ("pass", "none")),
        ((scan(6, "picked_up", "杭州市"), scan(7.9, "delivered", "北京市")), ("fail", "strong")),
        ((scan(6, "picked_up", "杭州市"), scan(8, "delivered", "北京市")), ("pass", "none")),
        ((scan(6, "picked_up", "杭州市"), scan(6.5, "delivered", "杭州市")), ("pass", "none")),
        ((scan(6, "picked_up", "哈尔滨市"), scan(8.4, "delivered", "广州市")), ("fail", "strong")),  # 900 km/h
        ((scan(6, "picked_up"), scan(6.1, "delivered")), ("unknown", "none")),
        ((scan(6, "picked_up", "哈尔滨市"), scan(8, "arrived", "广州市")), ("fail", "weak")),
    ],
)
def test_speed_possible(scans: tuple[Scan, ...], expected: tuple[str, str]) -> None:
    assert found(verdict_on(*scans), "speed_possible") == expected


@pytest.mark.parametrize(
    ("countries", "expected"),
    [(("BR", "BR"), ("fail", "weak")), (("US", "US"), ("pass", "none")), (("US", "BR"), ("pass", "none"))],
)
def test_the_distance_between_two_letter_states_depends_on_the_country(
    countries: tuple[str, str], expected: tuple[str, str]
) -> None:
    """An hour and a half by road in the United States is a flight across Brazil."""
    ship_from, ship_to = (Address(country=country) for country in countries)
    order = an_order(ship_from=ship_from, ship_to=ship_to)
    verdict = verdict_on(scan(6, "picked_up", "Aiken, SC"), scan(7, "arrived", "Oxford, AL"), order=order)
    assert found(verdict, "speed_possible") == expected


# --- places ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scans", "expected"),
    [
        (HONEST, ("pass", "none")),
        (changed(HONEST, delivered="上海市"), ("fail", "strong")),
        (changed(HONEST, delivered="北京市朝阳区"), ("fail", "weak")),
        (changed(HONEST, delivered=None), ("pass", "none")),  # the delivery's own district still speaks
        (changed(HONEST, delivered=None, out_for_delivery="上海市"), ("fail", "weak")),
        (changed(HONEST, delivered=None, out_for_delivery=None), ("unknown", "none")),
        (changed(HONEST[:6], out_for_delivery="上海市"), ("fail", "weak")),
        (changed(HONEST[:6], out_for_delivery="北京市朝阳区"), ("unknown", "none")),
        (HONEST[:5], ("unknown", "none")),
        (changed(HONEST, delivered="Depot 7"), ("unknown", "none")),
        (
            (*HONEST[:5], scan(33, "in_transit", "北京市", "快件已转寄"), scan(42, "delivered", "上海市")),
            ("unknown", "none"),
        ),
    ],
)
def test_destination_matches(scans: tuple[Scan, ...], expected: tuple[str, str]) -> None:
    assert found(verdict_on(*scans), "destination_matches") == expected


def test_a_consolidation_hub_says_nothing_about_the_destination() -> None:
    policy = AuditPolicy(hubs=("深圳",))
    verdict = verdict_on(*changed(HONEST, delivered="深圳集运仓"), policy=policy)
    assert found(verdict, "destination_matches") == ("unknown", "none")


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("宁波市", ("pass", "none")),
        ("上海市", ("fail", "weak")),
        (None, ("unknown", "none")),
        ("中转站", ("unknown", "none")),
    ],
)
def test_origin_matches(place: str | None, expected: tuple[str, str]) -> None:
    assert found(verdict_on(*changed(HONEST, picked_up=place)), "origin_matches") == expected


@pytest.mark.parametrize(
    ("scans", "expected"),
    [
        (HONEST, ("pass", "none")),
        ((scan(6, "picked_up", "北京市"), scan(20, "delivered", "北京市")), ("fail", "weak")),
        ((scan(6, "picked_up", "杭州市"), scan(20, "delivered", "杭州市")), ("fail", "weak")),
        ((scan(6, "picked_up", "杭州市"), scan(20, "delivered")), ("unknown", "none")),
        ((scan(6, "picked_up"), scan(20, "delivered")), ("unknown", "none")),
        (
            (scan(6, "picked_up", "杭州市"), scan(9, "arrived", "中转站"), scan(20, "delivered", "杭州市")),
            ("unknown", "none"),
        ),
        (HONEST[:6], ("unknown", "none")),
    ],
)
def test_moved(scans: tuple[Scan, ...], expected: tuple[str, str]) -> None:
    assert found(verdict_on(*scans), "moved") == expected


def test_within_one_city_nothing_has_to_move() -> None:
    order = an_order(ship_from=BEIJING)
    scans = (scan(6, "picked_up", "北京市"), scan(20, "delivered", "北京市"))
    assert found(verdict_on(*scans, order=order), "moved") == ("unknown", "none")


BACK = (scan(6, "picked_up", "杭州市"), scan(30, "out_for_delivery", "北京市"))


@pytest.mark.parametrize(
    ("scans", "expected", "returned"),
    [
        (HONEST, ("pass", "none"), None),
        ((), ("unknown", "none"), None),
        ((*BACK, scan(31, "refused", "北京市")), ("fail", "fatal"), 31),
        ((*BACK, scan(31, "returning", "北京市")), ("fail", "fatal"), 31),
        ((*BACK, scan(31, "returning"), scan(50, "returned", "杭州市")), ("fail", "fatal"), 31),
        ((*BACK, scan(31, "returning"), scan(50, "delivered", "杭州市")), ("fail", "strong"), 31),
        ((*BACK, scan(31, "returning"), scan(50, "delivered")), ("fail", "strong"), 31),
        ((*BACK, scan(31, "returning"), scan(50, "delivered", "北京市海淀区")), ("pass", "none"), None),
        (
            (*BACK, scan(31, "refused"), scan(40, "out_for_delivery"), scan(42, "delivered", "北京市")),
            ("pass", "none"),
            None,
        ),
        ((*HONEST, scan(55, "returning", "北京市")), ("fail", "fatal"), 55),
        ((scan(6, "label"), scan(7, "cancelled")), ("fail", "fatal"), None),
        ((scan(6, "cancelled"), *HONEST[2:]), ("pass", "none"), None),
    ],
)
def test_not_returned(scans: tuple[Scan, ...], expected: tuple[str, str], returned: float | None) -> None:
    verdict = verdict_on(*scans)
    assert found(verdict, "not_returned") == expected
    assert verdict.returned_at == (hour(returned) if returned is not None else None)


# --- service ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("uploaded", "outcome"), [(48, "pass"), (48.1, "fail")])
def test_shipped_in_time(uploaded: float, outcome: str) -> None:
    parcel = a_parcel(uploaded_at=hour(uploaded))
    assert found(verdict_on(parcel=parcel), "shipped_in_time") == (outcome, "none")
    own_limit = an_order(ship_by=hour(100))
    assert found(verdict_on(parcel=parcel, order=own_limit), "shipped_in_time") == ("pass", "none")


@pytest.mark.parametrize(
    ("picked_up", "now", "outcome"), [(53, 60, "pass"), (54, 60, "fail"), (None, 50, "unknown"), (None, 54, "fail")]
)
def test_picked_up_in_time(picked_up: float | None, now: float, outcome: str) -> None:
    scans = (scan(4, "label"),) if picked_up is None else (scan(picked_up, "picked_up"),)
    assert found(verdict_on(*scans, now=now), "picked_up_in_time") == (outcome, "none")


@pytest.mark.parametrize(
    ("province", "gap", "outcome"),
    [
        ("北京市", 48, "pass"),
        ("北京市", 49, "fail"),
        ("甘肃省", 72, "pass"),
        ("甘肃省", 73, "fail"),
        ("新疆维吾尔自治区", 120, "pass"),
        ("新疆维吾尔自治区", 121, "fail"),
    ],
)
def test_keeps_moving(province: str, gap: float, outcome: str) -> None:
    order = an_order(ship_to=Address(country="CN", province=province))
    scans = (scan(6, "picked_up"), scan(6 + gap, "arrived"))
    assert found(verdict_on(*scans, order=order, now=200), "keeps_moving") == (outcome, "none")


@pytest.mark.parametrize(
    ("scans", "now", "outcome"),
    [
        (HONEST, 60, "pass"),
        (HONEST[:6], 76, "pass"),
        (HONEST[:6], 76.1, "fail"),
        ((*HONEST[:6], scan(41, "locker")), 59, "pass"),
        ((*HONEST[:6], scan(41, "locker")), 59.1, "fail"),
        (HONEST[:5], 30 + 120, "pass"),
        (HONEST[:5], 30 + 121, "fail"),
        ((), 60, "unknown"),
    ],
)
def test_signed_in_time(scans: tuple[Scan, ...], now: float, outcome: str) -> None:
    assert found(verdict_on(*scans, now=now), "signed_in_time") == (outcome, "none")


def test_service_failures_never_touch_the_verdict() -> None:
    slow = shifted(HONEST[1:], 24 * 20)
    verdict = verdict_on(*slow, parcel=a_parcel(uploaded_at=hour(60)), now=24 * 25)
    assert found(verdict, "shipped_in_time") == ("fail", "none")
    assert found(verdict, "picked_up_in_time") == ("fail", "none")
    assert verdict.outcome == "approved"


# --- waiting ---------------------------------------------------------------------------------------------


def test_closed_days_of_the_carriers_country_do_not_count() -> None:
    days = ClosedDays(country="CN", first=date(2026, 11, 23), last=date(2026, 11, 24), utc_offset="8h")
    policy = POLICY.model_copy(update={"closed_days": (days,)})
    parcel = a_parcel(no_trace=(silence(5 + 72),))
    assert found(verdict_on(traces=(), parcel=parcel, now=80), "trace_exists") == ("fail", "strong")
    assert found(verdict_on(traces=(), parcel=parcel, now=80, policy=policy), "trace_exists") == ("unknown", "none")
    later = a_parcel(no_trace=(silence(5 + 72 + 48),))
    assert found(verdict_on(traces=(), parcel=later, now=130, policy=policy), "trace_exists") == ("fail", "strong")


def test_closed_days_must_be_in_order() -> None:
    with pytest.raises(ValueError, match="first must not be after last"):
        ClosedDays(country="CN", first=date(2026, 2, 2), last=date(2026, 2, 1))
