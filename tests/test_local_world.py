"""The stand-ins when they behave: carrier, payment channel and bank."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from standin_caller import Caller, fresh, scan

from core.errors import BadInput
from local.client import WorldClient

# --- the carrier -----------------------------------------------------------------------------------------


async def test_a_parcel_that_nobody_registered_has_no_trace(caller: Caller) -> None:
    waybill = fresh()
    assert await caller.track(waybill) == {"status": "no_trace", "waybill": waybill}


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
