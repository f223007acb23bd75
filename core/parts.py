"""What states are made of: parts that are replaced and never changed in place."""

from __future__ import annotations

from typing import Any, Self

from core.fields import Message


class Part(Message):
    """A frozen part of a state."""

    def changed(self, **fields: Any) -> Self:
        """A copy with these fields replaced. They are not validated again."""
        return self.model_copy(update=fields)
