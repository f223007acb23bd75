"""Statement files: CSV with a header, one line of the rail or channel a row (`docs/reconciliation.md`)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn, TypeVar

import typer
from pydantic import ValidationError

from commands.console import tell_json, tell_line, wants_json
from commands.reading import read_text
from core.errors import BadInput
from core.messages import reasons_of
from core.money import parse_amount
from core.reconciliation.lines import KINDS, Scope, TheirLine

T = TypeVar("T")

ROWS_AT_MOST = 1_000_000
ROWS_SHOWN = 50
BAD_USAGE = 2
NEEDED = ("line_id", "kind", "key", "amount", "currency", "at")
OPTIONAL = ("reference", "event_id", "fee")


class BadRow(NamedTuple):
    """What is wrong in a file: the line of the file, the field, and why."""

    row: int
    field: str
    message: str


class BadFile(BadInput):
    """Rows that cannot be read; all of them in `rows`."""

    def __init__(self, file: str, rows: Sequence[BadRow]) -> None:
        first = rows[0]
        more = f", and {len(rows) - 1} more" if len(rows) > 1 else ""
        super().__init__(f"{file}, row {first.row}, {first.field}: {first.message}{more}")
        self.rows = tuple(rows)


def read_statement(file: str, scope: Scope) -> tuple[TheirLine, ...]:
    """The lines of a statement file; `-` is stdin.

    Raises:
        BadFile: the file or rows cannot be read; every bad row is named, and none is taken.
    """

    def line(row: Mapping[str, str]) -> TheirLine:
        if row["kind"] not in KINDS[scope]:
            raise BadInput(f"kind: {row['kind'][:40]!r} is none of a {scope}'s: {', '.join(KINDS[scope])}")
        body: dict[str, Any] = {name: row[name] or None for name in ("key", "reference", "event_id") if name in row}
        amount = parse_amount(row["amount"], row["currency"])
        fee = parse_fee(row.get("fee", ""), row["currency"])
        if fee > amount:
            raise BadInput("fee: it is more than the amount")
        given = {name: row[name] for name in ("line_id", "kind", "currency", "at")}
        return TheirLine.model_validate({**body, **given, "amount_minor": amount, "fee_minor": fee})

    return tuple(read_rows(file, NEEDED, OPTIONAL, line))


def parse_fee(text: str, currency: str) -> int:
    """A fee in minor units; an empty one is none.

    Raises:
        BadInput: it is no amount of this currency.
    """
    return parse_amount(text, currency, "fee") if text.strip(" 0.,") else 0


def read_rows(
    file: str, needed: Sequence[str], optional: Sequence[str], read: Callable[[Mapping[str, str]], T]
) -> list[T]:
    """Each row of a CSV file as `read` makes it of its fields by name.

    Args:
        read: may raise BadInput, whose message begins with the field, or ValidationError.

    Raises:
        BadFile: the header is not as it should be, or rows cannot be read.
    """
    found: list[T] = []
    bad: list[BadRow] = []
    for number, row in _rows(file, needed, optional):
        if isinstance(row, BadRow):
            bad.append(row)
            continue
        try:
            found.append(read(row))
        except BadInput as error:
            field, _, why = str(error).partition(": ")
            bad.append(BadRow(number, field, why))
        except ValidationError as error:
            # Columns are called without the unit that the models' fields end in.
            named = [(reason["field"].removesuffix("_minor"), reason["message"]) for reason in reasons_of(error)]
            bad += [BadRow(number, field, message) for field, message in named]
    if bad:
        raise BadFile(file, bad)
    return found


def _rows(file: str, needed: Sequence[str], optional: Sequence[str]) -> Iterator[tuple[int, dict[str, str] | BadRow]]:
    reader = csv.reader(io.StringIO(read_text(file), newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _check_header(file, header, needed, optional)
        for count, cells in enumerate(reader):
            if count >= ROWS_AT_MOST:
                raise BadFile(file, [BadRow(reader.line_num, "(whole)", f"more than {ROWS_AT_MOST} rows; split it")])
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                message = f"{len(cells)} fields, and the header has {len(header)}"
                yield reader.line_num, BadRow(reader.line_num, "(whole)", message)
            else:
                yield reader.line_num, {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    except csv.Error as error:
        raise BadFile(file, [BadRow(reader.line_num, "(whole)", f"not CSV: {error}")]) from None


def _check_header(file: str, header: list[str], needed: Sequence[str], optional: Sequence[str]) -> None:
    missing = [name for name in needed if name not in header]
    unknown = [name for name in header if name not in (*needed, *optional)]
    if missing:
        raise BadFile(file, [BadRow(1, name, "this column is missing") for name in missing])
    if unknown:
        known = ", ".join((*needed, *optional))
        raise BadFile(
            file, [BadRow(1, name[:40] or "(empty)", f"no such column; there are {known}") for name in unknown]
        )
    if len(set(header)) != len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise BadFile(file, [BadRow(1, twice, "this column stands there twice")])


def refuse_file(error: BadInput) -> NoReturn:
    """Say what is wrong with a file, row by row, and end as after bad usage.

    Raises:
        typer.Exit: with 2, always.
    """
    rows = error.rows if isinstance(error, BadFile) else ()
    if wants_json():
        reasons = [row._asdict() for row in rows]
        tell_json({"error": {"code": "malformed", "message": str(error), "field": None, "reasons": reasons}})
    else:
        tell_line(f"malformed: {error}")
        for row in rows[: ROWS_SHOWN if len(rows) > 1 else 0]:
            tell_line(f"  row {row.row}, {row.field}: {row.message}")
    raise typer.Exit(BAD_USAGE)
