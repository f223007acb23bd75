"""A storefront's own payment events start orders: which event counts, and how an order is read from it.

A mapping is data. A text that begins with `$` is a path into the event (`$data.order.number`, `$data.items.0.sku`), or
into the item of a list (`$.sku`); `$$` begins a text with one `$`. Everything else stands as it is.

    [wechat]
    event = "$id"                             # the event's own id: the same event starts an order once
    when = { "$type" = "payment.succeeded" }  # all must hold; a list means one of these
    [wechat.order]
    order_id = "$data.order.number"
    total_minor = { major = "$data.amount", currency = "$data.currency" }  # "135.80" in CNY is 13580
    lines = { each = "$data.items", line_id = "$.sku", … }                 # one for each item
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, Field, RootModel

from core.errors import BadInput, Misconfigured, Refused
from core.fields import Message
from core.money import parse_amount
from core.toml_lines import read_toml

_CHANNEL = re.compile(r"[a-z0-9_-]{1,32}")
_ZERO = re.compile(r"0+(\.0*)?|\.0+")
_ABSENT = object()


def _path(text: str) -> str:
    if not _is_path(text):
        raise ValueError("must be a path, such as $id")
    return text


def _with_payment(order: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(order.get("payment", {}), dict):
        raise ValueError("payment: must be a table of its fields")
    return order


def _channel(name: str) -> str:
    if not _CHANNEL.fullmatch(name):
        raise ValueError("no name of a channel: 1 to 32 of a-z 0-9 _ -")
    return name


_Path = Annotated[str, Field(strict=True), AfterValidator(_path)]


class _Table(Message):
    event: _Path
    when: dict[_Path, Any] = {}
    order: Annotated[dict[str, Any], AfterValidator(_with_payment)]


class _File(RootModel[dict[Annotated[str, AfterValidator(_channel)], _Table]]):
    """A mapping for each channel."""


class EventMapping(NamedTuple):
    """How the events of one channel are read."""

    channel: str
    event: str
    when: Mapping[str, Any]
    order: Mapping[str, Any]


class OrderWanted(NamedTuple):
    """An event that starts an order: the command's id, and the order's fields, which the contract still judges."""

    command_id: str
    order: dict[str, Any]


class Ignored(NamedTuple):
    """An event that starts nothing, and which condition it does not meet."""

    why: str


def parse_mappings(text: str) -> dict[str, EventMapping]:
    """The mappings of a file, by channel.

    Raises:
        Misconfigured: it is not TOML, or a mapping lacks a part or has an unknown one; says line and key.
    """
    read, problems = read_toml(_File, text)
    if read is None:
        raise Misconfigured("; ".join(map(str, problems)))
    return {name: EventMapping(name, table.event, table.when, table.order) for name, table in read.root.items()}


def read_event(mapping: EventMapping, event: Mapping[str, Any]) -> OrderWanted | Ignored:
    """What an event asks for.

    Raises:
        Refused: `malformed`: it has no id, or an amount in it cannot be read.
    """
    for path, right in mapping.when.items():
        found = _at(event, path, None)
        allowed = right if isinstance(right, list) else [right]
        if not any(type(found) is type(one) and found == one for one in allowed):
            shown = "not there" if found is _ABSENT else _as_json(found)[:80]
            return Ignored(f"{path[1:]} is {shown}, and must be {' or '.join(map(_as_json, allowed))}")
    key = _at(event, mapping.event, None)
    if not isinstance(key, str | int) or isinstance(key, bool) or key == "":
        raise Refused("malformed", f"{mapping.event[1:]}: the event has no id there.", mapping.event[1:])
    order = _filled(mapping.order, event, None)
    order["payment"] = {"channel": mapping.channel, **order.get("payment", {})}
    digest = hashlib.sha256(f"{mapping.channel}/{key}".encode()).hexdigest()
    return OrderWanted(f"event-{digest[:40]}", order)


def _as_json(value: Any) -> str:
    """A value as the event has it: its sender knows JSON, not how we write it."""
    return json.dumps(value, ensure_ascii=False, default=str)


def _filled(source: Any, event: Any, item: Any) -> Any:
    """A part of the mapping with what it points to; what is not there is left out."""
    if isinstance(source, str) and source.startswith("$"):
        return source[1:] if source.startswith("$$") else _at(event, source, item)
    if isinstance(source, list):
        return [value for part in source if (value := _filled(part, event, item)) is not _ABSENT]
    if not isinstance(source, dict):
        return source
    if "each" in source:
        items = _at(event, str(source["each"]), item)
        fields = {name: part for name, part in source.items() if name != "each"}
        return [_filled(fields, event, one) for one in items] if isinstance(items, list) else _ABSENT
    if "major" in source:
        return _minor(source, event, item)
    filled = {name: _filled(part, event, item) for name, part in source.items()}
    return {name: value for name, value in filled.items() if value is not _ABSENT}


def _minor(source: Mapping[str, Any], event: Any, item: Any) -> Any:
    amount, currency = _filled(source["major"], event, item), _filled(source.get("currency", ""), event, item)
    if amount is _ABSENT:
        return _ABSENT
    name = str(source["major"]).lstrip("$.")
    # Half of all decimals have no exact float: 0.1 + 0.2 would be refused as finer than a cent.
    if isinstance(amount, bool | float) or not isinstance(amount, str | int):
        raise Refused("malformed", f'{name}: must be an amount as text, such as "135.80".', name)
    if _ZERO.fullmatch(str(amount).strip()):
        return 0
    try:
        return parse_amount(str(amount), str(currency), name)
    except BadInput as error:
        raise Refused("malformed", f"{error}.", name) from None


def _is_path(text: str) -> bool:
    return text.startswith("$") and not text.startswith("$$") and len(text) > 1


def _at(event: Any, path: str, item: Any) -> Any:
    """What stands at a path; `_ABSENT` where nothing does."""
    place, rest = (item, path[2:]) if path.startswith("$.") else (event, path[1:])
    for part in rest.split("."):
        if isinstance(place, Mapping) and part in place:
            place = place[part]
        elif isinstance(place, list) and part.isdecimal() and int(part) < len(place):
            place = place[int(part)]
        else:
            return _ABSENT
    return place
