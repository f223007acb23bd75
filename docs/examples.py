"""Examples of every message, as a storefront would send them. They stand in the contract and are read by a test."""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]

ORDER: Body = {
    "order_id": "A1001",
    "merchant_id": "m-7",
    "buyer_id": "b-42",
    "currency": "CNY",
    "lines": [
        {"line_id": "1", "title": "手工酥饼 500g", "category": "food.snacks", "quantity": 2, "unit_price_minor": 1990},
        {"line_id": "2", "title": "茶叶 100g", "category": "food.tea", "quantity": 1, "unit_price_minor": 8800},
    ],
    "freight_minor": 800,
    "discount_minor": 0,
    "discount_funded_by": "merchant",
    "total_minor": 13580,
    "payment": {
        "reference": "wx-420000",
        "channel": "wechat",
        "paid_minor": 13580,
        "paid_at": "2026-11-22T16:00:00+08:00",
    },
    "ship_from": {"country": "CN", "province": "浙江省", "city": "杭州市"},
    "ship_to": {"country": "CN", "province": "北京市", "city": "北京市", "district": "海淀区", "phone_last4": "8817"},
    "delivery_mode": "express",
    "ship_by": None,
    "policy": None,
}

WITHDRAWAL: Body = {
    "withdrawal_id": "W2001",
    "merchant_id": "m-7",
    "amount_minor": 10000,
    "currency": "CNY",
    "account_id": "acct-1",
    "requested_by": {"role": "merchant", "id": "m-7"},
}

PAYMENT_EVENT: Body = {
    "id": "evt-9001",
    "type": "payment.succeeded",
    "livemode": True,
    "data": {
        "payment": "wx-5501",
        "amount": "47.80",
        "currency": "CNY",
        "paid_at": "2026-11-22T16:00:00+08:00",
        "order": {
            "number": "S-501",
            "shop": "m-7",
            "customer": "b-42",
            "shipping": "8.00",
            "from": {"country": "CN", "province": "浙江省", "city": "杭州市"},
            "to": {"country": "CN", "province": "北京市", "city": "北京市"},
            "items": [{"sku": "tea", "name": "茶叶 100g", "category": "food.tea", "quantity": 2, "price": "19.90"}],
        },
    },
}
"""A made-up shop's payment event, as the mapping of the local stack reads it."""

MERCHANT = {"role": "merchant", "id": "m-7"}
BUYER = {"role": "buyer", "id": "b-42"}
REVIEWER = {"role": "reviewer", "id": "r-1"}
OPERATOR = {"role": "operator", "id": "o-1"}

_PARCEL: Body = {"parcel_id": "p1", "carrier": "sf", "waybill": "SF1234567890123"}

COMMANDS: dict[str, Body] = {
    "report_shipment": {
        "actor": MERCHANT,
        "parcels": [{**_PARCEL, "lines": [{"line_id": "1", "quantity": 2}], "weight_g": 1200}],
    },
    "decline_shipment": {
        "actor": MERCHANT,
        "lines": [{"line_id": "2", "quantity": 1}],
        "reason": "the last one broke in the warehouse",
    },
    "request_delay": {
        "actor": MERCHANT,
        "ship_by": "2026-12-05T18:00:00+08:00",
        "reason": "the factory delivers a week late",
    },
    "answer_delay": {"actor": BUYER, "answer": "accept"},
    "correct_waybill": {"actor": MERCHANT, **_PARCEL, "reason": "a digit was mistyped"},
    "report_scan": {
        "actor": {"role": "carrier", "id": "gateway-1"},
        "carrier": "sf",
        "waybill": "SF1234567890123",
        "scans": [{"at": "2026-11-23T18:20:00+08:00", "code": "50", "stage": "picked_up", "city": "杭州市"}],
        "provider": "kuaidi100",
    },
    "report_ready": {"actor": MERCHANT, "place": "杭州市西湖区"},
    "report_delivery": {
        "actor": MERCHANT,
        "reference": "license-mail-4711",
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    },
    "confirm_handover": {"actor": MERCHANT, "code": "KX7-3F9"},
    "confirm_receipt": {"actor": BUYER},
    "extend_receipt": {"actor": BUYER, "reason": "I am away until Sunday"},
    "cancel_order": {"actor": BUYER, "reason": "ordered twice"},
    "decide_audit": {"actor": REVIEWER, "verdict": "approved", "reason": "the carrier confirmed it by phone"},
    "appeal_audit": {"actor": MERCHANT, "statement": "The parcel was handed over; the receipt is with the carrier."},
    "decide_screening": {"actor": REVIEWER, "verdict": "allow", "reason": "a toy, not a weapon"},
    "appeal_screening": {"actor": MERCHANT, "statement": "It is a water pistol; a picture of it is in the shop."},
    "resolve_refund": {
        "actor": OPERATOR,
        "cause": "cancel",
        "outcome": "arrived",
        "reference": "wx-refund-77",
        "reason": "the channel's statement lists it",
    },
    "refund_order": {
        "actor": OPERATOR,
        "lines": [{"line_id": "1", "quantity": 1}],
        "bearer": "merchant",
        "reason": "the tin was dented; agreed by phone",
    },
    "shift_deadline": {"actor": OPERATOR, "deadline": "ship_by", "by": "3d", "reason": "Spring Festival"},
    "place_hold": {
        "actor": OPERATOR,
        "name": "suspected_fraud",
        "scope": "all",
        "reason": "a report from another buyer",
        "review_at": "2026-12-01T09:00:00+08:00",
    },
    "lift_hold": {"actor": OPERATOR, "name": "suspected_fraud", "reason": "the report was unfounded"},
    "open_after_sale": {
        "actor": BUYER,
        "kind": "return_and_refund",
        "reason": "damaged",
        "text": "the box was crushed",
        "lines": [{"line_id": "1", "quantity": 1}],
        "evidence": [
            {
                "kind": "photo",
                "reference": "https://shop.example/evidence/77.jpg",
                "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            }
        ],
    },
    "withdraw_after_sale": {"actor": BUYER, "reason": "it works after all"},
    "agree_after_sale": {"actor": MERCHANT, "with_return": True},
    "refuse_after_sale": {
        "actor": MERCHANT,
        "reason": "the goods left us whole",
        "evidence": [{"kind": "text", "text": "weighed 1.2 kg when it was picked up"}],
    },
    "propose_amount": {"actor": MERCHANT, "amount_minor": 500, "reason": "for the dented tin"},
    "accept_amount": {"actor": BUYER, "amount_minor": 500},
    "report_return": {"actor": BUYER, "carrier": "sf", "waybill": "SF1234567890456"},
    "confirm_return": {"actor": MERCHANT, "return_freight_minor": 1200},
    "refuse_return": {
        "actor": MERCHANT,
        "reason": "another article came back",
        "evidence": [{"kind": "photo", "reference": "https://shop.example/evidence/78.jpg"}],
    },
    "report_replacement": {"actor": MERCHANT, "carrier": "sf", "waybill": "SF1234567890487"},
    "confirm_replacement": {"actor": BUYER},
    "escalate": {"actor": BUYER, "reason": "the photo shows it"},
    "add_evidence": {"actor": BUYER, "evidence": [{"kind": "chat", "reference": "chat-20261201-7"}]},
    "arbitrate": {
        "actor": REVIEWER,
        "decision": "part",
        "amount_minor": 1000,
        "reason": "half of the goods can be used",
        "return_freight": "merchant",
    },
    "report_chargeback": {
        "actor": {"role": "channel", "id": "wechat"},
        "case_reference": "wx-dispute-77",
        "amount_minor": 13580,
        "fee_minor": 1500,
        "evidence_due": "2026-12-10T23:59:00+08:00",
        "reason": "the cardholder says that nothing arrived",
    },
    "open_claim_back": {
        "actor": OPERATOR,
        "amount_minor": 13580,
        "reason": "the carrier delivered the parcel after the refund",
        "evidence": [{"kind": "scan", "reference": "SF1234567890123"}],
    },
    "accept_claim_back": {"actor": BUYER},
    "contest_claim_back": {"actor": BUYER, "reason": "the parcel went to another door"},
    "cancel": {"actor": MERCHANT},
    "approve": {"actor": REVIEWER},
    "recheck": {"actor": OPERATOR, "reason": "the account was suspended"},
    "reject": {"actor": REVIEWER, "reason": "the account is not the merchant's"},
    "resolve_unknown": {
        "actor": OPERATOR,
        "outcome": "paid",
        "reference": "bank-20261124-9",
        "reason": "the bank's statement lists it",
    },
    "report_payout": {
        "actor": {"role": "rail", "id": "bank"},
        "event_id": "evt-1",
        "key": "mfrggzdfmztwq2lknnwg23tpoa",
        "outcome": "paid",
        "amount_minor": 10000,
        "currency": "CNY",
    },
}
"""Verb → the command's body without its `command_id`."""


def command(verb: str, command_id: str = "c-1") -> Body:
    """The whole body of the example for a verb."""
    return {"command_id": command_id, **COMMANDS[verb]}
