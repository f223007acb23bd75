"""Statement lines for tests of the ledger, and the breaks that a comparison with them finds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

from databases import Database
from ledger_samples import (
    NOW,
)

from core.reconciliation.breaks import breaks
from core.reconciliation.lines import Break, Covered, Scope, Statement, TheirLine
from ledger import differing
from ledger.differing import Sides
from ledger.pool import Pool
from ledger.register import Register

LATER = datetime.now(UTC) + timedelta(days=2)
"""The time of the comparison: everything that the tests do is older than each tolerance except `stuck_after`."""
ALL_TIME = Covered(since=NOW - timedelta(days=4000), until=LATER)


NOTHING_IS = "$3 AND $4::TIMESTAMPTZ = 'infinity' AND $5::TIMESTAMPTZ = 'infinity'"


async def both_sides(pool: Pool, scope: Scope, name: str, now: datetime = LATER) -> Sides:
    """All lines, also those that plainly agree."""
    with patch.object(differing, "PLAIN", NOTHING_IS):
        return await differing.differing(pool, scope, name, now)


async def found(database: Database, scope: Scope, name: str, now: datetime = LATER) -> list[Break]:
    """The breaks; the same whether all lines are judged or only those that do not plainly agree."""
    whole = await both_sides(database.pool, scope, name, now)
    sides = await differing.differing(database.pool, scope, name, now)
    assert (len(whole.ours), len(whole.theirs)) == (sides.our_count, sides.their_count)
    judged = [breaks(scope, name, one.ours, one.theirs, now, covered=one.covered) for one in (whole, sides)]
    assert judged[0] == judged[1]
    return judged[1]


async def reasons(database: Database, scope: Scope, name: str, now: datetime = LATER) -> list[tuple[str, str, str]]:
    return [(one.reason, one.kind, one.key) for one in await found(database, scope, name, now)]


def line(kind: str, key: str, amount: int, line_id: str | None = None, **more: Any) -> TheirLine:
    given = {"line_id": line_id or f"{kind}-{key}", "kind": kind, "key": key, "amount_minor": amount}
    return TheirLine.model_validate({"currency": "CNY", "at": NOW, **given, **more})


async def loaded(register: Register, scope: Scope, name: str, *lines: TheirLine) -> int:
    return await register.statements.load(scope, name, Statement(lines=lines, covered=ALL_TIME), NOW)
