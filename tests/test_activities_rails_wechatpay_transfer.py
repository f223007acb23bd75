"""Merchant transfers: every state and reason lands where the documents say, and what is not certain is unknown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from malformed_answers import malformed_answers
from pydantic import SecretStr
from wechatpay_adapters import Forge, fresh, payout_of, standin_adapters

from activities.rails.wechatpay import REFUSALS
from activities.rails.wechatpay_transfer import FAILURES, STATES, WechatPayTransfer
from local.client import WorldClient
from local.standins import StandIns

NUMBER = "plfk2020042013"
BILL: dict[str, Any] = {
    "mch_id": "1900000001",
    "out_bill_no": NUMBER,
    "transfer_bill_no": "1330000071100999991182020050700019480001",
    "appid": "wxstandin00000001",
    "state": "SUCCESS",
    "transfer_amount": 1000,
    "transfer_remark": "提现",
    "openid": "o-1",
}
ASKED = payout_of(NUMBER, "o-1")


@pytest_asyncio.fixture(loop_scope="session")
async def rail(standins: StandIns, world: WorldClient) -> AsyncIterator[WechatPayTransfer]:
    async with standin_adapters(standins) as adapters:
        yield adapters.transfer


# --- on the stand-in ---------------------------------------------------------------------------------------


async def test_a_transfer_is_paid_once_and_found_again(rail: WechatPayTransfer, world: WorldClient) -> None:
    asked = payout_of(fresh(), fresh("o-"))
    assert (await rail.query(asked)).outcome == "not_found"
    first, again, found = await rail.pay(asked), await rail.pay(asked), await rail.query(asked)
    assert [result.outcome for result in (first, again, found)] == ["paid"] * 3
    assert (found.amount_minor, found.currency, found.reference) == (1000, "CNY", first.reference)
    assert await world.payout_effects(asked.account.token) == 1


async def test_a_transfer_waits_for_its_payee(rail: WechatPayTransfer, world: WorldClient) -> None:
    asked = payout_of(fresh(), fresh("o-"))
    await world.plan_payouts(asked.account.token, "processing", looks=None)
    result = await rail.pay(asked)
    assert (result.outcome, result.code) == ("accepted", "WAIT_USER_CONFIRM")
    assert result.to_confirm == f"package-{asked.key}"
    await world.finish_payout(asked.key, state="failed", code="PAYEE_OVERDUE")
    result = await rail.query(asked)
    assert (result.outcome, result.failure, result.code) == ("failed", "user", "OVERDUE_CLOSE")


async def test_the_same_number_for_another_amount_leaves_the_outcome_open(
    rail: WechatPayTransfer, world: WorldClient
) -> None:
    asked = payout_of(fresh(), fresh("o-"))
    await rail.pay(asked)
    result = await rail.pay(asked.model_copy(update={"amount_minor": 999}))
    assert (result.outcome, result.code) == ("unknown", "INVALID_REQUEST")
    assert (
        await rail.query(asked.model_copy(update={"amount_minor": 999}))
    ).outcome == "paid"  # of 1000: seen upstairs
    assert await world.payout_effects(asked.account.token) == 1


async def test_from_two_thousand_on_the_name_is_sent_and_read(rail: WechatPayTransfer, world: WorldClient) -> None:
    asked = payout_of(fresh(), fresh("o-"), 200_000)
    assert (await rail.pay(asked)).outcome == "paid"
    nameless = payout_of(fresh(), fresh("o-"), 200_000, holder=None)
    result = await rail.pay(nameless)
    assert (result.outcome, result.failure, result.code) == ("failed", "ours", "NAME_REQUIRED")
    assert (await rail.pay(payout_of(fresh(), fresh("o-"), 199_999, holder=None))).outcome == "paid"
    assert (await rail.pay(payout_of(fresh(), fresh("o-"), 29))).outcome == "paid"


async def test_a_wallets_number_out_of_the_vault_is_paid_and_looked_up_without_it(
    rail: WechatPayTransfer, world: WorldClient
) -> None:
    asked = payout_of(fresh(), "acc-1")
    openid = f"o-{fresh()}4242"
    opened = asked.account.model_copy(update={"number": SecretStr(openid)})
    assert (await rail.pay(asked.model_copy(update={"account": opened}))).outcome == "paid"
    assert (await rail.query(asked)).outcome == "paid"
    others = asked.account.model_copy(update={"last4": "1111"})
    assert (await rail.query(asked.model_copy(update={"account": others}))).outcome == "unknown"
    assert await world.payout_effects(openid) == 1


async def test_another_currency_is_never_sent(rail: WechatPayTransfer, world: WorldClient) -> None:
    asked = payout_of(fresh(), fresh("o-"), currency="USD")
    result = await rail.pay(asked)
    assert (result.outcome, result.failure, result.code) == ("failed", "ours", "CURRENCY")
    assert await world.asked("bank", match=asked.key) == 0


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
        ("unsigned", 1),
        ("wrong_signature", 1),
    ],
)
async def test_no_believable_answer_is_unknown_and_the_look_up_decides(
    rail: WechatPayTransfer, world: WorldClient, kind: str, effects: int
) -> None:
    asked = payout_of(fresh(), fresh("o-"))
    await world.fault("bank", verb="payout", match=asked.key, kind=kind)
    result = await rail.pay(asked)
    assert (result.outcome, result.failure) == ("unknown", None)
    assert result.message
    assert (await rail.query(asked)).outcome == ("paid" if effects else "not_found")
    assert await world.payout_effects(asked.account.token) == effects


async def test_a_wrong_amount_in_a_look_up_is_passed_on_to_be_seen(rail: WechatPayTransfer, world: WorldClient) -> None:
    asked = payout_of(fresh(), fresh("o-"))
    await rail.pay(asked)
    await world.fault("bank", verb="payout_status", match=asked.key, kind="wrong_amount")
    assert (await rail.query(asked)).amount_minor == 1001


# --- what is said, word by word ----------------------------------------------------------------------------


async def _queried(forge: Forge, **fields: Any) -> Any:
    async with forge.adapters(forge.answer({**BILL, **fields})) as adapters:
        return await adapters.transfer.query(ASKED)


@pytest.mark.parametrize(("state", "outcome"), [*STATES.items(), ("BRAND_NEW", "unknown"), ("success", "unknown")])
async def test_every_state_of_a_bill_is_known_and_others_are_not(forge: Forge, state: str, outcome: str) -> None:
    assert (await _queried(forge, state=state)).outcome == outcome


@pytest.mark.parametrize(
    ("code", "failure"),
    [*FAILURES.items(), ("OTHER_FAIL_REASON_TYPE", "unknown"), ("NEVER_SEEN", "unknown"), (None, "unknown")],
)
async def test_a_reason_is_classified_and_an_unknown_one_is_not_believed(
    forge: Forge, code: str | None, failure: str
) -> None:
    result = await _queried(forge, state="FAIL", fail_reason=code)
    assert (result.outcome, result.failure) == ("failed", failure)


@pytest.mark.parametrize(
    "fields",
    [
        {"out_bill_no": "other"},
        {"openid": "o-2"},
        {"state": "FAIL", "transfer_amount": 1001, "fail_reason": "TRANSFER_RISK"},
    ],
)
async def test_an_answer_about_something_else_says_nothing(forge: Forge, fields: dict[str, Any]) -> None:
    assert (await _queried(forge, **fields)).outcome == "unknown"


@pytest.mark.parametrize(("status", "code"), sorted(REFUSALS))
async def test_what_is_refused_before_there_can_be_a_bill_failed_on_our_side(
    forge: Forge, status: int, code: str
) -> None:
    async with forge.adapters(forge.answer({"code": code, "message": "no"}, f"{status} No")) as adapters:
        result = await adapters.transfer.pay(ASKED)
        assert (result.outcome, result.failure, result.code) == ("failed", "ours", code)
        assert (await adapters.transfer.query(ASKED)).outcome == "unknown"  # of a look-up it says nothing


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "INVALID_REQUEST"),
        (400, "ALREADY_EXISTS"),
        (403, "NOT_ENOUGH"),
        (404, "NOT_FOUND"),
        (429, "FREQUENCY_LIMITED"),
        (500, "SYSTEM_ERROR"),
        (500, "PARAM_ERROR"),
        (502, "PARAM_ERROR"),
        (400, "BRAND_NEW"),
        (409, "NO_AUTH"),
    ],
)
async def test_every_other_refusal_leaves_it_open(forge: Forge, status: int, code: str) -> None:
    async with forge.adapters(forge.answer({"code": code, "message": "no"}, f"{status} No")) as adapters:
        assert (await adapters.transfer.pay(ASKED)).outcome == "unknown"


@pytest.mark.parametrize("changed", [{"signature": None}, {"serial": "PUB_KEY_ID_OTHER"}, {"timestamp": "1700000000"}])
async def test_a_refusal_or_absence_that_is_not_signed_is_no_word_of_the_rail(
    forge: Forge, changed: dict[str, Any]
) -> None:
    refusal = forge.answer({"code": "PARAM_ERROR", "message": "no"}, "400 Bad Request", **changed)
    async with forge.adapters(refusal) as adapters:
        assert (await adapters.transfer.pay(ASKED)).outcome == "unknown"
    absence = forge.answer({"code": "NOT_FOUND", "message": "no"}, "404 Not Found", **changed)
    async with forge.adapters(absence) as adapters:
        assert (await adapters.transfer.query(ASKED)).outcome == "unknown"


@pytest.mark.parametrize("name", malformed_answers(BILL))
async def test_no_nonsense_is_a_transfers_end(forge: Forge, name: str) -> None:
    async with forge.adapters(malformed_answers(BILL)[name]) as adapters:
        assert (await adapters.transfer.pay(ASKED)).outcome == "unknown"
        assert (await adapters.transfer.query(ASKED)).outcome == "unknown"


async def test_signed_nonsense_is_unknown_too(forge: Forge) -> None:
    for content in (b"", b"[]", b"null", b"{}", b'{"state": "SUCCESS"', b"\xff\xfe", b'{"out_bill_no": 7}'):
        async with forge.adapters(forge.answer(content)) as adapters:
            assert (await adapters.transfer.query(ASKED)).outcome == "unknown", content
            assert (await adapters.transfer.pay(ASKED)).outcome == "unknown", content


async def test_our_keys_fit_and_ids_with_dashes_do_not(rail: WechatPayTransfer) -> None:
    assert rail.key_pattern.fullmatch("abcdefghijklmnopqrstuvwxyz")
    assert not rail.key_pattern.fullmatch("with-a-dash")
    assert not rail.key_pattern.fullmatch("a" * 33)
