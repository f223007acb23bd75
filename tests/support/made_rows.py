"""Rows of the register by their models alone, each once with all that it may have and once with as little as it may.

For tests of what is shown: a page must not fail for a row that has a field more, or less.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import AwareDatetime, BaseModel

M = TypeVar("M", bound=BaseModel)
AT = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
PLAIN: Mapping[Any, Any] = {
    int: 1_234,
    float: 1.5,
    str: "x1",
    bytes: b"x",
    bool: True,
    datetime: AT,
    AwareDatetime: AT,
    timedelta: timedelta(hours=26),
    Decimal: Decimal("1.5"),
    object: "x1",
    Any: "x1",
}

BY_NAME: Mapping[str, Any] = {"currency": "CNY", "country": "CN", "carrier": "sandbox", "sha256": "a" * 64, "terms": {}}


def made(model: type[M], *, full: bool = True, **fields: Any) -> M:
    """One row. `full`: with every optional field and one of each list; else with none of them."""
    filled = {
        name: BY_NAME[name] if name in BY_NAME else _value(info.annotation, full)
        for name, info in model.model_fields.items()
        if name not in fields and (full or info.is_required())
    }
    return model.model_validate({**filled, **fields})


def both(model: type[M], **fields: Any) -> list[M]:
    """The row with everything, and the one with as little as it may have."""
    return [made(model, **fields), made(model, full=False, **fields)]


def _value(wanted: Any, full: bool) -> Any:
    origin, parts = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        return _value(parts[0], full)
    if origin is Literal:
        return parts[0]
    if origin in (Union, types.UnionType):
        return None if type(None) in parts and not full else _value(parts[0], full)
    if origin is tuple and Ellipsis not in parts:
        return [_value(part, full) for part in parts]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {_value(parts[0], full): _value(parts[1], full)} if full else {}
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return [_value(parts[0], full)] if full else []
    if isinstance(wanted, type) and issubclass(wanted, BaseModel):
        return made(wanted, full=full)
    if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
        hints = get_type_hints(wanted)
        needed = {one.name for one in dataclasses.fields(wanted) if one.default is dataclasses.MISSING}
        return {name: _value(hint, full) for name, hint in hints.items() if full or name in needed}
    return PLAIN[wanted] if full or wanted is not bool else False
