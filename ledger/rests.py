"""Rests: what is kept of the states of orders and withdrawals that ended long ago."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from ledger.register_part import RegisterPart

AT_ONCE = 500
"""States that one transaction empties: each is read and written whole."""


class RestsDue(NamedTuple):
    """The orders and withdrawals whose states are due to be emptied, the oldest first."""

    orders: list[str]
    withdrawals: list[str]


class Rests(RegisterPart):
    """Closed orders and withdrawals whose journal, and an audit's findings, are no longer kept. One with anything open
    is left whole.
    """

    async def empty(self, ended_before: datetime) -> int:
        """Empty what ended before this, 30 days ago at the least; returns how many. Safe to repeat, and to stop.

        Raises:
            Unavailable: the database did not answer; a retry goes on with the next ones.
        """
        emptied = 0
        for function in ("empty_orders", "empty_withdrawals"):
            while done := await self._some(function, ended_before, AT_ONCE, apply=True):
                emptied += len(done)
        return emptied

    async def due(self, ended_before: datetime, limit: int = 1_000) -> RestsDue:
        """What `empty` would empty, at most so many of each."""
        return RestsDue(
            await self._some("empty_orders", ended_before, limit, apply=False),
            await self._some("empty_withdrawals", ended_before, limit, apply=False),
        )

    async def _some(self, function: str, ended_before: datetime, limit: int, *, apply: bool) -> list[str]:
        return list(await self._call(f"SELECT ARRAY(SELECT * FROM {function}($1, $2, $3))", ended_before, limit, apply))
