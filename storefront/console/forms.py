"""The fields of a command's form, from the command's model: the contract is not listed a second time."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel

from core.command import Command, LineQuantity

FieldKind = Literal["reason", "text", "choice", "amount", "number", "time", "check", "lines"]
TYPED: frozenset[str] = frozenset({"reason", "text", "number", "time"})
"""Kinds whose content only the person knows: a refusal of it is no refusal of the command."""
_ENVELOPE = frozenset({"command_id", "actor", "proof"})
_LONG = frozenset({"reason", "statement", "text"})
"""Names of texts that are sentences. They come last."""
_UNASKED: frozenset[tuple[str, str]] = frozenset(
    {("lift_hold", "scope"), ("lift_hold", "review_at"), ("add_evidence", "sha256")}
)
"""Verb and field: a lifted hold is lifted whole, and a digest is a machine's."""


@dataclass(frozen=True)
class FormField:
    """One field of a form.

    `fixed`: it comes from the page that led here, and is shown, not asked. `of`: the list of the command whose one item
    the field belongs to; "" for a field of the command itself.
    """

    name: str
    kind: FieldKind
    choices: tuple[str, ...] = ()
    required: bool = True
    fixed: bool = False
    of: str = ""


def fields_of(command: type[Command], fixed: frozenset[str] = frozenset()) -> tuple[FormField, ...]:
    """What a form asks for this command: what it is about comes first, sentences last.

    Args:
        fixed: names of fields that the page which leads to the form knows.
    """
    found = list(_fields(command, command.verb, fixed))
    return tuple(sorted(found, key=lambda field: (not field.fixed, field.kind == "reason")))


def _fields(model: type[BaseModel], verb: str, fixed: frozenset[str], of: str = "") -> Iterator[FormField]:
    for name, info in model.model_fields.items():
        if name in _ENVELOPE or (verb, name) in _UNASKED:
            continue
        plain = _plain(info.annotation)
        item = _plain(get_args(plain)[0]) if get_origin(plain) is tuple else None
        if item is LineQuantity:
            yield FormField(name, "lines", required=False, of=of)
        elif item is not None:
            # Evidence that may come along has a form of its own.
            if info.is_required():
                yield from _fields(item, verb, fixed, name)
        else:
            kind, choices = _kind(name, plain, _is_optional(info.annotation))
            required = info.is_required() or name in fixed or (kind == "choice" and info.default is not None)
            yield FormField(name, kind, choices, required, name in fixed, of)


def _kind(name: str, plain: Any, optional: bool) -> tuple[FieldKind, tuple[str, ...]]:
    if get_origin(plain) is Literal:
        return "choice", get_args(plain)
    if plain is bool:
        return ("choice", ("yes", "no")) if optional else ("check", ())
    if plain is int:
        return ("amount" if name.endswith("_minor") else "number"), ()
    if plain in (datetime, AwareDatetime):
        return "time", ()
    return ("reason" if name in _LONG else "text"), ()


def _plain(annotation: Any) -> Any:
    """A type without what may stand around it: `Annotated`, `| None`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _plain(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return _plain(next(part for part in get_args(annotation) if part is not type(None)))
    return annotation


def _is_optional(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def assembled(fields: tuple[FormField, ...], filled: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a command from what was filled in, by name."""
    body: dict[str, Any] = {}
    for field in fields:
        if field.name in filled:
            target = body.setdefault(field.of, [{}])[0] if field.of else body
            target[field.name] = filled[field.name]
    return body


def said_by(fields: tuple[FormField, ...], body: Mapping[str, Any]) -> dict[str, Any]:
    """What a body says, by the names of the form's fields."""
    found = {}
    for field in fields:
        of = body.get(field.of, [{}])[0] if field.of else body
        if of.get(field.name) is not None:
            found[field.name] = of[field.name]
    return found


# --- the least that a form would say -----------------------------------------------------------------------

_TOGETHER: Mapping[str, Mapping[str, Any]] = {
    "arbitrate": {"decision": "none"},
    "report_chargeback": {"amount_minor": 1},
}
"""Fields that depend on each other."""


def least_of(
    command: type[Command], fields: tuple[FormField, ...], now: datetime, *, alone: bool = False
) -> dict[str, Any]:
    """What a form would say at the least, to ask the core whether it would be taken.

    Args:
        alone: without what goes with the first of its choices only.
    """
    filled = {field.name: _least(field, now) for field in fields if field.required or field.kind == "reason"}
    if command.verb == "shift_deadline":
        filled["by"] = timedelta(hours=1)
    return assembled(fields, filled if alone else {**filled, **_TOGETHER.get(command.verb, {})})


def _least(field: FormField, now: datetime) -> Any:
    if field.kind == "choice":
        return field.choices[0] if field.choices != ("yes", "no") else True
    if field.kind in ("amount", "number"):
        return 1
    if field.kind == "time":
        return now + timedelta(days=1)
    if field.kind == "check":
        return False
    return {"sha256": "0" * 64, "carrier": "sandbox"}.get(field.name, "probe")
