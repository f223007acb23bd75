"""JSON, read more strictly than Python does: no doubled keys, NaN, endless numbers or half characters.

What two readers understand differently must not reach the books: the last of two equal keys, or a number beyond a
float's range.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from core.errors import BadInput

LONGEST_INTEGER = 20
"""Digits. No amount has more than sixteen; thousands of digits would only cost time."""

SPACE = re.compile(r"[ \t\n\r]*")
"""What may stand between JSON values; it matches nothing, too."""


def parse_json(text: str) -> Any:
    """One JSON value, and nothing behind it.

    Raises:
        BadInput: says what is wrong and where.
    """
    value, end = value_at(text, SPACE.match(text).end())  # type: ignore[union-attr]  # it matches nothing, too
    rest = SPACE.match(text, end).end()  # type: ignore[union-attr]  # as above
    if rest != len(text):
        raise BadInput(f"line {line_of(text, rest)}: something follows after the JSON value")
    return value


def line_of(text: str, position: int) -> int:
    """The line of a position, from 1."""
    return text.count("\n", 0, position) + 1


def value_at(text: str, position: int) -> tuple[Any, int]:
    """The JSON value that begins at a position, and where it ends.

    Raises:
        BadInput: says what is wrong and where.
    """
    try:
        value, end = _DECODER.raw_decode(text, position)
    except json.JSONDecodeError as error:
        raise BadInput(f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from None
    except BadInput as error:
        raise BadInput(f"line {line_of(text, position)}: {error}") from None
    except RecursionError:
        raise BadInput(f"line {line_of(text, position)}: nested too deeply") from None
    if text.find("\\u", position, end) != -1:
        _refuse_surrogates(value, text, position)
    return value, end


def _refuse_surrogates(value: Any, text: str, position: int) -> None:
    """Half a character (`\\ud800`) is a Python string that no file, database or wire can carry."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadInput(f"line {line_of(text, position)}: a string holds half a character (a lone surrogate)") from None
    except RecursionError:
        raise BadInput(f"line {line_of(text, position)}: nested too deeply") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise BadInput(f"the key {key[:80]!r} stands twice in one object")
        found[key] = value
    return found


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_INTEGER:
        raise BadInput(f"a number has {len(digits)} digits")
    return int(digits)


def _decimal(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise BadInput(f"the number {text[:20]} is too large")
    return number


def _no_constant(name: str) -> NoReturn:
    raise BadInput(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_decimal, parse_constant=_no_constant
)
