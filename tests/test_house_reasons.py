"""What is excepted from a rule says why: a silenced type or lint error, an `except` that takes every error."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from arrows import Source, nodes, parsed, sources

SILENCED = re.compile(r"# (?:type: ignore|noqa)\b")
WITH_REASON = re.compile(r"(?:# (?:type: ignore\[[a-z, -]+\]|noqa: [A-Z0-9, ]+) *)+# \S")
LINES_ABOVE = 2
"""A reason may also stand in a comment so near."""
PRODUCT = [source for source in sources() if not source.path.startswith("tests/")]


def _without_reason(source: Source) -> Iterator[int]:
    """The lines of exceptions that give none."""
    lines = source.text.splitlines()
    comments = {number for number, line in enumerate(lines, 1) if line.lstrip().startswith("#")}
    for number, line in enumerate(lines, 1):
        above = range(number - LINES_ABOVE, number)
        if SILENCED.search(line) and not WITH_REASON.search(line) and comments.isdisjoint(above):
            yield number
    for node in nodes(parsed(source), ast.ExceptHandler):
        if _takes_all(node) and not _raises_again(node):
            first = node.body[0].lineno
            said = "  # " in lines[node.lineno - 1]
            if not said and comments.isdisjoint(range(node.lineno - LINES_ABOVE, first)):
                yield node.lineno


def _takes_all(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or (
        isinstance(handler.type, ast.Name) and handler.type.id in {"Exception", "BaseException"}
    )


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def test_every_exception_from_a_rule_gives_its_reason() -> None:
    found = [f"{source.path}:{number}" for source in PRODUCT for number in _without_reason(source)]
    assert found == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("x: int = f()  # type: ignore[arg-type]", [1]),
        ("x: int = f()  # type: ignore[arg-type]  # a number, as was seen above", []),
        ("# It happens in another process.\nwhile f():  # noqa: ASYNC110\n    pass", []),
        ("while f():  # noqa: ASYNC110\n    pass", [1]),
        ("try:\n    f()\nexcept Exception:\n    log()", [3]),
        ("try:\n    f()\nexcept:\n    log()", [3]),
        ("try:\n    f()\nexcept Exception:  # one failure must not end the loop\n    log()", []),
        ("try:\n    f()\nexcept Exception:\n    # One failure must not end the loop.\n    log()", []),
        ("try:\n    f()\nexcept BaseException:\n    undo()\n    raise", []),
        ("try:\n    f()\nexcept OSError:\n    log()", []),
    ],
)
def test_an_exception_without_a_reason_is_found(text: str, lines: list[int]) -> None:
    assert list(_without_reason(Source("core/money.py", text))) == lines
