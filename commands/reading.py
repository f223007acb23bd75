"""Input of commands: files, JSON, ids, actors. Input that cannot be read is refused with a sentence."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from commands.console import Malformed
from core.durations import parse_duration
from core.errors import BadInput, Refused
from core.fields import Message
from core.ids import order_workflow_id, withdrawal_workflow_id
from core.reading import reasons_of
from core.strict_json import SPACE, line_of, parse_json, value_at
from inbound.texts import decode

M = TypeVar("M", bound=Message)

LARGEST_FILE = 256 * 1024 * 1024
"""Bytes read at once; more than a million orders."""
LONGEST_NAME = 100
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SUBJECTS = {"order/": False, "withdrawal/": True, "withdrawal-": True}
"""What stands before an id that is said with its kind, and whether it is a withdrawal's."""


# --- files -----------------------------------------------------------------------------------------------


def read_text(file: str) -> str:
    """The text of a file, or of stdin for `-`.

    Raises:
        BadInput: it cannot be opened, is too large, or is in no encoding that `decode` knows.
    """
    name = "stdin" if file == "-" else file
    raw = _bytes_of(file)
    if len(raw) > LARGEST_FILE:
        raise BadInput(f"{name} is larger than {LARGEST_FILE // 1024**2} MB; split it")
    return decode(raw, name)


def read_bytes(file: str) -> bytes:
    """The raw bytes of a file, or of stdin for `-`.

    Raises:
        BadInput: it cannot be opened, or is too large.
    """
    raw = _bytes_of(file)
    if len(raw) > LARGEST_FILE:
        raise BadInput(f"{file} is larger than {LARGEST_FILE // 1024**2} MB")
    return raw


def _bytes_of(file: str) -> bytes:
    try:
        if file == "-":
            return sys.stdin.buffer.read(LARGEST_FILE + 1)
        with Path(file).open("rb") as stream:
            return stream.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BadInput(f"{file} cannot be read: {why}") from None


# --- JSON ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Document:
    """One JSON value of a file: the line it begins on, and the value or why there is none."""

    line: int
    value: Any = None
    wrong: BadInput | None = None


def documents(text: str) -> list[Document]:
    """The JSON values of a text: one, the elements of one array, or one a line (JSON lines).

    Raises:
        BadInput: there is nothing in it.
    """
    start = SPACE.match(text).end()  # type: ignore[union-attr]  # it matches nothing, too
    if start == len(text):
        raise BadInput("there is no order in it: it is empty")
    if text[start] == "[":
        return list(_elements(text, start))
    if _is_lines(text[start:]):
        lines = enumerate(text.split("\n"), 1)
        return [_document(number, line) for number, line in lines if line.strip()]
    return [_document(line_of(text, start), text)]


def _is_lines(text: str) -> bool:
    """Whether several values follow each other, the first of them whole on its line."""
    first, _, rest = text.partition("\n")
    if not rest.strip():
        return False
    try:
        parse_json(first)
    except BadInput:
        # The first of several lines is broken, and each looks like an object: only that line is wrong.
        return first.rstrip().endswith("}") and rest.lstrip().startswith("{")
    return True


def _document(line: int, text: str) -> Document:
    try:
        return Document(line, parse_json(text))
    except BadInput as error:
        return Document(line, wrong=error)


def _elements(text: str, start: int) -> Iterator[Document]:
    """The elements of an array, each with its line; a break in the array's own form ends it."""
    position, first, lines = start + 1, True, _LineCounter(text)
    while True:
        position = SPACE.match(text, position).end()  # type: ignore[union-attr]  # it matches nothing, too
        line = lines.at(position)
        if position < len(text) and text[position] == "]" and first:
            raise BadInput("there is no order in it: the array is empty")
        try:
            value, position = value_at(text, position)
        except BadInput as error:
            yield Document(line, wrong=error)
            return
        yield Document(line, value)
        position, first = SPACE.match(text, position).end(), False  # type: ignore[union-attr]  # as above
        mark = text[position : position + 1]
        position += 1
        if mark == "]":
            rest = SPACE.match(text, position).end()  # type: ignore[union-attr]  # as above
            if rest != len(text):
                yield Document(lines.at(rest), wrong=BadInput("something follows after the array"))
            return
        if mark != ",":
            yield Document(lines.at(position), wrong=BadInput("a comma or ] is missing here"))
            return


class _LineCounter:
    """The lines of ascending positions. Counted from the last one: from the start, n elements would read n² / 2."""

    def __init__(self, text: str) -> None:
        self._text, self._position, self._line = text, 0, 1

    def at(self, position: int) -> int:
        self._line += self._text.count("\n", self._position, position)
        self._position = position
        return self._line


# --- messages --------------------------------------------------------------------------------------------


def read_message(model: type[M], body: Any, code: str) -> M:
    """A message from JSON, unknown fields refused.

    Raises:
        Malformed: with every reason, field by field.
    """
    try:
        return model.model_validate(body, extra="forbid")
    except ValidationError as error:
        raise Malformed(code, reasons_of(error, model)) from None
    except (RecursionError, ValueError, TypeError) as error:
        raise Malformed(code, [{"field": "(whole)", "message": f"cannot be read: {type(error).__name__}"}]) from None


def id_of(text: str, what: str = "id") -> str:
    """An id in the form of the contract.

    Raises:
        Refused: `malformed`; it is none.
    """
    if not _ID.fullmatch(text):
        raise Refused("malformed", f"{what}: {text[:80]!r} is not 1 to 64 of A-Z a-z 0-9 _ -", what)
    return text


def text_of(text: str, option: str) -> str:
    """A name that people read in lists, such as who did it or what a key is for.

    Raises:
        Refused: `malformed`; it is empty, too long, or holds what no screen shows.
    """
    if not 1 <= len(text) <= LONGEST_NAME or not text.isprintable() or text.isspace():
        raise Refused("malformed", f"{option}: must be 1 to {LONGEST_NAME} printable characters.", option.lstrip("-"))
    return text


@dataclass(frozen=True)
class Subject:
    """What a command is about: an order, or a withdrawal (`withdrawal-…`)."""

    id: str
    is_withdrawal: bool

    @property
    def workflow_id(self) -> str:
        """The id of its workflow."""
        return withdrawal_workflow_id(self.id) if self.is_withdrawal else order_workflow_id(self.id)

    @property
    def noun(self) -> str:
        """Its noun in a sentence."""
        return "withdrawal" if self.is_withdrawal else "order"

    @property
    def a_noun(self) -> str:
        """The noun with its article."""
        return "a withdrawal" if self.is_withdrawal else "an order"


def subject_of(text: str) -> Subject:
    """An order's id, or `withdrawal-` and a withdrawal's id; both also as notices and events name them: `order/A1`.

    Raises:
        Refused: `malformed`; it is neither.
    """
    for prefix, is_withdrawal in _SUBJECTS.items():
        if text.startswith(prefix):
            return Subject(id_of(text.removeprefix(prefix)), is_withdrawal)
    return Subject(id_of(text), is_withdrawal=False)


def duration_of(text: str, what: str = "duration") -> timedelta:
    """A length of time above zero.

    Raises:
        Refused: `malformed`; it is none.
    """
    try:
        ahead = parse_duration(text)
    except ValueError as error:
        raise Refused("malformed", f"{what}: {error}", what) from None
    if not ahead:
        raise Refused("malformed", f"{what}: must be longer than nothing", what)
    return ahead


def actor_of(text: str) -> dict[str, str]:
    """`merchant:m-7` in the form of a message, which checks the role.

    Raises:
        Refused: `malformed`; there is no colon.
    """
    role, colon, id_ = text.partition(":")
    if not colon:
        raise Refused("malformed", f"--as {text[:80]!r} is not ROLE:ID, such as merchant:m-7", "actor")
    return {"role": role, "id": id_}
