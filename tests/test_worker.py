"""The composition root: every activity is served, every refusal at start is a sentence."""

from __future__ import annotations

import importlib
import inspect
import logging
import pkgutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import pytest
import pytest_asyncio
from databases import Database
from temporalio import activity
from temporalio.client import Client

import activities
import gateway
from config import Settings, read_rails
from core.errors import Misconfigured
from core.policy import parse_policy
from core.search_attributes import SEARCH_ATTRIBUTES
from ledger.policies import move_policy
from ledger.register import Register
from local.temporal import Temporal
from local.wechatpay_keys import RAILS_FILE, wechatpay_keys
from wiring.activities import wire
from wiring.code import code_digest
from wiring.database import policies_in, ready_database, role_in
from wiring.rails import open_channels, open_rails
from wiring.screening import screener_in
from worker import build_worker, running_worker

ROOT = Path(__file__).parent.parent
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def temporal_server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    server = Temporal(tmp_path_factory.mktemp("temporal"), usual=False)
    server.start()
    yield server
    server.remove()


@pytest_asyncio.fixture(loop_scope="session")
async def client(temporal_server: Temporal) -> AsyncIterator[Client]:
    yield await gateway.connect(Settings(temporal_address=temporal_server.address))


def settings(database: Database | None = None, **changes: Any) -> Settings:
    known: dict[str, Any] = {"carrier_url": NOWHERE, "channel_url": NOWHERE, "bank_url": NOWHERE}
    return Settings(**known | ({"database_url": database.worker_dsn} if database else {}) | changes)


def _written() -> set[str]:
    """The names of all activities under `activities/`."""
    names = set()
    for module in pkgutil.walk_packages(activities.__path__, "activities."):
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            for _, method in inspect.getmembers(kind, inspect.isfunction):
                definition = activity._Definition.from_callable(method)
                if definition is not None and definition.name is not None:
                    names.add(definition.name)
    return names


async def test_every_activity_that_is_written_is_served_under_one_name() -> None:
    async with AsyncExitStack() as stack:
        served = await wire(settings(), stack, create_autospec(Any), create_autospec(Client, instance=True))
        names = [str(definition.name) for one in served if (definition := activity._Definition.from_callable(one))]
    assert sorted(names) == sorted(_written())


async def test_a_worker_shows_which_code_it_runs_without_hashing_every_module(client: Client) -> None:
    worker = build_worker(client, [_anything], settings())
    named = build_worker(client, [_anything], settings(build_id="2026-11-28"))
    assert worker.config().get("build_id") == code_digest()
    assert named.config().get("build_id") is None


@activity.defn
async def _anything() -> None:
    """For a worker that must have an activity."""


async def test_real_rails_and_channels_need_no_stand_ins_beside_them(tmp_path: Path) -> None:
    wechatpay_keys(tmp_path)
    text = (tmp_path / RAILS_FILE).read_text(encoding="utf-8").replace('"/wechatpay"', f'"{NOWHERE}"')
    (tmp_path / RAILS_FILE).write_text(text, encoding="utf-8")
    rails = read_rails(tmp_path / RAILS_FILE, {})
    real = Settings(rails=rails, carrier_url=NOWHERE)
    async with AsyncExitStack() as stack:
        assert set(await open_rails(real, stack)) == {"wechatpay_transfer", "wechatpay_withdraw"}
        assert set(await open_channels(real, stack)) == {"wechatpay"}
        assert await wire(real, stack, create_autospec(Any), create_autospec(Client, instance=True))
    async with AsyncExitStack() as stack:
        with pytest.raises(Misconfigured, match="DAKUAN_BANK_URL"):
            await open_rails(Settings(), stack)
        with pytest.raises(Misconfigured, match="DAKUAN_CHANNEL_URL"):
            await open_channels(Settings(), stack)


async def test_policies_of_the_folder_are_registered_and_drafts_and_screening_rules_are_not(
    database: Database, tmp_path: Path
) -> None:
    for name in ("default", "slow"):
        (tmp_path / f"{name}.toml").write_text(f'name = "{name}"\n')
    (tmp_path / "new.draft.toml").write_text('name = "new"\n')
    (tmp_path / "screening.toml").write_text("")
    given = settings(database, policies=tmp_path, screening=tmp_path / "screening.toml")
    async with ready_database(given) as pool:
        register = Register(pool)
        found = await register.policies.newest("slow")
        assert found is not None
        assert found.text == 'name = "slow"\n'
        assert await register.policies.newest("new") is None


async def test_a_worker_that_starts_undoes_no_registered_policy(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dakuan.worker")
    (tmp_path / "default.toml").write_text('name = "default"\n')
    given = settings(database, policies=tmp_path, screening=tmp_path / "screening.toml")
    async with ready_database(given):
        pass
    assert "registered otherwise" not in caplog.text
    better = 'name = "default"\ncommission_bps = 100\n'
    await move_policy(database.owner_dsn, parse_policy(better), better, who="operator:ann", why="lower fees")
    for one in (given, given.model_copy(update={"database_owner_url": database.owner_dsn})):
        caplog.clear()
        async with ready_database(one) as pool:
            found = await Register(pool).policies.newest(None)
        assert found is not None
        assert found.text == better
        assert "policy default is registered otherwise" in caplog.text


@pytest.mark.parametrize("text", ["name = ", 'name = "x"\ncolour = 1\n', "\xff"])
def test_a_policy_that_cannot_be_read_is_named_by_its_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(Misconfigured, match=r"bad\.toml"):
        policies_in(settings(policies=tmp_path))


def test_screening_rules_that_cannot_be_read_are_named_by_their_file(tmp_path: Path) -> None:
    (tmp_path / "screening.toml").write_text("[[rules]]\nverdict = 1\n")
    with pytest.raises(Misconfigured, match=r"screening\.toml"):
        screener_in(settings(screening=tmp_path / "screening.toml"))
    with pytest.raises(Misconfigured, match=r"missing\.toml"):
        screener_in(settings(screening=tmp_path / "missing.toml"))


async def test_a_database_without_migrations_is_refused_with_what_to_do(database: Database) -> None:
    taken = await database.owner.fetchrow(
        "DELETE FROM schema_migrations WHERE name LIKE '0003%' RETURNING name, checksum"
    )
    assert taken is not None
    try:
        with pytest.raises(Misconfigured, match=r"lacks 1 migrations, 0003_.*starter\.py migrate"):
            async with ready_database(settings(database)):
                pass
    finally:
        # The server's databases serve other tests, too.
        await database.owner.execute("INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)", *taken)


async def test_a_role_without_rights_is_refused_with_what_to_do(database: Database) -> None:
    await database.owner.execute(f'REVOKE USAGE ON SCHEMA dakuan FROM "{role_in(database.worker_dsn)}"')
    try:
        with pytest.raises(Misconfigured, match=r"permission denied.*starter\.py migrate"):
            async with ready_database(settings(database)):
                pass
    finally:
        await database.owner.execute(f'GRANT USAGE ON SCHEMA dakuan TO "{role_in(database.worker_dsn)}"')


async def test_a_namespace_that_is_not_there_is_named(temporal_server: Temporal) -> None:
    given = Settings(temporal_address=temporal_server.address, temporal_namespace="elsewhere")
    with pytest.raises(Misconfigured, match="no namespace elsewhere"):
        await gateway.connect(given)


async def test_search_attributes_are_there_with_their_types_and_registered_once(client: Client) -> None:
    await gateway.register_search_attributes(client)
    assert await gateway.search_attributes(client) == dict.fromkeys(SEARCH_ATTRIBUTES, "present")


async def test_a_search_attribute_of_another_type_keeps_the_worker_from_starting(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SEARCH_ATTRIBUTES, "AmountMinor", "Keyword")
    with pytest.raises(Misconfigured, match="AmountMinor is INT, not Keyword"):
        await gateway.register_search_attributes(client)


async def test_a_missing_setting_is_named(database: Database, temporal_server: Temporal) -> None:
    given = settings(database, temporal_address=temporal_server.address, bank_url=None)
    with pytest.raises(Misconfigured, match="DAKUAN_BANK_URL is not set"):
        async with running_worker(given):
            pass


def test_a_worker_ends_with_0_although_something_does_not_let_go() -> None:
    program = "import datetime, threading, worker; worker.leave_after(datetime.timedelta(seconds=0.2))\n"
    stuck = "threading.Thread(target=threading.Event().wait).start()"
    ended = subprocess.run([sys.executable, "-c", program + stuck], cwd=ROOT, timeout=60, check=False)
    assert ended.returncode == 0
