"""Goods that arrive after the refund, on the real stack: the channel is asked once, and the merchant is paid once."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from order_stage import Play

import gateway
from core.aftersale.messages import ReportChargeback
from core.errors import Refused
from core.order.dividing import reports_of
from core.reasons import Refusal
from demo.stage import StagedOrder
from inbound.chargebacks import orders_charged, send_reports

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def by(order: StagedOrder, role: str, person: str, verb: str, **fields: Any) -> dict[str, Any]:
    body = {**order.command(role, **fields), "actor": {"role": role, "id": person}}
    return await gateway.send_reopening(order.stage.client, order.order, verb, body)


async def claimed(order: StagedOrder, begin: str = "") -> None:
    """Given up, refunded and closed; then the goods arrive, and an operator claims their price back."""
    order.paid_with(f"{begin}{order.name}")
    await order.start()
    await order.ship()
    for person in ("ann", "bob"):
        await by(order, "operator", person, "refund_order", reason="it never came")
    assert (await order.handle.result())["phase"] == "refunded"
    scan = {"at": order.now.isoformat(), "code": "80", "stage": "delivered"}
    fields = {"carrier": "sandbox", "waybill": order.waybill, "scans": [scan], "provider": "sandbox"}
    await by(order, "carrier", "sandbox", "report_scan", **fields)
    await by(order, "operator", "ann", "open_claim_back", reason="the carrier delivered it")


async def booked(order: StagedOrder) -> dict[str, int]:
    """What the claim moved, by account."""
    rows = await order.stage.register.pool.fetch(
        "SELECT path, sum(delta_minor)::BIGINT AS moved FROM entries WHERE reference = $1 GROUP BY path",
        f"order/{order.name}/claim_back/1",
    )
    return {row["path"]: row["moved"] for row in rows}


def whole(order: StagedOrder) -> dict[str, int]:
    total, share = order.order.total_minor, order.merchants_share
    available = f"merchant/{order.order.merchant_id}/available"
    return {f"psp/{order.order.payment.channel}": total, available: share, "income/commission": total - share}


@pytest.mark.parametrize("begin", ["", "asked-", "mute-"])
async def test_a_buyer_who_agrees_is_charged_once_whatever_the_channel_answers(begin: str, play: Play) -> None:
    order = play()
    await claimed(order, begin)
    assert await booked(order) == {}
    command = {**order.command("buyer"), "actor": {"role": "buyer", "id": order.order.buyer_id}}
    same = (gateway.send(order.stage.client, order.handle.id, "accept_claim_back", command) for _ in range(3))
    answers = await asyncio.gather(*same)
    assert sorted(answer["outcome"] for answer in answers) == ["accepted", "duplicate", "duplicate"]
    if begin:
        await order.days(2)
    await order.handle.result()
    assert (await order.state())["cases"][-1]["stage"] == "paid_back"
    assert await order.stage.world.charged_minor(order.order.payment.reference) == [order.order.total_minor]
    assert await booked(order) == whole(order)
    with pytest.raises(Refused) as refused:
        await by(order, "operator", "ann", "open_claim_back", reason="once more")
    assert refused.value.code == "nothing_to_claim"


async def test_an_empty_account_moves_nothing(play: Play) -> None:
    order = play()
    await claimed(order, "poor-")
    await by(order, "buyer", order.order.buyer_id, "accept_claim_back")
    await order.handle.result()
    assert (await order.state())["cases"][-1]["stage"] == "unpaid"
    assert await booked(order) == {}
    notices = await order.stage.register.notices.read(subject=f"order/{order.name}", limit=1000)
    assert {notice.to for notice in notices if notice.name == "after_sale_unpaid"} == {"buyer", "merchant", "operator"}


async def test_a_buyer_who_objects_pays_what_two_reviewers_say(play: Play) -> None:
    order = play()
    await claimed(order)
    await by(order, "buyer", order.order.buyer_id, "contest_claim_back", reason="one tin was dented")
    for person in ("rose", "ruth"):
        assert await booked(order) == {}
        await by(order, "reviewer", person, "arbitrate", decision="part", amount_minor=1000, reason="one tin of three")
    await order.handle.result()
    moved = await booked(order)
    assert moved[f"psp/{order.order.payment.channel}"] == 1000
    assert await order.stage.world.charged_minor(order.order.payment.reference) == [1000]


async def test_a_chargeback_of_what_was_paid_again_finds_its_order_and_takes_it_once(play: Play) -> None:
    order = play()
    await claimed(order)
    await by(order, "buyer", order.order.buyer_id, "accept_claim_back")
    await order.handle.result()
    register, channel, total = order.stage.register, order.order.payment.channel, order.order.total_minor
    second = (await order.state())["cases"][-1]["claim"]["reference"]
    report = ReportChargeback.model_validate(
        {**order.command("channel", case_reference=f"d-{order.name}", amount_minor=total)}
        | {"actor": {"role": "channel", "id": channel}}
    )
    assert await orders_charged(register, ["no-such"], report.case_reference, channel) == []
    assert await orders_charged(register, [second], report.case_reference, "another") == []
    for outcome in ("accepted", "duplicate"):
        reports = reports_of(report, await orders_charged(register, [second], report.case_reference, channel))
        assert not isinstance(reports, Refusal)
        (answer,) = await send_reports(register, reports, partial(gateway.report_chargeback, order.stage.client))
        assert (answer.order_id, answer.answer["outcome"]) == (order.name, outcome)
    end = report.model_copy(update={"command_id": "lost-1", "outcome": "lost", "amount_minor": None})
    (answer,) = await send_reports(
        register, [(order.name, end)], partial(gateway.report_chargeback, order.stage.client)
    )
    assert answer.answer["outcome"] == "accepted"
    assert (await order.handle.result())["phase"] == "refunded"
    rows = await register.pool.fetch(
        "SELECT path, sum(delta_minor)::BIGINT AS moved FROM entries WHERE reference = $1 GROUP BY path",
        f"order/{order.name}/chargeback/2/above",
    )
    share = order.merchants_share
    available = f"merchant/{order.order.merchant_id}/available"
    wanted = {f"psp/{channel}": -total, available: -share, "expense/goodwill": total - share}
    assert {row["path"]: row["moved"] for row in rows} == wanted
