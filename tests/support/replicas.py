"""A primary and a replica that follows it: two real servers, the second made by `pg_basebackup`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.drills.archived import Archived
from local.ports import LOOPBACK, accepts
from local.postgres import OWNER, Postgres


class Standby(Postgres):
    """A hot standby of another server, which streams from it.

    Args:
        primary: runs while this one is prepared.
    """

    def __init__(self, home: Path, primary: Archived) -> None:
        super().__init__(home, durable=False)
        self._primary = primary

    def _keys(self) -> Any:
        """The roles and their passwords are the primary's."""
        theirs = self._primary._keys()
        passwords = {name: getattr(theirs, name) for name in ("owner_password", "worker_password")}
        return super()._keys().model_copy(update=passwords)

    def prepare(self) -> None:
        """Copy the primary, with the settings of a standby."""
        if self.data.exists():
            return
        address = {
            "host": LOOPBACK,
            "port": self._primary.ports["port"],
            "user": OWNER,
            "password": self._keys().owner_password,
        }
        conninfo = " ".join(f"{name}={value}" for name, value in address.items())
        self._run("pg_basebackup", "-d", conninfo, "-D", str(self.data), "-c", "fast", "-X", "stream", "-R", "-w")

    def answers(self) -> bool:
        """Its pid file says `standby` once it takes readers."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        ready = len(lines) >= 8 and lines[7].strip() in {"ready", "standby"} and int(lines[0]) == self.pid
        return ready and accepts(self.ports["port"])
