"""The rest of a payment on its way back, on the real stack: it is sent once, also where it was interrupted."""

from __future__ import annotations

import asyncio

import pytest
from order_stage import Play
from temporalio.client import WorkflowFailureError
from waiting import until

import gateway
from activities.channels.base import RefundInstruction
from activities.channels.sandbox import SandboxChannel
from activities.http import HttpClient
from commands.lost import find_lost, open_subjects, restart_all
from core.ids import rest_key
from demo.stage import StagedOrder
from ledger.payments import RestReturn

pytestmark = pytest.mark.asyncio(loop_scope="session")
REST = 2_000


async def _with_rest(play: StagedOrder) -> str:
    """An order of a payment that has 20.00 more; two people agree to give that back. The return's id."""
    paid = play.order.payment.model_copy(update={"paid_minor": play.order.total_minor + REST})
    play.order = play.order.model_copy(update={"payment": paid})
    await play.start()
    name = f"rest-{play.name}"
    for person in ("ann", "bob"):
        await play.stage.register.payments.return_rest(
            name, paid.channel, paid.reference, person=person, reason="no order", now=play.now
        )
    return name


async def _returned(play: StagedOrder, name: str) -> RestReturn:
    found = await play.stage.register.payments.returned(name)
    assert found is not None
    return found


async def test_a_rest_that_was_agreed_on_arrives_once_however_often_it_is_started(play: Play) -> None:
    order = play()
    name = await _with_rest(order)
    handles = await asyncio.gather(*(gateway.start_payment_return(order.stage.client, name) for _ in range(4)))
    assert (await handles[0].result())["state"] == "arrived"
    again = await gateway.start_payment_return(order.stage.client, name)
    assert (await again.result())["state"] == "arrived"
    assert await order.stage.world.refunded_minor(order.order.payment.reference) == REST
    assert (await _returned(order, name)).state == "arrived"


async def test_a_rest_whose_workflow_was_lost_is_found_and_sent(play: Play) -> None:
    order = play()
    name = await _with_rest(order)
    client, register = order.stage.client, order.stage.register
    there = [one async for one in open_subjects(register) if one.id in {name, order.name}]
    assert [one.kind for one in there] == ["order", "payment_return"]
    # The list of what runs lags: the order may not be in it yet.
    (lost,) = await until(lambda: find_lost(client, register, there), lambda found: len(found) == 1)
    (done,) = await restart_all(client, register, [lost], lambda _: None)
    assert done.outcome == "goes_on"
    assert (await client.get_workflow_handle(lost.workflow_id).result())["state"] == "arrived"
    assert await order.stage.world.refund_effects(order.order.payment.reference) == 1


async def test_a_worker_that_died_after_the_channel_had_it_sends_nothing_twice(play: Play) -> None:
    order = play()
    name = await _with_rest(order)
    instruction = RefundInstruction(
        key=rest_key(name),
        payment_reference=order.order.payment.reference,
        amount_minor=REST,
        currency=order.order.currency,
        reason="no order",
    )
    async with HttpClient(f"{order.stage.world.url}/channel/", name="channel") as http:
        assert (await SandboxChannel(http, "wechat").refund(instruction)).state == "arrived"
    handle = await gateway.start_payment_return(order.stage.client, name)
    assert (await handle.result())["state"] == "arrived"
    assert await order.stage.world.refund_effects(order.order.payment.reference) == 1


async def test_a_rest_that_the_channel_refuses_is_unclaimed_again(play: Play) -> None:
    order = play()
    name = await _with_rest(order)
    await order.stage.world.plan_refunds(order.order.payment.reference, "refused", looks=0)
    handle = await gateway.start_payment_return(order.stage.client, name)
    assert (await handle.result())["state"] == "refused"
    assert (await _returned(order, name)).message == "as planned"
    (payment,) = await order.stage.register.payments.of_reference(order.order.payment.reference)
    assert payment.rest_minor == REST


async def test_what_one_person_asked_for_is_not_sent(play: Play) -> None:
    order = play()
    await order.start()
    with pytest.raises(WorkflowFailureError):
        await (await gateway.start_payment_return(order.stage.client, f"none-{order.name}")).result()
    assert await order.stage.world.refund_effects(order.order.payment.reference) == 0
