"""What the parts of the register share: one pool, and reads that come back as models."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import asyncpg

from core.fields import Message
from ledger.pool import translate_errors

M = TypeVar("M", bound=Message)

OVERDUE = "NOT {row}.closed AND {row}.next_deadline_at < now() - INTERVAL '5 minutes'"
"""Orders and withdrawals whose deadline passed and nothing came of it: the gauge counts what the lists show."""


class Position(NamedTuple):
    """The last row of a page: the next page begins after it, even if newer rows came meanwhile."""

    at: datetime
    id: str


class RegisterPart:
    """A part of the register. Every method raises `Unavailable` where the database does not answer; a retry helps."""

    def __init__(self, pool: asyncpg.Pool[Any]) -> None:
        self._pool = pool

    async def _call(self, query: str, *arguments: object) -> Any:
        """One value."""
        async with translate_errors():
            return await self._pool.fetchval(query, *arguments)

    async def _row(self, query: str, *arguments: object) -> asyncpg.Record | None:
        async with translate_errors():
            return await self._pool.fetchrow(query, *arguments)

    async def _rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        async with translate_errors():
            return list(await self._pool.fetch(query, *arguments))

    async def _one(self, model: type[M], query: str, *arguments: object) -> M | None:
        row = await self._row(query, *arguments)
        return model.model_validate(dict(row)) if row is not None else None

    async def _all(self, model: type[M], query: str, *arguments: object) -> list[M]:
        return [model.model_validate(dict(row)) for row in await self._rows(query, *arguments)]


def below(prefix: str) -> tuple[str, str]:
    """Bounds of the references that begin with `prefix/`, in byte order: an index range instead of a wildcard."""
    return f"{prefix}/", f"{prefix}0"  # "0" is the character after "/"


class Conditions:
    """The WHERE of a list: only the filters that were given, so that each finds the index made for it.

    With `$1 IS NULL OR merchant_id = $1` a cached generic plan would use no index.
    """

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self.arguments: list[object] = []

    def add(self, condition: str, value: object | None) -> None:
        """Add `condition`, in which `{}` stands for the value; None adds nothing."""
        if value is not None:
            self.arguments.append(value)
            self._conditions.append(condition.format(f"${len(self.arguments)}"))

    def either(self, condition: str, *, wanted: bool | None) -> None:
        """Add the condition or its negation; None adds nothing."""
        if wanted is not None:
            self._conditions.append(condition if wanted else f"NOT ({condition})")

    def overdue(self, row: str, *, wanted: bool | None) -> None:
        """Add `OVERDUE` of this row, or its negation, which lets rows without a deadline through; None adds nothing."""
        condition = OVERDUE.format(row=row)
        self.either(condition if wanted else f"({condition}) IS NOT TRUE", wanted=None if wanted is None else True)

    def after(self, columns: str, position: Position | None, *, ascending: bool = False) -> None:
        """Only what comes after a row in a list that is ordered by these two columns, the newest first."""
        if position is not None:
            self.arguments.extend(position)
            last = len(self.arguments)
            self._conditions.append(f"({columns}) {'>' if ascending else '<'} (${last - 1}, ${last})")

    @property
    def text(self) -> str:
        return f" WHERE {' AND '.join(self._conditions)}" if self._conditions else ""

    def limit(self, most: int) -> str:
        """The LIMIT, as the last argument."""
        self.arguments.append(most)
        return f" LIMIT ${len(self.arguments)}"
