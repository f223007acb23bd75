"""What people read at a terminal: tables of cleaned cells, on a screen that takes data as data."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE = 240
"""Columns of a table that goes to a file or a pipe."""


def screen() -> Console:
    """Where people read. Data is data: no markup, emoji or highlighting in what orders and carriers say."""
    return Console(markup=False, emoji=False, highlight=False, width=_width())


def _width() -> int | None:
    """A terminal's own; a file or a pipe has none, and a table is only as wide as what is in it."""
    return None if sys.stdout.isatty() else WIDE


def error_screen() -> Console:
    """As `screen`, on stderr."""
    return Console(markup=False, emoji=False, highlight=False, stderr=True)


def clean(value: Any) -> str:
    """A value as one cell: nothing in it can move the cursor or break the line."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def counted(count: int, noun: str) -> str:
    """`1 break`, `2 breaks`: for nouns whose plural is an s."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, numbers: Sequence[str] = ()) -> Table:
    """A table of cleaned cells; the columns in `numbers` stand to the right."""
    grid = Table(title=Text(title), title_justify="left", header_style="bold")
    for column in columns:
        grid.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(Text(clean(cell)) for cell in row))
    return grid


def facts(title: str, values: Mapping[str, Any]) -> Table:
    """Two columns: what, and its value; empty values are left out."""
    grid = Table(title=Text(title), title_justify="left", show_header=False)
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in values.items():
        if value not in (None, "", [], (), {}):
            grid.add_row(Text(name), Text(clean(value)))
    return grid
