"""What the README shows is what happens: its commands are run as they stand there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
STARTS_WITHIN_S = 90


def _blocks(section: str) -> list[str]:
    """The shell blocks of one section."""
    text = re.split(r"^## ", README, flags=re.MULTILINE)
    found = next(part for part in text if part.startswith(section))
    return re.findall(r"```sh\n(.*?)```", found, flags=re.DOTALL)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A stack folder of the test's own, and the `python` that runs the tests."""
    tools = tmp_path / "bin"
    tools.mkdir()
    wrapper = tools / "python"
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    wrapper.chmod(0o755)
    path = f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "DAKUAN_HOME": str(tmp_path / "var"), "PATH": path}


@pytest.fixture
def _up(environment: dict[str, str], tmp_path: Path) -> Iterator[None]:
    with (tmp_path / "up.log").open("w+", encoding="utf-8") as log:
        command = [sys.executable, "starter.py", "up"]
        running = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log)
        for _ in range(STARTS_WITHIN_S * 5):
            if "Web UI" in (tmp_path / "up.log").read_text(encoding="utf-8") or running.poll() is not None:
                break
            time.sleep(0.2)
        assert running.poll() is None, (tmp_path / "up.log").read_text(encoding="utf-8")
        yield
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=60) == 0


@pytest.mark.usefixtures("_up")
def test_the_walk_by_hand_ends_as_the_readme_says(environment: dict[str, str]) -> None:
    walk = _blocks("By hand")[1].replace(". .venv/bin/activate\n", "")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", walk],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "trace_exists" in done.stdout
    assert "arrived" in done.stdout
    assert "orphaned_escrow" in done.stdout


def test_every_command_of_the_readme_exists() -> None:
    named = set(re.findall(r"starter\.py ([a-z]+)", README))
    done = subprocess.run([sys.executable, "starter.py", "--help"], cwd=PROJECT, capture_output=True, text=True)
    known = set(re.findall(r"^  ([a-z]+) ", done.stdout, flags=re.MULTILINE))
    assert named <= known, named - known


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z]+)", README, flags=re.MULTILINE)) <= targets


def test_every_file_the_readme_links_to_exists() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (PROJECT / link).exists()] == []
