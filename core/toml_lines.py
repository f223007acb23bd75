"""Where a key stands in a TOML file, and what is wrong there: line, key and sentence.

`tomllib` keeps no positions. A statement of TOML is the shortest run of whole lines that can be read by itself. So the
statements, and the line on which each begins, are found with `tomllib` alone.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from core.reading import reasons_of

M = TypeVar("M", bound=BaseModel)
Path = tuple[str | int, ...]

_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")


class FileProblem(NamedTuple):
    """Something wrong in a file. `line` 0 means the end of it, where `tomllib` says no line."""

    line: int
    key: str
    message: str

    def __str__(self) -> str:
        where = f"line {self.line}" if self.line else "at the end"
        return f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"


class Lines:
    """The line of each key of a text that is TOML."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {}
        self._tables: dict[Path, int] = {}
        prefix: Path = ()
        for line, statement in _statements(text):
            parsed = tomllib.loads(statement)
            if statement.lstrip().startswith("["):
                prefix = self._enter(parsed, statement.lstrip().startswith("[["))
                if prefix and isinstance(prefix[-1], int):
                    self._lines.setdefault(prefix[:-1], line)
                self._lines.setdefault(prefix, line)
            else:
                self._note(prefix, parsed, line, statement)

    def of(self, path: Iterable[str | int]) -> int:
        """The line on which this key begins, or the nearest one above it that has a line; 1 where none has."""
        wanted = tuple(path)
        while wanted and wanted not in self._lines:
            wanted = wanted[:-1]
        return self._lines.get(wanted, 1)

    def has(self, path: Iterable[str | int]) -> bool:
        """Whether this very key stands in the file."""
        return tuple(path) in self._lines

    def _enter(self, header: dict[str, Any], is_array: bool) -> Path:
        """The path of a table from its header, with the numbers of the arrays of tables on its way."""
        path: Path = ()
        names = list(_names(header))
        for depth, name in enumerate(names):
            path = (*path, name)
            if is_array and depth == len(names) - 1:
                self._tables[path] = self._tables.get(path, -1) + 1
            if path in self._tables:
                path = (*path, self._tables[path])
        return path

    def _note(self, path: Path, value: Any, line: int, statement: str) -> None:
        self._lines.setdefault(path, line)
        if isinstance(value, dict):
            for name, inner in value.items():
                self._note((*path, name), inner, line, statement)
        elif isinstance(value, list):
            position = 0
            for number, inner in enumerate(value):
                found = _find(statement, inner, position)
                position = max(position, found)
                self._note((*path, number), inner, line + statement.count("\n", 0, position), statement)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement with the line on which it begins."""
    pending: list[str] = []
    began = 1
    for number, line in enumerate(text.split("\n"), 1):
        if not pending and (not line.strip() or line.lstrip().startswith("#")):
            continue
        if not pending:
            began = number
        pending.append(line)
        statement = "\n".join(pending)
        if _reads(statement):
            yield began, statement
            pending = []


def _reads(statement: str) -> bool:
    try:
        tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _names(header: Any) -> Iterator[str]:
    while isinstance(header, list | dict) and header:
        if isinstance(header, list):
            header = header[0]
        else:
            name, header = next(iter(header.items()))
            yield name


def _find(statement: str, value: Any, position: int) -> int:
    """Where an element of an array begins, searched from a position on; the position itself if it is not found."""
    if isinstance(value, dict):
        found = statement.find("{", position)
        return found + 1 if found >= 0 else position
    found = statement.find(value if isinstance(value, str) else str(value), position)
    return found if found >= 0 else position


def read_toml(model: type[M], text: str) -> tuple[M | None, list[FileProblem]]:
    """Read a file that people write; unknown keys are refused.

    Returns the file, or each error of form by line and key.
    """
    try:
        return model.model_validate(tomllib.loads(text), extra="forbid"), []
    except tomllib.TOMLDecodeError as error:
        at = _AT_LINE.search(str(error))
        message = _AT_LINE.sub("", str(error)).strip()
        return None, [FileProblem(int(at.group(1)) if at else 0, "", f"not TOML: {message}")]
    except ValidationError as error:
        lines, reasons = Lines(text), reasons_of(error, model)
        return None, sorted(FileProblem(lines.of(_path(one["field"])), one["field"], one["message"]) for one in reasons)


def _path(field: str) -> Path:
    return tuple(int(part) if part.isdecimal() else part for part in field.split("."))
