"""Cases of settled orders on the real stack: the workflow runs again, money is frozen, used, and given back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from order_stage import Play

import gateway
from core.errors import Refused
from demo.stage import StagedOrder

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _settled(play: StagedOrder) -> None:
    await play.start()
    await play.ship()
    await play.travel()
    await play.send("confirm_receipt", "buyer")
    await play.days(8)
    assert (await play.handle.result())["phase"] == "settled"


async def _case(play: StagedOrder, **fields: Any) -> str:
    body = play.command("buyer", kind="return_and_refund", reason="quality", **fields)
    try:
        return str((await gateway.send_reopening(play.stage.client, play.order, "open_after_sale", body))["outcome"])
    except Refused as refused:
        return refused.code


async def _money(play: StagedOrder) -> tuple[int, int, int]:
    """What the merchant has, what is frozen of it, and what the merchant owes."""
    (balance,) = await play.stage.register.balances.of_merchant(play.order.merchant_id)
    return balance.available_minor, balance.frozen_minor, balance.receivable_minor


async def _closed(play: StagedOrder, *, closed: bool = True) -> None:
    for _ in range(200):
        row = await play.stage.register.orders.row(play.name)
        if row is not None and row.closed == closed:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{play.name}: closed is not {closed}")


async def _frozen(play: StagedOrder) -> None:
    for _ in range(200):
        if (await _money(play))[1]:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"nothing is frozen for {play.name}")


async def test_a_case_of_a_closed_order_freezes_and_is_paid_out_of_what_is_frozen(play: Play) -> None:
    order = play()
    await _settled(order)
    share = order.merchants_share
    assert await _case(order) == "accepted"
    await _frozen(order)
    assert await _money(order) == (0, share, 0)
    assert await _case(order) == "case_open"
    await order.send("agree_after_sale", "merchant")
    waybill = order.new_waybill()
    await order.send("report_return", "buyer", carrier=order.carrier, waybill=waybill)
    await order.way_back(waybill)
    await order.send("confirm_return", "merchant")
    await _closed(order)
    assert await _money(order) == (0, 0, 0)
    assert await order.stage.world.refunded_minor(order.order.payment.reference) == order.order.total_minor
    assert (await order.handle.result())["phase"] == "settled"


async def test_a_case_that_is_withdrawn_gives_back_what_was_frozen(play: Play) -> None:
    order = play()
    await _settled(order)
    assert await _case(order, lines=[{"line_id": "1", "quantity": 1}]) == "accepted"
    await _frozen(order)
    await order.send("withdraw_after_sale", "buyer")
    await _closed(order)
    assert await _money(order) == (order.merchants_share, 0, 0)


async def test_of_many_who_open_a_case_at_once_one_does(play: Play) -> None:
    order = play()
    await _settled(order)
    answers = await asyncio.gather(*(_case(order) for _ in range(4)))
    assert sorted(answers) == ["accepted", "case_open", "case_open", "case_open"]
    await _frozen(order)
    assert await _money(order) == (0, order.merchants_share, 0)
    await order.send("withdraw_after_sale", "buyer")
    await _closed(order)


async def test_a_refused_case_leaves_the_order_closed(play: Play) -> None:
    order = play()
    await _settled(order)
    assert await _case(order, lines=[{"line_id": "no-such", "quantity": 1}]) == "unknown_line"
    await order.handle.result()
    await _closed(order)
    assert await _money(order) == (order.merchants_share, 0, 0)
