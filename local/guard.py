"""Ends a temporary stack whose program was killed, because no other program adopts it."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

from local import pids
from local.postgres import Postgres
from local.temporal import Temporal

_LOOK_EVERY = 0.5


def guard(home: Path, parent: str) -> None:
    """Wait until the parent, `PID:START`, is gone; then end the servers of the home, delete it, and end ourselves.

    It blocks; run it in a thread of one of the stack's processes.
    """
    pid, _, started = parent.partition(":")
    while pids.started(int(pid)) == started:
        time.sleep(_LOOK_EVERY)
    Temporal(home).remove()
    Postgres(home).remove()
    shutil.rmtree(home, ignore_errors=True)
    os.kill(os.getpid(), signal.SIGKILL)
