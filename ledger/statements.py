"""Statements of rails and channels as they were loaded."""

from __future__ import annotations

from datetime import datetime

from core.errors import BadInput
from core.reconciliation.lines import Covered, Scope, Statement, TheirLine
from ledger.register_part import RegisterPart


class Statements(RegisterPart):
    """The register's statements."""

    async def load(self, scope: Scope, name: str, statement: Statement, now: datetime) -> int:
        """Store a statement's lines, and of which time they are all; how many lines were new.

        Raises:
            BadInput: lines that were told otherwise before, under the same ids; nothing was stored.
        """
        covered = statement.covered
        row = await self._row(
            "SELECT * FROM load_statement($1, $2, $3, $4, $5, $6)",
            scope,
            name,
            [line.model_dump(mode="json") for line in statement.lines],
            covered.since if covered else None,
            covered.until if covered else None,
            now,
        )
        assert row is not None
        if row["different"]:
            ids = ", ".join(row["different"][:10])
            raise BadInput(
                f"line_id: {ids}: told otherwise before or twice in this statement; a line is never changed,"
                " a correction is a further line under an id of its own"
            )
        return int(row["added"])

    async def lines(self, scope: Scope, name: str, key: str | None = None) -> list[TheirLine]:
        """The lines that a rail or channel ever told, of one key or all, in the order in which they happened."""
        return await self._all(
            TheirLine,
            "SELECT line_id, kind, key, amount_minor, fee_minor, currency, at, reference, event_id"
            " FROM statement_lines WHERE scope = $1 AND name = $2 AND ($3::TEXT IS NULL OR key = $3)"
            " ORDER BY at, line_id",
            scope,
            name,
            key,
        )

    async def periods(self, scope: Scope, name: str) -> list[Covered]:
        """The times of which a rail or channel told everything."""
        return await self._all(
            Covered,
            "SELECT since, until FROM statement_periods WHERE scope = $1 AND name = $2 ORDER BY since",
            scope,
            name,
        )
