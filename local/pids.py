"""Our processes: a footprint on disk for each, so that another run can adopt or end those left running.

A footprint holds the process's start time beside its number, because numbers are reused: ending a foreign process would
be worse than leaving one of ours.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

_LOOK_EVERY = 0.01


class Footprint(BaseModel):
    """A process that we started: its number, start time, arguments, and the ports it listens on."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: str
    command: tuple[str, ...]
    ports: dict[str, int] = {}


def started(pid: int) -> str | None:
    """When a live process started, as an opaque text; None if there is none, or only a zombie."""
    try:
        # The name is in parentheses and may contain blanks and parentheses: read after the last one.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _started_by_ps(pid)
    except ProcessLookupError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _started_by_ps(pid: int) -> str | None:
    """For systems without /proc."""
    ps = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, start = ps.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else start.strip()


def is_running(footprint: Footprint) -> bool:
    """Whether exactly the footprint's process is alive."""
    return started(footprint.pid) == footprint.started


def footprint(pid: int, command: Sequence[str], ports: dict[str, int]) -> Footprint | None:
    """The footprint of a live process; None if it has ended."""
    since = started(pid)
    return None if since is None else Footprint(pid=pid, started=since, command=tuple(command), ports=ports)


def end(footprint: Footprint, *, gently: signal.Signals = signal.SIGTERM, within: float = 20.0) -> None:
    """End a process: terminate it, and kill it if it outlives `within` seconds. An ended process is no error."""
    for sign, patience in ((gently, within), (signal.SIGKILL, 5.0)):
        if not is_running(footprint):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(footprint.pid, sign)
        if _until(lambda: not is_running(footprint), patience):
            return


def _until(happened: Callable[[], bool], within: float) -> bool:
    give_up_at = time.monotonic() + within
    while not happened():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(_LOOK_EVERY)
    return True


def read(path: Path) -> Footprint | None:
    """The footprint in a file; None if there is no such file, or it cannot be read."""
    try:
        return Footprint.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def write(path: Path, text: str) -> None:
    """Replace a file atomically, readable only by its owner: a reader never sees half of it."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
