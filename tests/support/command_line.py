"""The command line in this process: a command as a person types it, its JSON answer, or the code of its refusal."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner, Result

from starter import app

WIDE = {"COLUMNS": "240"}
"""A screen on which every table has room for all of its columns."""


def run(*arguments: str, stdin: str | None = None, columns: int | None = None) -> Result:
    """A command and how it ended, on a wide screen or one of so many columns."""
    environment = WIDE if columns is None else {"COLUMNS": str(columns)}
    return CliRunner().invoke(app, list(arguments), input=stdin, env=environment)


def ask(*arguments: str, stdin: str | None = None) -> dict[str, Any]:
    """The JSON answer of a command that must succeed."""
    return dict(ask_any(*arguments, stdin=stdin))


def ask_any(*arguments: str, stdin: str | None = None) -> Any:
    """As `ask`, where the answer may be a list."""
    answered = run(*arguments, "--json", stdin=stdin)
    assert answered.exit_code == 0, answered.output
    return json.loads(answered.stdout)


def refusal(*arguments: str, stdin: str | None = None) -> str:
    """The reason code of a command that must be refused."""
    answered = run(*arguments, "--json", stdin=stdin)
    code = str(json.loads(answered.stdout)["error"]["code"])
    assert answered.exit_code == (2 if code == "misconfigured" else 1), answered.output
    return code
