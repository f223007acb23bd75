"""The command line in this process: a command as a person types it, its JSON answer, or the code of its refusal."""

from __future__ import annotations

import json
import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner, Result

import commands.console
from commands.headings import in_chinese
from screens import Shown, Words, screen
from starter import app

if TYPE_CHECKING:
    from rich.console import Console

NAMES = re.compile(r"order/|withdrawal/|[0-9a-f]{12}|.+\.toml")
"""Titles that are a name of something, in any language."""
WIDE = {"COLUMNS": "240"}
"""A screen on which every table has room for all of its columns."""


def _checked_screen(kind: type[Console] | None = None) -> Console:
    """A screen that shows no heading without a Chinese one, in any language that is asked for: none is forgotten."""
    console = screen(kind)
    plain = console.print

    def shown(*things: Any, **more: Any) -> None:
        for thing in things:
            if isinstance(thing, Shown):
                _check(thing)
        plain(*things, **more)

    console.print = shown  # type: ignore[method-assign]
    return console


def _check(shown: Shown) -> None:
    headings: list[str] = []

    def named(heading: str) -> str:
        headings.append(heading)
        return heading

    shown.in_words(Words(named))
    english = (one for one in headings if re.search("[A-Za-z]{2}", one) and not re.search("[\u4e00-\u9fff]", one))
    bare = [one for one in english if in_chinese(one) == one and not NAMES.match(one)]
    assert not bare, f"commands/headings.py has no Chinese for {bare}"
    columns = getattr(shown, "_columns", ())
    assert len({in_chinese(one) for one in columns}) == len(columns), f"two columns of {columns} read alike in Chinese"


commands.console.screen = _checked_screen  # type: ignore[attr-defined]


def run(*arguments: str, stdin: str | None = None, columns: int | None = None) -> Result:
    """A command and its result, on a wide screen or one with this many columns."""
    environment = {**(WIDE if columns is None else {"COLUMNS": str(columns)}), "LC_ALL": "C.UTF-8"}
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


# --- scripts ---------------------------------------------------------------------------------------------

WRAPPER = """#!{python} -SE
import json, socket, sys
with socket.socket(socket.AF_UNIX) as door:
    door.connect({socket!r})
    door.sendall(json.dumps([sys.argv[1:], sys.stdin.read()]).encode())
    door.shutdown(socket.SHUT_WR)
    answer = json.loads(door.makefile().read())
sys.stdout.write(answer["stdout"])
sys.stderr.write(answer["stderr"])
sys.exit(answer["code"])
"""
"""A `python` for scripts: the serving process, which has loaded everything already, runs `starter.py …`."""


class _Door(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        (program, *arguments), stdin = json.loads(self.rfile.read())
        assert program == "starter.py", program
        done = run(*arguments, stdin=stdin)
        answer = {"stdout": done.stdout, "stderr": done.stderr, "code": done.exit_code}
        self.wfile.write(json.dumps(answer).encode())


@contextmanager
def serving(socket: Path) -> Iterator[None]:
    """Run the commands that `WRAPPER` passes on, one at a time."""
    with socketserver.UnixStreamServer(str(socket), _Door) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()
