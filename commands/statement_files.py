"""Statement files: CSV with a header, one line of the rail or channel a row (`docs/reconciliation.md`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import typer
from pydantic import ValidationError

from commands.console import print_json, print_line, speaks_chinese, wants_json
from commands.reading import read_bytes, read_text
from core.errors import BadInput
from core.money import parse_amount
from core.reading import reasons_of
from core.reason_details import field_zh
from core.reason_texts import REASONS
from core.reconciliation.lines import KINDS, Scope, TheirLine
from inbound.statements.base import StatementRead
from inbound.statements.choosing import read_foreign
from inbound.tables import BadFile, BadRow, Cells, cells_of, check_ids, delimiter_of, with_point
from inbound.texts import decode

T = TypeVar("T")

ROWS_SHOWN = 50
BAD_USAGE = 2
OUR_FORMAT = "Dakuan's own"
NEEDED = ("line_id", "kind", "key", "amount", "currency", "at")
OPTIONAL = ("reference", "event_id", "fee")
IDS = frozenset({"line_id", "key", "reference", "event_id", "settlement_id"})
"""Columns in which a spreadsheet loses digits by reading an id as a number."""
AMOUNTS = frozenset({"amount", "fee", "gross", "net"})


def read_statement(file: str, scope: Scope) -> StatementRead:
    """The content of a statement file, in a provider's format or in ours; `-` is stdin.

    Raises:
        BadFile: the file or rows cannot be read. Every bad row is named, and none is taken.
    """
    raw = read_bytes(file)
    if (foreign := read_foreign(file, raw, scope)) is not None:
        return foreign

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

    return StatementRead(format=OUR_FORMAT, lines=tuple(_read_rows(file, decode(raw, file), NEEDED, OPTIONAL, line)))


def parse_fee(text: str, currency: str) -> int:
    """A fee in minor units; 0 where it is empty.

    Raises:
        BadInput: it is no amount of this currency.
    """
    return parse_amount(text, currency, "fee") if text.strip(" 0.,") else 0


def read_rows(
    file: str, needed: Sequence[str], optional: Sequence[str], read: Callable[[Mapping[str, str]], T]
) -> list[T]:
    """The rows of a CSV file; see `_read_rows`."""
    return _read_rows(file, read_text(file), needed, optional, read)


def _read_rows(
    file: str, text: str, needed: Sequence[str], optional: Sequence[str], read: Callable[[Mapping[str, str]], T]
) -> list[T]:
    """Each row of a CSV file, made by `read` from its fields by name.

    Args:
        read: may raise BadInput, whose message begins with the field, or ValidationError.

    Raises:
        BadFile: the header is wrong, or rows cannot be read.
    """
    found: list[T] = []
    bad: list[BadRow] = []
    for number, row in _rows(file, text, needed, optional):
        if isinstance(row, BadRow):
            bad.append(row)
            continue
        try:
            found.append(read(row))
        except BadInput as error:
            bad.append(_bad(number, str(error)))
        except ValidationError as error:
            # Column names lack the unit at the end of the models' field names.
            named = [(reason["field"].removesuffix("_minor"), reason["message"]) for reason in reasons_of(error)]
            bad += [BadRow(number, field, message) for field, message in named]
    if bad:
        raise BadFile(file, bad)
    return found


def _rows(
    file: str, text: str, needed: Sequence[str], optional: Sequence[str]
) -> Iterator[tuple[int, dict[str, str] | BadRow]]:
    delimiter = delimiter_of(text)
    rows = cells_of(file, text, delimiter)
    header = [name.lower() for name in next(rows, Cells(1, [], [])).cells]
    _check_header(file, header, needed, optional)
    for row in rows:
        if len(row.cells) != len(header):
            yield row.line, BadRow(row.line, "(whole)", f"{len(row.cells)} fields, and the header has {len(header)}")
        elif wrong := check_ids(row, header, IDS):
            yield row.line, _bad(row.line, wrong)
        else:
            try:
                yield (
                    row.line,
                    {
                        name: with_point(cell, delimiter, name) if name in AMOUNTS else cell
                        for name, cell in zip(header, row.cells, strict=True)
                    },
                )
            except BadInput as error:
                yield row.line, _bad(row.line, str(error))


def _bad(line: int, said: str) -> BadRow:
    """A row that is wrong, from a message that begins with its field."""
    field, _, why = said.partition(": ")
    return BadRow(line, field, why)


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
    """Print the errors of a file, row by row, and exit as after bad usage.

    Raises:
        typer.Exit: with 2, always.
    """
    rows = error.rows if isinstance(error, BadFile) else ()
    if wants_json():
        reasons = [_reason(row) for row in rows]
        print_json({"error": {"code": "malformed", "message": str(error), "field": None, "reasons": reasons}})
    else:
        chinese = speaks_chinese()
        print_line(f"malformed: {REASONS['malformed'].zh if chinese and rows else error}")
        for row in rows[: ROWS_SHOWN if len(rows) > 1 or chinese else 0]:
            print_line(_in_chinese(row) if chinese else f"  row {row.row}, {row.field}: {row.message}")
    raise typer.Exit(BAD_USAGE)


def _in_chinese(row: BadRow) -> str:
    return f"  第 {row.row} 行，{row.field}：{field_zh(row.message) or row.message}"


def _reason(row: BadRow) -> dict[str, Any]:
    chinese = field_zh(row.message)
    return row._asdict() if chinese is None else {**row._asdict(), "message_zh": chinese}
