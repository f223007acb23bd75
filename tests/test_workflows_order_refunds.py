"""Two people refund an order in every phase, on the real stack. A closed one runs again for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from order_stage import Play
from waiting import until

import gateway
from core.errors import Refused, Unavailable
from core.votes import Voters
from demo.stage import StagedOrder
from ledger.people import People

pytestmark = pytest.mark.asyncio(loop_scope="session")


def _word(play: StagedOrder, person: str, **fields: Any) -> dict[str, Any]:
    play.commands += 1
    actor = {"role": "operator", "id": person}
    return {"command_id": f"{play.name}-g{play.commands}", "actor": actor, "reason": "dented", **fields}


async def _say(play: StagedOrder, person: str, **fields: Any) -> str:
    body = _word(play, person, **fields)
    try:
        return str((await gateway.refund_order(play.stage.client, play.order, body))["outcome"])
    except Refused as refused:
        return refused.code


async def _settled(play: StagedOrder) -> int:
    """What the merchant has of the order once it is settled and its workflow has ended."""
    await play.start()
    await play.ship()
    await play.travel()
    await play.send("confirm_receipt", "buyer")
    await play.days(8)
    assert (await play.handle.result())["phase"] == "settled"
    return await _available(play)


async def _available(play: StagedOrder) -> int:
    balances = await play.stage.register.balances.of_merchant(play.order.merchant_id)
    return sum(balance.available_minor - balance.receivable_minor for balance in balances)


async def _closed(play: StagedOrder) -> None:
    await until(lambda: play.stage.register.orders.row(play.name), lambda row: row is not None and row.closed)


async def test_a_settled_order_is_refunded_by_two_people_out_of_what_its_merchant_has(play: Play) -> None:
    order = play()
    available = await _settled(order)
    assert await _say(order, "ann", amount_minor=200) == "accepted"
    assert await _say(order, "ann", amount_minor=200) == "needs_other_person"
    assert await _available(order) == available
    assert await _say(order, "bob", amount_minor=200) == "accepted"
    await _closed(order)
    refund = (await order.state())["refunds"][0]
    assert await _available(order) == available - 200 + refund["commission_minor"]
    assert await order.stage.world.refund_effects(order.order.payment.reference) == 1
    row = await order.stage.register.orders.row(order.name)
    assert row is not None
    assert (row.phase, row.refunded_minor) == ("settled", 200)


async def test_a_closed_order_gives_no_more_than_was_paid_whoever_asks_at_once(play: Play) -> None:
    order = play()
    await _settled(order)
    assert await _say(order, "ann") == "accepted"
    answers = await asyncio.gather(*(_say(order, person) for person in ("bob", "eve", "joe")))
    assert min(answers) == "above_refundable"
    await _closed(order)
    assert await order.stage.world.refund_effects(order.order.payment.reference) == 1
    row = await order.stage.register.orders.row(order.name)
    assert row is not None
    assert row.refunded_minor == order.order.total_minor
    assert await _say(order, "ann", amount_minor=1) == "above_refundable"


async def test_the_word_of_who_has_left_refunds_nothing(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may decide is asked when the second word comes; until the register answers, nothing is decided."""
    order = play()
    await order.start()
    assert await _say(order, "ann", amount_minor=200) == "accepted"
    unanswered = iter(range(4))  # all quick tries, and the first of the regular activity

    async def left(people: People, voters: Voters) -> list[str]:
        if next(unanswered, None) is not None:
            raise Unavailable("planted")
        return [one for one in voters.people if one in {"ann", "joe"}]

    monkeypatch.setattr(People, "left", left)
    assert await _say(order, "joe", amount_minor=200) == "wrong_actor"
    assert await _say(order, "bob", amount_minor=200) == "accepted"
    state = await order.state()
    assert (state["refunds"], state["refund_request"]["by"]) == ([], "bob")
    assert "the access of ann has ended" in (await order.handle.query("journal"))[-1]["message"]
    assert await _say(order, "cleo", amount_minor=200) == "accepted"
    await order.until(lambda state: [one["status"] for one in state["refunds"]] == ["arrived"])
    assert await order.stage.world.refund_effects(order.order.payment.reference) == 1


async def test_the_same_command_again_gets_the_first_answer(play: Play) -> None:
    order = play()
    await _settled(order)
    word = _word(order, "ann", amount_minor=100)
    answers = [await gateway.refund_order(order.stage.client, order.order, word) for _ in range(2)]
    assert [answer["outcome"] for answer in answers] == ["accepted", "duplicate"]
