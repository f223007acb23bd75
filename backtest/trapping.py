"""Policies that notice when a life reads a value that another policy has otherwise."""

from __future__ import annotations

from functools import cache
from types import new_class
from typing import Any, TypeVar

from backtest.quick import constructed, recast
from core.fields import Message
from core.policy import OrderPolicy

M = TypeVar("M", bound=Message)
NAMES = frozenset({"name", "content_hash"})
"""What a policy is called. Nothing decides by it."""
PARTS = frozenset({"order", "after_sale"})


class Differs(Exception):
    """A value was read in which two policies differ: from here on their lives may differ."""


def differing(one: Message, other: Message) -> frozenset[str]:
    """The fields in which two models differ."""
    names = type(one).model_fields.keys() - NAMES
    return frozenset(name for name in names if getattr(one, name) != getattr(other, name))


def trapped(old: OrderPolicy, new: OrderPolicy) -> OrderPolicy:
    """The old policy. To read what the new one has otherwise raises `Differs`."""
    parts = {name: _trapped(getattr(old, name), differing(getattr(old, name), getattr(new, name))) for name in PARTS}
    return constructed(_trapped(old, differing(old, new) - PARTS), **parts)


def _trapped(model: M, names: frozenset[str]) -> M:
    """The same model with traps at these fields."""
    if not names:
        return model
    kind: type[M] = _trap_class(type(model), names)
    return recast(model, kind)


@cache
def _trap_class(kind: type[Message], names: frozenset[str]) -> Any:
    made: type[Message] = new_class(f"Trapped{kind.__name__}", (kind,))
    for name in names:
        setattr(made, name, property(_raise))
    return made


def _raise(_: Any) -> Any:
    raise Differs
