"""Have the tests teeth? Each planted money bug is tried in a copy of the product, and its suite must turn red.

    python tests/support/teeth.py                 all
    python tests/support/teeth.py "daily sum"     those whose name has these words

The bugs are in `teeth.toml`. A line that is no longer in the product is a fault of the list, and counts as one.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import typer
from rich.console import Console
from rich.table import Table

PROJECT = Path(__file__).parents[2]
LIST = Path(__file__).with_suffix(".toml")
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".hypothesis", ".*_cache")
WITHIN = 600
"""Seconds for one suite."""
RED = 1
"""Pytest's exit code for failed tests. Others mean that it found none, or could not begin."""


class Bug(NamedTuple):
    """One line made wrong, and the tests that must notice."""

    name: str
    file: str
    old: str
    new: str
    suite: str


def bugs() -> list[Bug]:
    """The planted bugs."""
    return [Bug(**entry) for entry in tomllib.loads(LIST.read_text(encoding="utf-8"))["bug"]]


@contextmanager
def a_copy() -> Iterator[Path]:
    """The product in a folder of its own, which may be spoiled."""
    with tempfile.TemporaryDirectory(prefix="dakuan-teeth-") as folder:
        copy = Path(folder) / "product"
        shutil.copytree(PROJECT, copy, ignore=LEFT_OUT)
        yield copy


def tried(copy: Path, bug: Bug) -> str:
    """`caught`, `missed`, or why it could not be tried."""
    file = copy / bug.file
    right = file.read_text(encoding="utf-8")
    if right.count(bug.old) != 1:
        return f"the line is {right.count(bug.old)} times in {bug.file}"
    file.write_text(right.replace(bug.old, bug.new), encoding="utf-8")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *bug.suite.split()],
            cwd=copy,
            capture_output=True,
            timeout=WITHIN,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {WITHIN} s"
    finally:
        file.write_text(right, encoding="utf-8")
    return {0: "missed", RED: "caught"}.get(done.returncode, f"pytest ended with {done.returncode}")


def main(words: str = typer.Argument("", help="Only bugs whose name has these words.")) -> None:
    """Try each planted bug; exit code 1 unless all are caught."""
    console, results = Console(), []
    chosen = [bug for bug in bugs() if words in bug.name]
    if not chosen:
        raise typer.BadParameter(f"no bug has {words!r} in its name")
    table = Table("planted bug", "where", "suite", "result")
    with a_copy() as copy:
        for bug in chosen:
            result = tried(copy, bug)
            results.append(result)
            console.print(f"{result}: {bug.name}")
            table.add_row(bug.name, bug.file, bug.suite, result)
    console.print(table)
    console.print(f"{results.count('caught')} of {len(results)} caught")
    raise typer.Exit(0 if set(results) == {"caught"} else 1)


if __name__ == "__main__":
    typer.run(main)
