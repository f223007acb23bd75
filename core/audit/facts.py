"""What the audit needs to know of an order and a parcel besides the trace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from core.audit.policy import Count
from core.audit.trace import Lacking, Trace
from core.fields import Id, Message, Time
from core.messages import Address


class OrderFacts(Message):
    """What the audit must know of an order. `ship_by` null means the policy's own limit after the payment."""

    order_id: Id
    merchant_id: Id
    paid_at: Time
    ship_from: Address
    ship_to: Address
    categories: tuple[str, ...] = ()
    buyer_confirmed_in_person: bool = False
    """The buyer (or an operator for them) said that the goods are there; a timeout does not count."""
    ship_by: Time | None = None


class Rival(Message):
    """Another order's live claim of the same number. What is known of that order helps to decide whose parcel it is."""

    merchant_id: Id
    claimed_at: Time
    ship_to: Address | None = None
    paid_at: Time | None = None


MOST_HISTORIES = 8
"""Histories that are kept of one parcel: they travel with its order.

More questions cannot all be answered in time, so a person looks.
"""


class NoTrace(Message):
    """That a provider answered `no_trace` (or called the number bad): between when and when, and how often.

    `lacking`, `question` and `questions` are those of the traces: each question to a provider has its own history.
    """

    provider: str
    first_at: Time
    last_at: Time
    looks: Count = 1
    lacking: Lacking | None = None
    question: str = ""
    questions: Count = 1

    @property
    def key(self) -> tuple[str, str, str]:
        """The key of a history."""
        return self.provider, self.question, self.lacking or ""


class Milestones(Message):
    """What the trace of a parcel has shown so far: times of scans that can be its order's.

    `returned_at` stands only while the parcel is on its way back or was refused, and not again with the buyer.
    """

    label_at: Time | None = None
    first_physical_at: Time | None = None
    last_scan_at: Time | None = None
    delivered_at: Time | None = None
    returned_at: Time | None = None
    refused_at: Time | None = None


class ParcelFacts(Message):
    """What the audit must know of a parcel: what its merchant claimed, and what earlier looks found.

    `looks` counts the looks before this one. `known` are the milestones of the previous verdict, so that an empty look
    removes nothing. `no_trace` is kept by `remember`. `providers` is how many providers are configured for the carrier.
    `carrier_no_trace_share` is the share of this carrier's recent answers (over all parcels, `carrier_answers` of them)
    that were no-trace; null where they are not counted. `subscribed`: a provider pushes its scans.
    """

    parcel_id: Id
    carrier: str
    waybill: str
    uploaded_at: Time
    carrier_name: str | None = None
    weight_g: int | None = None
    attempt: Count = 1
    rivals: tuple[Rival, ...] = ()
    looks: Count = 0
    known: Milestones | None = None
    no_trace: tuple[NoTrace, ...] = ()
    providers: Count = 1
    carrier_no_trace_share: float | None = None
    carrier_answers: Count = 0
    subscribed: bool = False


def worth_keeping(known: Sequence[NoTrace], seen: Iterable[NoTrace], apart: timedelta) -> tuple[NoTrace, ...]:
    """What must be remembered of the no-trace answers: looks closer together than `apart` count as one.

    The same as `known` where nothing counts that it does not have.
    """
    before = {entry.key: entry for entry in known}
    return tuple(
        entry if entry.key not in before or entry.last_at - before[entry.key].last_at >= apart else before[entry.key]
        for entry in seen
    )


def remember(known: Iterable[NoTrace], traces: Iterable[Trace]) -> tuple[NoTrace, ...]:
    """The history of no-trace answers with these traces added.

    The same look twice counts once. A polling activity keeps it between its attempts and passes it on in
    `ParcelFacts.no_trace`.
    """
    history = {entry.key: entry for entry in known}
    for trace in traces:
        if trace.answer not in ("no_trace", "bad_number"):
            continue
        look = NoTrace(
            provider=trace.provider,
            first_at=trace.fetched_at,
            last_at=trace.fetched_at,
            lacking=trace.lacking,
            question=trace.question,
            questions=trace.questions,
        )
        before = history.get(look.key)
        if before is None:
            history[look.key] = look
        elif not before.first_at <= trace.fetched_at <= before.last_at:
            history[look.key] = look.model_copy(
                update={
                    "first_at": min(before.first_at, trace.fetched_at),
                    "last_at": max(before.last_at, trace.fetched_at),
                    "looks": before.looks + 1,
                }
            )
    return tuple(history.values())[:MOST_HISTORIES]
