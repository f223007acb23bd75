"""Shared by the benches: figures by name, a table for people, a file for scripts."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

Figures = dict[str, float]


def writable(file: Path | None) -> Path | None:
    """The file, if it can be written: a measurement of an hour should not end without one.

    Raises:
        typer.BadParameter: it cannot.
    """
    if file is not None and not os.access(file if file.exists() else file.parent, os.W_OK):
        raise typer.BadParameter(f"{file} cannot be written")
    return file


FigureFile = Annotated[
    Path | None, typer.Option(dir_okay=False, callback=writable, help="Write the figures to this file.")
]


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which this share of the values lies; 0 if there are none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios of interleaved pairs: other load on the machine affects both sides of a pair."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True) if b)


def write(figures: Figures, file: Path | None) -> None:
    """Write `{"figures": {name: number}}` if a file was requested."""
    if file is not None:
        file.write_text(json.dumps({"figures": {k: round(v, 4) for k, v in figures.items()}}, indent=2) + "\n")


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], figures: Figures) -> None:
    """The measured rows, then the figures."""
    console = Console()
    grid = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        grid.add_column(column, justify="left" if index == 0 else "right")
    for row in rows:
        grid.add_row(*row)
    if rows:
        console.print(grid)
    summary = Table(title="Figures", title_justify="left", show_header=False)
    for name, value in figures.items():
        summary.add_row(name, f"{value:,.3f}")
    console.print(summary)
