"""What a drill prints: each step with its time, each figure, and a verdict at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from bench.figures import Figures

BREACHES_SHOWN = 20


class Steps:
    """The report of one drill. It passes if no breach was noted."""

    def __init__(self, title: str) -> None:
        self._console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._began = time.monotonic()
        self.figures: Figures = {}
        self.breaches: list[str] = []
        self._console.print(f"Drill: {title}")

    @contextmanager
    def step(self, what: str, figure: str | None = None) -> Iterator[None]:
        """One step; its seconds are printed, and kept under `figure` where one is named."""
        began = time.monotonic()
        yield
        seconds = time.monotonic() - began
        if figure is not None:
            self.figures[figure] = round(seconds, 1)
        self._console.print(f"  {seconds:7.1f} s  {what}")

    def say(self, line: str) -> None:
        """A line below the step before."""
        self._console.print(f"             {line}")

    def expect(self, so: bool, what: str) -> None:
        """Note a breach unless this is so."""
        if not so:
            self.breaches.append(what)

    def end(self) -> bool:
        """Print figures and verdict; returns whether the drill passed."""
        self.figures |= {"breaches": float(len(self.breaches)), "drill_s": round(time.monotonic() - self._began, 1)}
        for name, value in self.figures.items():
            self._console.print(f"  {name:<24}{value:>12,.1f}")
        for breach in self.breaches[:BREACHES_SHOWN]:
            self._console.print(f"  BREACH  {breach}")
        self._console.print("Verdict: passed." if not self.breaches else f"Verdict: {len(self.breaches)} breaches.")
        return not self.breaches
