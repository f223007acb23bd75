"""What the planner expects of the part that a proof reads: a guess that grows with the books makes each proof slow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from databases import Database

from ledger.proof_scope import PART

BOOKS = """
    INSERT INTO accounts (path, currency, kind, guarded, balance_minor)
    SELECT 'order/X' || i || '/escrow', 'CNY', 'liability', TRUE, 0 FROM generate_series(1, 4000) AS s (i);
    INSERT INTO movements (reference, currency, request_hash, occurred_at)
    SELECT 'order/X' || i || '/fund', 'CNY', '', now() FROM generate_series(1, 4000) AS s (i);
    ANALYZE accounts, movements
"""


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


@pytest.mark.parametrize("table", ["accounts", "movements"])
async def test_a_subject_is_expected_to_have_few_rows(database: Database, table: str) -> None:
    """Half a percent of the table without what follows from the range: twenty here, of three million orders 45,000."""
    database.broken = True
    query = f"EXPLAIN (FORMAT JSON) {PART} SELECT count(*) FROM {table}"
    query = query.replace("$1", "0").replace("$2", "0").replace("$3", "1")
    async with database.owner.acquire() as session, session.transaction():
        await session.execute(f"SET LOCAL session_replication_role = replica; {BOOKS}")
        [explained] = json.loads(await session.fetchval(query))
    looks = [
        node["Plan Rows"]
        for node in _nodes(explained["Plan"])
        if node.get("Relation Name") == table and "subject" in node.get("Index Cond", node.get("Filter", ""))
    ]
    assert looks, "nothing looks up the rows of a subject"
    assert max(looks) <= 5
