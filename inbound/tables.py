"""CSV files as spreadsheets save them: commas, semicolons or tabs, decimal commas, and damaged cells.

A spreadsheet that takes an id for a number loses digits. Such a cell is refused and named: guessed digits would book
money under the wrong id.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from core.errors import BadInput

ROWS_AT_MOST = 1_000_000
DELIMITERS = (",", ";", "\t", "|")

_ROUNDED = re.compile(r"[+-]?(?:\d[.,]\d+E\+?|\dE\+)\d{1,3}", re.IGNORECASE | re.ASCII)
_CUT = re.compile(r"\d{15}000+", re.ASCII)
"""Excel keeps fifteen digits of a number and turns the others into zeros. Two zeros at the end also occur in real ids.
"""
_ERROR = re.compile(r"#(?:REF|N/A|VALUE|NAME\?|DIV/0|NUM|NULL|#+)!?", re.IGNORECASE)
_FORMULA = re.compile(r'="([^"]*)"')
_GROUPED_BY_DOTS = re.compile(r"\d{1,3}(?:\.\d{3})+,\d+|\d+,\d+", re.ASCII)
_AMBIGUOUS = re.compile(r"\d{1,3}[.,]\d{3}", re.ASCII)


class BadRow(NamedTuple):
    """An error in a file: its line, the field, and the reason."""

    row: int
    field: str
    message: str


class BadFile(BadInput):
    """Rows cannot be read; `rows` has all of them."""

    def __init__(self, file: str, rows: Sequence[BadRow]) -> None:
        first = rows[0]
        more = f", and {len(rows) - 1} more" if len(rows) > 1 else ""
        super().__init__(f"{file}, row {first.row}, {first.field}: {first.message}{more}")
        self.rows = tuple(rows)


class Cells(NamedTuple):
    """One row of a file: its last line number, and its cells without a spreadsheet's decoration."""

    line: int
    cells: list[str]
    as_text: list[bool]
    """Whether a cell was marked as a text (`="00123"`), so no digit of it is lost."""


def delimiter_of(text: str) -> str:
    """The separator of a file's cells: the usual one that is most frequent in its first line."""
    first = text.lstrip("\n\r ").partition("\n")[0]
    return max(DELIMITERS, key=first.count)


def cells_of(file: str, text: str, delimiter: str) -> Iterator[Cells]:
    """The rows of a CSV file that are not empty.

    Raises:
        BadFile: it is not CSV, or longer than `ROWS_AT_MOST`.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for count, cells in enumerate(reader):
            if count > ROWS_AT_MOST:
                raise BadFile(file, [BadRow(reader.line_num, "(whole)", f"more than {ROWS_AT_MOST} rows; split it")])
            if any(cell.strip() for cell in cells):
                read = [_plain(cell) for cell in cells]
                yield Cells(reader.line_num, [cell for cell, _ in read], [marked for _, marked in read])
    except csv.Error as error:
        raise BadFile(file, [BadRow(reader.line_num, "(whole)", f"not CSV: {error}")]) from None


def plain(cell: str) -> str:
    """A cell without the marks of a text: blanks, a tab, a backtick, an apostrophe, or `="…"`."""
    return _plain(cell)[0]


def _plain(cell: str) -> tuple[str, bool]:
    cell = cell.strip().strip("\ufeff\u00a0").strip()
    if found := _FORMULA.fullmatch(cell):
        return found[1].strip(), True
    if cell[:1] in ("`", "'"):
        return cell[1:].strip(), True
    return cell, False


def damage(cell: str) -> str | None:
    """The damage that a spreadsheet did to an id that it took for a number; None if there is no sign of any."""
    again = "format the column as text, and export it again"
    if _ROUNDED.fullmatch(cell):
        return f"{cell[:40]!r} was rounded by a spreadsheet, and its digits are lost: {again}"
    if _CUT.fullmatch(cell):
        return f'{cell[:40]!r} was cut to 15 digits by a spreadsheet: {again}; if it is right, write it as ="…"'
    if _ERROR.fullmatch(cell):
        return f"{cell[:40]!r} is a spreadsheet's error, not a value"
    return None


def check_ids(row: Cells, header: Sequence[str], ids: Collection[str]) -> str | None:
    """The first damaged id of a row, as `field: why`; None if there is none."""
    for name, cell, as_text in zip(header, row.cells, row.as_text, strict=False):
        if name in ids and not as_text and (why := damage(cell)) is not None:
            return f"{name}: {why}"
    return None


def with_point(text: str, delimiter: str, field: str = "amount") -> str:
    """An amount with a decimal point. In files separated by semicolons or tabs the comma may be the decimal mark.

    Raises:
        BadInput: it has two readings, which differ by a factor of a thousand.
    """
    if delimiter == ",":
        return text
    if _AMBIGUOUS.fullmatch(text):
        whole, decimals = re.split(r"[.,]", text)
        raise BadInput(f"{field}: {text[:40]!r} may be {whole}{decimals} or {whole}.{decimals}: write all decimals")
    if _GROUPED_BY_DOTS.fullmatch(text):
        return text.replace(".", "").replace(",", ".")
    return text
