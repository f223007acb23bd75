"""The stand-ins: what carrier, channel and bank do when they behave, and what is left when they do not."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from core.errors import BadInput, Unavailable
from local.client import WorldClient
from local.standins import StandIns

_numbers = itertools.count(1)


def fresh(prefix: str = "") -> str:
    """A key or reference of this test's own."""
    return f"{prefix}{next(_numbers):08}x"


def scan(stage: str, hours: float, **more: Any) -> dict[str, Any]:
    at = datetime(2026, 11, 22, 8, tzinfo=UTC) + timedelta(hours=hours)
    return {"at": at.isoformat(), "code": stage, "stage": stage, **more}


class Caller:
    """Asks the stand-ins as a program would that speaks their dialects by hand."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=10, trust_env=False, verify=False)

    async def close(self) -> None:
        await self._http.aclose()

    async def track(self, waybill: str, **more: str) -> dict[str, Any]:
        body = {"carrier": "sandbox", "waybill": waybill, **more}
        return dict((await self._http.post("/carrier/track", json=body)).json())

    async def payment(self, reference: str, amount_minor: int = 1000, currency: str = "CNY") -> httpx.Response:
        params: dict[str, str | int] = {"reference": reference, "amount_minor": amount_minor, "currency": currency}
        return await self._http.get("/channel/payments", params=params)

    async def refund(self, key: str, reference: str, amount_minor: int = 1000, /, **more: Any) -> httpx.Response:
        body = {"key": key, "payment_reference": reference, "amount_minor": amount_minor, "currency": "CNY", **more}
        return await self._http.post("/channel/refunds", json=body)

    async def refund_state(self, key: str) -> Any:
        answer = await self._http.get(f"/channel/refunds/{key}")
        return answer.json().get("state", answer.status_code)

    async def pay(self, key: str, token: str, amount_minor: int = 1000, /, **more: Any) -> httpx.Response:
        account = {"token": token, "last4": "4242", "holder": "m-1"}
        body = {"key": key, "amount_minor": amount_minor, "currency": "CNY", "account": account, **more}
        return await self._http.post("/bank/payouts", json=body)

    async def payout(self, key: str) -> dict[str, Any]:
        answer = await self._http.get(f"/bank/payouts/{key}")
        return {"status": answer.status_code, **answer.json()}

    async def post(self, path: str, content: bytes) -> httpx.Response:
        return await self._http.post(path, content=content)


@pytest_asyncio.fixture(loop_scope="session")
async def caller(standins: StandIns, world: WorldClient) -> Any:
    one = Caller(standins.url)
    yield one
    await one.close()


# --- the carrier -----------------------------------------------------------------------------------------


async def test_a_parcel_that_nobody_registered_has_no_trace(caller: Caller) -> None:
    assert await caller.track(fresh()) == {"status": "no_trace", "waybill": "00000001x"}


async def test_scans_come_in_the_order_of_their_times_and_each_once(caller: Caller, world: WorldClient) -> None:
    waybill = fresh()
    await world.add_scans("sandbox", waybill, [scan("delivered", 48), scan("picked_up", 1, city="杭州市")])
    await world.add_scans("sandbox", waybill, [scan("picked_up", 1), scan("in_transit", 20)])
    answer = await caller.track(waybill)
    assert answer["status"] == "found"
    assert [one["stage"] for one in answer["scans"]] == ["picked_up", "in_transit", "delivered"]
    assert answer["scans"][0]["city"] == "杭州市"


async def test_a_frozen_trace_shows_nothing_new_until_it_thaws(caller: Caller, world: WorldClient) -> None:
    waybill = fresh()
    await world.add_scans("sandbox", waybill, [scan("picked_up", 1)])
    await world.freeze("sandbox", waybill)
    await world.add_scans("sandbox", waybill, [scan("delivered", 40)])
    assert len((await caller.track(waybill))["scans"]) == 1
    await world.freeze("sandbox", waybill, frozen=False)
    assert len((await caller.track(waybill))["scans"]) == 2


async def test_a_parcel_can_be_marked_unknown(caller: Caller, world: WorldClient) -> None:
    waybill = fresh()
    await world.add_scans("sandbox", waybill, [scan("picked_up", 1)])
    await world.mark("sandbox", waybill, "bad_number")
    assert (await caller.track(waybill))["status"] == "bad_number"
    await world.mark("sandbox", waybill, None)
    assert (await caller.track(waybill))["status"] == "found"


async def test_a_parcel_with_phone_digits_answers_only_to_them(caller: Caller, world: WorldClient) -> None:
    waybill = fresh()
    await world.add_scans("sandbox", waybill, [scan("picked_up", 1)], phone_last4="8817")
    assert (await caller.track(waybill))["status"] == "no_trace"
    assert (await caller.track(waybill, phone_last4="0000"))["status"] == "no_trace"
    assert (await caller.track(waybill, phone_last4="8817"))["status"] == "found"


async def test_a_scan_without_a_zone_is_refused_with_its_field(world: WorldClient) -> None:
    with pytest.raises(BadInput, match=r"scans\.0\.at"):
        await world.add_scans("sandbox", fresh(), [{"at": "2026-11-22T08:00:00", "code": "x", "stage": "label"}])


# --- the payment channel ---------------------------------------------------------------------------------


async def test_a_payment_is_believed_at_first_sight_and_remembered(caller: Caller) -> None:
    reference = fresh("wx-")
    first = (await caller.payment(reference, 1000)).json()
    assert (first["state"], first["amount_minor"], first["currency"]) == ("paid", 1000, "CNY")
    assert (await caller.payment(reference, 9999, "USD")).json() == first


async def test_a_forged_payment_is_never_known(caller: Caller) -> None:
    for _ in range(2):
        answer = await caller.payment(fresh("forged-"))
        assert (answer.status_code, answer.json()["code"]) == (404, "PAYMENT_UNKNOWN")


async def test_an_unpaid_payment_says_so(caller: Caller) -> None:
    assert (await caller.payment(fresh("unpaid-"))).json()["state"] == "unpaid"


async def test_a_refund_arrives_once_under_its_key(caller: Caller, world: WorldClient) -> None:
    reference, key = fresh("wx-"), fresh()
    await caller.payment(reference)
    answers = [(await caller.refund(key, reference, 400)).json() for _ in range(3)]
    assert answers[0]["state"] == "arrived"
    assert answers == [answers[0]] * 3
    assert await world.refund_effects(reference) == 1
    assert await world.refunded_minor(reference) == 400


async def test_a_key_used_for_another_refund_is_a_conflict(caller: Caller, world: WorldClient) -> None:
    reference, key = fresh("wx-"), fresh()
    await caller.payment(reference)
    await caller.refund(key, reference, 400)
    others: tuple[dict[str, Any], ...] = ({"amount_minor": 401}, {"currency": "USD"}, {"reason": "another"})
    for other in others:
        assert (await caller.refund(key, reference, 400, **other)).status_code == 409
    assert await world.refunded_minor(reference) == 400


async def test_refunds_never_exceed_the_payment(caller: Caller, world: WorldClient) -> None:
    reference = fresh("wx-")
    await caller.payment(reference, 1000)
    answers = await asyncio.gather(*(caller.refund(fresh(), reference, 400) for _ in range(5)))
    states = [answer.json()["state"] for answer in answers]
    assert sorted(states) == ["arrived", "arrived", "refused", "refused", "refused"]
    assert await world.refunded_minor(reference) == 800


async def test_a_refund_of_an_unknown_payment_or_another_currency_is_refused(caller: Caller) -> None:
    assert (await caller.refund(fresh(), fresh("nobody-"))).json()["code"] == "PAYMENT_UNKNOWN"
    reference = fresh("wx-")
    await caller.payment(reference, 1000, "USD")
    assert (await caller.refund(fresh(), reference)).json()["code"] == "WRONG_CURRENCY"


async def test_a_slow_refund_arrives_after_its_look_ups(caller: Caller, world: WorldClient) -> None:
    reference, key = fresh("slow-"), fresh()
    await caller.payment(reference)
    assert (await caller.refund(key, reference)).json()["state"] == "processing"
    assert await world.refund_effects(reference) == 0
    assert [await caller.refund_state(key) for _ in range(3)] == ["processing", "processing", "arrived"]
    assert await world.refund_effects(reference) == 1


async def test_a_planned_refund_waits_until_it_is_finished(caller: Caller, world: WorldClient) -> None:
    reference, key = fresh("wx-"), fresh()
    await caller.payment(reference)
    await world.plan_refunds(reference, "processing", looks=None)
    await caller.refund(key, reference)
    assert [await caller.refund_state(key) for _ in range(5)] == ["processing"] * 5
    await world.finish_refund(key)
    assert await caller.refund_state(key) == "arrived"
    assert await world.refund_effects(reference) == 1


async def test_a_lost_refund_is_silent_for_a_while_and_then_has_arrived(caller: Caller, world: WorldClient) -> None:
    reference, key = fresh("lost-"), fresh()
    await caller.payment(reference)
    assert (await caller.refund(key, reference)).status_code == 503
    looks = [await caller.refund_state(key) for _ in range(3)]
    assert looks == [503, 503, "arrived"]
    assert await world.refund_effects(reference) == 1


async def test_a_refused_refund_moves_nothing(caller: Caller, world: WorldClient) -> None:
    reference = fresh("refuse-")
    await caller.payment(reference)
    answer = (await caller.refund(fresh(), reference)).json()
    assert (answer["state"], answer["code"]) == ("refused", "PAYER_ACCOUNT_CLOSED")
    assert await world.refunded_minor(reference) == 0


# --- the bank --------------------------------------------------------------------------------------------


async def test_a_payout_is_paid_once_under_its_key(caller: Caller, world: WorldClient) -> None:
    token, key = fresh("tok-"), fresh()
    answers = await asyncio.gather(*(caller.pay(key, token, 700) for _ in range(8)))
    assert len({answer.json()["reference"] for answer in answers}) == 1
    assert {answer.json()["state"] for answer in answers} == {"paid"}
    assert await world.payout_effects(token) == 1
    assert await world.paid_minor(token) == 700


async def test_a_key_used_for_another_payout_is_a_conflict(caller: Caller, world: WorldClient) -> None:
    token, key = fresh("tok-"), fresh()
    await caller.pay(key, token, 700)
    assert (await caller.pay(key, token, 701)).status_code == 409
    assert (await caller.pay(key, fresh("tok-"), 700)).status_code == 409
    assert await world.paid_minor(token) == 700


async def test_a_malformed_payout_moves_nothing_and_uses_no_key(caller: Caller, world: WorldClient) -> None:
    token, key = fresh("tok-"), fresh()
    wrong: tuple[dict[str, Any], ...] = (
        {"amount_minor": 0},
        {"amount_minor": "7"},
        {"amount_minor": 1.5},
        {"currency": "XXXX"},
        {"account": {}},
        {"key": "a" * 33},
        {"key": "with-dash"},
    )
    for one in wrong:
        answer = await caller.pay(key, token, **one)
        assert (answer.status_code, answer.json()["code"]) == (400, "MALFORMED"), one
    assert (await caller.post("/bank/payouts", b"{not json")).status_code == 400
    assert (await caller.payout(key))["code"] == "PAYOUT_UNKNOWN"
    assert await world.payout_effects(token) == 0


async def test_payouts_to_a_refused_account_fail_with_its_code(caller: Caller, world: WorldClient) -> None:
    token = fresh("tok-")
    await world.refuse_account(token, code="NAME_MISMATCH")
    answer = (await caller.pay(fresh(), token)).json()
    assert (answer["state"], answer["code"]) == ("failed", "NAME_MISMATCH")
    assert await world.payout_effects(token) == 0


async def test_tokens_choose_their_fate_by_their_beginning(caller: Caller, world: WorldClient) -> None:
    refused, slow, lost, back = (fresh(f"{word}-") for word in ("refuse", "slow", "lost", "return"))
    keys = {token: fresh() for token in (refused, slow, lost, back)}
    first = {token: await caller.pay(key, token) for token, key in keys.items()}
    assert first[refused].json()["state"] == "failed"
    assert first[slow].json()["state"] == "accepted"
    assert first[lost].status_code == 503
    assert first[back].json()["state"] == "paid"
    looks = {token: [await caller.payout(key) for _ in range(3)] for token, key in keys.items()}
    assert [look["state"] for look in looks[slow]] == ["accepted", "accepted", "paid"]
    assert [look.get("state", look["status"]) for look in looks[lost]] == [503, 503, "paid"]
    assert [look["state"] for look in looks[back]] == ["paid", "returned", "returned"]
    assert [await world.payout_effects(token) for token in (refused, slow, lost, back)] == [0, 1, 1, 1]
    assert [await world.paid_minor(token) for token in (refused, slow, lost, back)] == [0, 1000, 1000, 0]


async def test_a_paid_payout_can_come_back_in_parts_and_never_more_than_was_paid(
    caller: Caller, world: WorldClient
) -> None:
    token, key = fresh("tok-"), fresh()
    await caller.pay(key, token, 1000)
    await world.return_payout(key, 300)
    assert (await caller.payout(key))["returned_minor"] == 300
    with pytest.raises(BadInput, match="700 is left"):
        await world.return_payout(key, 701)
    await world.return_payout(key)
    assert (await caller.payout(key))["returned_minor"] == 1000
    assert await world.paid_minor(token) == 0


# --- misbehaving -----------------------------------------------------------------------------------------


async def test_a_status_before_the_effect_leaves_no_effect(caller: Caller, world: WorldClient) -> None:
    token, key = fresh("tok-"), fresh()
    await world.fault("bank", match=token, kind="status_before_effect", status=502)
    assert (await caller.pay(key, token)).status_code == 502
    assert (await caller.payout(key))["status"] == 404
    assert await world.payout_effects(token) == 0
    assert (await caller.pay(key, token)).json()["state"] == "paid"


async def test_a_status_after_the_effect_leaves_the_effect(caller: Caller, world: WorldClient) -> None:
    token, key = fresh("tok-"), fresh()
    await world.fault("bank", match=token, kind="status_after_effect")
    assert (await caller.pay(key, token)).status_code == 503
    assert await world.payout_effects(token) == 1
    assert (await caller.payout(key))["state"] == "paid"


async def test_faults_of_effects_pass_payments_by(caller: Caller, world: WorldClient) -> None:
    reference = fresh("wx-")
    await world.fault("channel", match=reference, kind="status_after_effect")
    assert (await caller.payment(reference)).status_code == 200
    assert (await caller.refund(fresh(), reference)).status_code == 503
    assert await world.refund_effects(reference) == 1


@pytest.mark.parametrize(("kind", "effects"), [("cut_before_effect", 0), ("cut", 1)])
async def test_a_cut_connection_tells_nothing_of_the_effect(
    caller: Caller, world: WorldClient, kind: str, effects: int
) -> None:
    token = fresh("tok-")
    await world.fault("bank", match=token, kind=kind)
    with pytest.raises(httpx.RemoteProtocolError):
        await caller.pay(fresh(), token)
    assert await world.payout_effects(token) == effects


async def test_a_stale_look_up_does_not_know_yet(caller: Caller, world: WorldClient) -> None:
    token, key, waybill = fresh("tok-"), fresh(), fresh()
    await caller.pay(key, token)
    await world.fault("bank", match=token, kind="stale_lookup")
    assert [(await caller.payout(key))["status"] for _ in range(2)] == [404, 200]
    await world.add_scans("sandbox", waybill, [scan("picked_up", 1), scan("delivered", 30)])
    await world.fault("carrier", match=waybill, kind="stale_lookup")
    assert [len((await caller.track(waybill))["scans"]) for _ in range(2)] == [1, 2]


async def test_a_fault_strikes_as_often_as_it_was_told_and_only_whom_it_was_told(
    caller: Caller, world: WorldClient
) -> None:
    one, other = fresh(), fresh()
    await world.fault("carrier", match=one, kind="wrong_key", times=2)
    assert (await caller.track(other))["waybill"] == other
    assert [(await caller.track(one))["waybill"] == one for _ in range(3)] == [False, False, True]
    assert await world.faults() == []


async def test_faults_by_chance_are_the_same_with_the_same_seed(caller: Caller, world: WorldClient) -> None:
    waybills = [fresh() for _ in range(40)]
    struck = []
    for seed in (1, 1, 2):
        await world.clear_faults()
        number = await world.fault("carrier", kind="wrong_key", rate=0.3, seed=seed)
        answers = await asyncio.gather(*(caller.track(waybill) for waybill in waybills))
        struck.append(
            [waybill for waybill, answer in zip(waybills, answers, strict=True) if answer["waybill"] != waybill]
        )
        assert 0 < len(struck[-1]) < 40, number
    assert struck[0] == struck[1] != struck[2]


async def test_a_fault_with_a_wrong_kind_is_refused(world: WorldClient) -> None:
    with pytest.raises(BadInput, match="kind"):
        await world.fault("bank", kind="tantrum")


async def test_they_say_how_often_they_were_asked(caller: Caller, world: WorldClient) -> None:
    token, key = fresh("tok-"), fresh()
    await caller.pay(key, token)
    await caller.pay(key, token)
    await caller.payout(key)
    assert await world.asked("bank", "payout", token) == 2
    assert await world.asked("bank", match=key) == 3


# --- killed ----------------------------------------------------------------------------------------------


async def test_a_bank_killed_between_effect_and_answer_knows_the_effect_afterwards(
    standins: StandIns, caller: Caller, world: WorldClient
) -> None:
    token, key = fresh("tok-"), fresh()
    await world.fault("bank", match=token, kind="die")
    with pytest.raises(httpx.HTTPError):
        await caller.pay(key, token)
    with pytest.raises(Unavailable):
        await world.journal("bank")
    standins.start()
    assert await world.faults() == []
    assert await world.payout_effects(token) == 1
    assert (await caller.pay(key, token)).json()["state"] == "paid"
    assert await world.payout_effects(token) == 1


async def test_everything_survives_a_kill(standins: StandIns, caller: Caller, world: WorldClient) -> None:
    reference, slow, waybill = fresh("wx-"), fresh(), fresh()
    await caller.payment(reference, 1000)
    await world.plan_refunds(reference, "processing", looks=1)
    await caller.refund(slow, reference, 1000)
    await world.add_scans("sandbox", waybill, [scan("picked_up", 1)])
    await world.fault("carrier", match=waybill, kind="html", times=3)
    before = await world.journal("channel"), await world.faults()
    standins.kill()
    standins.start()
    assert (await world.journal("channel"), await world.faults()) == before
    assert (await caller.payment(reference, 5)).json()["amount_minor"] == 1000
    assert [await caller.refund_state(slow) for _ in range(2)] == ["processing", "arrived"]
    await world.clear_faults()
    assert (await caller.track(waybill))["status"] == "found"


# --- a bank's memory and its callbacks -------------------------------------------------------------------


def _instruction(key: str, token: str) -> dict[str, Any]:
    return {"key": key, "amount_minor": 700, "currency": "CNY", "account": {"token": token}}


async def test_a_key_that_the_bank_forgot_pays_again(world: WorldClient) -> None:
    async with httpx.AsyncClient(base_url=world.url, trust_env=False) as http:
        await world.remember_keys(0.2)
        try:
            for wait in (0, 0, 0.4):
                await asyncio.sleep(wait)
                await http.post("/bank/payouts", json=_instruction("forgotten1", "tok-forgotten"))
        finally:
            await world.remember_keys(None)
    assert await world.payout_effects("tok-forgotten") == 2


async def test_callbacks_come_until_they_are_acknowledged_and_returns_come_by_themselves(world: WorldClient) -> None:
    await world.plan_payouts("tok-called", "paid", return_after_s=0.3, return_minor=200)
    async with httpx.AsyncClient(base_url=world.url, trust_env=False) as http:
        await http.post("/bank/payouts", json=_instruction("called1", "tok-called"))
    told = [("paid", 700)]
    for _ in range(2):
        assert [(one["outcome"], one["amount_minor"]) for one in await _called_back(world, "called1")] == told
        await asyncio.sleep(0.4)
        told = [("paid", 700), ("returned", 200)]
    await world.acknowledge([one["seq"] for one in await _called_back(world, "called1")])
    assert await _called_back(world, "called1") == []


async def test_callbacks_are_lost_doubled_and_late_by_the_payees_chance(world: WorldClient) -> None:
    for token, kind in (("tok-lost", "callback_lost"), ("tok-twice", "callback_twice"), ("tok-late", "callback_late")):
        await world.fault("bank", verb="callback", kind=kind, match=token, seconds=0.3)
    async with httpx.AsyncClient(base_url=world.url, trust_env=False) as http:
        for token in ("tok-lost", "tok-twice", "tok-late"):
            await http.post("/bank/payouts", json=_instruction(f"cb{token[4:]}", token))
    counts = [len(await _called_back(world, key)) for key in ("cblost", "cbtwice", "cblate")]
    await asyncio.sleep(0.4)
    later = [await _called_back(world, key) for key in ("cblost", "cbtwice", "cblate")]
    assert (counts, [len(one) for one in later]) == ([0, 1, 0], [0, 2, 1])
    assert len({one["event_id"] for one in later[1]}) == 1


async def _called_back(world: WorldClient, key: str) -> list[dict[str, Any]]:
    due, _ = await world.callbacks()
    return [one for one in due if one["key"] == key]
