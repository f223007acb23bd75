"""What a run tells: how far it is while it lasts, and its tables, figures and breaches at the end."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.faults.judging import Breach, Evidence, Verdict
from bench.faults.race import Raced
from bench.figures import Figures, show, write

BREACHES_SHOWN = 40
SAYS_EVERY = 10.0
"""Seconds."""


@dataclass
class Told:
    """What happened in a run."""

    seed: int
    withdrawals: int
    kills: Counter[str] = field(default_factory=Counter)
    tally: Mapping[str, int] = field(default_factory=dict)
    callbacks: Counter[str] = field(default_factory=Counter)
    people: Counter[str] = field(default_factory=Counter)
    orders: int = 0
    storm_s: float = 0.0
    settle_s: float = 0.0
    skipped: int = 0
    """Withdrawals for which days were let pass after the storm."""


class Board:
    """Progress on the terminal; elsewhere a line now and then."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}
        self._progress = Progress(
            TextColumn("{task.description:<34}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._lines: dict[str, TaskID] = {}

    def __enter__(self) -> Board:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, line: str, done: int, total: int, more: str = "") -> None:
        """One line, begun or moved on."""
        if not self._progress.console.is_terminal:
            if time.monotonic() > self._said.get(line, -SAYS_EVERY) + SAYS_EVERY:
                self._said[line] = time.monotonic()
                print(f"{line} {done}/{total} {more}".rstrip(), file=sys.stderr, flush=True)
            return
        if line not in self._lines:
            self._lines[line] = self._progress.add_task(line, total=total)
        self._progress.update(self._lines[line], completed=done, total=total, description=f"{line} {more}".strip())


def tell(told: Told, evidence: Evidence, verdict: Verdict, raced: Raced | None, file: Path | None) -> None:
    """Tables, figures, breaches."""
    console = Console()
    _counts(console, "What happened", _happened(told))
    _counts(console, "Where the withdrawals stand", _ends(evidence))
    if raced is not None:
        tell_race(raced, None)
    figures = _figures(told, verdict, raced)
    show("", (), (), figures)
    _breaches(console, told, verdict)
    write(figures, file)


def tell_race(raced: Raced, file: Path | None) -> None:
    """The figures of the race."""
    figures = _race_figures(raced)
    show("", (), (), figures)
    for name in raced.broken_proofs:
        Console().print(f"[red]broken proof[/] {name}")
    write(figures, file)


def _figures(told: Told, verdict: Verdict, raced: Raced | None) -> Figures:
    asked = {name: count for name, count in told.tally.items() if name.startswith("asked/bank/payout")}
    struck = {name: count for name, count in told.tally.items() if name.startswith("struck/bank/")}
    figures: Figures = {
        "withdrawals": float(told.withdrawals),
        "orders": float(told.orders),
        "kills": float(told.kills.total()),
        "bank_calls": float(sum(asked.values())),
        "bank_faults": float(sum(struck.values())),
        "double_effects": float(verdict.double_effects),
        "lost_minor": float(verdict.lost_minor),
        "stuck": float(verdict.stuck),
        "breaks": float(verdict.breaks),
        "breaches": float(len(verdict.breaches)),
        "storm_s": told.storm_s,
        "settle_s": told.settle_s,
    }
    return figures | (_race_figures(raced) if raced is not None else {})


def _race_figures(raced: Raced) -> Figures:
    return {
        "race_rounds": float(raced.rounds),
        "race_requests": float(raced.requests),
        "race_reserved": float(raced.reserved),
        "race_over_reserved": float(raced.over_reserved),
        "race_wrongly_refused": float(raced.wrongly_refused),
        "race_requests_per_s": raced.requests / raced.seconds if raced.seconds else 0.0,
    }


def _happened(told: Told) -> Iterable[tuple[str, int]]:
    yield from ((f"killed: {name}", count) for name, count in sorted(told.kills.items()))
    for name, count in told.tally.items():
        kind, _, what = name.partition("/")
        if what.startswith("bank/"):
            yield f"{'asked' if kind == 'asked' else 'fault'}: {what.removeprefix('bank/')}", count
    yield from ((f"called back: {name}", count) for name, count in sorted(told.callbacks.items()))
    yield from ((f"people: {name}", count) for name, count in sorted(told.people.items()))
    yield "days let pass for", told.skipped


def _ends(evidence: Evidence) -> Iterable[tuple[str, int]]:
    stands: Counter[str] = Counter()
    for asked in evidence.asked:
        found = evidence.register.get(asked.withdrawal_id)
        if found is None:
            stands["(never began)"] += 1
        else:
            stands[found.phase + (f", waits for {found.waits_for}" if found.waits_for else "")] += 1
    return sorted(stands.items())


def _counts(console: Console, title: str, rows: Iterable[tuple[str, int]]) -> None:
    grid = Table(title=title, title_justify="left", show_header=False)
    grid.add_column()
    grid.add_column(justify="right")
    for name, count in rows:
        grid.add_row(name, f"{count:,}")
    console.print(grid)


def _breaches(console: Console, told: Told, verdict: Verdict) -> None:
    again = f"python -m bench faults --withdrawals {told.withdrawals} --seed {told.seed}"
    if verdict.clean:
        console.print(f"[green]No breach.[/] The same plan again: {again}", highlight=False)
        return
    console.print(f"[red]{len(verdict.breaches)} breaches.[/] The same plan again: {again}", highlight=False)
    for breach in _worst(verdict.breaches)[:BREACHES_SHOWN]:
        console.print(f"  {breach.kind}  {breach.withdrawal_id}  {breach.told}", highlight=False, markup=False)


def _worst(breaches: Sequence[Breach]) -> list[Breach]:
    return sorted(breaches, key=lambda breach: (breach.kind != "double_effect", breach.kind, breach.withdrawal_id))
