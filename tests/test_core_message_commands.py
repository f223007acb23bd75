"""A command from outside is read, or refused by the name of the field that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from order_bodies import bent

from core.messages import ORDER_COMMANDS, WITHDRAWAL_COMMANDS, Command
from core.reading import read_command
from core.reasons import Refusal

COMMANDS: Mapping[str, type[Command]] = {**ORDER_COMMANDS, **WITHDRAWAL_COMMANDS}


PARCEL = {"parcel_id": "p1", "carrier": "sf", "waybill": "SF1234567890123"}
SCAN = {"at": "2026-11-23T10:00:00Z", "code": "50", "stage": "picked_up"}
FIELDS: dict[str, dict[str, Any]] = {
    "report_shipment": {"parcels": [PARCEL]},
    "correct_waybill": {**PARCEL, "reason": "typing error"},
    "report_scan": {"carrier": "sf", "waybill": "SF1234567890123", "scans": [SCAN], "provider": "kuaidi100"},
    "confirm_receipt": {},
    "extend_receipt": {},
    "decline_shipment": {"reason": "sold out"},
    "request_delay": {"ship_by": "2026-12-05T18:00:00+08:00", "reason": "the factory is late"},
    "answer_delay": {"answer": "accept"},
    "report_ready": {},
    "report_delivery": {"reference": "mail-1", "sha256": "0" * 64},
    "confirm_handover": {"code": "KX7"},
    "cancel_order": {"reason": "changed my mind"},
    "decide_audit": {"verdict": "approved", "reason": "seen the parcel"},
    "appeal_audit": {"statement": "the carrier lost it"},
    "decide_screening": {"verdict": "allow", "reason": "a toy"},
    "appeal_screening": {"statement": "it squirts water"},
    "resolve_refund": {"cause": "cancel", "outcome": "arrived", "reference": "r-1", "reason": "the bank's letter"},
    "refund_order": {"amount_minor": 100, "reason": "dented"},
    "shift_deadline": {"deadline": "ship_by", "by": "3d", "reason": "a holiday"},
    "place_hold": {"name": "suspected", "scope": "all", "reason": "a tip"},
    "lift_hold": {"name": "suspected", "reason": "unfounded"},
    "open_after_sale": {"kind": "refund_only", "reason": "damaged"},
    "withdraw_after_sale": {},
    "report_chargeback": {"case_reference": "wx-d-1", "amount_minor": 500},
    "agree_after_sale": {},
    "refuse_after_sale": {"reason": "they left us whole"},
    "propose_amount": {"amount_minor": 500},
    "accept_amount": {"amount_minor": 500},
    "report_return": {"carrier": "sf", "waybill": "SF1234567890123"},
    "confirm_return": {},
    "report_replacement": {"carrier": "sf", "waybill": "SF1234567890123"},
    "confirm_replacement": {},
    "refuse_return": {"reason": "another article"},
    "escalate": {},
    "open_claim_back": {"reason": "the carrier delivered it"},
    "accept_claim_back": {},
    "contest_claim_back": {"reason": "it never came"},
    "add_evidence": {"evidence": [{"kind": "text", "text": "it rattles"}]},
    "arbitrate": {"decision": "none", "reason": "nothing speaks for it"},
    "cancel": {},
    "approve": {},
    "reject": {"reason": "not ours"},
    "resolve_unknown": {"outcome": "paid", "reference": "b-1", "reason": "the bank's letter"},
    "recheck": {},
    "report_payout": {"event_id": "e1", "key": "k1", "outcome": "paid", "amount_minor": 1, "currency": "CNY"},
}


def command_body(verb: str, **changes: Any) -> dict[str, Any]:
    return {"command_id": "c-1", "actor": {"role": "merchant", "id": "m-7"}, **FIELDS[verb], **changes}


def test_every_verb_is_tried_here() -> None:
    assert FIELDS.keys() == COMMANDS.keys()


@pytest.mark.parametrize("verb", FIELDS)
def test_a_command_with_its_required_fields_is_read(verb: str) -> None:
    command = read_command(COMMANDS, verb, command_body(verb), strictly=True)
    assert isinstance(command, COMMANDS[verb])
    assert command.verb == verb


@pytest.mark.parametrize(
    ("verb", "missing"),
    [
        (verb, name)
        for verb, model in COMMANDS.items()
        for name, field in model.model_fields.items()
        if field.is_required()
    ],
)
def test_a_command_without_a_required_field_is_refused(verb: str, missing: str) -> None:
    body = {name: value for name, value in command_body(verb).items() if name != missing}
    answer = read_command(COMMANDS, verb, body)
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.field) == ("malformed", missing)


@pytest.mark.parametrize(
    ("verb", "path", "value"),
    [
        ("confirm_receipt", "command_id", "a b"),
        ("confirm_receipt", "actor", "buyer:b-42"),
        ("confirm_receipt", "actor.role", "admin"),
        ("confirm_receipt", "actor.id", ""),
        ("confirm_receipt", "reason", "x\x00"),
        ("cancel_order", "reason", "x" * 501),
        ("report_shipment", "parcels", []),
        ("report_shipment", "parcels", [PARCEL] * 51),
        ("report_shipment", "parcels.0.parcel_id", "p/1"),
        ("report_shipment", "parcels.0.carrier", ""),
        ("report_shipment", "parcels.0.waybill", "SF\x001"),
        ("report_shipment", "parcels.0.waybill", 1234567890123),
        ("report_shipment", "parcels.0.lines", [{"line_id": "1", "quantity": 0}]),
        ("report_shipment", "parcels.0.weight_g", 1.5),
        ("report_scan", "scans", []),
        ("report_scan", "scans", [SCAN] * 501),
        ("report_scan", "scans.0.at", "2026-11-23 10:00:00"),
        ("report_scan", "scans.0.stage", "teleported"),
        ("report_scan", "scans.0.text", "x\x00"),
        ("decide_audit", "verdict", "maybe"),
        ("decide_screening", "verdict", "approved"),
        ("appeal_screening", "statement", "x" * 501),
        ("appeal_screening", "statement", None),
        ("resolve_refund", "outcome", "paid"),
        ("refund_order", "amount_minor", 0),
        ("refund_order", "amount_minor", 1.5),
        ("refund_order", "freight", True),
        ("refund_order", "bearer", "buyer"),
        ("shift_deadline", "deadline", "settle_at"),
        ("shift_deadline", "by", "0s"),
        ("shift_deadline", "by", "61d"),
        ("shift_deadline", "by", "-61d"),
        ("shift_deadline", "by", "-59s"),
        ("shift_deadline", "by", "--3d"),
        ("shift_deadline", "by", 3),
        ("place_hold", "scope", "everything"),
        ("place_hold", "name", "a b"),
        ("place_hold", "review_at", "soon"),
        ("report_payout", "amount_minor", 0),
        ("report_payout", "amount_minor", 1.0),
        ("report_payout", "key", "k" * 33),
        ("report_payout", "currency", "cny"),
        ("report_payout", "message", "\x00"),
        ("resolve_unknown", "reference", ""),
    ],
)
def test_a_bad_field_of_a_command_is_refused_by_name(verb: str, path: str, value: Any) -> None:
    answer = read_command(COMMANDS, verb, bent(path, value, command_body(verb)))
    assert isinstance(answer, Refusal)
    assert answer.code == "malformed"
    assert (answer.field or "").startswith(path)


def test_a_time_of_shipment_that_nothing_would_read_is_refused() -> None:
    body = command_body("report_shipment", shipped_at="2026-11-23T10:00:00+08:00")
    answer = read_command(COMMANDS, "report_shipment", body, strictly=True)
    assert isinstance(answer, Refusal)
    assert answer.field == "shipped_at"
    assert "unknown key" in answer.message


def test_a_blank_reason_is_read_as_none_given() -> None:
    command = read_command(COMMANDS, "cancel_order", command_body("cancel_order", reason=" \u3000\n"))
    assert isinstance(command, Command)
    assert command.model_dump()["reason"] == ""


def test_an_unknown_verb_is_refused_with_those_that_are_known() -> None:
    answer = read_command(ORDER_COMMANDS, "confirm", {})
    assert isinstance(answer, Refusal)
    assert answer.code == "unknown_verb"
    assert "confirm_receipt" in answer.message


def test_no_verb_is_both_an_orders_and_a_withdrawals() -> None:
    assert not ORDER_COMMANDS.keys() & WITHDRAWAL_COMMANDS.keys()
