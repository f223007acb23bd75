"""The large numbers: hours of tests that find rare errors. `make test` tries the same things, fewer times.

    python tests/support/soak.py                         everything, an estimated two hours on two cores
    python tests/support/soak.py orders --walks 1000     one part, smaller

Parts: `sequences` (every sequence of so many events, from each start), `hypothesis` (every test by hypothesis),
`orders`, `withdrawals` and `refunds` (random walks of the core, each named by its seed), `compared` (random books and
statements, compared from where the last comparison ended and from the beginning), `bursts` (signals at once, to one
order), `webhooks` (10,000 events to 20 endpoints, gateways killed), `points` (each kind of fault at each await point),
`uncached` (workflow tests by workers that remember none), `faults` (the fault bench, `--rounds` times), `drills`
(a loss, bad lines and disks, an upgrade), `clients` (generated clients, and schemathesis). A part that fails does not
stop the others; then the exit code is 1. At the end: kills, orders, withdrawals, effects and breaches.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import order_walks
import refund_walks
import sequences
import typer
import withdrawal_life
from rich.console import Console
from rich.table import Table
from sizes import VARIABLE

PROJECT = Path(__file__).parents[2]
WALKS: dict[str, Callable[[int], int]] = {
    "orders": order_walks.walk,
    "withdrawals": withdrawal_life.walk,
    "refunds": refund_walks.walk,
}
PARTS = (
    *("sequences", "hypothesis", *WALKS, "compared", "bursts", "webhooks", "points"),
    *("uncached", "faults", "drills", "clients"),
)
SUMMED = ("kills", "orders", "withdrawals", "effects", "double_effects", "lost_minor", "stuck", "breaches")
"""Figures of the fault bench and the drills that are added up."""
AT_A_TIME = 100
"""Walks that a process takes before it reports."""
SAYS_EVERY = 10.0
"""Seconds."""
SHOWN = 5
"""Failed walks whose events are printed."""


@dataclass
class Figures:
    """How a part went."""

    part: str
    size: str
    events: int
    failed: int
    seconds: float
    sums: dict[str, float] = field(default_factory=dict)
    """What a bench counted itself."""


def _walk_some(kind: str, first: int, count: int) -> tuple[int, list[str]]:
    """Walks with these seeds: their events, and what was wrong."""
    events, wrong = 0, []
    for seed in range(first, first + count):
        try:
            events += WALKS[kind](seed)
        except AssertionError as error:
            wrong.append(str(error))
    return events, wrong


def _chunks(first: int, walks: int) -> Iterator[tuple[int, int]]:
    for start in range(first, first + walks, AT_A_TIME):
        yield start, min(AT_A_TIME, first + walks - start)


def walk_all(kind: str, first: int, walks: int) -> Figures:
    """Walk on all cores, and print the progress now and then."""
    began = said = time.monotonic()
    done = events = failed = 0
    with multiprocessing.Pool() as pool:
        waiting = [pool.apply_async(_walk_some, (kind, *chunk)) for chunk in _chunks(first, walks)]
        for chunk, answer in zip(_chunks(first, walks), waiting, strict=True):
            had, wrong = answer.get()
            done, events = done + chunk[1], events + had
            for text in wrong[: max(0, SHOWN - failed)]:
                print(text, file=sys.stderr, flush=True)
            failed += len(wrong)
            if time.monotonic() > said + SAYS_EVERY:
                said = time.monotonic()
                rate = done / (said - began)
                left = (walks - done) / rate / 60
                print(f"{kind}: {done:,}/{walks:,} walks, {failed} failed, {left:.0f} min left", flush=True)
    size = f"{walks:,} walks from {first}"
    return Figures(kind, size, events, failed, time.monotonic() - began)


def _explore(start: str, length: int) -> tuple[sequences.Explored, list[str]]:
    """Every sequence from this start, and what was wrong."""
    said = time.monotonic()

    def note(done: int, orders: int) -> None:
        nonlocal said
        if time.monotonic() > said + SAYS_EVERY:
            said = time.monotonic()
            print(f"sequences: from {start}, {done:,}/{orders:,} orders given a last event", flush=True)

    try:
        return sequences.explore(start, length, sequences.LONGER_ALPHABET, note), []
    except AssertionError as error:
        return sequences.Explored(), [f"from {start}, {error}"]


def explore_all(length: int) -> Figures:
    """Every sequence of at most so many events, from each start, on all cores."""
    began, starts = time.monotonic(), sequences.SOAK_STARTS
    found, wrong = [], list[str]()
    with multiprocessing.Pool() as pool:
        for start, answer in [(start, pool.apply_async(_explore, (start, length))) for start in starts]:
            explored, why = answer.get()
            found.append(explored)
            wrong += why
            print(f"sequences: from {start}, {explored.sequences:,} done", flush=True)
            print(*why, sep="\n", end="", file=sys.stderr, flush=True)
    size = f"{sum(one.sequences for one in found):,} of {length}, {sum(one.orders for one in found):,} orders"
    return Figures("sequences", size, sum(one.events for one in found), len(wrong), time.monotonic() - began)


def run_program(part: str, size: str, *arguments: str, **environment: str) -> Figures:
    """A program that prints its own progress."""
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=PROJECT, env={**os.environ, **environment}, check=False
    )
    return Figures(part, size, 0, int(ended.returncode != 0), time.monotonic() - began)


def run_bench(part: str, size: str, *arguments: str) -> Figures:
    """A bench, with the figures that it writes."""
    with tempfile.TemporaryDirectory(prefix="dakuan-soak-") as folder:
        file = Path(folder) / "figures.json"
        done = run_program(part, size, "bench", *arguments, "--json", str(file))
        if file.exists():
            figures = json.loads(file.read_text(encoding="utf-8"))["figures"]
            done.sums = {name: figures[name] for name in SUMMED if name in figures}
    return done


def run_rounds(rounds: int, first: int, withdrawals: int) -> Figures:
    """The fault bench, each round with another seed; the figures of all together."""
    total = Figures("faults", f"{rounds:,} × {withdrawals:,} withdrawals from seed {first}", 0, 0, 0.0)
    for seed in range(first, first + rounds):
        one = run_bench("faults", "", "faults", "--withdrawals", str(withdrawals), "--seed", str(seed))
        total.failed, total.seconds = total.failed + one.failed, total.seconds + one.seconds
        total.sums = {name: total.sums.get(name, 0) + one.sums.get(name, 0) for name in SUMMED}
        print(f"faults: round {seed - first + 1} of {rounds}: {said(total.sums)}", flush=True)
    return total


def run_clients(examples: int) -> Figures:
    """Generated clients and schemathesis, by `make clients`, which brings their tools."""
    began = time.monotonic()
    ended = subprocess.run(["make", "clients", f"ARGS=--examples {examples} --seconds 3600"], cwd=PROJECT, check=False)
    size = f"{examples:,} examples an operation"
    return Figures("clients", size, 0, int(ended.returncode != 0), time.monotonic() - began)


def said(sums: dict[str, float]) -> str:
    """Figures in one line."""
    return ", ".join(f"{value:,.0f} {name.replace('_', ' ')}" for name, value in sums.items())


def soak(
    parts: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(PARTS)}; all unless named.")] = None,
    examples: Annotated[int, typer.Option(min=1, help="Of every test by hypothesis.")] = 20_000,
    walks: Annotated[int, typer.Option(min=1, help="Through orders, withdrawals and refunds each.")] = 200_000,
    first: Annotated[int, typer.Option(min=0, help="The first walk's seed.")] = 0,
    length: Annotated[int, typer.Option(min=1, max=6, help="Of the sequences.")] = 5,
    withdrawals: Annotated[int, typer.Option(min=1, help="Of each round of the fault bench.")] = 2_000,
    rounds: Annotated[int, typer.Option(min=1, help="Of the fault bench, each with a seed of its own.")] = 1,
    lives: Annotated[int, typer.Option(min=10, help="Of each drill.")] = 1_000,
    asked: Annotated[int, typer.Option(min=1, help="Examples of schemathesis for an operation.")] = 100,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
) -> None:
    """The large numbers, part by part, and their figures at the end."""
    wanted = parts or PARTS
    if unknown := [part for part in wanted if part not in PARTS]:
        raise typer.BadParameter(f"no part is called {unknown[0]!r}; there are {', '.join(PARTS)}")
    sharing = ("--numprocesses", "auto", "--dist", "worksteal", "--verbose")
    runs: dict[str, Callable[[], Figures]] = {
        "sequences": partial(explore_all, length),
        **{kind: partial(walk_all, kind, first, walks) for kind in WALKS},
        "hypothesis": lambda: run_program(
            "hypothesis",
            f"{examples:,} examples a test",
            *("pytest", "-m", "hypothesis", "-o", "faulthandler_timeout=0", *sharing),
            **{VARIABLE: str(examples)},
        ),
        "compared": lambda: run_program(
            "compared",
            f"{examples // 10:,} random books for a rail and for a channel",
            *("pytest", "-o", "faulthandler_timeout=0", "tests/test_ledger_compared_statements.py"),
            **{VARIABLE: str(examples)},
        ),
        "bursts": lambda: run_program(
            "bursts", "15,000 signals", *("pytest", "tests/test_workflows_bursts.py"), **{VARIABLE: str(examples)}
        ),
        "webhooks": lambda: run_program(
            "webhooks",
            "10,000 events to 20 endpoints",
            *("pytest", "-o", "faulthandler_timeout=0", "tests/test_storefront_storm.py"),
            **{VARIABLE: str(examples)},
        ),
        "points": lambda: run_program(
            "points",
            "3 kinds of fault at each",
            *("pytest", "tests/test_workflows_await_points.py"),
            **{VARIABLE: str(examples)},
        ),
        "uncached": lambda: run_program(
            "uncached", "the tests of workflows", *("pytest", "--cached-workflows", "0", *workflow_tests())
        ),
        "faults": partial(run_rounds, rounds, first, withdrawals),
        "clients": partial(run_clients, asked),
        "drills": lambda: run_bench("drills", f"{lives:,} lives each", "drill", "--orders", str(lives)),
    }
    figures = []
    for part in wanted:
        print(f"{part} ...", flush=True)
        figures.append(runs[part]())
    write(figures, file)
    raise typer.Exit(code=int(any(one.failed for one in figures)))


def workflow_tests() -> list[str]:
    """The files that let a worker of this process run workflows."""
    return sorted(str(path) for path in (PROJECT / "tests").glob("test_workflows_*.py"))


def write(figures: list[Figures], file: Path | None) -> None:
    """The figures as a table, and as a file where one is named."""
    table = Table("part", "size", "events", "failed", "minutes")
    for one in figures:
        table.add_row(
            one.part, one.size, f"{one.events:,}" if one.events else "", str(one.failed), f"{one.seconds / 60:.1f}"
        )
    Console().print(table)
    for one in figures:
        if one.sums:
            Console(highlight=False).print(f"{one.part}: {said(one.sums)}")
    if file is not None:
        file.write_text(json.dumps([asdict(one) for one in figures], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(soak)
