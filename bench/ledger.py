"""`python -m bench ledger`: posting one by one, in arrays, and gathered, compared with the naive way, on busy accounts.

Naive is the usual way: read the balance, two updates and two inserts in a transaction; every posting waits for the row
of the platform's account. Rounds alternate, so that other load affects both.

*Alone* and *concurrent* settle registered orders, as a worker does: each call in a transaction of its own, or gathered.
The *recorded* ones keep the order's record in the same transaction, with its events. No other row does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, NamedTuple

import asyncpg
import typer

from bench.figures import FigureFile, Figures, median_ratio, percentile, show, write
from bench.settlements import Settlements, Way
from core.movements import Leg, Movement, adjustment
from ledger.book import GATHERED_BESIDE, Book
from ledger.migrate import migrate
from ledger.pool import open_pool
from local.postgres import Postgres

CALLERS = 32
ARRAY = 256
WARMING = 4 * CALLERS
"""Settlements of each way before those that are measured."""
SETTLING: dict[str, tuple[Way, bool]] = {
    "alone": ("alone", False),
    "concurrent": ("concurrent", False),
    "alone recorded": ("alone", True),
    "concurrent recorded": ("concurrent", True),
}
ONE_CALLER: dict[str, tuple[Way, bool]] = {
    "alone, one caller": ("alone", True),
    "concurrent, one caller": ("concurrent", True),
}
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


class _Plan(NamedTuple):
    """What is measured: seconds of a round, rounds, settlements of a round and way, arrays at once."""

    seconds: float
    rounds: int
    orders: int
    beside: int


def ledger(
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of one round.")] = 2.0,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds.")] = 5,
    orders: Annotated[int, typer.Option(min=CALLERS, help="Orders that are settled in one round of a way.")] = 2000,
    beside: Annotated[int, typer.Option(min=1, help="Gathered arrays under way at once.")] = GATHERED_BESIDE,
    json: FigureFile = None,
) -> None:
    """Postings per second: naive, one call each, in arrays, gathered; by 32 callers on busy accounts."""
    asyncio.run(_measure(_Plan(seconds, rounds, orders, beside), json))


async def _measure(plan: _Plan, file: Path | None) -> None:
    with TemporaryDirectory(prefix="dakuan-bench-") as folder:
        postgres = Postgres(Path(folder))
        await asyncio.to_thread(postgres.start)
        try:
            await migrate(postgres.owner_dsn)
            await _prepare(postgres.owner_dsn)
            pool = await open_pool(postgres.worker_dsn, size=CALLERS)
            owner = await open_pool(postgres.owner_dsn, size=CALLERS)
            try:
                await _compare(pool, owner, plan, file)
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


async def _compare(pool: asyncpg.Pool[Any], owner: asyncpg.Pool[Any], plan: _Plan, file: Path | None) -> None:
    book = Book(owner)  # only the owner may post general movements
    counter = _Counter()
    ways: dict[str, Callable[[int], Awaitable[int]]] = {
        "naive": lambda caller: _naive(pool, caller, counter),
        "single": lambda caller: _single(book, caller, counter),
        "array": lambda caller: _array(book, caller, counter),
    }
    settling = _Settling(Settlements(pool, owner, beside=plan.beside), plan.orders)
    rates: dict[str, list[float]] = {name: [] for name in (*ways, *SETTLING, *ONE_CALLER)}
    latencies: dict[str, list[float]] = {name: [] for name in rates}
    for way in ways.values():  # warm caches, plans and statistics
        await _round(way, 0.5, [])
    await settling.warm_up()
    await owner.execute("ANALYZE")
    for _ in range(plan.rounds):
        for name, way in ways.items():
            rates[name].append(await _round(way, plan.seconds, latencies[name]))
        await settling.round(rates, latencies)
    _report([*ways, *SETTLING], rates, latencies, file)


def _report(
    names: Sequence[str], rates: dict[str, list[float]], latencies: dict[str, list[float]], file: Path | None
) -> None:
    def ratio(ours: str, theirs: str) -> float:
        return median_ratio(rates[ours], rates[theirs])

    figures: Figures = {
        "ledger_single_ratio_naive": ratio("single", "naive"),
        "ledger_array_ratio_naive": ratio("array", "naive"),
        "ledger_single_p99_ms": percentile(latencies["single"], 99) * 1000,
        "ledger_naive_per_s": percentile(rates["naive"], 50),
        "ledger_single_per_s": percentile(rates["single"], 50),
        "ledger_array_per_s": percentile(rates["array"], 50),
        "concurrent": ratio("concurrent", "naive"),
        "concurrent_ratio_alone": ratio("concurrent", "alone"),
        "concurrent_recorded": ratio("concurrent recorded", "naive"),
        "concurrent_recorded_ratio_alone": ratio("concurrent recorded", "alone recorded"),
        "concurrent_recorded_p99_ms": percentile(latencies["concurrent recorded"], 99) * 1000,
        "concurrent_one_caller_ratio_alone": ratio("concurrent, one caller", "alone, one caller"),
    }
    rows = [
        (
            name,
            f"{percentile(rates[name], 50):,.0f}",
            f"{percentile(latencies[name], 50) * 1000:.1f}",
            f"{percentile(latencies[name], 99) * 1000:.1f}",
            f"{ratio(name, 'naive'):.1f}",
        )
        for name in names
    ]
    show(f"Ledger, {CALLERS} callers", ("way", "movements/s", "p50 ms", "p99 ms", "× naive"), rows, figures)
    write(figures, file)


class _Settling:
    """The rounds of settlements: as many orders for each way, of which a tenth for a single caller."""

    def __init__(self, settlements: Settlements, orders: int) -> None:
        self._settlements, self._orders = settlements, orders

    async def warm_up(self) -> None:
        """Caches, and rows for the statistics of the tables."""
        await self._settlements.prepare(4 * WARMING)
        for way, recorded in SETTLING.values():
            await self._settlements.settle(way, WARMING, CALLERS, recorded=recorded, latencies=[])

    async def round(self, rates: dict[str, list[float]], latencies: dict[str, list[float]]) -> None:
        """Each way once.

        Before that, without a clock, a few settlements in the same sessions: the database analyses its tables about
        once a minute, and each session then plans anew, which is a tenth of so short a round.
        """
        few = max(1, self._orders // 10)
        await self._settlements.prepare(4 * (self._orders + WARMING) + 2 * (few + WARMING))
        for ways, orders, callers in ((SETTLING, self._orders, CALLERS), (ONE_CALLER, few, 1)):
            for name, (way, recorded) in ways.items():
                await self._settlements.settle(way, WARMING, callers, recorded=recorded, latencies=[])
                rate = await self._settlements.settle(
                    way, orders, callers, recorded=recorded, latencies=latencies[name]
                )
                rates[name].append(rate)


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
