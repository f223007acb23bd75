"""WeChat Pay as a payment channel: what was paid, and refunds that happen once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from malformed_answers import malformed_answers
from wechatpay_adapters import Forge, fresh, refund_of, standin_adapters

from activities.channels.wechatpay import STATES, WechatPayChannel
from activities.wechatpay.resources import Transaction
from core.errors import Unavailable, UnreadableAnswer
from local.client import WorldClient
from local.standins import StandIns

PAYMENT: dict[str, Any] = {
    "out_trade_no": "T1",
    "transaction_id": "1217752501201407033233368018",
    "trade_state": "SUCCESS",
    "success_time": "2026-11-22T16:00:00+08:00",
    "amount": {"total": 1000, "payer_total": 900, "currency": "CNY"},
}
REFUND: dict[str, Any] = {
    "refund_id": "50000000382019052709732678859",
    "out_refund_no": "k1",
    "status": "SUCCESS",
    "amount": {"refund": 888, "total": 888, "currency": "CNY"},
}


@pytest_asyncio.fixture(loop_scope="session")
async def channel(standins: StandIns, world: WorldClient) -> AsyncIterator[WechatPayChannel]:
    async with standin_adapters(standins) as adapters:
        yield adapters.channel


async def paid(world: WorldClient, amount_minor: int = 1000, reference: str | None = None, **fields: Any) -> str:
    reference = reference or fresh("wx")
    await world.add_payment(reference, amount_minor, fields.pop("currency", "CNY"), **fields)
    return reference


# --- payments ----------------------------------------------------------------------------------------------


async def test_a_payment_is_known_by_the_storefronts_number(channel: WechatPayChannel, world: WorldClient) -> None:
    reference = await paid(world, paid_at="2026-11-22T16:00:00+08:00")
    fact = await channel.payment(reference, "CNY", 7)
    assert fact is not None
    assert (fact.reference, fact.paid_minor, fact.currency) == (reference, 1000, "CNY")
    assert fact.number is not None
    assert fact.number != reference, "orders may claim it under one of its two names"
    assert fact.paid_at == datetime(2026, 11, 22, 8, tzinfo=UTC)


async def test_a_payment_is_known_by_wechat_pays_number(channel: WechatPayChannel, world: WorldClient) -> None:
    reference = await paid(world, 500, f"42000{datetime.now(UTC).timestamp():.0f}".ljust(28, "7"))
    fact = await channel.payment(reference, "CNY", 500)
    assert fact is not None
    assert fact.paid_minor == 500
    assert (await channel.refund(refund_of(fresh(), reference, 500))).state == "arrived"


async def test_an_unknown_or_unpaid_payment_is_none(channel: WechatPayChannel, world: WorldClient) -> None:
    assert await channel.payment(fresh("never"), "CNY", 1000) is None
    assert await channel.payment("4" * 28, "CNY", 1000) is None
    assert await channel.payment(await paid(world, state="unpaid"), "CNY", 1000) is None


async def test_a_payment_of_which_a_part_went_back_was_paid(channel: WechatPayChannel, world: WorldClient) -> None:
    reference = await paid(world)
    await channel.refund(refund_of(fresh(), reference, 100))
    fact = await channel.payment(reference, "CNY", 1000)
    assert fact is not None
    assert fact.paid_minor == 1000


@pytest.mark.parametrize("reference", ["cs_live_" + "a1" * 30, "T 1", "T/1", "中"])
async def test_a_reference_that_none_of_its_payments_can_have_is_unknown_and_not_asked_for(
    forge: Forge, reference: str
) -> None:
    refusal = forge.answer({"code": "PARAM_ERROR", "message": "no"}, "400 Bad Request")
    async with forge.adapters(refusal) as adapters:
        assert await adapters.channel.payment(reference, "CNY", 1000) is None


@pytest.mark.parametrize("state", ["NOTPAY", "CLOSED", "REVOKED", "USERPAYING", "PAYERROR", "BRAND_NEW"])
async def test_only_a_paid_payment_is_a_fact(forge: Forge, state: str) -> None:
    async with forge.adapters(forge.answer({**PAYMENT, "trade_state": state})) as adapters:
        assert await adapters.channel.payment("T1", "CNY", 1000) is None


@pytest.mark.parametrize(
    "fields", [{"out_trade_no": "T2"}, {"amount": None}, {"success_time": None}, {"amount": {"total": "1000"}}]
)
async def test_a_payment_that_is_not_told_whole_is_unreadable(forge: Forge, fields: dict[str, Any]) -> None:
    async with forge.adapters(forge.answer({**PAYMENT, **fields})) as adapters:
        with pytest.raises(UnreadableAnswer):
            await adapters.channel.payment("T1", "CNY", 1000)


@pytest.mark.parametrize("name", malformed_answers(PAYMENT))
async def test_no_nonsense_is_a_payment(forge: Forge, name: str) -> None:
    async with forge.adapters(malformed_answers(PAYMENT)[name]) as adapters:
        with pytest.raises((Unavailable, UnreadableAnswer)):
            await adapters.channel.payment("T1", "CNY", 1000)


async def test_an_absence_that_is_not_signed_is_no_answer(forge: Forge) -> None:
    absence = forge.answer({"code": "ORDER_NOT_EXIST", "message": "no"}, "404 Not Found", signature=None)
    async with forge.adapters(absence) as adapters:
        with pytest.raises(UnreadableAnswer):
            await adapters.channel.payment("T1", "CNY", 1000)


# --- refunds -----------------------------------------------------------------------------------------------


async def test_a_refund_happens_once_under_its_number(channel: WechatPayChannel, world: WorldClient) -> None:
    reference, key = await paid(world), fresh()
    assert (await channel.refund_status(key)).state == "not_found"
    answers = [await channel.refund(refund_of(key, reference, 400)) for _ in range(3)]
    assert {answer.state for answer in answers} == {"arrived"}
    found = await channel.refund_status(key)
    assert (found.state, found.amount_minor, found.currency) == ("arrived", 400, "CNY")
    assert await world.refunded_minor(reference) == 400


async def test_a_refund_under_way_arrives_later(channel: WechatPayChannel, world: WorldClient) -> None:
    reference, key = await paid(world), fresh()
    await world.plan_refunds(reference, "processing", looks=1)
    assert (await channel.refund(refund_of(key, reference))).state == "processing"
    assert [(await channel.refund_status(key)).state for _ in range(2)] == ["processing", "arrived"]


async def test_a_closed_account_of_the_buyer_refuses(channel: WechatPayChannel, world: WorldClient) -> None:
    reference, key = await paid(world), fresh()
    await world.plan_refunds(reference, "refused")
    answer = await channel.refund(refund_of(key, reference))
    assert (answer.state, answer.code) == ("refused", "USER_ACCOUNT_ABNORMAL")
    assert (await channel.refund_status(key)).state == "refused"


@pytest.mark.parametrize(("amount_minor", "currency"), [(1001, "CNY"), (1000, "USD")])
async def test_more_than_was_paid_is_never_taken(
    channel: WechatPayChannel, world: WorldClient, amount_minor: int, currency: str
) -> None:
    reference, key = await paid(world), fresh()
    answer = await channel.refund(refund_of(key, reference, amount_minor, currency))
    assert (answer.state, answer.code) == ("unknown", "INVALID_REQUEST")
    assert (await channel.refund_status(key)).state == "not_found"
    assert await world.refunded_minor(reference) == 0


async def test_a_refund_of_an_unknown_payment_is_not_sent(channel: WechatPayChannel, world: WorldClient) -> None:
    key = fresh()
    assert (await channel.refund(refund_of(key, fresh("never")))).state == "unknown"
    assert await world.asked("channel", "refund", match=key) == 0


@pytest.mark.parametrize(
    ("kind", "effects"),
    [("status_before_effect", 0), ("status_after_effect", 1), ("cut", 1), ("garbage", 1), ("wrong_signature", 1)],
)
async def test_no_believable_answer_leaves_a_refund_open(
    channel: WechatPayChannel, world: WorldClient, kind: str, effects: int
) -> None:
    reference, key = await paid(world), fresh()
    await world.fault("channel", verb="refund", match=key, kind=kind)
    assert (await channel.refund(refund_of(key, reference))).state == "unknown"
    assert (await channel.refund_status(key)).state == ("arrived" if effects else "not_found")
    assert await world.refund_effects(reference) == effects


@pytest.mark.parametrize(("status", "state"), [*STATES.items(), ("BRAND_NEW", "unknown")])
async def test_every_state_of_a_refund_is_known_and_others_are_not(forge: Forge, status: str, state: str) -> None:
    async with forge.adapters(forge.answer({**REFUND, "status": status})) as adapters:
        assert (await adapters.channel.refund_status("k1")).state == state


async def test_an_abnormal_refund_says_what_a_person_must_do(forge: Forge) -> None:
    async with forge.adapters(forge.answer({**REFUND, "status": "ABNORMAL"})) as adapters:
        answer = await adapters.channel.refund_status("k1")
    assert (answer.state, answer.code) == ("processing", "ABNORMAL")
    assert "console" in (answer.message or "")


async def test_another_amount_than_was_asked_is_unknown(channel: WechatPayChannel, world: WorldClient) -> None:
    reference, key = await paid(world), fresh()
    await world.fault("channel", verb="refund", match=key, kind="wrong_amount")
    answer = await channel.refund(refund_of(key, reference))
    assert (answer.state, answer.code) == ("unknown", "AMOUNT_DISAGREES")


@pytest.mark.parametrize("name", malformed_answers(REFUND))
async def test_no_nonsense_is_a_refunds_end(forge: Forge, name: str) -> None:
    async with forge.adapters(malformed_answers(REFUND)[name]) as adapters:
        assert (await adapters.channel.refund(refund_of("k1", "T1"))).state == "unknown"
        assert (await adapters.channel.refund_status("k1")).state == "unknown"


@pytest.mark.parametrize(
    ("status", "code", "state"),
    [
        (403, "USER_ACCOUNT_ABNORMAL", "refused"),
        (403, "NOT_ENOUGH", "unknown"),
        (400, "PARAM_ERROR", "unknown"),
        (400, "INVALID_REQUEST", "unknown"),
        (401, "SIGN_ERROR", "unknown"),
        (404, "RESOURCE_NOT_EXISTS", "unknown"),
        (429, "FREQUENCY_LIMITED", "unknown"),
        (400, "BRAND_NEW", "unknown"),
    ],
)
async def test_only_one_refusal_of_a_refund_is_for_ever(
    forge: Forge, monkeypatch: pytest.MonkeyPatch, status: int, code: str, state: str
) -> None:
    async def known(channel: WechatPayChannel, reference: str) -> Transaction:
        return Transaction.model_validate(PAYMENT)

    monkeypatch.setattr(WechatPayChannel, "_transaction", known)
    refusal = forge.answer({"code": code, "message": "no"}, f"{status} No")
    async with forge.adapters(refusal) as adapters:
        assert (await adapters.channel.refund(refund_of("k1", "T1"))).state == state
