"""The keys that a place in a file or body may have, for those who wrote another one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, RootModel

from core.likeness import nearest

_UNIONS = (Union, type(int | str))
"""`Union[…]`, and what `|` makes."""
FEW = 12
"""Keys that are all named where none is like the unknown one."""


def unknown_key(model: type[BaseModel], path: Sequence[str | int], withheld: Collection[str] = ()) -> str:
    """What is said of an unknown key at this path: the nearest known one; where none is near, all, if they are few.

    Args:
        withheld: fields of the model itself that this sender may not give.
    """
    known = [key for key in known_keys(model, path[:-1]) if len(path) > 1 or key not in withheld]
    near = nearest(str(path[-1])[:80], known, most=1)
    if near:
        return f"unknown key; did you mean {near[0]}?"
    return f"unknown key; known: {', '.join(known)}" if 0 < len(known) <= FEW else "unknown key"


def known_keys(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """The keys of the object at this path of a model's JSON, sorted; none where it is not known or has any keys."""
    here: list[Any] = [model]
    for part in path:
        here = [inner for one in here for inner in _inside(one, part)]
    return sorted({key for one in here for key in _keys(one)})


def _keys(annotation: Any) -> Iterator[str]:
    for one in _unwrapped(annotation):
        if isinstance(one, type) and issubclass(one, BaseModel):
            yield from (field.alias or name for name, field in one.model_fields.items())


def _inside(annotation: Any, part: str | int) -> Iterator[Any]:
    """What may stand under a key or a number of what the annotation describes."""
    for one in _unwrapped(annotation):
        origin, inner = get_origin(one), get_args(one)
        if isinstance(one, type) and issubclass(one, RootModel):
            yield from _inside(one.model_fields["root"].annotation, part)
        elif isinstance(one, type) and issubclass(one, BaseModel):
            yield from (field.annotation for name, field in one.model_fields.items() if part in {name, field.alias})
        elif isinstance(origin, type) and issubclass(origin, Mapping):
            yield inner[1]
        elif isinstance(origin, type) and issubclass(origin, Sequence) and isinstance(part, int):
            yield inner[0]


def _unwrapped(annotation: Any) -> Iterator[Any]:
    """The annotation without its conditions; each of a union."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _unwrapped(get_args(annotation)[0])
    elif origin in _UNIONS:
        for one in get_args(annotation):
            yield from _unwrapped(one)
    else:
        yield annotation
