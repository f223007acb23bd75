"""The questions a provider must answer before its "no trace" says anything about the parcel.

Providers treat a carrier's services as separate carriers. Some carriers answer only if they get the last four digits of
the phone on the label, which may be the sender's. Each combination is one question.
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
    """One way to query a number; `name` identifies it, and contains no digits of a phone."""

    name: str
    query: TraceQuery
    whose: Literal["buyer", "sender"] = "buyer"


class Questions(NamedTuple):
    """All ways to query, likeliest first. `certain`: a "no" to all of them is the carrier's own."""

    asked: tuple[Question, ...]
    certain: bool


@runtime_checkable
class Asking(Protocol):
    """A provider that must be asked in several ways."""

    def questions(self, query: TraceQuery) -> Questions:
        """The questions to ask about this number."""
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
    """The questions to a vendor that takes no digits: for a carrier that wants them its "no" says nothing."""
    plain = query.model_copy(update={"phone_last4": None, "sender_last4": None})
    questions = questions_about(plain, codes)
    return questions._replace(certain=codes.certain and not needs_phone(query.carrier))


def questions_of(carrier: object, query: TraceQuery) -> Questions:
    """A provider's questions; a single plain one if it defines none."""
    if isinstance(carrier, Asking):
        return carrier.questions(query)
    return Questions((Question("", query),), certain=True)


def answered(trace: Trace, question: Question, questions: Questions) -> Trace:
    """The answer to one question, marked with what it proves."""
    changes: dict[str, object] = {}
    if not trace.scans and trace.lacking is None and not questions.certain and trace.answer not in SILENT_ANSWERS:
        changes["lacking"] = "phone" if needs_phone(trace.carrier) else "service"
    if question.whose == "sender" and trace.contact is not None:
        # The sender's digits say nothing about the buyer, whether the carrier accepts them or not.
        changes["contact"] = "sender" if trace.contact == "matched" else None
    if len(questions.asked) > 1:
        changes |= {"question": question.name, "questions": len(questions.asked)}
    return trace.model_copy(update=changes) if changes else trace


def combined(answers: Sequence[Trace]) -> Trace:
    """Combine a provider's answers to all questions, none of which brought a scan."""
    known = next((trace for trace in answers if trace.answer == "found"), None)
    silent = next((trace for trace in answers if trace.answer in SILENT_ANSWERS), None)
    said_no = next((trace for trace in answers if trace.answer in ("no_trace", "bad_number")), None)
    chosen = known or silent or said_no or answers[0]
    lacking = next((trace.lacking for trace in answers if trace.lacking is not None), None)
    refused = next((trace.contact for trace in answers if trace.contact == "refused"), chosen.contact)
    return chosen.model_copy(update={"lacking": lacking, "question": "", "questions": 1, "contact": refused})
