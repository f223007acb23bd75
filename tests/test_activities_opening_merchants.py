"""Orders of merchants that are stopped: refused before anything is registered, or opened and held by a policy."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from databases import Database
from ledger_samples import NOW, an_order
from test_activities_opening import ForgetfulChannel

from activities.by_name import ByName
from activities.opening import OpeningActivities
from activities.policies import ParsedPolicies
from activities.requests import Opened, OpenRequest
from activities.screening import ScreeningActivities
from core.merchants import MerchantTerms, Stop
from core.messages import Actor
from core.policy import policy_hash
from core.screening.matching import Screener
from core.screening.rules import NO_RULES
from ledger.register import Register

ANN = Actor(role="operator", id="ann")
REFUSING = 'name = "default"\n'
HOLDING = 'name = "default"\n[order]\nstopped_merchants = "hold"\n'


async def _open(
    register: Register, policy: str = REFUSING, order_id: str = "A1", by: str = "run-1", **fields: Any
) -> Opened:
    await register.policies.keep("default", policy_hash(policy), policy)
    screening = ScreeningActivities(Screener(NO_RULES, {}), register.licences)
    opening = OpeningActivities(
        register, ParsedPolicies(register.policies), ByName(stand_in=lambda _: ForgetfulChannel()), screening
    )
    return await opening.open(OpenRequest(order=an_order(order_id, **fields), opened_by=by, now=NOW))


async def _stop(register: Register, what: Stop, *, on: bool = True) -> None:
    await register.merchants.stop("m-1", what, on=on, by=ANN, why="odd", now=NOW)


@pytest.mark.parametrize(
    ("what", "code"),
    [("frozen", "merchant_frozen"), ("suspended", "merchant_suspended"), ("leaving", "merchant_leaving")],
)
async def test_a_stopped_merchant_gets_no_new_order(
    what: Any, code: str, register: Register, database: Database
) -> None:
    await _stop(register, what)
    opened = await _open(register)
    assert opened.refusal is not None
    assert opened.refusal.code == code
    assert await register.orders.row("A1") is None
    assert await database.balance("order/A1/escrow") == 0
    await _stop(register, what, on=False)
    assert (await _open(register)).standing is not None


async def test_an_order_that_was_open_before_goes_on(register: Register) -> None:
    await _open(register)
    await _stop(register, "frozen")
    assert (await _open(register)).known


async def test_where_the_policy_says_so_it_is_opened_and_held_by_name(register: Register, database: Database) -> None:
    await _stop(register, "suspended")
    opened = await _open(register, HOLDING)
    assert [hold.name for hold in opened.holds] == ["merchant_suspended"]
    assert await database.balance("order/A1/escrow") == 1000
    row = await register.orders.row("A1")
    assert row is not None
    assert row.holds == ("merchant_suspended",)
    assert await register.merchants.to_let_go("m-1", "merchant_suspended") == ["A1"]


async def test_orders_that_arrive_with_a_freeze_are_refused_or_were_there_before_it(register: Register) -> None:
    await _open(register, order_id="A0")
    opened = await asyncio.gather(
        *(_open(register, order_id=f"A{number}", by=f"run-{number}") for number in range(1, 8)),
        _stop(register, "frozen"),
    )
    codes = {one.refusal.code for one in opened if one is not None and one.refusal is not None}
    assert codes <= {"merchant_frozen"}
    late = await _open(register, order_id="late", by="run-late")
    assert late.refusal is not None


async def test_an_order_keeps_the_terms_that_it_was_paid_under(register: Register, database: Database) -> None:
    owner = Register(database.owner).merchants
    await owner.set_term("m-1", MerchantTerms(commission_bps=100, auto_withdraw=True), ANN, "agreed", NOW)
    opened = await _open(register)
    assert opened.policy is not None
    assert opened.policy.order.auto_withdraw
    assert opened.policy.commission_for("m-1", "food.tea") == 100
    assert opened.policy.commission_for("m-2", "food.tea") == 0
    assert not await owner.set_term("m-1", MerchantTerms(commission_bps=100), ANN, "again", NOW)
    await owner.clear_term("m-1", "commission_bps", ANN, "over", NOW)
    after = await _open(register, order_id="A2", by="run-2")
    assert after.policy is not None
    assert after.policy.terms == MerchantTerms(auto_withdraw=True)


LOOKING = 'name = "default"\n[intake]\npair_max = 2\ndevice_max = 1\n'


async def test_an_order_that_looks_like_collusion_is_opened_and_held_for_a_person(register: Register) -> None:
    for number in (1, 2):
        assert (await _open(register, LOOKING, f"A{number}", f"run-{number}")).holds == ()
    third = await _open(register, LOOKING, "A3", "run-3")
    assert [hold.facts for hold in third.holds] == [{"signals": "pair"}]
    row = await register.orders.row("A3")
    assert row is not None
    assert row.holds == ("intake_signals",)
    called = [one for one in await register.notices.read(subject="order/A3") if one.name == "money_held"]
    assert [one.to for one in called] == ["operator"]
    again = await _open(register, LOOKING, "A3", "run-3")
    assert again.known, "a retry finds it as it was opened"


async def test_buyers_that_share_a_device_are_counted_and_one_alone_is_not(register: Register) -> None:
    device = {"device_hash": "a" * 64}
    for number in (1, 2):
        opened = await _open(register, LOOKING, f"A{number}", f"run-{number}", buyer_id="b-1", **device)
        assert opened.holds == ()
    other = await _open(register, LOOKING, "A3", "run-3", buyer_id="b-2", **device)
    assert [hold.facts for hold in other.holds] == [{"signals": "device"}]
    assert (await _open(register, LOOKING, "A4", "run-4", buyer_id="b-3")).holds == ()
