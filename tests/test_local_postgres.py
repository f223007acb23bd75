"""The local PostgreSQL: made once, adopted, killed, restarted; and it opens no door on the way."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from core.errors import Unavailable
from local.postgres import Postgres, installed_postgres


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("closed", numbered=True) / "deep" / "home"


@pytest.fixture(scope="module")
def postgres(home: Path) -> Iterator[Postgres]:
    home.mkdir(parents=True)
    home.parent.parent.chmod(0o700)
    server = Postgres(home, durable=False)
    server.start()
    yield server
    server.remove()


def _modes(path: Path) -> dict[str, int]:
    return {str(step): stat.S_IMODE(step.stat().st_mode) for step in [path, *path.parents]}


def test_no_folder_above_the_data_changes_its_permissions(tmp_path: Path) -> None:
    home = tmp_path / "closed" / "home"
    home.mkdir(parents=True)
    home.parent.chmod(0o700)
    server = Postgres(home, durable=False)
    before = _modes(home)
    try:
        server.start()
        assert _modes(home) == before
        before_outside = _modes(server.data.parent.parent)
        server.stop()
        server.start()
        assert _modes(server.data.parent.parent) == before_outside
        assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    finally:
        server.remove()
    assert _modes(home) == before
    assert list(home.iterdir()) == []


async def test_both_roles_connect_to_the_database_with_their_own_passwords(postgres: Postgres) -> None:
    for dsn, role in ((postgres.owner_dsn, "dakuan_owner"), (postgres.worker_dsn, "dakuan_worker")):
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("SELECT current_user || ' in ' || current_database()") == f"{role} in dakuan"
        await connection.close()


async def test_nobody_connects_without_a_password_nor_as_superuser(postgres: Postgres) -> None:
    port = postgres.ports["port"]
    for role, password in (("dakuan_worker", "wrong"), ("postgres", "postgres")):
        with pytest.raises(asyncpg.PostgresError):
            await asyncpg.connect(f"postgresql://{role}:{password}@127.0.0.1:{port}/dakuan")


async def test_the_worker_may_make_nothing_until_it_is_granted(postgres: Postgres) -> None:
    connection = await asyncpg.connect(postgres.worker_dsn)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("CREATE TABLE mine (i BIGINT)")
    await connection.close()


def test_passwords_are_for_our_eyes_only(postgres: Postgres, home: Path) -> None:
    assert stat.S_IMODE((home / "postgres.keys").stat().st_mode) == 0o600
    command = Path(f"/proc/{postgres.pid}/cmdline").read_bytes()
    assert postgres.worker_dsn.split(":")[2].split("@")[0].encode() not in command


def test_it_never_runs_as_root_and_sees_nothing_of_our_environment(postgres: Postgres) -> None:
    assert Path(f"/proc/{postgres.pid}").stat().st_uid == (os.geteuid() or pwd.getpwnam("nobody").pw_uid)
    assert "HOME" not in Path(f"/proc/{postgres.pid}/environ").read_text()


def test_a_running_server_is_adopted(postgres: Postgres, home: Path) -> None:
    other = Postgres(home, durable=False)
    other.start()
    assert other.pid == postgres.pid
    assert other.owner_dsn == postgres.owner_dsn


def test_a_running_server_with_other_settings_is_restarted(postgres: Postgres, home: Path) -> None:
    first = postgres.pid
    other = Postgres(home, durable=True)
    other.start()
    assert other.pid != first
    other.stop()
    postgres.start()


async def test_what_was_committed_survives_a_kill(postgres: Postgres) -> None:
    owner = await asyncpg.connect(postgres.owner_dsn)
    await owner.execute("CREATE TABLE kept (i BIGINT)")
    await owner.execute("INSERT INTO kept VALUES (7)")
    port = postgres.ports
    postgres.kill()
    owner.terminate()
    assert not postgres.is_running()
    postgres.start()
    assert postgres.ports == port
    owner = await asyncpg.connect(postgres.owner_dsn)
    assert await owner.fetchval("SELECT i FROM kept") == 7
    await owner.close()


def test_a_server_that_was_never_started_has_no_address(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="postgres was not started"):
        _ = Postgres(tmp_path).worker_dsn


def test_a_first_start_that_was_cut_off_begins_anew(tmp_path: Path) -> None:
    server = Postgres(tmp_path, durable=False)
    half_made = server.data.with_name("new")
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18")
    try:
        server.start()
        assert server.is_running()
    finally:
        server.remove()


def test_binaries_in_a_closed_folder_are_copied_to_where_the_servers_user_can_run_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed, closed = installed_postgres(), tmp_path / "closed"
    package, libraries = installed.parent, installed.parent.with_suffix(".libs")
    shutil.copytree(installed, closed / package.name / installed.name, symlinks=True)
    shutil.copytree(libraries, closed / libraries.name, symlinks=True)
    closed.chmod(0o700)
    monkeypatch.setattr("local.postgres.installed_postgres", lambda: closed / package.name / installed.name)
    home = tmp_path / "home"
    home.mkdir()
    server = Postgres(home, durable=False)
    try:
        server.start()
        assert server.is_running()
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    finally:
        server.remove()
