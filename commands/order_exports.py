"""Orders from a storefront's CSV export, by a mapping of its columns: `start orders.csv --mapping shopify`.

A mapping is a TOML file. `[columns]` says which column holds which field, and `[values]` gives fields that the file
does not have. `paid` lists the words of the column `status` that mean paid, `modes` what words of the column
`delivery_mode` mean, and `offset` the zone of times without one.
`commands/mappings/` has those of Shopify and WooCommerce, to copy and change. Columns that are not mapped are not read,
so that no name, street or phone enters; a buyer's e-mail becomes a digest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict

from commands.reading import Document, read_text
from core.errors import BadInput
from core.messages import DeliveryMode
from core.money import parse_amount
from core.toml_lines import read_toml
from inbound.tables import BadFile, BadRow, cells_of, damage, delimiter_of, with_point

SHIPPED = Path(__file__).parent / "mappings"
Field = Literal[
    "order_id",
    "status",
    "merchant_id",
    "buyer_id",
    "currency",
    "freight",
    "discount",
    "tax",
    "total",
    "payment_reference",
    "payment_channel",
    "paid_at",
    "ship_by",
    "policy",
    "delivery_mode",
    "handover_hash",
    "line_id",
    "line_title",
    "line_category",
    "line_quantity",
    "line_price",
    "to_country",
    "to_province",
    "to_city",
    "to_district",
    "to_phone_last4",
    "from_country",
    "from_province",
    "from_city",
    "from_district",
]
NEEDED: tuple[Field, ...] = (
    "order_id",
    "merchant_id",
    "buyer_id",
    "currency",
    "total",
    "payment_reference",
    "payment_channel",
    "paid_at",
    "line_title",
    "line_category",
    "line_quantity",
    "line_price",
    "to_country",
    "from_country",
)
MODES: tuple[DeliveryMode, ...] = get_args(DeliveryMode)
_TIME = re.compile(r"(\d{4})[-/](\d\d?)[-/](\d\d?)[ T](\d\d?):(\d\d)(?::(\d\d))?(?:\.\d+)?\s*(Z|[+-]\d\d:?\d\d)?")
_NOT_AN_ID = re.compile(r"[^A-Za-z0-9_-]+")


def _offset(text: str) -> str:
    if text and not re.fullmatch(r"[+-]\d\d:\d\d", text):
        raise ValueError("must be an offset such as +08:00")
    return text


class OrderMapping(BaseModel):
    """Which column of an export holds which field of an order."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    columns: dict[Field, str]
    values: dict[Field, str] = {}
    paid: tuple[str, ...] = ()
    """In lower case; empty: every order is paid."""
    modes: dict[str, DeliveryMode] = {}
    """What the file's own words for a delivery mean, in lower case: `local pickup` is `pickup`."""
    offset: Annotated[str, AfterValidator(_offset)] = ""


class _Row(NamedTuple):
    line: int
    fields: Mapping[str, str]


def read_mapping(name: str) -> OrderMapping:
    """A shipped mapping, by its name, or a file.

    Raises:
        BadInput: it cannot be read, names a field that orders do not have, or lacks one that they must.
    """
    shipped = SHIPPED / f"{name}.toml"
    text = shipped.read_text(encoding="utf-8") if name.isidentifier() and shipped.is_file() else read_text(name)
    mapping, problems = read_toml(OrderMapping, text)
    if mapping is None:
        raise BadInput(f"mapping {name}: {'; '.join(map(str, problems))}")
    missing = [field for field in NEEDED if not (field in mapping.columns or mapping.values.get(field))]
    if missing:
        raise BadInput(f"mapping {name}: say under [columns] or [values] what is {', '.join(missing)}")
    return mapping


def orders_of(file: str, text: str, mapping: OrderMapping) -> list[Document]:
    """The orders of an export as JSON values, each with its first line; or the error of a row.

    Rows that follow each other with the same order id, or with none, are one order.

    Raises:
        BadFile: it is no CSV, or a column is not there.
    """
    delimiter = delimiter_of(text)
    rows = cells_of(file, text, delimiter)
    header = next(rows, None)
    names = [name.casefold() for name in header.cells] if header else []
    places: dict[str, int] = {}
    for field, column in mapping.columns.items():
        if column.casefold() in names:
            places[field] = names.index(column.casefold())
        elif field in NEEDED and not mapping.values.get(field):
            raise BadFile(file, [BadRow(1, column[:40], f"this column is missing; it would hold {field}")])
    if not names:
        raise BadInput(f"{file}: there is no order in it: it is empty")
    found = [
        _Row(row.line, {field: row.cells[place] for field, place in places.items() if place < len(row.cells)})
        for row in rows
    ]
    return [_document(group, mapping, delimiter) for group in _grouped(found)]


def _grouped(rows: Sequence[_Row]) -> Iterator[list[_Row]]:
    last = ""

    def order(row: _Row) -> str:
        nonlocal last
        last = row.fields.get("order_id") or last
        return last

    for _, group in groupby(rows, key=order):
        yield list(group)


def _document(rows: list[_Row], mapping: OrderMapping, delimiter: str) -> Document:
    try:
        return Document(rows[0].line, _order(rows, mapping, delimiter))
    except BadInput as error:
        return Document(rows[0].line, wrong=error)


def _order(rows: list[_Row], mapping: OrderMapping, delimiter: str) -> dict[str, Any]:
    first = rows[0].fields

    def field_of(field: Field, fields: Mapping[str, str] = first) -> str:
        return fields.get(field) or mapping.values.get(field, "")

    status = field_of("status")
    if mapping.paid and status.casefold() not in mapping.paid:
        raise BadInput(f"status: it is not paid but {status[:40]!r}")
    for field in ("order_id", "payment_reference"):
        if why := damage(first.get(field, "")):
            raise BadInput(f"{field}: {why}")
    currency = field_of("currency")

    def minor(field: Field, fields: Mapping[str, str] = first) -> int:
        text = with_point(field_of(field, fields), delimiter, field)
        return parse_amount(text, currency, field) if text.strip(" 0.,") else 0

    lines = [_line(number, row.fields, field_of, minor) for number, row in enumerate(rows, 1)]
    freight, discount, total = minor("freight"), minor("discount"), minor("total")
    tax = minor("tax")
    goods = sum(line["quantity"] * line["unit_price_minor"] for line in lines)
    if tax and goods + freight - discount + tax == total:
        # Where prices exclude tax, it is paid on top and becomes a line of its own.
        lines.append({"line_id": "tax", "title": "Tax", "category": "tax", "quantity": 1, "unit_price_minor": tax})
    order = {
        "order_id": _NOT_AN_ID.sub("", field_of("order_id")),
        "merchant_id": field_of("merchant_id"),
        "buyer_id": _buyer(field_of("buyer_id")),
        "currency": currency,
        "lines": lines,
        "freight_minor": freight,
        "discount_minor": discount,
        "total_minor": total,
        "payment": {
            "reference": field_of("payment_reference"),
            "channel": field_of("payment_channel"),
            "paid_minor": total,
            "paid_at": _time(field_of("paid_at"), mapping.offset),
        },
        "ship_from": _address("from", field_of),
        "ship_to": _address("to", field_of),
    }
    optional = {
        "delivery_mode": _mode(field_of("delivery_mode"), mapping),
        "handover_hash": field_of("handover_hash"),
        "ship_by": field_of("ship_by") and _time(field_of("ship_by"), mapping.offset),
        "policy": field_of("policy"),
    }
    return order | {field: value for field, value in optional.items() if value}


def _line(number: int, fields: Mapping[str, str], field_of: Any, minor: Any) -> dict[str, Any]:
    return {
        "line_id": field_of("line_id", fields) or str(number),
        "title": field_of("line_title", fields),
        "category": field_of("line_category", fields),
        "quantity": _whole(field_of("line_quantity", fields)),
        "unit_price_minor": minor("line_price", fields),
    }


def _mode(text: str, mapping: OrderMapping) -> str:
    """How it is delivered; empty where the file does not say.

    Raises:
        BadInput: another word; names the column and what it may hold.
    """
    word = text.strip().casefold()
    mode = mapping.modes.get(word, word)
    if not mode or mode in MODES:
        return mode
    column = mapping.columns.get("delivery_mode")
    where = f"column {column!r} has" if column is not None else "[values] has"
    known = f"; the mapping's [modes] knows {', '.join(mapping.modes)}" if mapping.modes else ""
    raise BadInput(f"delivery_mode: {where} {text[:40]!r}; it must be {', '.join(MODES)} or empty{known}")


def _address(which: str, field_of: Any) -> dict[str, str]:
    parts = {part: field_of(f"{which}_{part}") for part in ("country", "province", "city", "district", "phone_last4")}
    return {part: value for part, value in parts.items() if value}


def _buyer(text: str) -> str:
    """The buyer's id. An e-mail or a name is replaced by its digest, which is the same each time."""
    if text and _NOT_AN_ID.search(text):
        return "b-" + hashlib.sha256(text.strip().casefold().encode()).hexdigest()[:24]
    return text


def _whole(text: str) -> int:
    number = text.strip().removesuffix(".00").removesuffix(".0")
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise BadInput(f"line_quantity: {text[:40]!r} is no whole number")
    return int(number)


def _time(text: str, offset: str) -> str:
    """A time as RFC 3339. Text that is no time stays as it is, so that the order's check names it."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return text
    year, month, day, hour, minute, second, zone = found.groups()
    zone = zone or offset
    if not zone:
        raise BadInput(f'paid_at: {text[:40]!r} names no zone: say `offset` in the mapping, such as "+08:00"')
    zone = zone if zone == "Z" or ":" in zone else f"{zone[:3]}:{zone[3:]}"
    return f"{year}-{int(month):02}-{int(day):02}T{int(hour):02}:{minute}:{second or '00'}{zone}"
