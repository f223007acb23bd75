"""The base of the local stack's servers: stable ports, a footprint, a log, a wait until it answers."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from core.errors import Unavailable
from local import pids
from local.ports import accepts, give_back, hold, kept_or_free

STARTS_WITHIN = 60.0
"""Seconds. On a busy machine a start takes many times its usual second."""
_TRIES = 4
_TRY_AGAIN_AFTER = 0.5
_LOOK_EVERY = 0.02


def open_private(file: Path) -> BinaryIO:
    """Open a log for appending that only its owner may read; an existing one is restricted, too."""
    file.touch(mode=0o600)
    file.chmod(0o600)
    return file.open("ab")


class ServerProcess:
    """A server process that outlives the program that started it, and is adopted or ended by the next one.

    Its files are under `home`: `<name>.json` is its footprint, `<name>.log` its output.
    """

    name: ClassVar[str] = ""
    port_names: ClassVar[tuple[str, ...]] = ("port",)
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    usual_ports: ClassVar[Mapping[str, int]] = {}
    """The ports that other programs expect; used if they are free and no others were used before."""

    def __init__(self, home: Path, *, usual: bool = False) -> None:
        self.home = home.absolute()
        self._usual = usual
        self._child: subprocess.Popen[bytes] | None = None
        self._footprint: pids.Footprint | None = None

    # --- for each server to define ---

    def prepare(self) -> None:
        """Prepare for the first start."""

    def command(self, ports: Mapping[str, int]) -> Sequence[str]:
        """The program and its arguments."""
        raise NotImplementedError

    def identity(self) -> Mapping[str, Any]:
        """Further arguments of `subprocess.Popen`: its user and its folder."""
        return {}

    def answers(self) -> bool:
        """Whether it serves. It may use the network; it never raises."""
        return accepts(self.ports["port"])

    # --- common to all ---

    @property
    def footprint_file(self) -> Path:
        return self.home / f"{self.name}.json"

    @property
    def log_file(self) -> Path:
        return self.home / f"{self.name}.log"

    @property
    def ports(self) -> dict[str, int]:
        """Its ports by name, once it was started."""
        if self._footprint is None:
            raise Unavailable(f"{self.name} was not started")
        return self._footprint.ports

    @property
    def pid(self) -> int | None:
        """Its process number, while it runs."""
        return self._footprint.pid if self.is_running() and self._footprint else None

    @property
    def footprint(self) -> pids.Footprint | None:
        """Its footprint on disk."""
        return self._footprint

    def is_running(self) -> bool:
        """Whether its process is alive."""
        return self._footprint is not None and pids.is_running(self._footprint)

    def start(self) -> None:
        """Start it, or adopt the one that an earlier program left running with the same command. Blocks.

        Raises:
            Unavailable: it does not come up; the message ends with the last lines of its log.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        if self._adopt():
            return
        self.prepare()
        for tries_left in reversed(range(_TRIES)):
            try:
                self._launch(self._choose_ports())
                return
            except Unavailable:
                # Try again: the usual causes pass, such as a taken port, or a killed server whose children are still
                # ending.
                self.stop()
                if not tries_left:
                    raise
                time.sleep(_TRY_AGAIN_AFTER)

    def stop(self) -> None:
        """End it, no matter which program started it.

        Its files stay. If it has ended already, that is no error. Blocks.
        """
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def remove(self) -> None:
        """End it and delete its files. An orderly end may take more than a second, and saves only what is deleted."""
        self.kill()
        for port in self._footprint.ports.values() if self._footprint else ():
            give_back(port)
        for file in self.home.glob(f"{self.name}.*"):
            file.unlink(missing_ok=True)

    def _end(self, sign: signal.Signals) -> None:
        left = self._footprint or pids.read(self.footprint_file)
        if left is not None:
            pids.end(left, gently=sign)
        if self._child is not None:
            self._child.wait()
            self._child = None

    def _adopt(self) -> bool:
        left = pids.read(self.footprint_file)
        if left is None or not pids.is_running(left):
            return False
        self._footprint = left
        if left.command == tuple(self.command(left.ports)) and self._answers_within(5.0):
            for port in left.ports.values():
                hold(port)
            return True
        self.stop()
        return False

    def _choose_ports(self) -> dict[str, int]:
        """The ports of the last run, so that bookmarks and settings stay valid; a new one if one is taken."""
        last = pids.read(self.footprint_file)
        kept = last.ports if last else self.usual_ports if self._usual else {}
        return {name: kept_or_free(kept.get(name)) for name in self.port_names}

    def _launch(self, ports: dict[str, int]) -> None:
        command = list(self.command(ports))
        if self._child is not None:
            self._child.wait()  # its last child, which another process ended
        with open_private(self.log_file) as log:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A Ctrl-C at the terminal goes to this program, which ends the servers in order.
                start_new_session=True,
                # No other user may read their files.
                umask=0o077,
                **self.identity(),
            )
        self._footprint = pids.footprint(self._child.pid, command, ports)
        if self._footprint is not None:
            pids.write(self.footprint_file, self._footprint.model_dump_json(indent=2))
            if self._answers_within(STARTS_WITHIN):
                return
        raise Unavailable(f"{self.name} did not start: {self.last_words()}")

    def _answers_within(self, seconds: float) -> bool:
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at and self.is_running():
            if self.answers():
                return True
            time.sleep(_LOOK_EVERY)
        return False

    def last_words(self) -> str:
        """The end of its log."""
        with contextlib.suppress(OSError):
            lines = self.log_file.read_text(errors="replace").strip().splitlines()
            return " · ".join(lines[-5:]) or "it said nothing"
        return "it said nothing"
