"""All that a provider must be asked about a number before its "no trace" says anything about the parcel.

A carrier's services are carriers of their own to the providers, and some carriers answer only to the last four digits
of the phone on the label, which may be the sender's. Each combination is one question.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from activities.carriers.base import TraceQuery
from activities.carriers.reading import needs_phone
from core.audit.services import Codes
from core.audit.trace import SILENT_ANSWERS, Trace
from core.audit.waybills import CARRIERS


class Question(NamedTuple):
    """One way to ask for a number; `name` tells it from the others, and has no digits in it."""

    name: str
    query: TraceQuery
    whose: Literal["buyer", "sender"] = "buyer"


class Questions(NamedTuple):
    """All ways to ask, likeliest first. `certain`: a "no" to all of them is the carrier's."""

    asked: tuple[Question, ...]
    certain: bool


@runtime_checkable
class Asking(Protocol):
    """A provider that must be asked in several ways."""

    def questions(self, query: TraceQuery) -> Questions:
        """How to ask for this number."""
        ...


def questions_about(query: TraceQuery, codes: Codes) -> Questions:
    """The questions about a number: each of the vendor's names for the carrier, with each phone's digits."""
    carrier = CARRIERS.carrier(query.carrier)
    phones: list[tuple[Literal["buyer", "sender"], str | None]] = [("buyer", query.phone_last4)]
    if carrier is not None and carrier.needs_phone and query.sender_last4 not in (None, query.phone_last4):
        sender: tuple[Literal["sender"], str | None] = ("sender", query.sender_last4)
        phones = [*phones, sender] if query.phone_last4 else [sender]
    asked = tuple(
        Question(f"{code}/{whose}", query.model_copy(update={"code": code, "phone_last4": digits}), whose)
        for code in codes.codes
        for whose, digits in phones
    )
    return Questions(asked, codes.certain)


def without_digits(query: TraceQuery, codes: Codes) -> Questions:
    """The questions to a vendor that takes no digits: of a carrier that wants them its "no" is no word."""
    plain = query.model_copy(update={"phone_last4": None, "sender_last4": None})
    questions = questions_about(plain, codes)
    return questions._replace(certain=codes.certain and not needs_phone(query.carrier))


def questions_of(carrier: object, query: TraceQuery) -> Questions:
    """How a provider is to be asked; one plain question where it does not say."""
    if isinstance(carrier, Asking):
        return carrier.questions(query)
    return Questions((Question("", query),), certain=True)


def answered(trace: Trace, question: Question, questions: Questions) -> Trace:
    """The answer to one question, with what it is worth."""
    changes: dict[str, object] = {}
    if not trace.scans and trace.lacking is None and not questions.certain and trace.answer not in SILENT_ANSWERS:
        changes["lacking"] = "phone" if needs_phone(trace.carrier) else "service"
    if question.whose == "sender" and trace.contact is not None:
        # The sender's digits say nothing about the buyer, whether they are taken or not.
        changes["contact"] = "sender" if trace.contact == "matched" else None
    if len(questions.asked) > 1:
        changes |= {"question": question.name, "questions": len(questions.asked)}
    return trace.model_copy(update=changes) if changes else trace


def combined(answers: Sequence[Trace]) -> Trace:
    """One answer of a provider that was asked every question, none of which brought a scan."""
    known = next((trace for trace in answers if trace.answer == "found"), None)
    silent = next((trace for trace in answers if trace.answer in SILENT_ANSWERS), None)
    said_no = next((trace for trace in answers if trace.answer in ("no_trace", "bad_number")), None)
    chosen = known or silent or said_no or answers[0]
    lacking = next((trace.lacking for trace in answers if trace.lacking is not None), None)
    refused = next((trace.contact for trace in answers if trace.contact == "refused"), chosen.contact)
    return chosen.model_copy(update={"lacking": lacking, "question": "", "questions": 1, "contact": refused})
