"""What makes a replay quick: states that keep no journal and no notices, and copies of models without validation.

Nothing decides by a journal or by notices; a test lives past orders with and without them, and compares.
"""

from __future__ import annotations

from typing import Any, Self, TypeVar

from core.answers import Answer
from core.fields import Message
from core.inbox import Inbox
from core.messages import Command
from core.order.state import OrderState
from core.reasons import Refusal

M = TypeVar("M", bound=Message)
_set = object.__setattr__
"""A frozen model takes attributes in no other way."""


def constructed(template: M, /, **fields: Any) -> M:
    """A copy of a model with these fields, which are right already."""
    return recast(template, type(template), **fields)


def recast(model: Message, kind: type[M], /, **fields: Any) -> M:
    """The same fields, and these, as another kind of the same model."""
    copy = kind.__new__(kind)
    _set(copy, "__dict__", {**model.__dict__, **fields})
    _set(copy, "__pydantic_fields_set__", model.__pydantic_fields_set__)
    _set(copy, "__pydantic_extra__", None)
    _set(copy, "__pydantic_private__", None)
    return copy


class QuickInbox(Inbox):
    """It counts commands. Each command of a replay has an id of its own."""

    def answer_to(self, command: Command) -> Answer | Refusal | None:
        return None

    def note_answer(self, command: Command, answer: Answer | Refusal, *, bound: bool = True) -> Inbox:
        return self.changed(counted=self.counted + 1)

    def note(self, *_: Any, **__: Any) -> Inbox:
        return self


class QuickState(OrderState):
    """An order without journal, notices and revisions."""

    @classmethod
    def of(cls, state: OrderState) -> QuickState:
        """The same order."""
        return recast(state, cls, inbox=QuickInbox(), notices=())

    def next_revision(self) -> Self:
        return self

    def with_notice(self, *_: Any, **__: Any) -> Self:
        return self
