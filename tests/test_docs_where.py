"""`docs/where.md` names, for one example of each kind, the files that know it: these, and no others."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = (
    *("core", "workflows", "activities", "inbound", "ledger", "local", "commands", "demo", "backtest", "gateway"),
    *("wiring", "config", "policies", "storefront"),
)
"""The product; docs, measurements and tests stand beside it."""
TEXT = {".py", ".toml", ".sql"}


def rows() -> Iterator[tuple[str, list[str], list[str], list[str]]]:
    """What, the names of its example, the files that know it, the files beside them."""
    for line in (ROOT / "docs" / "where.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| ") and cells[0] not in {"what", "---"}:
            names, files, beside = (re.findall(r"`([^`]+)`", cell) for cell in cells[1:4])
            yield cells[0], names, files, beside


ROWS = list(rows())
NAMES = {name for row in ROWS for name in row[1]}


@cache
def product() -> dict[str, str]:
    """Each file of the product that has any of the names: what it says, without comments and docstrings."""
    files = [*ROOT.glob("*.py"), *(file for room in ROOMS for file in (ROOT / room).rglob("*"))]
    return {
        file.relative_to(ROOT).as_posix(): _said(file.suffix, text)
        for file in files
        if file.suffix in TEXT and "migrations" not in file.parts
        if any(name in (text := file.read_text(encoding="utf-8")) for name in NAMES)  # to parse all takes seconds
    }


def _said(suffix: str, text: str) -> str:
    if suffix != ".py":
        mark = "#" if suffix == ".toml" else "--"
        return re.sub(rf"(?m)(^|\s){mark}.*$", "", text)
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value.value = ""
    return ast.unparse(tree)


def _knows(text: str, names: list[str]) -> bool:
    return any(re.search(rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])", text) for name in names)


@pytest.mark.parametrize(("what", "names", "files", "beside"), ROWS, ids=[row[0] for row in ROWS])
def test_the_named_files_know_it_and_no_other_does(
    what: str, names: list[str], files: list[str], beside: list[str]
) -> None:
    assert {path for path, text in product().items() if _knows(text, names)} == set(files), what


@pytest.mark.parametrize(("what", "names", "files", "beside"), ROWS, ids=[row[0] for row in ROWS])
def test_the_files_beside_tell_of_it(what: str, names: list[str], files: list[str], beside: list[str]) -> None:
    for path in beside:
        assert _knows((ROOT / path).read_text(encoding="utf-8"), names), f"{path} does not name {what}"


def test_the_table_has_one_of_each_kind() -> None:
    kinds = " ".join(row[0] for row in ROWS)
    for kind in ("verb", "deadline", "movement", "provider", "rail", "rule", "notice", "proof", "command", "setting"):
        assert kind in kinds, kind
