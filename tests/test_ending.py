"""How a program ends: with its own exit code, all output written, with any threads left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import WITHIN

ROOT = Path(__file__).parents[1]


def ended(body: str, *, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """A program whose `main` has this body."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    program = f"import sys, ending\ndef main():\n{lines}\nending.end_with(main)\nprint('too far')"
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=WITHIN,
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("pass", 0),
        ("return 2", 2),
        ("sys.exit()", 0),
        ("sys.exit(1)", 1),
        ("raise KeyboardInterrupt", 130),
        ("import typer; raise SystemExit(typer.Exit(3).exit_code)", 3),
    ],
)
def test_a_program_ends_with_the_code_that_it_earned_and_says_nothing_more(body: str, code: int) -> None:
    done = ended(body)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_an_exit_with_a_sentence_shows_it_and_fails() -> None:
    done = ended("sys.exit('no such order')")
    assert (done.returncode, done.stderr) == (1, "no such order\n")


def test_an_error_that_nobody_caught_shows_where_it_was() -> None:
    done = ended("raise ValueError('an odd one')")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("ValueError: an odd one\n")


def test_what_was_printed_and_asked_for_at_the_end_is_written_out() -> None:
    """A pipe holds what was printed back until it is flushed."""
    done = ended("import atexit\natexit.register(print, 'at last', flush=False)\nprint('x' * 100_000)")
    assert (done.returncode, done.stdout) == (0, "x" * 100_000 + "\nat last\n")


def test_a_program_whose_words_cannot_be_written_fails() -> None:
    with Path("/dev/full").open("w") as full:
        assert ended("print('paid')", stdout=full.fileno()).returncode == 120
        at_once = ended("print('paid', flush=True)", stdout=full.fileno())
    assert (at_once.returncode, at_once.stderr) == (120, "The output could not be written: No space left on device.\n")


def test_a_reader_that_has_gone_is_no_failure() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = ended("print('one of many lines')", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_thread_that_calls_into_python_at_the_end_does_not_abort_the_program() -> None:
    """As the client's threads do; one that never ends does not keep the program, either."""
    body = (
        "import threading, time\n"
        "def call():\n"
        "    while True: time.sleep(0)\n"
        "[threading.Thread(target=call).start() for _ in range(4)]\n"
        "print('done')"
    )
    done = ended(body)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
