"""The report of a run: its progress, then its tables, figures and breaches."""

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
LINE_EVERY = 10.0
"""Seconds."""


@dataclass
class RunFacts:
    """The results of a run."""

    seed: int
    withdrawals: int
    kills: Counter[str] = field(default_factory=Counter)
    tally: Mapping[str, int] = field(default_factory=dict)
    callbacks: Counter[str] = field(default_factory=Counter)
    people: Counter[str] = field(default_factory=Counter)
    orders: int = 0
    back: int = 0
    """Orders whose money went back, by a case or by two people."""
    storm_s: float = 0.0
    settle_s: float = 0.0
    skipped: int = 0
    """Withdrawals for which days were skipped after the storm."""


class Board:
    """Progress bars on a terminal; elsewhere a line from time to time."""

    def __init__(self) -> None:
        self._shown_at: dict[str, float] = {}
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
        """Start or update one line."""
        if not self._progress.console.is_terminal:
            if time.monotonic() > self._shown_at.get(line, -LINE_EVERY) + LINE_EVERY:
                self._shown_at[line] = time.monotonic()
                print(f"{line} {done}/{total} {more}".rstrip(), file=sys.stderr, flush=True)
            return
        if line not in self._lines:
            self._lines[line] = self._progress.add_task(line, total=total)
        self._progress.update(self._lines[line], completed=done, total=total, description=f"{line} {more}".strip())


def show_report(
    facts: RunFacts, evidence: Evidence, verdict: Verdict, raced: Raced | None, again: str, file: Path | None
) -> None:
    """Show tables, figures and breaches, and `again`: the command that makes the same plan."""
    console = Console()
    _counts(console, "What happened", _happened(facts))
    _counts(console, "Where the withdrawals stand", _ends(evidence))
    if raced is not None:
        show_race(raced, None)
    figures = _figures(facts, evidence, verdict, raced)
    show("", (), (), figures)
    _breaches(console, again, verdict)
    write(figures, file)


def show_race(raced: Raced, file: Path | None) -> None:
    """Show the figures of the race."""
    figures = _race_figures(raced)
    show("", (), (), figures)
    for name in raced.broken_proofs:
        Console().print(f"[red]broken proof[/] {name}")
    write(figures, file)


def _figures(facts: RunFacts, evidence: Evidence, verdict: Verdict, raced: Raced | None) -> Figures:
    asked = {name: count for name, count in facts.tally.items() if name.startswith("asked/bank/payout")}
    struck = {name: count for name, count in facts.tally.items() if name.startswith("struck/bank/")}
    figures: Figures = {
        "withdrawals": float(facts.withdrawals),
        "orders": float(facts.orders),
        "orders_refunded": float(facts.back),
        "kills": float(facts.kills.total()),
        "effects": float(sum(len(one.payouts_minor) for one in evidence.bank.values()) + facts.back),
        "bank_calls": float(sum(asked.values())),
        "bank_faults": float(sum(struck.values())),
        "double_effects": float(verdict.double_effects),
        "lost_minor": float(verdict.lost_minor),
        "stuck": float(verdict.stuck),
        "breaks": float(verdict.breaks),
        "breaches": float(len(verdict.breaches)),
        "storm_s": facts.storm_s,
        "settle_s": facts.settle_s,
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


def _happened(facts: RunFacts) -> Iterable[tuple[str, int]]:
    yield from ((f"killed: {name}", count) for name, count in sorted(facts.kills.items()))
    for name, count in facts.tally.items():
        kind, _, what = name.partition("/")
        if what.startswith("bank/"):
            yield f"{'asked' if kind == 'asked' else 'fault'}: {what.removeprefix('bank/')}", count
    yield from ((f"called back: {name}", count) for name, count in sorted(facts.callbacks.items()))
    yield from ((f"people: {name}", count) for name, count in sorted(facts.people.items()))
    yield "days let pass for", facts.skipped


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


def _breaches(console: Console, again: str, verdict: Verdict) -> None:
    if verdict.clean:
        console.print(f"[green]No breach.[/] The same plan again: {again}", highlight=False)
        return
    console.print(f"[red]{len(verdict.breaches)} breaches.[/] The same plan again: {again}", highlight=False)
    for breach in _worst(verdict.breaches)[:BREACHES_SHOWN]:
        console.print(f"  {breach.kind}  {breach.withdrawal_id}  {breach.what}", highlight=False, markup=False)


def _worst(breaches: Sequence[Breach]) -> list[Breach]:
    return sorted(breaches, key=lambda breach: (breach.kind != "double_effect", breach.kind, breach.withdrawal_id))
