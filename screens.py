"""What people read at a terminal: tables of cleaned cells, on a screen that takes data as data.

A table fits its screen. Where its columns do not, empty ones go first, then those that it can spare, and at last each
row becomes a paragraph. Lines break between words, never inside an id or an amount.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

USUAL_WIDTH = 80
"""Columns where no terminal and no COLUMNS says how many there are."""
NARROWEST_TEXT = 20
"""Columns below which a longer text is no longer read as one."""
_GAP = 2


def screen(kind: type[Console] | None = None) -> Console:
    """Where people read. Data is data: no markup, emoji or highlighting in what orders and carriers say."""
    from rich.console import Console  # loaded when something is shown: no help text needs it

    return (kind or Console)(markup=False, emoji=False, highlight=False, width=_width())


def _width() -> int:
    """What COLUMNS says, else the terminal's own, also where the output goes to a pager or a file beside it."""
    if columns := shutil.get_terminal_size((0, 0)).columns:
        return columns
    for stream in (sys.__stderr__, sys.__stdin__):
        try:
            return max(1, os.get_terminal_size(stream.fileno()).columns)  # type: ignore[union-attr]  # None raises below
        except (AttributeError, OSError, ValueError):
            continue
    return USUAL_WIDTH


def error_screen() -> Console:
    """As `screen`, on stderr."""
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False, stderr=True)


def write_anything() -> None:
    """Replace characters that a terminal cannot show: an argument may not be text, and output must not fail on it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def clean(value: Any) -> str:
    """A value as one cell: nothing in it can move the cursor or break the line."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def counted(count: int, noun: str) -> str:
    """`1 break`, `2 breaks`: for nouns whose plural is an s."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


class Cell(NamedTuple):
    """What stands in a cell: lines that are clean already, in a style of the terminal."""

    lines: tuple[str, ...]
    style: str = ""


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    numbers: Sequence[str] = (),
    spare: Sequence[str] = (),
) -> Listing:
    """A table of cleaned cells.

    Args:
        numbers: columns that stand to the right and never break, such as amounts.
        spare: columns that go where the screen is too narrow for all, the first of them first.
    """
    cells = [tuple(_cell(value) for value in row) for row in rows]
    return Listing(title, tuple(columns), cells, frozenset(numbers), tuple(spare))


def facts(title: str, values: Mapping[str, Any]) -> Facts:
    """Two columns: what, and its value, several in a row; empty values are left out."""
    return Facts(title, [(name, _row(value)) for name, value in values.items() if value not in (None, "", [], (), {})])


def _row(value: Any) -> str:
    return ", ".join(map(clean, value)) if isinstance(value, list | tuple) else clean(value)


def _cell(value: Any) -> Cell:
    return value if isinstance(value, Cell) else Cell((clean(value),))


# --- how text breaks ---------------------------------------------------------------------------------------

_WIDE = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uff60"
_PIECES = re.compile(
    r"-?[\d,]+(?:\.\d+)? [A-Z]{3}\b[.,;:)]*|\d\d:\d\d UTC\b[.,;:)]*|"
    rf"\s+|[“‘（【《]*[{_WIDE}][”’，。、；：？！）】》…]*|[^\s{_WIDE}“‘（【《]+|."
)
"""What a line does not break: an amount, a time, a word with its marks, a Chinese character with those around it."""


@lru_cache(maxsize=4096)
def width_of(text: str) -> int:
    """Columns that a text takes on a terminal: two for a Chinese character, none for an accent."""
    return sum(
        2 if unicodedata.east_asian_width(letter) in "WF" else 0 if unicodedata.combining(letter) else 1
        for letter in text
    )


def wrap(text: str, width: int) -> list[str]:
    """The lines of a text; a word breaks only where it is longer than a line."""
    lines, line, space = [], "", ""
    for piece in _PIECES.findall(text):
        if piece.isspace():
            space = piece
            continue
        if line and width_of(line) + width_of(space) + width_of(piece) > width:
            lines.append(line)
            line, space = "", ""
        line += (space if line else "") + piece
        space = ""
        while width_of(line) > width:
            head = _head(line, width)
            lines.append(head)
            line = line[len(head) :]
    return [*lines, line] if line or not lines else lines


def _head(text: str, width: int) -> str:
    """As much of a text as fits; one letter at least."""
    end = 1
    while end < len(text) and width_of(text[: end + 1]) <= width:
        end += 1
    return text[:end]


def _least(text: str) -> int:
    """The columns that a text needs to be read: its longest word, and of a long text some more."""
    return max(max(map(width_of, _PIECES.findall(text)), default=0), min(width_of(text), NARROWEST_TEXT))


# --- tables ------------------------------------------------------------------------------------------------

Spans = list[tuple[str, str]]
"""A line of the screen: texts with their styles."""


class Words(NamedTuple):
    """A language for what a table says of itself."""

    named: Callable[[str], str] = str
    """A heading in that language."""
    nothing: str = "none"
    left_out: str = "Not shown in {width} columns: {columns}."
    apart: str = ", "
    colon: str = ": "
    cell: Callable[[str, str], str] = lambda column, text: text
    """What stands in a cell under this heading, in that language."""


ENGLISH = Words()


class Shown:
    """Something that is shown line by line, as wide as its screen."""

    def in_words(self, words: Words) -> Shown:
        """The same with its headings in another language."""
        raise NotImplementedError

    def lines(self, width: int) -> Iterator[Spans]:
        """The lines on a screen of this width."""
        raise NotImplementedError

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        for spans in self.lines(options.max_width):
            line = Text.assemble(*spans, no_wrap=True, overflow="ignore")
            line.rstrip()
            yield line


class Facts(Shown):
    """What, and its value."""

    def __init__(self, title: str, values: Sequence[tuple[str, str]]) -> None:
        self._title, self._values = title, values

    def in_words(self, words: Words) -> Facts:
        """The same with its headings in another language."""
        values = [(words.named(name), words.cell(name, value)) for name, value in self._values]
        return Facts(words.named(self._title), values)

    def lines(self, width: int) -> Iterator[Spans]:
        """The names on the left, as wide as the longest."""
        yield from _title(self._title, width)
        names = min(max((width_of(name) for name, _ in self._values), default=0), width // 2)
        for name, value in self._values:
            for number, line in enumerate(wrap(value, max(1, width - names - _GAP - 1))):
                yield [(f" {_padded(name if not number else '', names)}", "bold"), (" " * _GAP, ""), (line, "")]
        yield []


class Listing(Shown):
    """Rows under a title."""

    def __init__(
        self,
        title: str,
        columns: tuple[str, ...],
        rows: list[tuple[Cell, ...]],
        numbers: frozenset[str],
        spare: tuple[str, ...],
        words: Words = ENGLISH,
    ) -> None:
        self._title, self._columns, self._rows, self._numbers, self._spare = title, columns, rows, numbers, spare
        self._words = words

    def in_words(self, words: Words) -> Listing:
        """The same with its headings in another language."""
        columns, spare = tuple(map(words.named, self._columns)), tuple(map(words.named, self._spare))
        numbers = frozenset(map(words.named, self._numbers))
        rows = [
            tuple(
                cell._replace(lines=tuple(words.cell(column, line) for line in cell.lines))
                for column, cell in zip(self._columns, row, strict=True)
            )
            for row in self._rows
        ]
        return Listing(words.named(self._title), columns, rows, numbers, spare, words)

    def lines(self, width: int) -> Iterator[Spans]:
        """A table of all columns, or of those that fit, or a paragraph a row."""
        yield from _title(self._title, width)
        everything = range(len(self._columns))
        filled = [i for i in everything if any(any(row[i].lines) for row in self._rows)] or list(everything)
        spare = [self._columns.index(name) for name in self._spare]
        choices = [list(everything), filled]
        choices += [[i for i in filled if i not in spare[: n + 1]] for n in range(len(spare))]
        for chosen in choices:
            widths = self._widths(chosen, width)
            if widths is not None:
                yield from self._table(chosen, widths)
                if left_out := [self._columns[i] for i in filled if i not in chosen]:
                    columns = self._words.apart.join(left_out)
                    for line in wrap(self._words.left_out.format(width=width, columns=columns), width):
                        yield [(line, "dim")]
                break
        else:
            yield from self._paragraphs(filled, width)
        if not self._rows:
            yield [(self._words.nothing, "dim")]
        yield []

    # --- as a table ----------------------------------------------------------------------------------------

    def _widths(self, chosen: Sequence[int], width: int) -> list[int] | None:
        """The width of each column; None where they do not fit."""
        room = width - _GAP * (len(chosen) - 1)
        whole = [self._whole(i) for i in chosen]
        if sum(whole) <= room:
            return whole
        widths = [self._needs(i) for i in chosen]
        room -= sum(widths)
        if room < 0:
            return None
        while room > 0:  # more for those that want most
            wanting = max(range(len(chosen)), key=lambda at: whole[at] - widths[at])
            widths[wanting] += 1
            room -= 1
        return widths

    def _texts(self, i: int) -> Iterator[str]:
        yield self._columns[i]
        yield from (line for row in self._rows for line in row[i].lines)

    def _whole(self, i: int) -> int:
        return max(map(width_of, self._texts(i)))

    def _needs(self, i: int) -> int:
        return self._whole(i) if self._columns[i] in self._numbers else max(map(_least, self._texts(i)))

    def _table(self, chosen: Sequence[int], widths: Sequence[int]) -> Iterator[Spans]:
        yield from self._row([Cell((self._columns[i],), "bold") for i in chosen], chosen, widths)
        yield [((" " * _GAP).join("─" * width for width in widths), "")]
        shown = [list(self._row([row[i] for i in chosen], chosen, widths)) for row in self._rows]
        apart = any(len(lines) > 1 for lines in shown)
        for number, lines in enumerate(shown):
            if apart and number:
                yield []
            yield from lines

    def _row(self, cells: Sequence[Cell], chosen: Sequence[int], widths: Sequence[int]) -> Iterator[Spans]:
        columns = [
            [line for part in cell.lines for line in wrap(part, width)] or [""]
            for cell, width in zip(cells, widths, strict=True)
        ]
        for number in range(max(map(len, columns))):
            spans: Spans = []
            for at, lines in enumerate(columns):
                text = lines[number] if number < len(lines) else ""
                right = self._columns[chosen[at]] in self._numbers
                spans += [(" " * _GAP, "")] if at else []
                spans.append((_padded(text, widths[at], right=right), cells[at].style))
            yield spans

    # --- as paragraphs -------------------------------------------------------------------------------------

    def _paragraphs(self, chosen: Sequence[int], width: int) -> Iterator[Spans]:
        first, *others = chosen
        for number, row in enumerate(self._rows):
            if number:
                yield []
            for line in wrap(" ".join(row[first].lines), width):
                yield [(line, "bold")]
            yield from self._parts([(self._columns[i], row[i]) for i in others if any(row[i].lines)], width)

    def _parts(self, parts: Sequence[tuple[str, Cell]], width: int) -> Iterator[Spans]:
        """`name: value` beside each other, as many as a line takes; what is longer begins a line of its own."""
        line, room = "", width - 2
        for name, cell in parts:
            said = (f"{name}{self._words.colon}" if name else "") + " ".join(cell.lines)
            if line and width_of(line) + 3 + width_of(said) <= room:
                line = f"{line} · {said}"
                continue
            if line:
                yield [(f"  {line}", "")]
            *before, line = wrap(said, room)
            for done in before:
                yield [(f"  {done}", "")]
            if before:
                yield [(f"  {line}", "")]
                line = ""
        if line:
            yield [(f"  {line}", "")]


def _title(title: str, width: int) -> Iterator[Spans]:
    for line in wrap(title, width):
        yield [(line, "italic")]


def _padded(text: str, width: int, *, right: bool = False) -> str:
    space = " " * max(0, width - width_of(text))
    return space + text if right else text + space
