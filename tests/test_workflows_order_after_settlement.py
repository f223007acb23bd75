"""Cases of settled orders on the real stack: the workflow runs again, money is frozen, used, and given back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from order_stage import Play
from waiting import until

import gateway
from core.errors import Refused
from demo.stage import StagedOrder
from demo.stories.cases import three_lines

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _settled(play: StagedOrder) -> None:
    await play.start()
    await play.ship()
    await play.travel()
    await play.send("confirm_receipt", "buyer")
    await play.days(8)
    assert (await play.handle.result())["phase"] == "settled"


async def _case(play: StagedOrder, kind: str = "return_and_refund", **fields: Any) -> str:
    body = play.command("buyer", kind=kind, reason="quality", **fields)
    try:
        return str((await gateway.send_reopening(play.stage.client, play.order, "open_after_sale", body))["outcome"])
    except Refused as refused:
        return refused.code


async def _money(play: StagedOrder) -> tuple[int, int, int]:
    """What the merchant has, what is frozen of it, and what the merchant owes."""
    (balance,) = await play.stage.register.balances.of_merchant(play.order.merchant_id)
    return balance.available_minor, balance.frozen_minor, balance.receivable_minor


async def _closed(play: StagedOrder, *, closed: bool = True) -> None:
    await until(lambda: play.stage.register.orders.row(play.name), lambda row: row is not None and row.closed == closed)


async def _frozen(play: StagedOrder) -> None:
    await until(lambda: _money(play), lambda money: money[1])


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


async def test_new_goods_that_many_confirm_at_once_release_the_money_once(play: Play) -> None:
    order = play()
    await _settled(order)
    assert await _case(order, "exchange") == "accepted"
    await order.send("agree_after_sale", "merchant", with_return=False)
    await _frozen(order)
    assert await _money(order) == (0, order.merchants_share, 0)
    await order.send("report_replacement", "merchant", carrier=order.carrier, waybill=order.new_waybill())
    bodies = [order.command("buyer") for _ in range(3)]

    async def confirm(body: dict[str, Any]) -> str:
        try:
            answer = await gateway.send(order.stage.client, f"order-{order.name}", "confirm_replacement", body)
        except Refused as refused:
            return refused.code
        return str(answer["outcome"])

    answers = await asyncio.gather(*map(confirm, bodies))
    assert answers.count("accepted") == 1
    assert set(answers) <= {"accepted", "no_open_case", "order_over"}
    await _closed(order)
    assert await _money(order) == (order.merchants_share, 0, 0)
    assert await order.stage.world.refunded_minor(order.order.payment.reference) == 0


async def test_the_way_back_is_paid_once_out_of_what_was_frozen_for_it(play: Play) -> None:
    order = play()
    three_lines(order)
    await _settled(order)
    lines = [{"line_id": "1", "quantity": 1}]
    assert await _case(order, lines=lines) == "accepted"
    await order.send("agree_after_sale", "merchant", return_freight_minor=300)
    waybill = order.new_waybill()
    await order.send("report_return", "buyer", carrier=order.carrier, waybill=waybill)
    await order.way_back(waybill)
    body = order.command("merchant")
    sent = (gateway.send(order.stage.client, f"order-{order.name}", "confirm_return", body) for _ in range(3))
    outcomes = {str(answer["outcome"]) for answer in await asyncio.gather(*sent)}
    assert outcomes <= {"accepted", "duplicate"}
    await _closed(order)
    refunds = {one["cause"]: one["amount_minor"] for one in (await order.state())["refunds"]}
    assert refunds["case-1-freight"] == 300
    assert await order.stage.world.refunded_minor(order.order.payment.reference) == sum(refunds.values())
    assert (await _money(order))[1] == 0


async def test_a_refused_case_leaves_the_order_closed(play: Play) -> None:
    order = play()
    await _settled(order)
    assert await _case(order, lines=[{"line_id": "no-such", "quantity": 1}]) == "unknown_line"
    await order.handle.result()
    await _closed(order)
    assert await _money(order) == (order.merchants_share, 0, 0)


# --- chargebacks -------------------------------------------------------------------------------------------


async def _report(play: StagedOrder, **fields: Any) -> str:
    actor = {"role": "channel", "id": play.order.payment.channel}
    body = {**play.command("channel", case_reference=f"d-{play.name}", **fields), "actor": actor}
    try:
        sent = await gateway.send_reopening(play.stage.client, play.order, "report_chargeback", body)
    except Refused as refused:
        return refused.code
    return str(sent["outcome"])


async def _transfers(play: StagedOrder) -> dict[str, int]:
    money = await play.stage.register.balances.of_order(play.name)
    moved: dict[str, int] = {}
    for one in money.transfers:
        moved[one.debit] = moved.get(one.debit, 0) - one.amount_minor
        moved[one.credit] = moved.get(one.credit, 0) + one.amount_minor
    return {path: amount for path, amount in moved.items() if amount}


async def _until_refunded(play: StagedOrder, amount_minor: int) -> None:
    await until(
        lambda: play.stage.register.orders.row(play.name),
        lambda row: row is not None and row.refunded_minor == amount_minor,
    )


@pytest.mark.parametrize("stood", ["escrow", "settled"])
async def test_a_chargeback_takes_the_money_and_won_it_returns_where_it_was(play: Play, stood: str) -> None:
    order = play()
    total = order.order.total_minor
    if stood == "settled":
        await _settled(order)
    else:
        await order.start()
    before = await _transfers(order)
    reports = [await _report(order, amount_minor=total) for _ in range(2)]
    assert reports == ["accepted", "duplicate"]
    await _until_refunded(order, total)
    assert await _transfers(order) != before
    assert await _report(order, amount_minor=total + 1) == "chargeback_exists_with_different_content"
    answers = await asyncio.gather(*(_report(order, outcome="won") for _ in range(3)))
    assert sorted(answers) == ["accepted", "duplicate", "duplicate"]
    await _until_refunded(order, 0)
    assert await _transfers(order) == before


async def test_of_chargebacks_reported_at_once_one_counts(play: Play) -> None:
    order = play()
    await _settled(order)
    bodies = [
        {
            **order.command("operator", case_reference=f"d{n}-{order.name}", amount_minor=order.order.total_minor),
            "actor": {"role": "operator", "id": "ann"},
        }
        for n in range(3)
    ]

    async def one(body: dict[str, Any]) -> str:
        try:
            answer = await gateway.send_reopening(order.stage.client, order.order, "report_chargeback", body)
        except Refused as refused:
            return refused.code
        return str(answer["outcome"])

    assert sorted(await asyncio.gather(*map(one, bodies))) == ["accepted", "case_open", "case_open"]
    await _until_refunded(order, order.order.total_minor)
    cases = (await order.state())["cases"]
    reference = cases[0]["dispute"]["reference"]
    body = {**order.command("operator", case_reference=reference, outcome="lost")}
    await gateway.send_reopening(order.stage.client, order.order, "report_chargeback", body)
    await _closed(order)
    assert (await _money(order))[:2] == (0, 0)
