"""A unique password appears in no output and no log, for every kind of failure."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio
from typer.testing import CliRunner

from config import Settings
from core.errors import Misconfigured
from local.postgres import Postgres
from starter import app

PROJECT = Path(__file__).parents[1]
SECRET = "unmistakable42"
NOBODY = "127.0.0.1:9"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A database of this module's own, whose passwords are changed."""
    postgres = Postgres(tmp_path_factory.mktemp("secrets"), durable=False)
    postgres.start()
    yield postgres
    postgres.remove()


@pytest_asyncio.fixture(loop_scope="session")
async def environment(server: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """Settings in which every address has the password."""
    for dsn in (server.owner_dsn, server.worker_dsn):
        connection = await asyncpg.connect(dsn)
        await connection.execute(f"ALTER ROLE {urlsplit(dsn).username} PASSWORD '{SECRET}'")
        await connection.close()
    keys = server.home / "postgres.keys"
    for dsn in (server.owner_dsn, server.worker_dsn):
        keys.write_text(keys.read_text().replace(str(urlsplit(dsn).password), SECRET))
    login = f"http://key:{SECRET}@{NOBODY}"
    settings = {
        "DAKUAN_HOME": str(tmp_path),
        "DATABASE_URL": server.worker_dsn,
        "DATABASE_OWNER_URL": server.owner_dsn,
        "TEMPORAL_ADDRESS": NOBODY,
        "DAKUAN_CARRIER_URL": f"{login}/carrier",
        "DAKUAN_CHANNEL_URL": f"{login}/channel",
        "DAKUAN_BANK_URL": f"{login}/bank?key={SECRET}",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return settings


def forms(dsn: str) -> list[str]:
    """One address in all the ways people write it, wrong ones too."""
    where = urlsplit(dsn)
    place = f"{where.hostname}:{where.port}{where.path}"
    return [
        dsn,
        f"postgresql://{place}?user={where.username}&password={SECRET}",
        f"postgresql://{where.username}:not-{SECRET}@{place}",
        f"postgresql://{where.username}:sec@{SECRET}:x12@{place}",
        f"postgresql://{where.username}:{SECRET}/w#rd@{place}",
        f"postgresql://{where.username}:{SECRET}@{place}?pgbouncer=true",
        f"postgresql://{where.username}:{SECRET}@{place}?sslmode=verify-full",
        f"postgresql://{where.username}:{SECRET}@{place}?sslmode={SECRET}",
        f"postgresql://{where.username}:{SECRET}@{NOBODY}/d",
        f"host=127.0.0.1 password={SECRET}",
    ]


COMMANDS = ["migrate", "doctor", "orders", "prove", "reconcile", "show A1", "balance m-7", "doctor --json"]


async def test_no_command_shows_a_password(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for dsn in forms(environment["DATABASE_URL"]):
        monkeypatch.setenv("DATABASE_URL", dsn)
        for command in COMMANDS:
            answered = await _in_thread(command)
            assert SECRET not in answered, (command, dsn)
            assert "Traceback" not in answered


async def _in_thread(command: str) -> str:
    import asyncio

    answered = await asyncio.to_thread(CliRunner().invoke, app, command.split())
    return answered.output + repr(answered.exception)


ONE_AFTER_THE_OTHER = """
import os, sys, worker
for os.environ["DATABASE_URL"] in sys.argv[1:]:
    print("ended with", worker.cli())
"""
"""Workers in one program, which loads them once."""


def test_no_worker_shows_a_password(environment: dict[str, str]) -> None:
    addresses = forms(environment["DATABASE_URL"])[:4]
    ended = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_THE_OTHER, *addresses],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert ended.stdout.count("ended with") == len(addresses) == 4, ended.stderr
    assert SECRET not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


def test_plain_http_to_another_machine_must_be_allowed_by_name(tmp_path: Path) -> None:
    given = {"DAKUAN_HOME": str(tmp_path), "DAKUAN_BANK_URL": f"http://key:{SECRET}@bank.example/x"}
    with pytest.raises(Misconfigured, match=r"DAKUAN_BANK_URL is plain http:// to bank\.example") as caught:
        Settings.from_env(given)
    assert SECRET not in str(caught.value)
    allowed = Settings.from_env({**given, "DAKUAN_PLAIN_HTTP": "other.example, bank.example"})
    assert allowed.bank_url == given["DAKUAN_BANK_URL"]
    assert SECRET not in repr(allowed)


def test_plain_http_in_a_file_of_providers_is_refused_too(tmp_path: Path) -> None:
    file = tmp_path / "carriers.toml"
    file.write_text('default = ["p"]\n[providers.p]\nkind = "sandbox"\nurl = "http://carrier.example"\n')
    with pytest.raises(Misconfigured, match=r"providers\.p\.url is plain http://"):
        Settings.from_env({"DAKUAN_HOME": str(tmp_path), "DAKUAN_CARRIERS": str(file)})
