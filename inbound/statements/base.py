"""The port to statement files: what a reader takes and returns, and how it collects lines.

A new format is a class with `name`, `scopes`, `recognises` and `read` in a file beside this one, and one more line in
`choosing.READERS`. A reader takes the rows it understands, names every bad row, and counts what it left out: money that
has no kind in a comparison (fees, balances, transfers in progress) must not vanish silently.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from functools import cached_property
from typing import Any, Protocol

from pydantic import ValidationError

from core.errors import BadInput
from core.fields import Message
from core.money import parse_amount
from core.reading import reasons_of
from core.reconciliation.lines import Covered, Kind, Scope, TheirLine
from inbound.statements.xlsx import is_xlsx, rows_of
from inbound.tables import BadFile, BadRow, cells_of, damage, delimiter_of
from inbound.texts import decode

CHINA = timezone(timedelta(hours=8))
FIRST_ROWS = 30
"""How many rows are searched for a header; bills have other lines above it."""
_STAMP = re.compile(r"(\d{4})[-/.](\d\d?)[-/.](\d\d?)(?:[ T](\d\d?):(\d\d)(?::(\d\d))?)?")

_DISPUTED = re.compile("拒付|赔付|投诉|争议")
_FEE = re.compile("手续费|服务费")


def dispute_in(words: str, *, went: bool) -> Kind | None:
    """What a row of a Chinese channel's bill is about a dispute, by the words of its kind of business.

    The vendors publish no list of these words, and say that they may change: a row without one of them is left out and
    counted.
    """
    if _DISPUTED.search(words) is None:
        return None
    if not went:
        return None if _FEE.search(words) else "chargeback_won"
    return "chargeback_fee" if _FEE.search(words) else "chargeback"


class StatementRead(Message):
    """A file's content: its lines, the period that it covers if it says so, and counts of what was left out."""

    format: str
    lines: tuple[TheirLine, ...] = ()
    covered: Covered | None = None
    left_out: Mapping[str, int] = {}


@dataclass(frozen=True)
class Row:
    """One row of a table: its line number in the file, and its cells by column name."""

    line: int
    cells: Mapping[str, str]

    def first(self, *names: str) -> str:
        """The first of these columns that exists and is not empty."""
        return next((self.cells[name] for name in names if self.cells.get(name)), "")


@dataclass(frozen=True)
class Source:
    """A file as it came."""

    name: str
    raw: bytes = field(repr=False)

    @cached_property
    def text(self) -> str:
        """Its text; "" for a workbook.

        Raises:
            BadInput: its encoding cannot be determined for certain.
        """
        return "" if is_xlsx(self.raw) else decode(self.raw, self.name)

    @cached_property
    def table(self) -> Sequence[tuple[int, list[str]]]:
        """Its rows with line numbers, from a CSV file or a workbook's first sheet; empty if it is not a table."""
        if is_xlsx(self.raw):
            return rows_of(self.raw, self.name)
        try:
            lines = "\n".join(line for line in self.text.splitlines()[:FIRST_ROWS] if not line.startswith("#"))
            return [(row.line, row.cells) for row in cells_of(self.name, self.text, delimiter_of(lines))]
        except BadFile:
            return ()

    def header(self, *needed: str) -> tuple[int, list[str]] | None:
        """The index of the row that has these columns, and its cells; None if there is none."""
        for index, (_, cells) in enumerate(self.table[:FIRST_ROWS]):
            if set(needed) <= set(cells):
                return index, cells
        return None

    def rows(self, *needed: str) -> Iterator[Row]:
        """The rows below the header that has these columns, except comments.

        Raises:
            BadFile: a row has more cells than the header: a text contains a separator, and all cells after it are
                shifted.
        """
        found = self.header(*needed)
        if found is None:
            return
        index, header = found
        for line, cells in self.table[index + 1 :]:
            if cells and cells[0].startswith("#"):
                continue
            if len(cells) > len(header):
                raise BadFile(self.name, [BadRow(line, "(whole)", f"more cells than the header has, {len(header)}")])
            # A row that ends early has nothing in the columns that follow.
            yield Row(line, {**dict.fromkeys(header, ""), **dict(zip(header, cells, strict=False))})


class StatementReader(Protocol):
    """Reads the statements of one kind. Pure: bytes in, lines out."""

    name: str
    scopes: tuple[Scope, ...]
    """The scopes whose statements it reads."""

    def recognises(self, source: Source) -> bool:
        """Whether it is a file of this kind, by its content alone.

        Raises:
            BadInput: it cannot be decoded or unpacked.
        """
        ...

    def read(self, source: Source, scope: Scope) -> StatementRead:
        """Read it.

        Raises:
            BadFile: rows cannot be read; it names each of them.
        """
        ...


class Collector:
    """Collects lines, and the errors of bad rows."""

    def __init__(self, source: Source, format_: str) -> None:
        self._source, self._format = source, format_
        self._lines: list[TheirLine] = []
        self._bad: list[BadRow] = []
        self._left_out: Counter[str] = Counter()

    def take(self, at_row: int, kind: Kind, **fields: Any) -> None:
        """Take a line; its error, if it has one, is noted under its row.

        Args:
            fields: of `TheirLine`, and `amount`, which is written in major units.
        """
        try:
            for name in ("line_id", "key", "reference"):
                if why := damage(str(fields.get(name) or "")):
                    raise BadInput(f"{name}: {why}")
            amount = fields.pop("amount").lstrip("+-").strip()
            fields["amount_minor"] = parse_amount(amount, fields["currency"])
            fields["key"] = fields.get("key") or None
            fields["reference"] = fields.get("reference") or None
            self._lines.append(TheirLine.model_validate({"kind": kind, **fields}))
        except BadInput as error:
            name, _, why = str(error).partition(": ")
            self._bad.append(BadRow(at_row, name, why))
        except ValidationError as error:
            self._bad += [
                BadRow(at_row, one["field"].removesuffix("_minor"), one["message"]) for one in reasons_of(error)
            ]

    def leave_out(self, what: str) -> None:
        """Count a row that has no kind in a comparison."""
        self._left_out[what[:80] or "(unnamed)"] += 1

    def bad(self, at_row: int, name: str, why: str) -> None:
        """Note a row that cannot be read."""
        self._bad.append(BadRow(at_row, name, why))

    def check_count(self, at_row: int, name: str, stated: str, seen: int) -> None:
        """Note a number of rows that the file states of itself and has not."""
        digits = stated.replace(",", "").strip()
        if not (digits.isascii() and digits.isdecimal() and int(digits[:20]) == seen):
            why = f"says {stated[:20] or 'nothing'}, and the file has {seen} rows: get it again, whole and unchanged"
            self.bad(at_row, name, why)

    def done(self, covered: Covered | None = None) -> StatementRead:
        """The result.

        Raises:
            BadFile: rows cannot be read; it names each of them.
        """
        if self._bad:
            raise BadFile(self._source.name, self._bad)
        return StatementRead(
            format=self._format, lines=tuple(self._lines), covered=covered, left_out=dict(self._left_out)
        )


def stamp(text: str, zone: timezone = CHINA) -> str:
    """A local time as RFC 3339; the text itself if it is not a time, so that the error names its field."""
    found = _STAMP.fullmatch(text.strip())
    if found is None:
        return text
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return text


def is_negative(amount: str) -> bool:
    """Whether an amount is written as negative."""
    return amount.strip().startswith("-")
