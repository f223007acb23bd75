"""The stand-ins when they misbehave: faults, kills, a bank's memory and its callbacks."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from standin_caller import Caller, fresh, scan
from waiting import WITHIN, until

from core.errors import BadInput, Unavailable
from local.client import WorldClient
from local.standins import StandIns

SOON_S = 0.05
"""What comes later comes soon or, in a test of what is not there yet, within an hour: none depends on how long it takes
itself.
"""

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
    with pytest.raises(httpx2.RemoteProtocolError):
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
    with pytest.raises(httpx2.HTTPError):
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
    async with httpx2.AsyncClient(base_url=world.url, timeout=WITHIN, trust_env=False) as http:
        try:
            for remembered_s, effects in ((3600, 1), (3600, 1), (0, 2)):
                await world.remember_keys(remembered_s)
                await http.post("/bank/payouts", json=_instruction("forgotten1", "tok-forgotten"))
                assert await world.payout_effects("tok-forgotten") == effects
        finally:
            await world.remember_keys(None)


async def test_callbacks_come_until_they_are_acknowledged_and_returns_come_by_themselves(world: WorldClient) -> None:
    await world.plan_payouts("tok-kept", "paid", return_after_s=3600)
    await world.plan_payouts("tok-called", "paid", return_after_s=SOON_S, return_minor=200)
    async with httpx2.AsyncClient(base_url=world.url, timeout=WITHIN, trust_env=False) as http:
        for name in ("kept", "called"):
            await http.post("/bank/payouts", json=_instruction(f"{name}1", f"tok-{name}"))
    await until(lambda: _called_back(world, "called1"), lambda found: len(found) == 2)
    for name, expected in (("kept", [("paid", 700)]), ("called", [("paid", 700), ("returned", 200)])) * 2:
        found = await _called_back(world, f"{name}1")
        assert [(one["outcome"], one["amount_minor"]) for one in found] == expected
    for name in ("kept1", "called1"):
        await world.acknowledge([one["seq"] for one in await _called_back(world, name)])
        assert await _called_back(world, name) == []


@pytest.mark.parametrize(("kind", "at_once", "at_last"), [("lost", 0, 0), ("twice", 1, 2), ("late", 0, 1)])
async def test_callbacks_are_lost_doubled_and_late_by_the_payees_chance(
    world: WorldClient, kind: str, at_once: int, at_last: int
) -> None:
    keys = {"much": f"cb{kind}much", "soon": f"cb{kind}soon"}
    async with httpx2.AsyncClient(base_url=world.url, timeout=WITHIN, trust_env=False) as http:
        for when, seconds in (("much", 3600), ("soon", SOON_S)):
            token = f"tok-{kind}-{when}"
            await world.fault("bank", verb="callback", kind=f"callback_{kind}", match=token, seconds=seconds)
            await http.post("/bank/payouts", json=_instruction(keys[when], token))
    await asyncio.sleep(2 * SOON_S)  # a lost one does not come late, either
    found = await until(lambda: _called_back(world, keys["soon"]), lambda found: len(found) == at_last)
    assert len({one["event_id"] for one in found}) == min(at_last, 1)
    assert len(await _called_back(world, keys["much"])) == at_once


async def _called_back(world: WorldClient, key: str) -> list[dict[str, Any]]:
    due, _ = await world.callbacks()
    return [one for one in due if one["key"] == key]
