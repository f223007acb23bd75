"""E-commerce withdraws: taken is not paid, paid is not the end, and INIT waits for the identical request."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from malformed_answers import malformed_answers
from wechatpay_adapters import Forge, fresh, payout_of, standin_adapters

from activities.http import Reply
from activities.rails.wechatpay import OPEN_REFUSALS, REFUSALS, missing, refused
from activities.rails.wechatpay_withdraw import FAILURES, STATES, WechatPayWithdraw, _found, _taken
from core.errors import UnreadableAnswer
from local.client import WorldClient
from local.standins import StandIns

NUMBER = "20190611222222222200000000012122"
WITHDRAW: dict[str, Any] = {
    "sub_mchid": "1900000109",
    "sp_mchid": "1900000001",
    "status": "SUCCESS",
    "withdraw_id": "12321937198237912739132791732912793127931279317929791239112123",
    "out_request_no": NUMBER,
    "amount": 1000,
    "reason": "卡号错误",
}
TAKEN = {name: WITHDRAW[name] for name in ("sub_mchid", "withdraw_id", "out_request_no")}
ASKED = payout_of(NUMBER, "1900000109")


@pytest_asyncio.fixture(loop_scope="session")
async def rail(standins: StandIns, world: WorldClient) -> AsyncIterator[WechatPayWithdraw]:
    async with standin_adapters(standins) as adapters:
        yield adapters.withdraw


async def test_taken_is_not_paid_and_a_look_up_tells(rail: WechatPayWithdraw, world: WorldClient) -> None:
    asked = payout_of(fresh(), fresh("sub"))
    assert (await rail.query(asked)).outcome == "not_found"
    assert [(await rail.pay(asked)).outcome for _ in range(2)] == ["accepted", "accepted"]
    found = await rail.query(asked)
    assert (found.outcome, found.amount_minor, found.currency) == ("paid", 1000, "CNY")
    assert await world.payout_effects(asked.account.token) == 1


async def test_what_was_paid_comes_back_whole(rail: WechatPayWithdraw, world: WorldClient) -> None:
    asked = payout_of(fresh(), fresh("sub"))
    await rail.pay(asked)
    await world.return_payout(asked.key)
    result = await rail.query(asked)
    assert (result.outcome, result.returned_minor, result.code) == ("returned", 1000, "REFUND")


async def test_a_withdraw_of_another_merchant_is_not_found(rail: WechatPayWithdraw) -> None:
    asked = payout_of(fresh(), fresh("sub"))
    await rail.pay(asked)
    assert (await rail.query(payout_of(asked.key, fresh("sub")))).outcome == "not_found"


async def test_a_refused_withdraw_is_known_by_its_reason(rail: WechatPayWithdraw, world: WorldClient) -> None:
    asked = payout_of(fresh(), fresh("sub"))
    await world.refuse_account(asked.account.token, code="ACCOUNT_FROZEN")
    assert (await rail.pay(asked)).outcome == "accepted"
    result = await rail.query(asked)
    assert (result.outcome, result.failure, result.message) == ("failed", "payee", "账户冻结")


async def test_the_same_number_for_another_amount_leaves_the_outcome_open(rail: WechatPayWithdraw) -> None:
    asked = payout_of(fresh(), fresh("sub"))
    await rail.pay(asked)
    result = await rail.pay(asked.model_copy(update={"amount_minor": 999}))
    assert (result.outcome, result.code) == ("unknown", "INVALID_REQUEST")


@pytest.mark.parametrize("changed", [{"currency": "USD"}, {"amount_minor": 80_000_000_001}])
async def test_what_wechat_pay_does_not_take_is_never_sent(
    rail: WechatPayWithdraw, world: WorldClient, changed: dict[str, Any]
) -> None:
    asked = payout_of(fresh(), fresh("sub")).model_copy(update=changed)
    result = await rail.pay(asked)
    assert (result.outcome, result.failure) == ("failed", "ours")
    assert await world.asked("bank", match=asked.key) == 0


@pytest.mark.parametrize(
    ("kind", "effects"),
    [("status_before_effect", 0), ("status_after_effect", 1), ("cut", 1), ("unsigned", 1), ("wrong_key", 1)],
)
async def test_no_believable_answer_is_unknown_and_the_look_up_decides(
    rail: WechatPayWithdraw, world: WorldClient, kind: str, effects: int
) -> None:
    asked = payout_of(fresh(), fresh("sub"))
    await world.fault("bank", verb="payout", match=asked.key, kind=kind)
    assert (await rail.pay(asked)).outcome == "unknown"
    looked_up = await rail.query(asked)
    assert looked_up.outcome == ("paid" if effects else "not_found"), looked_up
    assert await world.payout_effects(asked.account.token) == effects


# --- what is said, word by word ----------------------------------------------------------------------------


async def _queried(forge: Forge, **fields: Any) -> Any:
    async with forge.adapters(forge.answer({**WITHDRAW, **fields})) as adapters:
        return await adapters.withdraw.query(ASKED)


@pytest.mark.parametrize(("state", "outcome"), [*STATES.items(), ("BRAND_NEW", "unknown"), ("", "unknown")])
async def test_every_state_is_known_and_others_are_not(forge: Forge, state: str, outcome: str) -> None:
    result = await _queried(forge, status=state)
    assert result.outcome == outcome
    assert result.returned_minor == (1000 if outcome == "returned" else None)


@pytest.mark.parametrize(("words", "failure"), [*FAILURES.items(), ("银行处理失败", "unknown"), (None, "unknown")])
async def test_a_reason_is_read_for_its_words(forge: Forge, words: str | None, failure: str) -> None:
    result = await _queried(forge, status="FAIL", reason=words and f"您的{words}，请核对")
    assert (result.outcome, result.failure) == ("failed", failure)


async def test_what_wechat_pay_closed_is_a_risk(forge: Forge) -> None:
    assert (await _queried(forge, status="CLOSE")).failure == "risk"


@pytest.mark.parametrize(
    "fields", [{"out_request_no": "other"}, {"sub_mchid": "1900000110"}, {"status": "FAIL", "amount": 1001}]
)
async def test_an_answer_about_something_else_says_nothing(forge: Forge, fields: dict[str, Any]) -> None:
    assert (await _queried(forge, **fields)).outcome == "unknown"


async def test_a_wrong_amount_that_was_paid_is_passed_on_to_be_seen(forge: Forge) -> None:
    assert (await _queried(forge, amount=1001)).amount_minor == 1001


@pytest.mark.parametrize(("status", "code"), sorted(REFUSALS))
async def test_what_is_refused_before_there_can_be_a_bill_failed_on_our_side(
    forge: Forge, status: int, code: str
) -> None:
    async with forge.adapters(forge.answer({"code": code, "message": "no"}, f"{status} No")) as adapters:
        assert (await adapters.withdraw.pay(ASKED)).failure == "ours"


@pytest.mark.parametrize("code", [*OPEN_REFUSALS, "BRAND_NEW"])
@pytest.mark.parametrize("status", [400, 403, 404, 429, 500])
async def test_every_other_refusal_leaves_it_open(forge: Forge, status: int, code: str) -> None:
    async with forge.adapters(forge.answer({"code": code, "message": "no"}, f"{status} No")) as adapters:
        assert (await adapters.withdraw.pay(ASKED)).outcome == "unknown"


@pytest.mark.parametrize("name", malformed_answers(WITHDRAW))
async def test_no_nonsense_is_a_withdraws_end(forge: Forge, name: str) -> None:
    async with forge.adapters(malformed_answers(WITHDRAW)[name]) as adapters:
        assert (await adapters.withdraw.pay(ASKED)).outcome == "unknown"
        assert (await adapters.withdraw.query(ASKED)).outcome == "unknown"


async def test_taken_says_nothing_of_an_end(forge: Forge) -> None:
    async with forge.adapters(forge.answer({**TAKEN, "status": "SUCCESS"})) as adapters:
        assert (await adapters.withdraw.pay(ASKED)).outcome == "accepted"
    async with forge.adapters(forge.answer({**TAKEN, "out_request_no": "other"})) as adapters:
        assert (await adapters.withdraw.pay(ASKED)).outcome == "unknown"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_ANYTHING = st.dictionaries(st.sampled_from([*WITHDRAW, "code"]), _JSON | st.sampled_from(["SUCCESS", NUMBER, 1000]))


@given(content=_ANYTHING, status=st.sampled_from([200, 400, 403, 404, 429]))
def test_no_json_that_wechat_pay_could_sign_breaks_a_rail_or_pays(content: dict[str, Any], status: int) -> None:
    """Of all possible answers, only a complete one about this number is final."""
    reply = Reply(status=status, raw=json.dumps(content).encode(), source="WeChat Pay")
    for read in (refused, missing, partial(_found, instruction=ASKED), partial(_taken, instruction=ASKED)):
        try:
            result = read(reply)
        except UnreadableAnswer:
            continue
        if result.outcome in {"paid", "returned"}:
            assert (content["out_request_no"], content["amount"], content["sub_mchid"]) == (
                NUMBER,
                result.amount_minor,
                "1900000109",
            )
        if result.outcome == "failed":
            assert content.get("status") in {"FAIL", "CLOSE"} or (status, content["code"]) in REFUSALS
