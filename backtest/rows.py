"""Reads a folder of past orders in the column format of the public Olist data set.

Plain or gzipped CSV, with or without the set's own `olist_…_dataset` file names. A row that cannot be read is
reported with its file, line and reason, and skipped; only a folder that lacks a whole table stops the reading.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

from core.errors import BadInput

LONGEST_LINE = 64 * 1024
"""Bytes. A row of the set has about 200; without a limit one broken file could fill the memory."""
GZIP_MAGIC = b"\x1f\x8b"

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "orders": (
        "order_id",
        "customer_id",
        "order_status",
        "order_purchase_timestamp",
        "order_approved_at",
        "order_delivered_carrier_date",
        "order_delivered_customer_date",
        "order_estimated_delivery_date",
    ),
    "order_items": (
        "order_id",
        "order_item_id",
        "product_id",
        "seller_id",
        "shipping_limit_date",
        "price",
        "freight_value",
    ),
    "order_payments": ("order_id", "payment_sequential", "payment_value"),
    "customers": ("customer_id", "customer_unique_id", "customer_city", "customer_state"),
    "sellers": ("seller_id", "seller_city", "seller_state"),
}
"""The columns that are used, by table; others may stand beside them, in any order."""


@dataclass(frozen=True)
class UnusableRow:
    """A row that could not be used: the file's name, its line (from 1, the header's), and why."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True)
class PastRow:
    """One row: its place in the file, and its values by column."""

    file: str
    line: int
    values: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.values[column]

    def bad(self, reason: str) -> UnusableRow:
        """This row, reported."""
        return UnusableRow(self.file, self.line, reason)


@dataclass
class Tables:
    """What a folder holds: the rows of each table, and the unreadable ones."""

    rows: dict[str, list[PastRow]] = field(default_factory=dict)
    bad_rows: list[UnusableRow] = field(default_factory=list)


def read_folder(folder: Path) -> Tables:
    """All rows of the five tables, in the files' order.

    Raises:
        BadInput: the folder or one of the five files is missing, cannot be opened, or lacks columns.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder that can be read")
    tables = Tables()
    for name in COLUMNS:
        _read_table(name, _file_of(folder, name), tables)
    return tables


def _file_of(folder: Path, name: str) -> Path:
    """The table's file, under any of its names."""
    names = [f"{stem}{end}" for stem in (name, f"olist_{name}_dataset") for end in (".csv", ".csv.gz")]
    for candidate in names:
        if (folder / candidate).is_file():
            return folder / candidate
    raise BadInput(f"{folder} has no table of {name.replace('_', ' ')}: looked for {', '.join(names)}")


def _read_table(name: str, path: Path, tables: Tables) -> None:
    try:
        with path.open("rb") as stream:
            _read_rows(name, path.name, stream, tables)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}") from None


def _read_rows(name: str, file: str, stream: BufferedReader, tables: Tables) -> None:
    found = tables.rows.setdefault(name, [])
    header: list[str] | None = None
    for line, content in _lines(stream):
        cells = content if isinstance(content, Broken) else _cells(content)
        if cells == []:
            continue
        if header is None:
            header = _header(name, file, cells)
        elif isinstance(cells, Broken):
            tables.bad_rows.append(UnusableRow(file, line, cells.why))
        elif len(cells) != len(header):
            tables.bad_rows.append(UnusableRow(file, line, f"it has {len(cells)} columns, the header {len(header)}"))
        else:
            found.append(PastRow(file, line, dict(zip(header, cells, strict=True))))
    if header is None:
        raise BadInput(f"{file} is empty: not even a header")


def _header(name: str, file: str, cells: list[str] | Broken) -> list[str]:
    if isinstance(cells, Broken):
        raise BadInput(f"{file}: its header cannot be read: {cells.why}")
    header = [cell.strip() for cell in cells]
    if missing := [column for column in COLUMNS[name] if column not in header]:
        raise BadInput(f"{file} has no column {', '.join(missing)}")
    return header


# --- lines -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Broken:
    """A line that cannot be read, and why."""

    why: str


def _lines(stream: BufferedReader) -> Iterator[tuple[int, bytes | Broken]]:
    """The lines of a plain or gzipped file, numbered from 1. If the file is cut off, the last one says so."""
    unpacked = gzip.GzipFile(fileobj=stream) if stream.peek(2)[:2] == GZIP_MAGIC else stream
    line, rest, too_long = 0, b"", False
    while True:
        try:
            chunk = unpacked.read1(LONGEST_LINE)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            # The lines before the cut are good; the line with the cut is not.
            yield line + 1, Broken(f"the file breaks off here: {error}")
            return
        *whole, rest = (rest + chunk).split(b"\n")
        for content in whole:
            line += 1
            yield line, _TOO_LONG if too_long else content
            too_long = False
        if len(rest) > LONGEST_LINE:
            rest, too_long = b"", True
        if not chunk:
            break
    if rest or too_long:
        yield line + 1, _TOO_LONG if too_long else rest


_TOO_LONG = Broken(f"the line is longer than {LONGEST_LINE} bytes")


def _cells(content: bytes) -> list[str] | Broken:
    """The cells of one line; none if it is empty. An unclosed quote affects its own line only."""
    try:
        text = content.rstrip(b"\r").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Broken(f"byte {error.start} is not UTF-8")
    if not text.replace("\t", " ").isprintable():
        return Broken("it has a control character")
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        return Broken(f"not CSV: {error}")
