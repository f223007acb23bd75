"""Every verb of an order on a real Temporal, as an Update and as a Signal: taken once, and answered again.

An order hears as many verbs as its life allows, since its start and its way cost more than they do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from order_stage import Play
from staged_orders import claimed, delivered, first_scan, late, resolve_refund, shipped
from waiting import until

import gateway
from core.errors import Refused
from core.messages import ORDER_COMMANDS
from core.order.handover import hash_of_code
from demo.stage import StagedOrder

CODE = "KX7-3F9-22Q"
Said = AsyncIterator[tuple[str, dict[str, Any]]]
"""Verbs and their bodies, in the order in which one order hears them; what happens between them happens between."""
Life = Callable[[StagedOrder], Said]
Proven = Callable[[StagedOrder, str, dict[str, Any]], Awaitable[None]]
"""Sends a verb in one of two ways, and looks at what becomes of it."""


async def received_and_replaced(play: StagedOrder) -> Said:
    await play.start()
    ship_by = datetime.fromisoformat((await play.state())["ship_by"]) + timedelta(days=1)
    yield "request_delay", {"role": "merchant", "ship_by": ship_by.isoformat(), "reason": "the factory is late"}
    yield "answer_delay", {"role": "buyer", "answer": "accept"}
    yield "shift_deadline", {"role": "operator", "deadline": "ship_by", "by": "3d", "reason": "a holiday"}
    yield "place_hold", {"role": "operator", "name": "risk", "scope": "credit", "reason": "unusual"}
    yield "lift_hold", {"role": "operator", "name": "risk", "reason": "checked"}
    yield "report_shipment", {"role": "merchant", "parcels": [play.parcel()]}
    play.waybill = play.new_waybill()
    corrected = {"parcel_id": "p1", "carrier": "sandbox", "waybill": play.waybill}
    yield "correct_waybill", {"role": "merchant", **corrected, "reason": "mistyped"}
    yield "report_scan", first_scan(play)
    await play.travel()
    await play.days(5)
    yield "extend_receipt", {"role": "buyer", "reason": "on a journey"}
    yield "confirm_receipt", {"role": "buyer"}
    await play.until(lambda state: state["phase"] == "credited")
    await play.send("open_after_sale", "buyer", kind="exchange", reason="quality")
    await play.send("agree_after_sale", "merchant", with_return=False)
    yield "report_replacement", {"role": "merchant", "carrier": "sandbox", "waybill": play.new_waybill()}
    yield "confirm_replacement", {"role": "buyer"}


async def disputed(play: StagedOrder) -> Said:
    await play.start()
    application: dict[str, Any] = {
        "role": "buyer",
        "kind": "refund_only",
        "reason": "changed_mind",
        "amount_minor": 500,
    }
    yield "open_after_sale", application
    yield "withdraw_after_sale", {"role": "buyer"}
    await play.send("open_after_sale", **application)
    yield "add_evidence", {"role": "buyer", "evidence": [{"kind": "text", "text": "it rattles"}]}
    yield "refuse_after_sale", {"role": "merchant", "reason": "the goods are made already"}
    yield "escalate", {"role": "buyer"}
    yield "arbitrate", {"role": "reviewer", "decision": "part", "amount_minor": 200, "reason": "half of it"}


async def agreed_and_cancelled(play: StagedOrder) -> Said:
    application: dict[str, Any] = {"kind": "refund_only", "reason": "changed_mind", "amount_minor": 500}
    await play.start()
    await play.send("open_after_sale", "buyer", **application)
    yield "agree_after_sale", {"role": "merchant"}
    await play.until(lambda state: [one["status"] for one in state["refunds"]] == ["arrived"])
    await play.send("open_after_sale", "buyer", **application)
    yield "propose_amount", {"role": "merchant", "amount_minor": 300}
    yield "accept_amount", {"role": "buyer", "amount_minor": 300}
    yield "refund_order", {"role": "operator", "amount_minor": 1, "reason": "dented"}
    yield "cancel_order", {"role": "buyer", "reason": "changed my mind"}


async def _way_back(play: StagedOrder) -> dict[str, Any]:
    """Delivered, and to be exchanged for another; the label of the parcel that goes back."""
    await delivered(play)
    await play.days(1)
    await play.send("open_after_sale", "buyer", kind="exchange", reason="wrong_item")
    await play.send("agree_after_sale", "merchant")
    return {"carrier": "sandbox", "waybill": play.new_waybill()}


async def sent_back(play: StagedOrder) -> Said:
    yield "report_return", {"role": "buyer", **await _way_back(play)}
    yield "confirm_return", {"role": "merchant"}


async def sent_back_empty(play: StagedOrder) -> Said:
    back = await _way_back(play)
    await play.send("report_return", "buyer", **back)
    await play.way_back(back["waybill"])
    yield "refuse_return", {"role": "merchant", "reason": "an empty box"}


async def handed_over(play: StagedOrder) -> Said:
    code = hash_of_code(play.order.order_id, CODE)
    play.order = play.order.model_copy(update={"delivery_mode": "pickup", "handover_hash": code})
    await play.start()
    yield "report_ready", {"role": "merchant", "place": "杭州市西湖区"}
    yield "confirm_handover", {"role": "merchant", "code": CODE}


async def delivered_by_mail_and_charged_back(play: StagedOrder) -> Said:
    play.order = play.order.model_copy(update={"delivery_mode": "virtual"})
    await play.start()
    proof = hash_of_code(play.order.order_id, "what was sent")
    yield "report_delivery", {"role": "merchant", "reference": "mail-4711", "sha256": proof}
    case = {"case_reference": f"d-{play.name}", "amount_minor": 500, "reason": "the letter is here"}
    yield "report_chargeback", {"role": "operator", **case}


async def audited(play: StagedOrder) -> Said:
    await shipped(play)
    await play.scan("picked_up")
    await play.scan("returning")
    await play.days(1)
    yield "appeal_audit", {"role": "merchant", "statement": "it is mine"}
    yield "decide_audit", {"role": "reviewer", "verdict": "approved", "reason": "the depot confirms"}


async def screened(play: StagedOrder) -> Said:
    play.of_category("medicine.pills")
    await play.start()
    yield "decide_screening", {"role": "reviewer", "verdict": "allow", "reason": "a licence is there"}
    yield "decline_shipment", {"role": "merchant", "reason": "sold out"}


async def blocked(play: StagedOrder) -> Said:
    play.titled("水弹枪 电动")
    await play.start()
    yield "appeal_screening", {"role": "merchant", "statement": "it squirts water"}


async def refunded_by_hand(play: StagedOrder) -> Said:
    yield "resolve_refund", await resolve_refund(play)


async def claimed_back(play: StagedOrder) -> Said:
    await late(play)
    yield "open_claim_back", {"role": "operator", "amount_minor": 60, "reason": "the carrier delivered it"}
    yield "accept_claim_back", {"role": "buyer"}


async def claimed_back_in_vain(play: StagedOrder) -> Said:
    await claimed(play)
    yield "contest_claim_back", {"role": "buyer", "reason": "the neighbour has it"}


LIVES: dict[Life, tuple[str, ...]] = {
    received_and_replaced: (
        *("request_delay", "answer_delay", "shift_deadline", "place_hold", "lift_hold"),
        *("report_shipment", "correct_waybill", "report_scan", "extend_receipt", "confirm_receipt"),
        *("report_replacement", "confirm_replacement"),
    ),
    disputed: (
        *("open_after_sale", "withdraw_after_sale", "add_evidence"),
        *("refuse_after_sale", "escalate", "arbitrate"),
    ),
    agreed_and_cancelled: ("agree_after_sale", "propose_amount", "accept_amount", "refund_order", "cancel_order"),
    sent_back: ("report_return", "confirm_return"),
    sent_back_empty: ("refuse_return",),
    handed_over: ("report_ready", "confirm_handover"),
    delivered_by_mail_and_charged_back: ("report_delivery", "report_chargeback"),
    audited: ("appeal_audit", "decide_audit"),
    screened: ("decide_screening", "decline_shipment"),
    blocked: ("appeal_screening",),
    refunded_by_hand: ("resolve_refund",),
    claimed_back: ("open_claim_back", "accept_claim_back"),
    claimed_back_in_vain: ("contest_claim_back",),
}
"""Each life, and the verbs that it proves."""
OVER = {"cancel_order", "decline_shipment"}
"""After these the order closes, and hears no more."""


async def _journaled(play: StagedOrder, command_id: str, count: int) -> list[str]:
    """Outcomes of a command in the journal, once there are as many."""

    async def outcomes() -> list[str]:
        journal = await play.handle.query("journal")
        return [entry["outcome"] for entry in journal if entry.get("command_id") == command_id]

    return await until(outcomes, lambda found: len(found) >= count)


def _strangers(command: dict[str, Any]) -> dict[str, Any]:
    """The same command of somebody who may send none."""
    return {**command, "command_id": f"{command['command_id']}-stranger", "actor": {"role": "rail", "id": "x"}}


async def _updated(order: StagedOrder, verb: str, command: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:  # first: after some commands the order is over
        await gateway.send(order.stage.client, order.handle.id, verb, _strangers(command))
    assert refused.value.code == "wrong_actor", verb
    first = await gateway.send(order.stage.client, order.handle.id, verb, command)
    again = await gateway.send(order.stage.client, order.handle.id, verb, command)
    assert (first["outcome"], again["outcome"]) == ("accepted", "duplicate"), verb
    if verb != "report_scan":
        assert {**first, "outcome": ""} == {**again, "outcome": ""}, verb


async def _signalled(order: StagedOrder, verb: str, command: dict[str, Any]) -> None:
    stranger = _strangers(command)
    for sent in (stranger, command) if verb in OVER else (stranger, command, command):
        await gateway.signal(order.stage.client, order.handle.id, verb, sent)
    accepted = ["accepted"] if verb in OVER else ["accepted", "duplicate"]
    assert await _journaled(order, command["command_id"], len(accepted)) == accepted, verb
    assert await _journaled(order, stranger["command_id"], 1) == ["refused"], verb


def test_every_verb_is_in_one_life() -> None:
    assert sorted(verb for verbs in LIVES.values() for verb in verbs) == sorted(ORDER_COMMANDS)


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
async def test_a_verb_as_an_update_is_accepted_once_and_answered_again(life: Life, play: Play) -> None:
    assert await _lived(play(), life, _updated) == LIVES[life]


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
async def test_a_verb_as_a_signal_is_answered_in_the_journal(life: Life, play: Play) -> None:
    assert await _lived(play(), life, _signalled) == LIVES[life]


async def _lived(order: StagedOrder, life: Life, proven: Proven) -> tuple[str, ...]:
    """Prove each verb of a life in turn; the verbs."""
    verbs = []
    async for verb, body in life(order):
        await proven(order, verb, order.command(**body))
        verbs.append(verb)
    return tuple(verbs)
