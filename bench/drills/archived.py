"""A PostgreSQL that archives its log, so that it can be restored to any moment since its base backup."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from core.errors import Unavailable
from local.ports import LOOPBACK
from local.postgres import OWNER, Postgres


class Archived(Postgres):
    """One with an archive beside its data."""

    @property
    def archive(self) -> Path:
        """The log's segments, one file each."""
        return self.data.parent / "archive"

    @property
    def backup(self) -> Path:
        """The base backup."""
        return self.data.parent / "backup"

    def prepare(self) -> None:
        """With a role that may copy the whole server."""
        if self.data.exists():
            return
        super().prepare()
        self._run("postgres", "--single", "-D", str(self.data), "postgres", stdin=f"ALTER ROLE {OWNER} REPLICATION;\n")
        with (self.data / "pg_hba.conf").open("a") as hosts:
            hosts.write(f"host replication {OWNER} {LOOPBACK}/32 scram-sha-256\n")

    def command(self, ports: Mapping[str, int]) -> Sequence[str]:
        """As ever, and each full segment is copied."""
        copy = f"mkdir -p '{self.archive}' && cp '%p' '{self.archive}/%f'"
        settings = ("archive_mode=on", f"archive_command={copy}", "wal_level=replica")
        return [*super().command(ports), *(word for setting in settings for word in ("-c", setting))]

    def back_up(self) -> None:
        """Take the base backup, while it serves.

        Raises:
            Unavailable: with what `pg_basebackup` says.
        """
        command = [str(self._binary("pg_basebackup")), "-h", LOOPBACK, "-p", str(self.ports["port"]), "-U", OWNER]
        identity = dict(self.identity())
        identity["env"] = {**identity["env"], "PGPASSWORD": self._keys().owner_password}
        done = subprocess.run(
            [*command, "-D", str(self.backup), "-c", "fast", "-X", "stream", "-w"],
            **identity,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise Unavailable(f"pg_basebackup: {done.stderr[-500:]}")

    def restore(self, lsn: str) -> None:
        """Put the backup in the place of the data, and replay the log up to this place. It serves when this returns."""
        self.stop()
        shutil.move(self.data, self.data.with_name("lost"))
        shutil.move(self.backup, self.data)
        (self.data / "recovery.signal").touch()
        with (self.data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f'restore_command = \'cp "{self.archive}/%f" "%p"\'\n')
            settings.write(f"recovery_target_lsn = '{lsn}'\nrecovery_target_action = 'promote'\n")
        self.start()
