"""Files and an output that take nothing: a sentence and an exit code, before the work where it can be known."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from commands.console import command
from commands.writing import write_text
from core.errors import BadInput, Misconfigured
from local.stack import LocalStack
from starter import app

PROJECT = Path(__file__).parents[1]
FULL = OSError(errno.ENOSPC, "No space left on device")
OURS_NOT = PermissionError(errno.EACCES, "Permission denied", "/srv/dakuan/lock")


def _ended(error: OSError, capsys: pytest.CaptureFixture[str], **given: object) -> tuple[int, str]:
    """The exit code of a command that ends so, and what it says."""

    async def fails(**_: object) -> None:
        raise error

    with pytest.raises(typer.Exit) as ended:
        command(fails)(**given)
    said = capsys.readouterr()
    return ended.value.exit_code, said.err + said.out


def test_a_full_disk_behind_the_output_and_a_closed_folder_are_no_defects(capsys: pytest.CaptureFixture[str]) -> None:
    unwritten = "The output could not be written: No space left on device. Look what was done before you try again.\n"
    assert _ended(FULL, capsys) == (120, unwritten)
    assert _ended(FULL, capsys, as_json=True) == (120, unwritten)
    assert _ended(FULL, capsys, lang="zh") == (
        120,
        "输出无法写入：No space left on device。重试前请先查看已完成的操作。\n",
    )
    closed = "misconfigured: /srv/dakuan/lock cannot be used: Permission denied\n"
    assert _ended(OURS_NOT, capsys) == (2, closed)
    assert "/srv/dakuan/lock 无法使用：Permission denied" in _ended(OURS_NOT, capsys, lang="zh")[1]
    assert _ended(OSError("odd"), capsys)[1].startswith("internal_error: ")


def test_an_answer_that_cannot_be_written_is_said_and_counts_as_failed() -> None:
    arguments = [sys.executable, "starter.py", "waybill", "SF1234567890123", "--json"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            arguments, cwd=PROJECT, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=os.environ
        )
    assert done.returncode == 120
    assert done.stderr.splitlines() == [
        "The output could not be written: No space left on device. Look what was done before you try again."
    ]


def test_a_report_that_cannot_be_written_is_known_before_the_demo() -> None:
    result = CliRunner().invoke(app, ["demo", "--json", "/nonexistent/demo.json"])
    assert result.exit_code == 1
    assert result.stderr == (
        "bad_input: the report /nonexistent/demo.json cannot be written: No such file or directory\n"
    )


def test_a_file_keeps_its_ends_of_lines(tmp_path: Path) -> None:
    write_text(tmp_path / "a.csv", "一\r\n")
    assert (tmp_path / "a.csv").read_bytes() == "一\r\n".encode()
    with pytest.raises(BadInput, match="cannot be written: Is a directory"):
        write_text(tmp_path, "x")


async def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match=r"file/var cannot be used: Not a directory. Set DAKUAN_HOME to a folder"):
        async with LocalStack(tmp_path / "file" / "var"):
            pass
