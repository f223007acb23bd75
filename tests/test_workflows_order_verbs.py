"""Every verb of an order on a real Temporal, as an Update and as a Signal: taken once, and answered again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from order_stage import Play
from staged_orders import claimed, delivered, late, report_scan, resolve_refund, shipped
from waiting import until

import gateway
from core.errors import Refused
from core.messages import ORDER_COMMANDS
from core.order.handover import hash_of_code
from demo.stage import StagedOrder

CODE = "KX7-3F9-22Q"
Prepare = Callable[[StagedOrder], Awaitable[dict[str, Any]]]


async def _rejected(play: StagedOrder) -> None:
    await shipped(play)
    await play.scan("picked_up")
    await play.scan("returning")
    await play.days(1)


async def report_shipment(play: StagedOrder) -> dict[str, Any]:
    await play.start()
    return {"role": "merchant", "parcels": [{"parcel_id": "p1", "carrier": "sandbox", "waybill": play.waybill}]}


async def correct_waybill(play: StagedOrder) -> dict[str, Any]:
    await shipped(play)
    number = play.new_waybill()
    return {"role": "merchant", "parcel_id": "p1", "carrier": "sandbox", "waybill": number, "reason": "mistyped"}


async def confirm_receipt(play: StagedOrder) -> dict[str, Any]:
    await delivered(play)
    return {"role": "buyer"}


async def extend_receipt(play: StagedOrder) -> dict[str, Any]:
    await delivered(play)
    await play.days(5)
    return {"role": "buyer", "reason": "on a journey"}


async def cancel_order(play: StagedOrder) -> dict[str, Any]:
    await play.start()
    return {"role": "buyer", "reason": "changed my mind"}


async def decline_shipment(play: StagedOrder) -> dict[str, Any]:
    await play.start()
    return {"role": "merchant", "reason": "sold out"}


def _without_carrier(play: StagedOrder, mode: str) -> None:
    code = hash_of_code(play.order.order_id, CODE) if mode != "virtual" else None
    play.order = play.order.model_copy(update={"delivery_mode": mode, "handover_hash": code})


async def report_ready(play: StagedOrder) -> dict[str, Any]:
    _without_carrier(play, "pickup")
    await play.start()
    return {"role": "merchant", "place": "杭州市西湖区"}


async def confirm_handover(play: StagedOrder) -> dict[str, Any]:
    await play.send("report_ready", **await report_ready(play))
    return {"role": "merchant", "code": CODE}


async def report_delivery(play: StagedOrder) -> dict[str, Any]:
    _without_carrier(play, "virtual")
    await play.start()
    return {"role": "merchant", "reference": "mail-4711", "sha256": hash_of_code(play.order.order_id, "what was sent")}


async def request_delay(play: StagedOrder) -> dict[str, Any]:
    await play.start()
    ship_by = datetime.fromisoformat((await play.state())["ship_by"]) + timedelta(days=1)
    return {"role": "merchant", "ship_by": ship_by.isoformat(), "reason": "the factory is late"}


async def answer_delay(play: StagedOrder) -> dict[str, Any]:
    asked = await request_delay(play)
    await play.send("request_delay", asked.pop("role"), **asked)
    return {"role": "buyer", "answer": "accept"}


async def decide_audit(play: StagedOrder) -> dict[str, Any]:
    await _rejected(play)
    await play.send("appeal_audit", "merchant", statement="it is mine")
    return {"role": "reviewer", "verdict": "approved", "reason": "the depot confirms"}


async def appeal_audit(play: StagedOrder) -> dict[str, Any]:
    await _rejected(play)
    return {"role": "merchant", "statement": "it is mine"}


async def decide_screening(play: StagedOrder) -> dict[str, Any]:
    play.of_category("medicine.pills")
    await play.start()
    return {"role": "reviewer", "verdict": "allow", "reason": "a licence is there"}


async def appeal_screening(play: StagedOrder) -> dict[str, Any]:
    play.titled("水弹枪 电动")
    await play.start()
    return {"role": "merchant", "statement": "it squirts water"}


async def refund_order(play: StagedOrder) -> dict[str, Any]:
    await play.start()
    return {"role": "operator", "amount_minor": 1, "reason": "dented"}


async def report_chargeback(play: StagedOrder) -> dict[str, Any]:
    await play.start()
    return {"role": "operator", "case_reference": f"d-{play.name}", "amount_minor": 500, "reason": "the letter is here"}


async def shift_deadline(play: StagedOrder) -> dict[str, Any]:
    await play.start()
    return {"role": "operator", "deadline": "ship_by", "by": "3d", "reason": "a holiday"}


async def place_hold(play: StagedOrder) -> dict[str, Any]:
    await play.start()
    return {"role": "operator", "name": "risk", "scope": "credit", "reason": "unusual"}


async def lift_hold(play: StagedOrder) -> dict[str, Any]:
    await play.start()
    await play.send("place_hold", "operator", name="risk", scope="all", reason="unusual")
    return {"role": "operator", "name": "risk", "reason": "checked"}


async def open_after_sale(play: StagedOrder) -> dict[str, Any]:
    await play.start()
    return {"role": "buyer", "kind": "refund_only", "reason": "changed_mind", "amount_minor": 500}


async def _applied(play: StagedOrder) -> None:
    await play.send("open_after_sale", **await open_after_sale(play))


async def withdraw_after_sale(play: StagedOrder) -> dict[str, Any]:
    await _applied(play)
    return {"role": "buyer"}


async def agree_after_sale(play: StagedOrder) -> dict[str, Any]:
    await _applied(play)
    return {"role": "merchant"}


async def refuse_after_sale(play: StagedOrder) -> dict[str, Any]:
    await _applied(play)
    return {"role": "merchant", "reason": "the goods are made already"}


async def propose_amount(play: StagedOrder) -> dict[str, Any]:
    await _applied(play)
    return {"role": "merchant", "amount_minor": 300}


async def accept_amount(play: StagedOrder) -> dict[str, Any]:
    await play.send("propose_amount", **await propose_amount(play))
    return {"role": "buyer", "amount_minor": 300}


async def escalate(play: StagedOrder) -> dict[str, Any]:
    await play.send("refuse_after_sale", **await refuse_after_sale(play))
    return {"role": "buyer"}


async def add_evidence(play: StagedOrder) -> dict[str, Any]:
    await _applied(play)
    return {"role": "buyer", "evidence": [{"kind": "text", "text": "it rattles"}]}


async def arbitrate(play: StagedOrder) -> dict[str, Any]:
    await play.send("escalate", **await escalate(play))
    return {"role": "reviewer", "decision": "part", "amount_minor": 200, "reason": "half of it"}


async def report_return(play: StagedOrder) -> dict[str, Any]:
    await delivered(play)
    await play.days(1)
    await play.send("open_after_sale", "buyer", kind="exchange", reason="wrong_item")
    await play.send("agree_after_sale", "merchant")
    return {"role": "buyer", "carrier": "sandbox", "waybill": play.new_waybill()}


async def confirm_return(play: StagedOrder) -> dict[str, Any]:
    await play.send("report_return", **await report_return(play))
    return {"role": "merchant"}


async def refuse_return(play: StagedOrder) -> dict[str, Any]:
    back = await report_return(play)
    await play.send("report_return", **back)
    await play.way_back(back["waybill"])
    return {"role": "merchant", "reason": "an empty box"}


async def report_replacement(play: StagedOrder) -> dict[str, Any]:
    await delivered(play)
    await play.send("confirm_receipt", "buyer")
    await play.until(lambda state: state["phase"] == "credited")
    await play.send("open_after_sale", "buyer", kind="exchange", reason="quality")
    await play.send("agree_after_sale", "merchant", with_return=False)
    return {"role": "merchant", "carrier": "sandbox", "waybill": play.new_waybill()}


async def confirm_replacement(play: StagedOrder) -> dict[str, Any]:
    await play.send("report_replacement", **await report_replacement(play))
    return {"role": "buyer"}


async def open_claim_back(play: StagedOrder) -> dict[str, Any]:
    await late(play)
    return {"role": "operator", "amount_minor": 60, "reason": "the carrier delivered it"}


async def accept_claim_back(play: StagedOrder) -> dict[str, Any]:
    await claimed(play)
    return {"role": "buyer"}


async def contest_claim_back(play: StagedOrder) -> dict[str, Any]:
    await claimed(play)
    return {"role": "buyer", "reason": "the neighbour has it"}


VERBS: dict[str, Prepare] = {
    prepare.__name__: prepare
    for prepare in (
        report_shipment,
        correct_waybill,
        report_scan,
        confirm_receipt,
        extend_receipt,
        cancel_order,
        decline_shipment,
        report_ready,
        confirm_handover,
        report_delivery,
        report_chargeback,
        request_delay,
        answer_delay,
        decide_audit,
        appeal_audit,
        decide_screening,
        appeal_screening,
        resolve_refund,
        refund_order,
        shift_deadline,
        place_hold,
        lift_hold,
        open_after_sale,
        withdraw_after_sale,
        agree_after_sale,
        refuse_after_sale,
        propose_amount,
        accept_amount,
        report_return,
        confirm_return,
        refuse_return,
        report_replacement,
        confirm_replacement,
        escalate,
        add_evidence,
        arbitrate,
        open_claim_back,
        accept_claim_back,
        contest_claim_back,
    )
}


async def _journaled(play: StagedOrder, command_id: str, count: int) -> list[str]:
    """Outcomes of a command in the journal, once there are as many."""

    async def outcomes() -> list[str]:
        journal = await play.handle.query("journal")
        return [entry["outcome"] for entry in journal if entry.get("command_id") == command_id]

    return await until(outcomes, lambda found: len(found) >= count)


def test_there_is_a_test_for_every_verb() -> None:
    assert set(VERBS) == set(ORDER_COMMANDS)


@pytest.mark.parametrize("verb", VERBS)
async def test_a_verb_as_an_update_is_accepted_once_and_answered_again(verb: str, play: Play) -> None:
    order = play()
    body = await VERBS[verb](order)
    command = order.command(**body)
    first = await gateway.send(order.stage.client, order.handle.id, verb, command)
    again = await gateway.send(order.stage.client, order.handle.id, verb, command)
    assert (first["outcome"], again["outcome"]) == ("accepted", "duplicate")
    if verb != "report_scan":
        assert {**first, "outcome": ""} == {**again, "outcome": ""}
    stranger = {**command, "command_id": "other", "actor": {"role": "rail", "id": "x"}}
    with pytest.raises(Refused) as refused:
        await gateway.send(order.stage.client, order.handle.id, verb, stranger)
    assert refused.value.code == "wrong_actor"


@pytest.mark.parametrize("verb", VERBS)
async def test_a_verb_as_a_signal_is_answered_in_the_journal(verb: str, play: Play) -> None:
    order = play()
    command = order.command(**await VERBS[verb](order))
    stranger = {**command, "command_id": f"{order.name}-stranger", "actor": {"role": "rail", "id": "x"}}
    over = verb in {"cancel_order", "decline_shipment"}  # it closes, and hears no more
    for sent in (stranger, command) if over else (stranger, command, command):
        await gateway.signal(order.stage.client, order.handle.id, verb, sent)
    accepted = ["accepted"] if over else ["accepted", "duplicate"]
    assert await _journaled(order, command["command_id"], len(accepted)) == accepted
    assert await _journaled(order, stranger["command_id"], 1) == ["refused"]
