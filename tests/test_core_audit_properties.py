"""The audit's properties: what must hold for any trace, and for the real timelines of past orders."""

from __future__ import annotations

import csv
import dataclasses
import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
from audited_parcels import (
    BEIJING,
    HANGZHOU,
    HONEST,
    POLICY,
    SILENT,
    a_parcel,
    a_trace,
    an_order,
    hour,
    scan,
    verdict_on,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from sizes import at_least

from core.audit.findings import Finding
from core.audit.policy import AuditPolicy
from core.audit.trace import Trace, TraceAnswer
from core.audit.verdict import OrderFacts, Verdict, audit
from core.messages import Address, Scan, Stage

# --- generated traces ------------------------------------------------------------------------------------


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
def test_silent_answers_only_make_another_providers_no_doubtful(
    order: OrderFacts, seen: list[Trace], more: list[Trace], answer: TraceAnswer, now: float
) -> None:
    silent = [trace.model_copy(update={"answer": answer}) for trace in more]
    without = audit(order, a_parcel(), seen, POLICY, hour(now))
    for together in ([*silent, *seen], [*seen, *silent]):
        verdict = audit(order, a_parcel(), together, POLICY, hour(now))
        assert dataclasses.replace(verdict, carrier_says=without.carrier_says, doubts=without.doubts) == without
        assert verdict.carrier_says == without.carrier_says or (without.carrier_says, verdict.carrier_says) in {
            ("absent", "doubtful"),
            ("absent_once", "doubtful"),
        }
        assert set(verdict.doubts) <= {*without.doubts, "provider_silent"}


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


# --- real timelines ----------------------------------------------------------------------------------------


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
