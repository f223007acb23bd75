"""`python -m bench ledger`: posting one by one and in arrays, compared with the naive way, on busy accounts.

Naive is the usual way: read the balance, two updates and two inserts in a transaction; every posting waits for the row
of the platform's account. Rounds alternate, so that other load affects both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import asyncpg
import typer

from bench.figures import Figures, median_ratio, percentile, show, write
from core.movements import Leg, Movement, adjustment
from ledger.book import Book
from ledger.migrate import migrate
from ledger.pool import open_pool
from local.postgres import Postgres

CALLERS = 32
ARRAY = 256
NAIVE_SCHEMA = """
CREATE SCHEMA naive;
CREATE TABLE naive.accounts (path TEXT PRIMARY KEY, balance BIGINT NOT NULL);
CREATE TABLE naive.entries (
    id BIGSERIAL PRIMARY KEY, path TEXT NOT NULL, amount BIGINT NOT NULL, reference TEXT NOT NULL);
INSERT INTO naive.accounts SELECT 'merchant/' || i, 0 FROM generate_series(0, 31) AS i;
INSERT INTO naive.accounts VALUES ('platform', 1000000000000);
GRANT USAGE ON SCHEMA naive TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA naive TO PUBLIC;
GRANT ALL ON ALL SEQUENCES IN SCHEMA naive TO PUBLIC;
"""


def ledger(
    seconds: Annotated[float, typer.Option(help="Length of one round.")] = 2.0,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds.")] = 5,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
) -> None:
    """Postings per second: naive, one call each, in arrays; with 32 callers on busy merchant and platform accounts."""
    asyncio.run(_measure(seconds, rounds, json))


async def _measure(seconds: float, rounds: int, file: Path | None) -> None:
    with TemporaryDirectory(prefix="dakuan-bench-") as folder:
        postgres = Postgres(Path(folder))
        await asyncio.to_thread(postgres.start)
        try:
            await migrate(postgres.owner_dsn)
            await _prepare(postgres.owner_dsn)
            pool = await open_pool(postgres.worker_dsn, size=CALLERS)
            owner = await open_pool(postgres.owner_dsn, size=CALLERS)
            try:
                await _compare(pool, owner, seconds, rounds, file)
            finally:
                await pool.close()
                await owner.close()
        finally:
            await asyncio.to_thread(postgres.stop)
            postgres.remove()


async def _prepare(owner_dsn: str) -> None:
    connection = await asyncpg.connect(owner_dsn)
    try:
        await connection.execute(NAIVE_SCHEMA)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def _compare(
    pool: asyncpg.Pool[Any], owner: asyncpg.Pool[Any], seconds: float, rounds: int, file: Path | None
) -> None:
    book = Book(owner)  # only the owner may post general movements
    counter = _Counter()
    rates: dict[str, list[float]] = {"naive": [], "single": [], "array": []}
    latencies: dict[str, list[float]] = {"naive": [], "single": [], "array": []}
    ways: dict[str, Callable[[int], Awaitable[int]]] = {
        "naive": lambda caller: _naive(pool, caller, counter),
        "single": lambda caller: _single(book, caller, counter),
        "array": lambda caller: _array(book, caller, counter),
    }
    for way in ways.values():  # warm caches, plans and statistics
        await _round(way, 0.5, [])
    await owner.execute("ANALYZE")
    for _ in range(rounds):
        for name, way in ways.items():
            rates[name].append(await _round(way, seconds, latencies[name]))
    figures: Figures = {
        "ledger_single_ratio_naive": median_ratio(rates["single"], rates["naive"]),
        "ledger_array_ratio_naive": median_ratio(rates["array"], rates["naive"]),
        "ledger_single_p99_ms": percentile(latencies["single"], 99) * 1000,
        "ledger_naive_per_s": percentile(rates["naive"], 50),
        "ledger_single_per_s": percentile(rates["single"], 50),
        "ledger_array_per_s": percentile(rates["array"], 50),
    }
    rows = [
        (
            name,
            f"{percentile(rates[name], 50):,.0f}",
            f"{percentile(latencies[name], 50) * 1000:.1f}",
            f"{percentile(latencies[name], 99) * 1000:.1f}",
            f"{median_ratio(rates[name], rates['naive']):.1f}",
        )
        for name in ways
    ]
    show(f"Ledger, {CALLERS} callers", ("way", "movements/s", "p50 ms", "p99 ms", "× naive"), rows, figures)
    write(figures, file)


class _Counter:
    """Numbers for references: no two postings of a run share one."""

    def __init__(self) -> None:
        self._next = 0

    def take(self) -> int:
        self._next += 1
        return self._next


async def _round(way: Callable[[int], Awaitable[int]], seconds: float, latencies: list[float]) -> float:
    ends = time.perf_counter() + seconds
    done = 0

    async def caller(number: int) -> None:
        nonlocal done
        while (began := time.perf_counter()) < ends:
            posted = await way(number)
            done += posted  # not `done += await …`: that adds to the value from before the wait
            latencies.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(CALLERS)))
    return done / (time.perf_counter() - began)


async def _naive(pool: asyncpg.Pool[Any], caller: int, counter: _Counter) -> int:
    reference = f"naive/{counter.take()}"
    async with pool.acquire() as connection, connection.transaction():
        await connection.fetchval("SELECT balance FROM naive.accounts WHERE path = 'platform' FOR UPDATE")
        await connection.execute("UPDATE naive.accounts SET balance = balance - 100 WHERE path = 'platform'")
        await connection.execute(
            "UPDATE naive.accounts SET balance = balance + 100 WHERE path = $1", f"merchant/{caller}"
        )
        await connection.execute(
            "INSERT INTO naive.entries (path, amount, reference) VALUES ('platform', -100, $2), ($1, 100, $2)",
            f"merchant/{caller}",
            reference,
        )
    return 1


def _movement(caller: int, counter: _Counter) -> Movement:
    legs = [
        Leg("psp/bench", f"merchant/{caller}/available", 95),
        Leg("psp/bench", "income/commission", 5),
    ]
    return adjustment(f"bench/{counter.take()}", "CNY", datetime.now(UTC), legs)


async def _single(book: Book, caller: int, counter: _Counter) -> int:
    await book.post_all([_movement(caller, counter)])
    return 1


async def _array(book: Book, caller: int, counter: _Counter) -> int:
    await book.post_all([_movement(caller, counter) for _ in range(ARRAY)])
    return ARRAY
