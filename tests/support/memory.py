"""Temporary files of a test run in memory: its servers write much, and nothing that is kept.

On a busy disk the system's part of a server's first start is six times what it is here.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

ROOM = 8 << 30
"""Bytes that must be free, in the folder and in memory: a run of all tests on several processes needs a part of it."""
FOLDERS = Path("/dev/shm")
SAID = "TMPDIR"
PREFIX = "dakuan-tests-"
LOCK = "lock"
"""In each folder, and held while its run lasts."""
YOUNG_S = 60.0
"""Seconds. A younger folder may be about to be locked."""


def keep_in_memory(folders: Path = FOLDERS) -> None:
    """Let this process, and those that it starts, have their temporary files in a folder in memory. It goes with this
    process, or with the next run if this one is killed. Where TMPDIR is set, where there is no such folder, or where
    room is short, nothing changes.
    """
    if SAID in os.environ or not os.access(folders, os.W_OK | os.X_OK):
        return
    for left in folders.glob(f"{PREFIX}*"):
        _remove_left(left)
    if not _has_room(folders):
        return
    own = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folders))
    fcntl.flock(os.open(own / LOCK, os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_EX)
    own.chmod(0o711)  # under root, PostgreSQL's own user has its data in it
    os.environ[SAID] = tempfile.tempdir = str(own)
    atexit.register(_remove, own, os.getpid())


def _has_room(folders: Path) -> bool:
    """Whether programs may lie there, too, and there is room for all."""
    there = os.statvfs(folders)
    return not there.f_flag & os.ST_NOEXEC and min(there.f_bavail * there.f_frsize, _memory()) >= ROOM


def _remove_left(folder: Path) -> None:
    """Remove it if its run is over."""
    with suppress(OSError):  # it goes just now, it has no lock yet, its run lasts, or it is another user's
        if time.time() - folder.stat().st_mtime < YOUNG_S:
            return
        lock = os.open(folder / LOCK, os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)


def _memory() -> int:
    """Bytes that programs may still have, as Linux estimates them."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))


def _remove(own: Path, pid: int) -> None:
    if os.getpid() == pid:  # not a process that was forked from it
        shutil.rmtree(own, ignore_errors=True)
