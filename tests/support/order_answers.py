"""What an order answered to a command: accepted, or refused by a code and a field."""

from __future__ import annotations

from core.answers import Answer
from core.reasons import Refusal


def refused(answer: Answer | Refusal) -> tuple[str, str | None]:
    assert isinstance(answer, Refusal), answer
    return answer.code, answer.field


def accepted(answer: Answer | Refusal) -> Answer:
    assert isinstance(answer, Answer), answer
    return answer
