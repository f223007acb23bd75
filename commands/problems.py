"""How the errors of a file are shown: one row each, with line, key and sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from commands.console import print_answer
from core.toml_lines import FileProblem
from screens import counted, facts, table

if TYPE_CHECKING:
    from rich.console import Console


def print_problems(file: str, problems: Sequence[FileProblem], as_good: Mapping[str, Any]) -> None:
    """Print every error of a file for people or scripts; without errors, the facts about the file."""
    view = {"file": file, "problems": [problem._asdict() for problem in problems], **as_good}

    def show(console: Console) -> None:
        if problems:
            rows = [(problem.line or "end", problem.key, problem.message) for problem in problems]
            console.print(table(f"{file}: {counted(len(problems), 'problem')}", ("line", "key", "what is wrong"), rows))
        else:
            console.print(facts(f"{file}: nothing is wrong", as_good))

    print_answer(view, show)
