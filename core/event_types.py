"""The catalogue of events: each type, what it is about, when it is written, and its facts. `docs/events.md` lists it.

Types and facts are a part of the contract: added, never renamed. The database derives the events from the records of
orders and withdrawals and from the rows of the others; a test compares what it writes with this list.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from core.likeness import nearest

About = Literal[
    "order", "withdrawal", "order, withdrawal", "account", "merchant", "grade", "reconciliation", "endpoint"
]


class EventType(NamedTuple):
    """One type of event. `facts` are the keys of `data` that it may have beside those of its subject."""

    name: str
    about: About
    when: str
    facts: tuple[str, ...] = ()


OF_SUBJECT: dict[str, tuple[str, ...]] = {
    "order": (
        *("because", "by", "phase", "audit", "receipt", "amount_minor", "currency"),
        *("next_deadline", "next_deadline_at"),
    ),
    "withdrawal": (
        *("because", "by", "phase", "amount_minor", "currency", "account_id"),
        *("next_deadline", "next_deadline_at"),
    ),
    "account": (),
    "merchant": (),
    "grade": (),
    "reconciliation": (),
    "endpoint": (),
}
"""What an event says of its subject as it is now. `because` is the verb or deadline that changed it, `by` the role."""

_PARCEL = ("parcel_id", "way")
_NUMBER = (*_PARCEL, "carrier", "waybill")
_AUDIT = (*_PARCEL, "rules", "previous")
_HOLD = ("hold", "about", "scope", "owner", "since", "review_at")
_CASE = ("case_id", "kind", "reason", "stage", "until", "case_minor", "closed_as", "previous")
_REFUND = ("cause", "refund_minor", "source", "bearer", "previous")
_PAYOUT = ("attempt", "rail", "code", "previous")
_ACCOUNT = ("by", "version", "kind", "currency", "rail", "cooling_until")
_DROP = ("version", "drop_no", "previous")
_BREAK = ("scope", "name", "break_id", "reason", "kind", "about", "ours_minor", "theirs_minor", "currency")


def _each(prefix: str, about: About, facts: tuple[str, ...], **when: str) -> tuple[EventType, ...]:
    return tuple(EventType(f"{prefix}.{name}", about, text, facts) for name, text in when.items())


EVENT_TYPES: tuple[EventType, ...] = (
    EventType("order.opened", "order", "the buyer's money is held; `phase` says what the order waits for"),
    *_each(
        "order",
        "order",
        ("previous",),
        screening_held="a person must look at the goods",
        awaiting_shipment="the goods are cleared: the merchant may ship",
        shipped="the last line was reported as shipped",
        refused="the goods may not be sold here: the buyer gets the money back",
        cancelled="it ended before anything was shipped: the buyer gets the money back",
        refunded="it ended, and all of its money goes back",
    ),
    EventType(
        "order.credited",
        "order",
        "the money is the merchant's, and becomes available when the order is settled",
        ("credited_minor", "commission_minor", "previous"),
    ),
    EventType("order.settled", "order", "the money is available to the merchant", ("settled_minor", "previous")),
    EventType("order.closed", "order", "nothing more is open: no refund, no case, no hold"),
    EventType("order.reopened", "order", "a late case or refund opened it again"),
    EventType("order.money_frozen", "order", "available money of the merchant is kept for it", ("frozen_minor",)),
    EventType("order.money_thawed", "order", "that money is available again"),
    EventType("order.held", "order", "something keeps its money from moving; `hold` names it", _HOLD),
    EventType("order.released", "order", "a hold was lifted", _HOLD),
    EventType("parcel.reported", "order", "the merchant reported a parcel", _NUMBER),
    EventType("parcel.corrected", "order", "a parcel has another number", (*_NUMBER, "previous")),
    EventType("parcel.picked_up", "order", "a carrier has it", (*_PARCEL, "picked_up_at")),
    EventType("parcel.delivered", "order", "a carrier delivered it", (*_PARCEL, "delivered_at")),
    EventType("parcel.came_back", "order", "it is on its way back, or was refused", (*_PARCEL, "returned_at")),
    EventType("parcel.ended", "order", "the order no longer waits for it: its lines are refunded", _PARCEL),
    EventType(
        "parcel.late_news", "order", "a carrier reports on a parcel that is no longer awaited", (*_PARCEL, "what")
    ),
    *_each(
        "audit",
        "order",
        _AUDIT,
        approved="the logistics information of a parcel is true",
        rejected="it is not: the merchant may correct or appeal",
        in_review="a person must look at it",
        collecting="it is judged anew, for another number or after an appeal",
    ),
    *_each(
        "receipt",
        "order",
        ("by", "receipt_by", "previous"),
        awaited="the buyer's time to confirm runs",
        paused="that time is paused",
        confirmed="the buyer confirmed, or the time ran out",
        not_due="it is not due any more",
    ),
    EventType("receipt.extended", "order", "the buyer has more time to confirm", ("receipt_by", "previous")),
    EventType(
        "deadline.changed",
        "order, withdrawal",
        "a clock that runs ends at another time, or was moved by so much",
        ("deadline", "old", "new", "moved_by", "previous"),
    ),
    EventType("case.opened", "order", "an after-sale case was opened", _CASE),
    *_each(
        "case",
        "order",
        _CASE,
        applied="it waits for the merchant again",
        proposed="one side proposed an amount",
        refused="the merchant refused: the buyer may escalate",
        awaiting_return="the buyer must send the goods back",
        returning="the goods are on their way back",
        inspecting="the merchant has the goods and looks at them",
        arbitration="a reviewer decides",
        exchanged="the merchant ships again",
        replacing="the merchant has the goods back and owes others for them",
        replacement_sent="these are on their way",
        replacement_delivered="the buyer has them, and may still object",
        refunding="the buyer gets money back",
        refunded="the buyer has it",
        claimed="the buyer got the goods and the money, and is asked to pay",
        charging="the channel is asked for the buyer's money",
        paid_back="the buyer paid, and the merchant has the money",
        unpaid="the channel did not get it",
        closed="it ended without a refund or an exchange; `closed_as` says why",
    ),
    EventType("chargeback.opened", "order", "the channel took money back", _CASE),
    *_each(
        "chargeback",
        "order",
        _CASE,
        disputed="it is contested, and the channel decides",
        won="the money comes back",
        lost="it does not",
        refunded="it is booked as a refund",
        closed="it ended",
    ),
    *_each(
        "refund",
        "order",
        _REFUND,
        owed="money goes back to the buyer",
        booked="it left the order, and is sent through the channel",
        confirmed="the channel says that it arrived",
        arrived="it is booked as arrived",
        failed="the channel refused it: people decide",
        stuck="its outcome is not known: people decide",
    ),
    EventType("refund.requested", "order", "the first of two people asked for a refund", ("cause",)),
    EventType("refund.request_ended", "order", "the second person decided, or the time ran out", ("cause",)),
    EventType("withdrawal.requested", "withdrawal", "the money is reserved"),
    *_each(
        "withdrawal",
        "withdrawal",
        ("previous",),
        in_approval="two people must approve it",
        approved="it may be sent",
        submitting="it is sent to the rail",
        submitted="the rail has it",
        unknown="its outcome is not known",
        in_suspense="two people said that it failed, and the money waits for some days",
        paid="the bank has it",
        returned="the bank sent money back",
        final="it can no longer come back",
        failed="the merchant has the money back: it could not be paid",
        rejected="the merchant has the money back: a person rejected it",
        cancelled="the merchant has the money back: it was called off",
        refused="it never was reserved",
    ),
    EventType("withdrawal.approval", "withdrawal", "one person approved it", ("approvals",)),
    EventType("withdrawal.closed", "withdrawal", "its outcome is booked"),
    EventType("withdrawal.reopened", "withdrawal", "money came back, or it was paid after all"),
    EventType("withdrawal.held", "withdrawal", "something keeps it from being paid; `hold` names it", _HOLD),
    EventType("withdrawal.released", "withdrawal", "a hold was lifted", _HOLD),
    *_each(
        "payout",
        "withdrawal",
        _PAYOUT,
        opened="an instruction to the rail was written, before it is sent",
        unsent="it never left us",
        accepted="the rail has it",
        unknown="no answer, or one that says nothing",
        paid="it was paid",
        failed="the rail says that it failed; `code` is the rail's own",
    ),
    EventType("payout.returned", "withdrawal", "the bank sent so much back, and it is booked", ("returned_minor",)),
    *_each(
        "account",
        "account",
        _ACCOUNT,
        bound="a payout account was bound; it cools off until `cooling_until`",
        replaced="it has another number; it cools off again",
        made_default="it is the merchant's default",
        no_longer_default="it is not any more",
        suspended="no money goes there",
        resumed="money goes there again",
        verified="it is known to be the merchant's",
        resealed="its number is sealed with another key",
        dropped="a penny drop was written down",
        told_wrong="a wrong amount was reported for a penny drop",
        cooling_shortened="an operator shortened its cooling",
    ),
    *_each(
        "account",
        "account",
        _DROP,
        drop_sending="a penny drop is sent",
        drop_accepted="the rail has it",
        drop_unknown="its outcome is not known",
        drop_paid="it was paid",
        drop_failed="it failed",
        drop_unsent="it never left us",
        drop_lost="its outcome was not known in time",
    ),
    *_each(
        "merchant",
        "merchant",
        ("by",),
        frozen="no money of it moves",
        no_longer_frozen="its money moves again",
        suspended="it gets no new order and no payout",
        no_longer_suspended="it does again",
        leaving="it leaves the platform",
        no_longer_leaving="it stays",
        named="its legal name is another",
    ),
    EventType("merchant.terms_changed", "merchant", "a term of its own is another", ("by", "what", "value")),
    EventType("merchant.grade_changed", "merchant", "its grade is another, or none", ("by", "grade")),
    EventType("merchant.licence_noted", "merchant", "it has a licence", ("by", "licence", "valid_until")),
    EventType("merchant.licence_withdrawn", "merchant", "it has it no longer", ("by", "licence", "valid_until")),
    EventType(
        "merchant.deposit_required", "merchant", "it must leave another deposit", ("by", "currency", "required_minor")
    ),
    EventType(
        "grade.deposit_required", "grade", "merchants of a grade must leave it", ("by", "currency", "required_minor")
    ),
    EventType("reconciliation.break_found", "reconciliation", "a statement and our books differ", _BREAK),
    EventType("reconciliation.break_resolved", "reconciliation", "they agree again", _BREAK),
    EventType("endpoint.disabled", "endpoint", "nothing is sent there any more", ("host", "why", "failing_since")),
)

NOTICE = "notice."
"""The beginning of the types of notices: `notice.{name}`, with `to` and `facts`. `docs/contract.md` lists them."""
NOTICE_FACTS = ("to", "facts")

BY_TYPE = {one.name: one for one in EVENT_TYPES}


def facts_of(name: str, subject: str) -> frozenset[str] | None:
    """What an event of this type may say, of a subject of this kind; None where there is no such type."""
    if name.startswith(NOTICE):
        return frozenset(NOTICE_FACTS)
    found = BY_TYPE.get(name)
    return frozenset((*found.facts, *OF_SUBJECT.get(subject, ()))) if found is not None else None


def unknown_type(wanted: str) -> str | None:
    """The sentence for a wanted type that no event has; None where one may have it.

    Args:
        wanted: a name, or the beginning of names as in `order.*`. Every name of a notice passes.
    """
    if wanted.startswith(NOTICE):
        return None
    begins = wanted[:-1] if wanted.endswith(".*") else None
    if wanted in BY_TYPE or (begins is not None and any(name.startswith(begins) for name in BY_TYPE)):
        return None
    near = nearest(wanted, BY_TYPE)
    return f"{wanted[:60]!r} is no type of event." + (f" Did you mean {', '.join(near)}?" if near else "")
