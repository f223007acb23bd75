"""The settlements that the ledger's bench measures are posted, each with its record, alone and gathered."""

from __future__ import annotations

from databases import Database

from bench.settlements import AMOUNT, Settlements


async def test_prepared_orders_are_settled_alone_and_gathered(database: Database) -> None:
    database.broken = True  # these orders were neither funded nor credited
    settlements = Settlements(database.pool, database.owner, beside=1)
    await settlements.prepare(13)
    latencies: list[float] = []
    assert await settlements.settle("alone", 4, 2, recorded=False, latencies=latencies) > 0
    assert await settlements.settle("concurrent", 9, 3, recorded=True, latencies=latencies) > 0
    assert len(latencies) == 13
    settled = "SELECT count(*), count(DISTINCT xmin::TEXT) FROM movements WHERE reference LIKE 'order/%/settle'"
    movements, transactions = await database.pool.fetchrow(settled) or (0, 0)
    assert movements == 13
    assert transactions < 13
    assert await database.pool.fetchval("SELECT count(*) FROM orders WHERE phase = 'settled'") == 9
    assert await database.balance("merchant/1/available") == AMOUNT
