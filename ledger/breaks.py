"""Breaks: the differences that reconciliation found between statements, our books and the register."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from core.fields import Message
from core.reconciliation.lines import Break, Scope
from ledger.compared_scope import ComparedTo
from ledger.long_reads import LONG_READ_WITHIN
from ledger.pool import translate_errors
from ledger.register_part import Position, RegisterPart

KNOWN_AT_MOST = 1000


class KnownBreak(Message):
    """A break with its history; open while `resolved_at` is None."""

    found: Break
    first_seen_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None

    @property
    def position(self) -> Position:
        """Its place in the list. A key may have any characters, so the place is its digest."""
        return Position(
            self.first_seen_at, hashlib.md5(self.found.break_id.encode(), usedforsecurity=False).hexdigest()
        )


class Run(Message):
    """The last run of a comparison: how many lines each side had, and how many breaks there were."""

    scope: Scope
    name: str
    ran_at: datetime
    ours: int
    theirs: int
    breaks: int


class Breaks(RegisterPart):
    """The register's breaks."""

    async def record(
        self, scope: Scope, name: str, found: Sequence[Break], *, ours: int, theirs: int, now: datetime
    ) -> list[str]:
        """Keep what a run found: each new break gets a notice, a known one is marked as seen again, and the others of
        this comparison are resolved. Returns the ids of the breaks that are new or back. A run older than the last one
        changes nothing.
        """
        bodies = [{**one.model_dump(mode="json"), "break_id": one.break_id} for one in found]
        query = "SELECT record_breaks($1, $2, $3, $4, $5, $6)"
        async with translate_errors():
            # After an outage there may be a hundred thousand, a second for each few thousand.
            new = await self._pool.fetchval(query, scope, name, bodies, ours, theirs, now, timeout=LONG_READ_WITHIN)
        return list(new)

    async def note_compared(self, scope: Scope, name: str, standing: ComparedTo) -> None:
        """Let the next comparison begin here. It never goes back."""
        still_open = [one._asdict() for one in standing.open]
        await self._call(
            "SELECT note_compared($1, $2, $3, $4, $5)", scope, name, standing.seal, standing.position, still_open
        )

    async def known(
        self,
        *,
        scope: Scope | None = None,
        name: str | None = None,
        resolved: bool = False,
        after: Position | None = None,
        limit: int = KNOWN_AT_MOST,
    ) -> list[KnownBreak]:
        """The open breaks; with `resolved`, also the resolved ones. The oldest first.

        Args:
            after: the `position` of the last one of the page before.
        """
        rows = await self._records(
            "SELECT body, first_seen_at, last_seen_at, resolved_at FROM reconciliation_breaks"
            " WHERE ($1::TEXT IS NULL OR scope = $1) AND ($2::TEXT IS NULL OR name = $2)"
            " AND ($3 OR resolved_at IS NULL)"
            " AND ($4::TIMESTAMPTZ IS NULL OR (first_seen_at, md5(break_id)) > ($4, $5))"
            " ORDER BY first_seen_at, md5(break_id) LIMIT $6",
            scope,
            name,
            resolved,
            after.at if after is not None else None,
            after.id if after is not None else None,
            limit,
        )
        return [KnownBreak(**{**row, "found": Break.model_validate(row["body"])}) for row in rows]

    async def last_runs(self) -> list[Run]:
        """The last run of each comparison."""
        return await self._all(Run, "SELECT * FROM reconciliation_runs ORDER BY scope, name")

    async def comparisons(self) -> list[tuple[Scope, str]]:
        """What can be compared: our books, each rail that has payouts, penny drops, money of ours or a statement, and
        each channel that has payments or one.
        """
        rows = await self._records(
            # Payments, payouts and lines are many, and their names few: ask an index for the next name instead of
            # reading every row.
            "WITH RECURSIVE channels AS ((SELECT channel FROM payments ORDER BY channel LIMIT 1) UNION ALL"
            " SELECT (SELECT p.channel FROM payments p WHERE p.channel > c.channel ORDER BY p.channel LIMIT 1)"
            " FROM channels c WHERE c.channel IS NOT NULL),"
            " rails AS ((SELECT rail FROM payout_attempts ORDER BY rail LIMIT 1) UNION ALL"
            " SELECT (SELECT a.rail FROM payout_attempts a WHERE a.rail > r.rail ORDER BY a.rail LIMIT 1)"
            " FROM rails r WHERE r.rail IS NOT NULL),"
            " drops AS ((SELECT rail FROM account_drops ORDER BY rail LIMIT 1) UNION ALL"
            " SELECT (SELECT d.rail FROM account_drops d WHERE d.rail > r.rail ORDER BY d.rail LIMIT 1)"
            " FROM drops r WHERE r.rail IS NOT NULL),"
            " lines AS ((SELECT scope, name FROM statement_lines ORDER BY scope, name LIMIT 1) UNION ALL"
            " SELECT n.scope, n.name FROM lines l CROSS JOIN LATERAL (SELECT s.scope, s.name FROM statement_lines s"
            " WHERE (s.scope, s.name) > (l.scope, l.name) ORDER BY s.scope, s.name LIMIT 1) AS n)"
            " SELECT 'withdrawals' AS scope, 'books' AS name UNION SELECT 'orders', 'books'"
            " UNION SELECT 'rail', rail FROM rails WHERE rail IS NOT NULL"
            " UNION SELECT 'rail', rail FROM drops WHERE rail IS NOT NULL"
            " UNION SELECT 'rail', split_part(path, '/', 2) FROM accounts WHERE path >= 'rail/' AND path < 'rail0'"
            " UNION SELECT 'channel', channel FROM channels WHERE channel IS NOT NULL"
            " UNION SELECT scope, name FROM lines UNION SELECT scope, name FROM statement_periods"
            " ORDER BY scope, name"
        )
        return [(row["scope"], row["name"]) for row in rows]

    async def _records(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        async with translate_errors():
            return [dict(row) for row in await self._pool.fetch(query, *arguments)]
