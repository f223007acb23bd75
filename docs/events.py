"""Writes `docs/events.md` from the catalogue of events: each type, its facts, and one example."""

from __future__ import annotations

import json
from typing import Any

from core.event_types import EVENT_TYPES, OF_SUBJECT, EventType
from core.events import StoredEvent
from docs.blocks import json_block, prose, table, words

_EARLIER, _NOW, _LATER = "2026-11-26T08:00:00Z", "2026-11-29T08:00:00Z", "2026-12-01T08:00:00Z"
FACTS: dict[str, Any] = {
    "about": "p1",
    "account_id": "acc-1",
    "amount_minor": 25800,
    "approvals": 1,
    "attempt": 1,
    "audit": "approved",
    "because": "confirm_receipt",
    "bearer": "merchant",
    "break_id": "rail/sandbox/amount/k1/other_amount",
    "by": "buyer",
    "carrier": "sf",
    "case_id": 1,
    "case_minor": 5000,
    "cause": "ship_by",
    "closed_as": "withdrawn",
    "code": "PAYEE_CLOSED",
    "commission_minor": 1290,
    "cooling_until": _LATER,
    "credited_minor": 25800,
    "currency": "CNY",
    "deadline": "receipt_by",
    "delivered_at": _EARLIER,
    "drop_no": 1,
    "failing_since": _EARLIER,
    "frozen_minor": 5000,
    "grade": "gold",
    "hold": "risk_check",
    "host": "shop.example",
    "kind": "refund_only",
    "licence": "food",
    "moved_by": "3d",
    "name": "sandbox",
    "new": _LATER,
    "next_deadline": "settle_at",
    "next_deadline_at": _LATER,
    "old": _NOW,
    "ours_minor": 25800,
    "owner": "operator",
    "parcel_id": "p1",
    "phase": "credited",
    "picked_up_at": _EARLIER,
    "previous": {},
    "rail": "sandbox",
    "reason": "damaged",
    "receipt": "confirmed",
    "receipt_by": _LATER,
    "refund_minor": 5000,
    "required_minor": 100000,
    "returned_at": _EARLIER,
    "returned_minor": 25800,
    "review_at": _LATER,
    "rules": ["keeps_moving"],
    "scope": "all",
    "settled_minor": 24510,
    "since": _EARLIER,
    "source": "escrow",
    "stage": "proposed",
    "theirs_minor": 25700,
    "until": _LATER,
    "valid_until": _LATER,
    "value": "3d",
    "version": 1,
    "way": "back",
    "waybill": "SF1234567890123",
    "what": "settlement_delay",
    "why": "gone",
}
"""A value for each fact by its name."""
_SUBJECTS = {
    "order": "order/A1001",
    "withdrawal": "withdrawal/W1",
    "account": "account/acc-1",
    "merchant": "merchant/m-1",
    "grade": "grade/gold",
    "reconciliation": "reconciliation/rail/sandbox",
    "endpoint": "endpoint/we_1",
}
_SELDOM = frozenset({"previous", "way", "moved_by", "next_deadline", "next_deadline_at", "because"})
"""Facts that only some events of a type have; the first example shows them."""


def page() -> str:
    """The page for those who read events."""
    shown = [one for one in EVENT_TYPES if one.name == "order.credited"]
    return (
        "\n\n".join(
            [
                prose(_HEAD),
                json_block(_whole(shown[0])),
                prose(_PROMISE),
                prose(_SUBJECT),
                table(
                    ("subject", "facts"), [(f"`{name}`", words(facts) or "none") for name, facts in OF_SUBJECT.items()]
                ),
                "## Types",
                table(
                    ("type", "about", "when", "further facts"),
                    [(f"`{one.name}`", one.about, one.when, words(one.facts) or "none") for one in EVENT_TYPES],
                ),
                prose(_NOTICES),
                "## Examples",
                "\n".join(["```text", *(f"{one.name}  {json.dumps(example(one))}" for one in EVENT_TYPES), "```"]),
            ]
        )
        + "\n"
    )


def example(kind: EventType) -> dict[str, Any]:
    """One event of this type, as consumers get it."""
    about = kind.about.partition(",")[0]
    names = [name for name in (*OF_SUBJECT[about], *kind.facts) if name not in _SELDOM]
    return _body(kind, {name: FACTS[name] for name in names})


def _whole(kind: EventType) -> dict[str, Any]:
    names = (*OF_SUBJECT["order"], *kind.facts)
    return _body(kind, {name: FACTS[name] for name in names} | {"previous": {"phase": "shipped"}})


def _body(kind: EventType, data: dict[str, Any]) -> dict[str, Any]:
    about, (room, _, word) = kind.about.partition(",")[0], kind.name.partition(".")
    region = {"order": "phase", "withdrawal": "phase", "audit": "audit", "receipt": "receipt"}.get(room)
    if region in data and word not in {"opened", "extended", "approval", "held", "released", "closed", "reopened"}:
        data = data | {region: word}
    given = {"merchant_id": "m-1", "type": kind.name, "at": _NOW, "data": data}
    return StoredEvent.model_validate({"id": 7, "position": 7, "subject": _SUBJECTS[about], "seq": 7, **given}).body


_HEAD = """
    # Events

    Generated from `core/event_types.py` by `make docs`. Types and facts are added, never renamed or reused: ignore
    those that you do not know.

    An event says that something of an order, a withdrawal, an account or a merchant is another. It is written in the
    transaction that makes it true. [Webhooks](webhooks.md) carry events to you, `GET /v1/events` lets you fetch them,
    and `GET /v1/events/stream` tells them as they happen ([HTTP](http.md)). All three give the same body, under 4 KB:
    """
_PROMISE = """
    ## What you may rely on

    - Each event comes **at least once**. `id` is the same each time.
    - The events of one subject come in the order of `seq`, which counts from 1 **without gaps**. After a restore of the
      database to an earlier moment it goes on beyond the time of day in microseconds (1795960000000001, always below
      2^53), and no number is used again: what a consumer has between may never have happened. Between subjects there is
      no order. A consumer that keeps the highest `seq` of each subject, in 64 bits, needs no more.
    - None is skipped. An event that appears late, because its transaction took long, comes after those that you have.
    - There are no names, streets, phone or account numbers in them. A notice has what its reader may know.
    - A merchant's key gets that merchant's events, and of the notices those to merchants. The numbers of the others are
      missing there.
    - `because` is the verb or deadline that changed the subject, `by` the role behind it, `previous` what was before.
      A parcel of an after-sale case has a `way`: `back` to the merchant, or to the buyer `again`.
    - Money is in minor units, times are RFC 3339 in UTC. `cut` says that a fact was too long and is left out.
    - Two changes between two records are one event: a hold that was placed and lifted within a moment has no event.
      The journal has both.
    """
_SUBJECT = """
    ## What each event says of its subject

    `data` has `subject`, `merchant_id`, `seq`, the subject's id as `order_id`, `withdrawal_id`, …, what is listed here
    as it is after the change, and the type's own facts. What does not apply is left out.
    """
_NOTICES = """
    A notice to a person is an event `notice.{name}` with `to` and `facts`; [the contract](contract.md#notices) lists
    them.
    """
