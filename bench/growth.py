"""`python -m bench growth`: what becomes slower, larger or longer as the books grow, and how fast.

The books grow from one size to the next. At each they are sealed and proven; then comes the work of one more day, and
the figures are measured. A slope is the exponent of a figure over the number of orders: 0 stays as it is,
1 grows as the books do.
"""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import asyncpg
import typer

from bench.figures import FigureFile, Figures, show, writable, write
from bench.growing import SINCE, GrowingPostgres, grow
from bench.growth_memory import compare
from ledger.merchant_statements import merchant_statements
from ledger.migrate import migrate
from ledger.pool import open_pool
from ledger.proving import prove_and_note
from ledger.register import Register
from ledger.safeguarding import safeguards

DAY = 2_000
"""Orders of the day after the last proof."""
SIZES = (30_000, 100_000, 300_000, 1_000_000, 3_000_000)
SMALLEST, LARGEST = 3_000, SIZES[-1]
MEASURED = (
    *("prove_s", "prove_buffers", "reconcile_mb", "reconcile_day_buffers", "safeguarding_s", "safeguarding_buffers"),
    *("reviews_buffers", "statement_buffers", "balance_buffers"),
)
_READ = "SELECT sum(heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit + coalesce(toast_blks_read, 0)"
_READ += " + coalesce(toast_blks_hit, 0) + coalesce(tidx_blks_read, 0) + coalesce(tidx_blks_hit, 0))"
_READ += " FROM pg_statio_user_tables"


def growth(
    orders: Annotated[int, typer.Option(min=SMALLEST, max=LARGEST, help="The largest books.")] = 100_000,
    json: FigureFile = None,
    chart: Annotated[
        Path | None, typer.Option(dir_okay=False, callback=writable, help="Draw the slopes into this SVG file.")
    ] = None,
) -> None:
    """Time and buffers of prove, safeguarding and reconcile, memory of a whole reconcile, buffers of lists."""
    asyncio.run(_measure(sizes_up_to(orders), json, chart))


def sizes_up_to(orders: int) -> list[int]:
    """The usual sizes below a number of orders, and that number."""
    return [*(size for size in SIZES if size < orders), orders]


def short(size: int) -> str:
    """A size as the names of figures have it: `30k`, `1m`, `2500`."""
    for unit, letter in ((1_000_000, "m"), (1_000, "k")):
        if size % unit == 0:
            return f"{size // unit}{letter}"
    return str(size)


async def _measure(sizes: Sequence[int], file: Path | None, chart: Path | None) -> None:
    with TemporaryDirectory(prefix="dakuan-growth-") as folder:
        postgres = GrowingPostgres(Path(folder), durable=False)
        await asyncio.to_thread(postgres.start)
        try:
            found = await _of_sizes(postgres, sizes, lambda so_far: _keep(so_far, file, chart))
        finally:
            await asyncio.to_thread(postgres.remove)
    names = list(next(iter(found.values())))
    rows = [[name, *(f"{of[name]:,.3f}" for of in found.values()), slope(name, found)] for name in names]
    show("As the books grow", ("", *(f"{size:,}" for size in found), "slope"), rows, {})


def _keep(found: dict[int, Figures], file: Path | None, chart: Path | None) -> None:
    write({f"{name}_{short(size)}": of[name] for name in MEASURED for size, of in found.items()}, file)
    if chart is not None:
        chart.write_text(picture(found), encoding="utf-8")


async def _of_sizes(
    postgres: GrowingPostgres, sizes: Sequence[int], keep: Callable[[dict[int, Figures]], None]
) -> dict[int, Figures]:
    """The figures by size; `keep` hears them after each: the last may take an hour."""
    await migrate(postgres.owner_dsn)
    settings = {"search_path": "dakuan"}
    owner = await asyncpg.connect(postgres.owner_dsn, server_settings=settings)
    helper = await asyncpg.connect(postgres.owner_dsn, server_settings=settings)
    pool = await open_pool(postgres.worker_dsn, size=1)
    found: dict[int, Figures] = {}
    try:
        for before, size in pairwise([0, *sizes]):
            _tell(f"{size:,} orders: filling")
            began = time.perf_counter()
            await grow(owner, before + 1, size - DAY - before, lambda there: _tell(f"  {there:,} orders"), helper)
            figures = {"fill_s": time.perf_counter() - began}
            figures["seal_s"] = await _timed(Register(pool).seals.seal, "seal")
            figures["prove_all_s"] = await _timed(lambda: _proven(pool, whole=True), "prove all")
            figures |= await asyncio.to_thread(_reconciled_all, postgres.worker_dsn)
            await grow(owner, size - DAY + 1, DAY, lambda there: None)
            await Register(pool).seals.seal()
            found[size] = figures | await _figures(pool, size)
            keep(found)
        return found
    finally:
        await pool.close()
        await helper.close()
        await owner.close()


async def _figures(pool: asyncpg.Pool[Any], size: int) -> Figures:
    day = SINCE + size * timedelta(seconds=20)
    register = Register(pool)
    figures = await _work("prove", pool, lambda: _proven(pool))
    figures |= await _work("reconcile_day", pool, lambda: compare(pool, whole=False))
    await safeguards(pool)  # plans are made
    figures |= await _work("safeguarding", pool, lambda: safeguards(pool))
    figures["reviews_buffers"] = await _buffers(pool, lambda: register.reviews.waiting(limit=50))
    figures["statement_buffers"] = await _buffers(
        pool, lambda: merchant_statements(pool, "m-7", day - timedelta(days=1), day)
    )
    figures["balance_buffers"] = await _buffers(pool, lambda: register.balances.of_merchant("m-98"))
    return figures


async def _proven(pool: asyncpg.Pool[Any], *, whole: bool = False) -> None:
    found = await prove_and_note(pool, whole=whole)
    assert found.hold, [proof for proof in found.proofs if not proof.holds]


async def _timed(call: Callable[[], Awaitable[object]], what: str) -> float:
    began = time.perf_counter()
    await call()
    took = time.perf_counter() - began
    _tell(f"  {what}: {took:,.1f} s")
    return took


async def _work(name: str, pool: asyncpg.Pool[Any], call: Callable[[], Awaitable[object]]) -> Figures:
    """Seconds of a call that is made once, and the pages that it reads."""
    before = await _read_so_far(pool)
    took = await _timed(call, name)
    return {f"{name}_s": took, f"{name}_buffers": await _read_so_far(pool) - before}


def _reconciled_all(dsn: str) -> Figures:
    """What all comparisons from the beginning on take, in a process of their own: its memory, and seconds."""
    program = [sys.executable, "-m", "bench.growth_memory"]
    began = time.perf_counter()
    done = subprocess.run(program, input=f"{dsn}\n", stdout=subprocess.PIPE, text=True, check=True, timeout=3600)
    figures = {"reconcile_mb": float(done.stdout), "reconcile_all_s": time.perf_counter() - began}
    _tell(f"  reconcile all: {figures['reconcile_mb']:,.1f} MB, {figures['reconcile_all_s']:,.1f} s")
    return figures


async def _buffers(pool: asyncpg.Pool[Any], call: Callable[[], Awaitable[object]]) -> float:
    """Pages of 8 KB of tables and indexes that a call reads, by the database's own count."""
    await call()  # plans are made
    before = await _read_so_far(pool)
    await call()
    return await _read_so_far(pool) - before


async def _read_so_far(pool: asyncpg.Pool[Any]) -> float:
    """By the only session of the pool, which hands in its count first."""
    await pool.fetchval("SELECT pg_stat_force_next_flush()")
    return float(await pool.fetchval(_READ))


def slope(name: str, found: dict[int, Figures]) -> str:
    """The exponent of a figure over the number of orders; empty where one size was measured."""
    first, last = min(found), max(found)
    if first == last or not found[first][name] or not found[last][name]:
        return ""
    return f"{math.log(found[last][name] / found[first][name]) / math.log(last / first):+.2f}"


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


# --- the chart -------------------------------------------------------------------------------------------

_WIDTH, _HEIGHT, _EDGE = 640, 360, 48
_COLOURS = (
    *("#1b6ca8", "#c1440e", "#2e8b57", "#8e44ad", "#b8860b", "#5f6b6d"),
    *("#d6618f", "#00838f", "#6d4c41"),
)


def picture(found: dict[int, Figures]) -> str:
    """Each figure over the number of orders, both logarithmic, as a multiple of its smallest: flat is good."""
    sizes = sorted(found)
    highest = max([10.0, *(_times(found, name, size) for name in MEASURED for size in sizes)])
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif"'
        ' font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{_EDGE}" y="20">times the figure of {sizes[0]:,} orders</text>',
    ]
    for power in range(-1, math.floor(math.log10(highest)) + 1):
        y = _up(10.0**power, highest)
        lines.append(f'<line x1="{_EDGE}" y1="{y}" x2="{_WIDTH - 180}" y2="{y}" stroke="#ddd"/>')
        lines.append(f'<text x="{_EDGE - 6}" y="{y + 4}" text-anchor="end">{10.0**power:g}</text>')
    for number, size in enumerate(sizes):
        x = _across(number, len(sizes))
        lines.append(f'<text x="{x}" y="{_HEIGHT - 16}" text-anchor="middle">{size:,}</text>')
    for number, name in enumerate(MEASURED):
        points = [
            f"{_across(at, len(sizes))},{_up(_times(found, name, size), highest)}" for at, size in enumerate(sizes)
        ]
        colour = _COLOURS[number]
        lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(points)}"/>')
        lines.append(f'<text x="{_WIDTH - 170}" y="{40 + 16 * number}" fill="{colour}">{name}</text>')
    return "\n".join([*lines, "</svg>", ""])


def _times(found: dict[int, Figures], name: str, size: int) -> float:
    first = found[min(found)][name]
    return max(found[size][name] / first, 0.1) if first else 1.0


def _across(number: int, count: int) -> int:
    return _EDGE + (_WIDTH - 2 * _EDGE - 160) * number // max(count - 1, 1)


def _up(times: float, highest: float) -> int:
    low, high = math.log(0.1), math.log(highest)
    return round(_HEIGHT - _EDGE - (_HEIGHT - 2 * _EDGE) * (math.log(times) - low) / (high - low))
