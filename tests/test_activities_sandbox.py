"""The sandbox adapters: what the stand-ins say arrives as it is; nonsense is a silence or an unknown, never more."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from malformed_answers import answering, http, malformed_answers
from waiting import ANSWERS_WITHIN

from activities.carriers.base import TraceQuery
from activities.carriers.sandbox import SandboxCarrier
from activities.channels.base import RefundInstruction
from activities.channels.sandbox import SandboxChannel
from activities.http import HttpClient
from activities.rails.base import Payee, PayoutInstruction
from activities.rails.sandbox import FAILURES, SandboxRail
from core.errors import Unavailable, UnreadableAnswer
from core.messages import FailureClass
from local.client import WorldClient
from local.standins import StandIns

_numbers = itertools.count(1)

GOOD_SCAN = {"at": "2026-11-22T07:00:00Z", "code": "P", "stage": "picked_up"}
GOOD_TRACE = {"status": "found", "waybill": "SBX1", "scans": [GOOD_SCAN]}
GOOD_PAYMENT = {
    "reference": "wx-1",
    "state": "paid",
    "amount_minor": 1000,
    "currency": "CNY",
    "paid_at": "2026-11-22T08:00:00Z",
    "refunded_minor": 0,
}
GOOD_REFUND = {"key": "k1", "state": "refused", "amount_minor": 1000, "currency": "CNY", "reference": "RF1"}
GOOD_PAYOUT = {
    "key": "k1",
    "state": "failed",
    "amount_minor": 1000,
    "currency": "CNY",
    "reference": "PO1",
    "code": "ACCOUNT_CLOSED",
}


def fresh(prefix: str = "") -> str:
    return f"{prefix}{next(_numbers):08}y"


def refund_of(key: str, reference: str, amount_minor: int = 1000) -> RefundInstruction:
    return RefundInstruction(
        key=key, payment_reference=reference, amount_minor=amount_minor, currency="CNY", reason="cancelled"
    )


def payout_of(key: str, token: str, amount_minor: int = 1000) -> PayoutInstruction:
    account = Payee(token=token, last4="4242", holder="m-1")
    return PayoutInstruction(key=key, amount_minor=amount_minor, currency="CNY", account=account)


@dataclass
class Adapters:
    carrier: SandboxCarrier
    channel: SandboxChannel
    rail: SandboxRail


@pytest_asyncio.fixture(loop_scope="session")
async def adapters(standins: StandIns, world: WorldClient) -> AsyncIterator[Adapters]:
    """All three, against the stand-ins."""
    async with (
        HttpClient(standins.carrier_url, name="the carrier", answers_within=ANSWERS_WITHIN) as carrier,
        HttpClient(standins.channel_url, name="the channel", answers_within=ANSWERS_WITHIN) as channel,
        HttpClient(standins.bank_url, name="the bank", answers_within=ANSWERS_WITHIN) as bank,
    ):
        yield Adapters(SandboxCarrier(carrier), SandboxChannel(channel, "wechat"), SandboxRail(bank))


# --- carrier ---------------------------------------------------------------------------------------------


async def test_a_trace_comes_whole_and_in_order(adapters: Adapters, world: WorldClient) -> None:
    waybill = fresh()
    at = datetime(2026, 11, 22, 8, tzinfo=UTC)
    await world.add_scans(
        "sandbox",
        waybill,
        [
            {"at": (at + timedelta(hours=9)).isoformat(), "code": "D", "stage": "delivered", "city": "北京市"},
            {"at": at.isoformat(), "code": "P", "stage": "picked_up", "city": "杭州市", "text": "已揽收"},
        ],
    )
    trace = await adapters.carrier.trace(TraceQuery(carrier="sandbox", waybill=waybill))
    assert (trace.answer, trace.provider, trace.carrier, trace.waybill) == ("found", "sandbox", "sandbox", waybill)
    assert [(scan.stage, scan.city) for scan in trace.scans] == [("picked_up", "杭州市"), ("delivered", "北京市")]
    assert trace.fetched_at.tzinfo is not None


async def test_people_are_masked_in_what_a_carrier_says(adapters: Adapters, world: WorldClient) -> None:
    waybill = fresh()
    text = "【杭州市】业务员【张婷,13812345678】正在为您派件"
    scan = {"at": "2026-11-22T08:00:00Z", "code": "D", "stage": "out_for_delivery", "text": text}
    await world.add_scans("sandbox", waybill, [scan])
    trace = await adapters.carrier.trace(TraceQuery(carrier="sandbox", waybill=waybill))
    assert trace.scans[0].text == "【杭州市】业务员【***,***】正在为您派件"


@pytest.mark.parametrize("answer", ["no_trace", "unknown_carrier", "bad_number"])
async def test_what_a_carrier_says_of_a_number_is_passed_on(
    adapters: Adapters, world: WorldClient, answer: Any
) -> None:
    waybill = fresh()
    await world.mark("sandbox", waybill, answer)
    assert (await adapters.carrier.trace(TraceQuery(carrier="sandbox", waybill=waybill))).answer == answer


@pytest.mark.parametrize(
    ("status", "answer"), [(429, "throttled"), (401, "auth"), (403, "auth"), (404, "unavailable"), (503, "unavailable")]
)
async def test_a_status_is_a_silence_and_never_a_word_about_the_parcel(
    adapters: Adapters, world: WorldClient, status: int, answer: str
) -> None:
    waybill = fresh()
    await world.fault("carrier", match=waybill, kind="status_before_effect", status=status)
    assert (await adapters.carrier.trace(TraceQuery(carrier="sandbox", waybill=waybill))).answer == answer


@pytest.mark.parametrize("kind", ["html", "cut", "garbage", "huge", "wrong_types", "wrong_key"])
async def test_a_carrier_that_misbehaves_is_unavailable(adapters: Adapters, world: WorldClient, kind: str) -> None:
    waybill = fresh()
    await world.fault("carrier", match=waybill, kind=kind)
    trace = await adapters.carrier.trace(TraceQuery(carrier="sandbox", waybill=waybill))
    assert (trace.answer, trace.scans) == ("unavailable", ())
    assert trace.detail


@pytest.mark.parametrize("name", malformed_answers(GOOD_TRACE))
async def test_no_nonsense_is_a_trace(name: str) -> None:
    async with (
        answering(malformed_answers(GOOD_TRACE)[name]) as url,
        HttpClient(url, name="the carrier", answers_within=ANSWERS_WITHIN) as client,
    ):
        trace = await SandboxCarrier(client).trace(TraceQuery(carrier="sandbox", waybill="SBX1"))
    assert (trace.answer, trace.scans) == ("unavailable", ()), trace.detail


@pytest.mark.parametrize(
    "scan",
    [
        {"at": "2026-11-22 08:00:00", "code": "D", "stage": "delivered"},
        {"at": "2026-11-22T08:00:00Z", "code": "D", "stage": "teleported"},
        {"at": 1795334400, "code": "D", "stage": "delivered"},
        {"at": "2026-11-22T08:00:00Z", "code": 7, "stage": "delivered"},
        {"at": "2026-11-22T08:00:00Z", "code": "D", "stage": "delivered", "city": ["北京市"]},
        "delivered",
    ],
)
async def test_a_scan_that_cannot_be_read_spoils_the_whole_trace(scan: Any) -> None:
    body = json.dumps({**GOOD_TRACE, "scans": [GOOD_SCAN, scan]}).encode()
    async with answering(http(body)) as url, HttpClient(url, name="the carrier") as client:
        trace = await SandboxCarrier(client).trace(TraceQuery(carrier="sandbox", waybill="SBX1"))
    assert (trace.answer, trace.scans) == ("unavailable", ())


# --- payment channel -------------------------------------------------------------------------------------


async def test_a_payment_is_a_fact_with_amount_currency_and_time(adapters: Adapters, world: WorldClient) -> None:
    reference = fresh("wx/ä 1-")
    await world.add_payment(reference, 1234, "JPY", paid_at="2026-11-22T16:00:00+08:00")
    fact = await adapters.channel.payment(reference, "CNY", 1)
    assert fact is not None
    assert (fact.reference, fact.paid_minor, fact.currency) == (reference, 1234, "JPY")
    assert fact.paid_at == datetime(2026, 11, 22, 8, tzinfo=UTC)


@pytest.mark.parametrize("beginning", ["forged-", "unpaid-"])
async def test_an_unknown_or_unpaid_payment_is_none(adapters: Adapters, beginning: str) -> None:
    assert await adapters.channel.payment(fresh(beginning), "CNY", 1000) is None


@pytest.mark.parametrize("name", malformed_answers(GOOD_PAYMENT))
async def test_no_nonsense_is_a_payment_nor_the_lack_of_one(name: str) -> None:
    async with (
        answering(malformed_answers(GOOD_PAYMENT)[name]) as url,
        HttpClient(url, name="the channel", answers_within=ANSWERS_WITHIN) as client,
    ):
        with pytest.raises((Unavailable, UnreadableAnswer)):
            await SandboxChannel(client, "wechat").payment("wx-1", "CNY", 1000)


@pytest.mark.parametrize("kind", ["status_before_effect", "cut", "html", "garbage", "huge", "wrong_types", "wrong_key"])
async def test_a_channel_that_misbehaves_is_asked_again(adapters: Adapters, world: WorldClient, kind: str) -> None:
    reference = fresh("wx-")
    await world.fault("channel", match=reference, kind=kind, verb="payment")
    with pytest.raises((Unavailable, UnreadableAnswer)):
        await adapters.channel.payment(reference, "CNY", 1000)
    assert await adapters.channel.payment(reference, "CNY", 1000) is not None


async def test_a_refund_arrives_and_is_found_again(adapters: Adapters) -> None:
    reference, key = fresh("wx-"), fresh()
    await adapters.channel.payment(reference, "CNY", 1000)
    assert (await adapters.channel.refund_status(key)).state == "not_found"
    answer = await adapters.channel.refund(refund_of(key, reference))
    assert (answer.state, answer.amount_minor) == ("arrived", 1000)
    assert answer.reference
    assert await adapters.channel.refund_status(key) == answer
    assert await adapters.channel.refund(refund_of(key, reference)) == answer


async def test_a_refused_refund_says_why(adapters: Adapters) -> None:
    reference = fresh("refuse-")
    await adapters.channel.payment(reference, "CNY", 1000)
    answer = await adapters.channel.refund(refund_of(fresh(), reference))
    assert (answer.state, answer.code) == ("refused", "PAYER_ACCOUNT_CLOSED")


async def test_a_key_conflict_leaves_the_outcome_open(adapters: Adapters) -> None:
    reference, key = fresh("wx-"), fresh()
    await adapters.channel.payment(reference, "CNY", 1000)
    await adapters.channel.refund(refund_of(key, reference, 400))
    assert (await adapters.channel.refund(refund_of(key, reference, 401))).state == "unknown"


@pytest.mark.parametrize(
    ("kind", "effects"),
    [
        ("status_before_effect", 0),
        ("status_after_effect", 1),
        ("cut_before_effect", 0),
        ("cut", 1),
        ("html", 1),
        ("garbage", 1),
        ("huge", 1),
        ("wrong_types", 1),
        ("wrong_key", 1),
    ],
)
async def test_a_refund_without_a_readable_answer_is_unknown_and_the_look_up_decides(
    adapters: Adapters, world: WorldClient, kind: str, effects: int
) -> None:
    reference, key = fresh("wx-"), fresh()
    await adapters.channel.payment(reference, "CNY", 1000)
    await world.fault("channel", match=key, kind=kind)
    answer = await adapters.channel.refund(refund_of(key, reference))
    assert answer.state == "unknown"
    assert answer.message
    assert (await adapters.channel.refund_status(key)).state == ("arrived" if effects else "not_found")
    assert await world.refund_effects(reference) == effects


@pytest.mark.parametrize("name", malformed_answers(GOOD_REFUND))
async def test_no_nonsense_is_a_refunds_end(name: str) -> None:
    async with (
        answering(malformed_answers(GOOD_REFUND)[name]) as url,
        HttpClient(url, name="the channel", answers_within=ANSWERS_WITHIN) as client,
    ):
        channel = SandboxChannel(client, "wechat")
        assert (await channel.refund(refund_of("k1", "wx-1"))).state == "unknown"
        assert (await channel.refund_status("k1")).state == "unknown"


# --- bank ------------------------------------------------------------------------------------------------


async def test_a_payout_is_paid_and_found_again(adapters: Adapters) -> None:
    token, key = fresh("tok-"), fresh()
    assert (await adapters.rail.query(payout_of(key, token))).outcome == "not_found"
    result = await adapters.rail.pay(payout_of(key, token))
    assert (result.outcome, result.amount_minor, result.currency) == ("paid", 1000, "CNY")
    assert await adapters.rail.query(payout_of(key, token)) == result


@pytest.mark.parametrize(("code", "failure"), [*FAILURES.items(), ("NEVER_SEEN", "unknown")])
async def test_a_banks_code_is_classified(
    adapters: Adapters, world: WorldClient, code: str, failure: FailureClass
) -> None:
    token, key = fresh("tok-"), fresh()
    await world.refuse_account(token, code=code)
    result = await adapters.rail.pay(payout_of(key, token))
    assert (result.outcome, result.failure, result.code) == ("failed", failure, code)
    assert await adapters.rail.query(payout_of(key, token)) == result


async def test_an_accepted_payout_is_paid_later_and_may_come_back(adapters: Adapters, world: WorldClient) -> None:
    token, key = fresh("tok-"), fresh()
    await world.plan_payouts(token, "processing", looks=None)
    assert (await adapters.rail.pay(payout_of(key, token))).outcome == "accepted"
    await world.finish_payout(key)
    assert (await adapters.rail.query(payout_of(key, token))).outcome == "paid"
    await world.return_payout(key, 250)
    result = await adapters.rail.query(payout_of(key, token))
    assert (result.outcome, result.returned_minor) == ("returned", 250)


async def test_a_key_used_for_another_payout_leaves_the_outcome_open(adapters: Adapters) -> None:
    token, key = fresh("tok-"), fresh()
    await adapters.rail.pay(payout_of(key, token, 700))
    assert (await adapters.rail.pay(payout_of(key, token, 701))).outcome == "unknown"


async def test_an_instruction_that_the_bank_cannot_read_fails_on_our_side(adapters: Adapters) -> None:
    result = await adapters.rail.pay(payout_of("with-a-dash", fresh("tok-")))
    assert (result.outcome, result.failure, result.code) == ("failed", "ours", "MALFORMED")


@pytest.mark.parametrize(
    ("kind", "effects"),
    [
        ("status_before_effect", 0),
        ("status_after_effect", 1),
        ("cut_before_effect", 0),
        ("cut", 1),
        ("html", 1),
        ("garbage", 1),
        ("huge", 1),
        ("wrong_types", 1),
        ("wrong_key", 1),
    ],
)
async def test_a_payout_without_a_readable_answer_is_unknown_and_the_look_up_decides(
    adapters: Adapters, world: WorldClient, kind: str, effects: int
) -> None:
    token, key = fresh("tok-"), fresh()
    await world.fault("bank", match=key, kind=kind)
    result = await adapters.rail.pay(payout_of(key, token))
    assert (result.outcome, result.failure) == ("unknown", None)
    assert result.message
    assert (await adapters.rail.query(payout_of(key, token))).outcome == ("paid" if effects else "not_found")
    assert await world.payout_effects(token) == effects


async def test_a_wrong_amount_in_the_answer_is_passed_on_to_be_seen(adapters: Adapters, world: WorldClient) -> None:
    key = fresh()
    await world.fault("bank", match=key, kind="wrong_amount")
    assert (await adapters.rail.pay(payout_of(key, fresh("tok-")))).amount_minor == 1001


async def test_a_bank_that_is_slow_is_unknown_and_the_look_up_decides(
    adapters: Adapters, standins: StandIns, world: WorldClient
) -> None:
    for limit in (timedelta(seconds=1), timedelta(seconds=15)):
        token, key = fresh("tok-"), fresh()
        await world.fault("bank", match=key, kind="slow_answer", seconds=limit.total_seconds() + 2)
        async with HttpClient(standins.bank_url, name="the bank", answers_within=limit) as client:
            assert (await SandboxRail(client).pay(payout_of(key, token))).outcome == "unknown"
        if await world.payout_effects(token):  # else nothing was sent in time, as the machine stood still
            break
    assert (await adapters.rail.query(payout_of(key, token))).outcome == "paid"


async def test_a_bank_that_is_not_there_was_sent_nothing() -> None:
    async with HttpClient("http://127.0.0.1:1", name="the bank") as client:
        rail = SandboxRail(client)
        assert (await rail.pay(payout_of("k1", "tok"))).outcome == "not_sent"
        assert (await rail.query(payout_of("k1", "tok"))).outcome == "unknown"


@pytest.mark.parametrize("name", malformed_answers(GOOD_PAYOUT))
async def test_no_nonsense_is_a_payouts_end(name: str) -> None:
    async with (
        answering(malformed_answers(GOOD_PAYOUT)[name]) as url,
        HttpClient(url, name="the bank", answers_within=ANSWERS_WITHIN) as client,
    ):
        rail = SandboxRail(client)
        assert (await rail.pay(payout_of("k1", "tok"))).outcome == "unknown"
        assert (await rail.query(payout_of("k1", "tok"))).outcome == "unknown"


async def test_a_malformed_refusal_to_a_look_up_is_no_failure_of_the_payout() -> None:
    body = b'{"code": "MALFORMED", "message": "no such page"}'
    async with answering(http(body, "400 Bad Request")) as url, HttpClient(url, name="the bank") as client:
        assert (await SandboxRail(client).query(payout_of("k1", "tok"))).outcome == "unknown"
