"""What the parts of the register share: one pool, and reads that come back as models."""

from __future__ import annotations

from typing import Any, TypeVar

import asyncpg

from core.messages import Message
from ledger.pool import translate_errors

M = TypeVar("M", bound=Message)


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

    async def _one(self, model: type[M], query: str, *arguments: object) -> M | None:
        row = await self._row(query, *arguments)
        return model.model_validate(dict(row)) if row is not None else None

    async def _all(self, model: type[M], query: str, *arguments: object) -> list[M]:
        async with translate_errors():
            rows = await self._pool.fetch(query, *arguments)
        return [model.model_validate(dict(row)) for row in rows]


def below(prefix: str) -> tuple[str, str]:
    """Bounds of the references that begin with `prefix/`, in the order of bytes: an index range, and no wildcard."""
    return f"{prefix}/", f"{prefix}0"  # "0" is the character after "/"
