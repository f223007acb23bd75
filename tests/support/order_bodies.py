"""The body of a well-formed order, and ways to change it."""

from __future__ import annotations

import copy
from typing import Any

from docs.examples import ORDER


class _Absent:
    """Its repr is a part of test ids, which must be the same in every process."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Any = _Absent()
"""A value for `bent`: the field is not there at all."""


def order_body(**changes: Any) -> dict[str, Any]:
    """A fresh order as JSON has it, with some of its fields changed."""
    return copy.deepcopy(ORDER) | changes


def bent(path: str, value: Any, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """The order with the field at a dotted path set, added or, for `ABSENT`, taken away."""
    whole = order_body() if body is None else copy.deepcopy(body)
    *way, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
    target: Any = whole
    for part in way:
        target = target[part]
    if value is ABSENT:
        del target[last]
    else:
        target[last] = value
    return whole
