"""What the carriers say of a parcel that has not moved: is it really absent, or was the question incomplete?

A "no trace" is only as strong as its question. It says nothing where the carrier wanted other digits of a phone, where
a sister service of the carrier has the number, or where the number is more likely another carrier's. A refund by
default needs a *strong* absence: a source that serves this very number, asked with all that it needs, twice and apart,
while no other source that may know the number is silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Literal

from core.audit.case import Case
from core.audit.facts import NoTrace, remember
from core.audit.trace import Lacking, Trace
from core.audit.waybills import CARRIERS, judge
from core.audit.waybills import carrier as known_carrier

CarrierWord = Literal["nothing", "doubtful", "absent_once", "absent", "scans"]
"""What the carriers say of a parcel at one look.

`nothing`: no provider answered. `doubtful`: the answers say nothing about this parcel. `absent_once`: a good question
was answered with a no, not yet twice and apart. `absent`: a strong absence. `scans`: it is in a carrier's hands.
"""

Doubt = Literal["phone_missing", "service_unasked", "other_carrier_likelier", "carrier_out", "provider_silent"]
"""Why answers say nothing about the parcel, as a reviewer reads it."""

_DOUBTS: dict[Lacking, Doubt] = {"phone": "phone_missing", "service": "service_unasked"}

FRESH = timedelta(hours=1)
"""Older answers do not belong to this look: a stored push, for example. A vendor's interval is shorter."""
COUNTS_AFTER = timedelta(hours=24)
"""A younger number often has no trace yet, and says nothing about its carrier."""


def carrier_word(case: Case) -> CarrierWord:
    """What the carriers say of the parcel at this look. A push of an earlier day does not count."""
    fresh = [trace for trace in case.traces if trace.provider != "push" and case.now - trace.fetched_at <= FRESH]
    if not fresh:
        return "nothing"
    if any(trace.scans for trace in fresh):
        return "scans" if case.own else _word_on_label(case)
    said_no = any(trace.answer in ("no_trace", "bad_number") for trace in fresh)
    # One provider knows the number and refuses the digits: another's "no" proves nothing then.
    known = case.run or any(trace.answer == "found" for trace in fresh)
    if not said_no or known or not _can_be_asked(case) or _likelier_anothers(case) or outage(case):
        return "doubtful"
    silences = remember(case.parcel.no_trace, fresh)
    if not strong(silences) or _one_is_silent(case):
        return "doubtful"
    return "absent" if looked_apart(case, silences) else "absent_once"


def missing_trace(answers: Sequence[Trace], age: timedelta) -> bool | None:
    """Whether the carrier had no trace of a number that should have one by now; None if the answers say nothing."""
    if any(trace.scans for trace in answers):
        return False
    if age < COUNTS_AFTER:
        return None
    return True if any(trace.answer == "no_trace" for trace in answers) else None


def outage(case: Case) -> bool:
    """Whether so many of the carrier's numbers have no trace that the carrier is out, rather than the parcel fake."""
    policy, share = case.policy, case.parcel.carrier_no_trace_share
    return (
        share is not None and share >= policy.outage_share and case.parcel.carrier_answers >= policy.outage_answers_min
    )


def _word_on_label(case: Case) -> CarrierWord:
    """The carrier knows the number and has no parcel. A label made long before counts as an earlier look."""
    if case.label is None or case.physical:
        return "doubtful"
    return "absent" if case.now - case.label.at >= case.policy.no_trace_apart else "absent_once"


def strong(silences: Iterable[NoTrace]) -> tuple[NoTrace, ...]:
    """The answers to complete questions, of providers that were asked every question they need."""
    good = [entry for entry in silences if entry.lacking is None]
    asked: dict[str, set[str]] = {}
    for entry in good:
        asked.setdefault(entry.provider, set()).add(entry.question)
    return tuple(entry for entry in good if len(asked[entry.provider]) >= entry.questions)


def looked_apart(case: Case, silences: Sequence[NoTrace]) -> bool:
    """Whether one good question was answered twice with a no, far enough apart."""
    return _can_be_asked(case) and any(
        entry.last_at - entry.first_at >= case.policy.no_trace_apart for entry in strong(silences)
    )


def doubts(case: Case) -> tuple[Doubt, ...]:
    """Why the answers say nothing about the parcel: what was missing in the questions."""
    if case.own:
        return ()
    found: dict[Doubt, None] = {}
    for trace in case.traces:
        if trace.lacking is not None and not trace.scans:
            found[_DOUBTS[trace.lacking]] = None
        if trace.contact == "refused":
            found["phone_missing"] = None
    if _digits_unknown(case):
        found["phone_missing"] = None
    if outage(case):
        found["carrier_out"] = None
    if _likelier_anothers(case):
        found["other_carrier_likelier"] = None
    if _one_is_silent(case):
        found["provider_silent"] = None
    return tuple(found)


def _can_be_asked(case: Case) -> bool:
    """Whether the table knows the carrier. No source need know the numbers of another one."""
    return known_carrier(case.parcel.carrier) is not None


def _one_is_silent(case: Case) -> bool:
    """Whether a provider has no trace while another one does not answer: that one may have it.

    What the silent one said before does not help: it may have said so before the parcel was picked up.
    """
    return bool(case.silent) and bool(remember(case.parcel.no_trace, case.traces))


def _digits_unknown(case: Case) -> bool:
    """Whether the carrier wants digits of a phone, and the order names none."""
    carrier = known_carrier(case.parcel.carrier)
    known = case.order.ship_to.phone_last4 or case.order.ship_from.phone_last4
    return carrier is not None and carrier.needs_phone and not known


def _likelier_anothers(case: Case) -> bool:
    number = case.parcel.waybill
    if CARRIERS.fits(case.parcel.carrier, number):
        return False
    return judge(case.parcel.carrier, number).answer == "other_carrier_likelier"
