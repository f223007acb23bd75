"""What is wrong with one field, in plain words. pydantic says it to programmers of Python: `Input should be …`.

Its Chinese is in `core.reason_details_fields`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from core.days import NO_DAY
from core.durations import format_duration

_WHOLE_NUMBER = "must be a whole number"
_LIST = "must be a list"
_OBJECT = "must be an object"
_NO_TIME = "must be a day and a time of day that exist"
_PLAIN: Mapping[str, str] = {
    "missing": "must be given",
    "extra_forbidden": "unknown key",
    # texts
    "string_type": "must be a text",
    "string_too_short": "must have at least {min_length} {characters}",
    "string_too_long": "must have at most {max_length} {characters}",
    # numbers
    "int_type": _WHOLE_NUMBER,
    "int_from_float": _WHOLE_NUMBER,
    "int_parsing": _WHOLE_NUMBER,
    "int_parsing_size": "is too large",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "greater_than": "must be above {gt}",
    "less_than": "must be below {lt}",
    # choices, times
    "literal_error": "must be one of {expected}",
    "enum": "must be one of {expected}",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "datetime_type": _NO_TIME,
    "datetime_parsing": _NO_TIME,
    "datetime_from_date_parsing": _NO_TIME,
    "datetime_object_invalid": _NO_TIME,
    "date_type": NO_DAY,
    "date_parsing": NO_DAY,
    "date_from_datetime_parsing": NO_DAY,
    "date_from_datetime_inexact": NO_DAY,
    # lists, objects
    "too_short": "must have at least {min_length} {items}, not {actual_length}",
    "too_long": "must have at most {max_length} {items}, not {actual_length}",
    "tuple_type": _LIST,
    "list_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
    "named_tuple_type": _LIST,
    "dict_type": _OBJECT,
    "dataclass_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
}
"""By the type of pydantic's error; in braces what it knows of the case."""
_OF_CHARACTERS = re.compile(r"\^\[([^\]^]+)\]\{(\d+)(?:,(\d+))?\}\$")
"""A pattern that asks for some characters of a kind: `^[A-Z]{2}$`."""
_OF_CHARACTERS_AFTER_THE_FIRST = re.compile(r"\^\[([^\]^]+)\]\[([^\]^]+)\]\{0,(\d+)\}\$")
"""A pattern that asks for a first character of another kind: `^[a-z][a-z0-9_]{0,39}$`."""
_PRINTABLE = re.compile(r"\^\[\^\\x00-\\x1f\\x7f-\\x9f\]\{(\d+),(\d+)\}\$")
"""A pattern that asks for text without control characters."""
_LENGTH = re.compile(r"datetime\.timedelta\(([^)]*)\)")


def said_plainly(error: Mapping[str, Any]) -> str:
    """What is wrong with a field.

    Args:
        error: one of `ValidationError.errors()`, with its context.
    """
    kind, context = error["type"], error.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return _form_of(context["pattern"])
    if kind not in _PLAIN:
        return _with_lengths(str(error["msg"]).removeprefix("Value error, "))
    known = {name: _shown(name, value) for name, value in context.items()} | _plurals(context)
    return _with_lengths(_PLAIN[kind].format_map(known))


def _form_of(pattern: str) -> str:
    """The form that a text must have, in words. Where no words fit a pattern, the field refuses in words of its own."""
    if (found := _PRINTABLE.fullmatch(pattern)) is not None:
        return f"must be {found[1]} to {found[2]} printable characters"
    if (found := _OF_CHARACTERS_AFTER_THE_FIRST.fullmatch(pattern)) is not None:
        first, kinds, more = found.groups()
        return f"must be 1 to {int(more) + 1} characters of {_spelled(kinds)}, the first of {_spelled(first)}"
    if (found := _OF_CHARACTERS.fullmatch(pattern)) is not None:
        kinds, least, most = found.groups()
        return f"must be {least}{f' to {most}' if most else ''} characters of {_spelled(kinds)}"
    return "must have the form of this field"


def _spelled(kinds: str) -> str:
    """The kinds of characters between the brackets of a pattern."""
    return " ".join(re.findall(r"\w-\w|.", kinds))


def _shown(name: str, value: Any) -> Any:
    """What pydantic knows of the case, as people read it."""
    if name == "expected":
        return value.replace("' or '", "', '")
    if name == "actual_length" and value is None:
        return "more"  # it stopped counting
    return value


def _plurals(context: Mapping[str, Any]) -> dict[str, str]:
    """The nouns that are counted."""
    ending = "" if context.get("min_length", context.get("max_length")) == 1 else "s"
    return {noun: noun.removesuffix("s") + ending for noun in ("characters", "items")}


def _with_lengths(message: str) -> str:
    """The message, with a length of time as people type one, and not as Python writes it."""
    return _LENGTH.sub(lambda found: format_duration(_length_of(found[1])), message)


def _length_of(arguments: str) -> timedelta:
    return timedelta(**{name: int(number) for name, number in re.findall(r"(\w+)=(-?\d+)", arguments)})
