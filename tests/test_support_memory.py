"""A run's temporary files lie in memory where there is room, and go with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import memory

SUPPORT = Path(__file__).parent / "support"
PROGRAM = """
import sys, tempfile, memory
from pathlib import Path
memory.ROOM = int(sys.argv[2])
memory.YOUNG_S = 0.0
memory.keep_in_memory(Path(sys.argv[1]))
print(tempfile.mkdtemp(), flush=True)
"""
STAYS = f"{PROGRAM}sys.stdin.read()\n"


def _folder_of_a_run(folders: Path, *, room: int = 1, **more: str) -> Path:
    """Where a program's temporary folder was."""
    bare = {name: value for name, value in os.environ.items() if name != memory.SAID}
    environment = {**bare, "PYTHONPATH": str(SUPPORT), **more}
    program = [sys.executable, "-c", PROGRAM, str(folders), str(room)]
    return Path(subprocess.run(program, env=environment, check=True, capture_output=True, text=True).stdout.strip())


def test_a_run_has_a_folder_of_its_own_that_goes_with_it(tmp_path: Path) -> None:
    used = _folder_of_a_run(tmp_path)
    assert used.parent.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_killed_run_goes_with_the_next_and_no_other_does(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != memory.SAID}
    running = subprocess.Popen(
        [sys.executable, "-c", STAYS, str(tmp_path), "1"],
        env={**environment, "PYTHONPATH": str(SUPPORT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    used = Path(running.stdout.readline().strip())
    _folder_of_a_run(tmp_path)
    assert used.exists()
    running.kill()
    running.communicate()
    assert used.exists()
    _folder_of_a_run(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_short_of_room_or_told_otherwise_it_has_none(tmp_path: Path) -> None:
    (chosen := tmp_path / "chosen").mkdir()
    (folders := tmp_path / "folders").mkdir()
    assert not _folder_of_a_run(folders, room=1 << 60, TMPDIR="").is_relative_to(folders)
    assert _folder_of_a_run(folders, TMPDIR=str(chosen)).parent == chosen
    assert not _folder_of_a_run(tmp_path / "nowhere").is_relative_to(tmp_path)
    assert list(folders.iterdir()) == []
