"""The parts of states. They are replaced, and never changed in place."""

from __future__ import annotations

from typing import Any, Self

from core.fields import Message

_set = object.__setattr__
"""A frozen model takes attributes in no other way."""


class Part(Message):
    """A frozen part of a state."""

    def changed(self, **fields: Any) -> Self:
        """A copy with these fields replaced. They are not validated again: a caller gives values of the right type.

        `model_copy` does the same in five times the time, and an order changes a hundred times in its life. So the copy
        is made here, in the way of `model_construct`.
        """
        copy = self.__new__(type(self))
        _set(copy, "__dict__", {**self.__dict__, **fields})
        _set(copy, "__pydantic_fields_set__", self.__pydantic_fields_set__ | fields.keys())
        _set(copy, "__pydantic_extra__", None)
        _set(copy, "__pydantic_private__", None)
        return copy
