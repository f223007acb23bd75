"""Rests: what is kept of the states of orders that ended long ago."""

from __future__ import annotations

from datetime import datetime

from ledger.register_part import RegisterPart

AT_ONCE = 500
"""States that one transaction empties: each is read and written whole."""


class Rests(RegisterPart):
    """Closed orders whose journal and findings are no longer kept. An order with anything open is left whole."""

    async def empty(self, ended_before: datetime) -> int:
        """Empty what ended before this, 30 days ago at the least; returns how many. Safe to repeat, and to stop.

        Raises:
            Unavailable: the database did not answer; a retry goes on with the next ones.
        """
        emptied = 0
        while done := await self._some(ended_before, AT_ONCE, apply=True):
            emptied += len(done)
        return emptied

    async def due(self, ended_before: datetime, limit: int = 1_000) -> list[str]:
        """The orders that `empty` would empty, the oldest first."""
        return await self._some(ended_before, limit, apply=False)

    async def _some(self, ended_before: datetime, limit: int, *, apply: bool) -> list[str]:
        return list(
            await self._call("SELECT ARRAY(SELECT * FROM empty_orders($1, $2, $3))", ended_before, limit, apply)
        )
