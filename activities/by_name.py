"""Rails and payment channels by the names that orders and accounts give them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class ByName(dict[str, T], Generic[T]):
    """Adapters by name; where there is a stand-in, it answers for any other name."""

    def __init__(self, named: Mapping[str, T] | None = None, stand_in: Callable[[str], T] | None = None) -> None:
        super().__init__(named or {})
        self._stand_in = stand_in

    def of(self, name: str) -> T | None:
        """The adapter of a name; None where no one answers for it."""
        found = self.get(name)
        return self._stand_in(name) if found is None and self._stand_in is not None else found
