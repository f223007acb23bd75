"""The local stack: starts whole, ends whole, and picks up what a killed program left."""

from __future__ import annotations

import asyncio
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from waiting import until_so

from config import Settings
from config.account_keys import ACCOUNT_KEYS_FILE
from core.errors import Misconfigured, Unavailable
from core.search_attributes import SEARCH_ATTRIBUTES
from local import pids
from local.ports import accepts
from local.stack import LocalStack, running
from local.temporal import RETENTION

ROOT = Path(__file__).resolve().parent.parent

_HOLDER = """
import asyncio, sys
from pathlib import Path
from local.stack import LocalStack

async def main():
    stack = LocalStack.temporary(durable=False) if sys.argv[1] == "-" else LocalStack(Path(sys.argv[1]), durable=False)
    async with stack:
        print(stack.home, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


class Holder:
    """Another program that has a stack up."""

    def __init__(self, home: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _HOLDER, home], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.home = Path(self.process.stdout.readline().strip())

    def end(self, sign: signal.Signals) -> None:
        self.process.send_signal(sign)
        self.process.communicate()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalStack]:
    stack = LocalStack(tmp_path_factory.mktemp("stack"), durable=False)
    async with stack:
        yield stack
    stack.postgres.remove()


async def test_everything_answers_and_other_programs_find_it(stack: LocalStack) -> None:
    found = Settings.from_env({"DAKUAN_HOME": str(stack.home)})
    assert found == stack.settings
    assert (stack.home / ACCOUNT_KEYS_FILE).stat().st_mode & 0o077 == 0
    assert [len(key) for key in found.account_keys.values()] == [32]
    assert set(running(stack.home)) == {"postgres", "temporal", "world"}
    connection = await asyncpg.connect(found.needed("database_url"))
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()
    assert await stack.world.journal("bank") == []
    assert found.temporal_ui_url is not None
    assert accepts(int(found.temporal_ui_url.rpartition(":")[2]))


async def test_temporal_has_our_search_attributes_and_keeps_closed_workflows(stack: LocalStack) -> None:
    client = await Client.connect(**stack.settings.temporal_connect_config())
    listed = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace="default"))
    types = {
        name: IndexedValueType.Name(kind).removeprefix("INDEXED_VALUE_TYPE_").replace("_", "").lower()
        for name, kind in listed.custom_attributes.items()
    }
    assert types == {name: kind.lower() for name, kind in SEARCH_ATTRIBUTES.items()}
    namespace = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="default"))
    assert namespace.config.workflow_execution_retention_ttl.ToTimedelta() == RETENTION == timedelta(days=30)


def test_what_it_writes_is_for_our_eyes_only(stack: LocalStack) -> None:
    kept = [*stack.home.glob("*.json"), *stack.home.glob("*.keys"), *stack.home.glob("*.db*")]
    kept += [*stack.home.glob("world/*"), stack.postgres.data]
    assert len(kept) > 10
    for path in kept:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_all_listen_on_the_loopback_interface_alone(stack: LocalStack) -> None:
    ports = {port for service in stack.services for port in service.ports.values()}
    # Columns of the table: local address and port in hexadecimal; state 0A is listening.
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    listening = {(row[1].split(":")[0], int(row[1].split(":")[1], 16)) for row in rows if row[3] == "0A"}
    assert {address for address, port in listening if port in ports} == {"0100007F"}
    assert {port for _, port in listening} >= ports


def test_no_other_program_is_given_a_port_of_a_server_that_restarts(stack: LocalStack) -> None:
    given = Path("/proc/sys/net/ipv4/ip_local_port_range")
    usual = "49152 65535"  # where the system does not say
    first, last = map(int, (given.read_text() if given.is_file() else usual).split())
    for server in (stack.postgres, stack.temporal, stack.standins):
        assert [port for port in server.ports.values() if first <= port <= last] == []


async def test_two_programs_never_have_the_same_home(stack: LocalStack) -> None:
    with pytest.raises(Misconfigured, match=r"is up under .* already"):
        async with LocalStack(stack.home):
            pass
    assert set(running(stack.home)) == {"postgres", "temporal", "world"}


async def test_temporal_keeps_its_workflows_over_a_kill(stack: LocalStack) -> None:
    client = await Client.connect(**stack.settings.temporal_connect_config())
    await client.start_workflow("Nobody", id="kept", task_queue="nobody-polls")
    address = stack.temporal.address
    stack.temporal.kill()
    await asyncio.to_thread(stack.temporal.start)
    assert stack.temporal.address == address
    described = await client.get_workflow_handle("kept").describe(rpc_timeout=timedelta(seconds=20))
    assert described.workflow_type == "Nobody"


async def test_a_stack_left_by_a_killed_program_is_adopted_and_then_ended(tmp_path: Path) -> None:
    holder = await asyncio.to_thread(Holder, str(tmp_path))
    left = running(tmp_path)
    holder.end(signal.SIGKILL)
    assert running(tmp_path) == left
    assert Settings.from_env({"DAKUAN_HOME": str(tmp_path)}).database_url is not None
    async with LocalStack(tmp_path, durable=False) as stack:
        assert running(tmp_path) == left
    assert running(tmp_path) == {}
    assert not (tmp_path / "stack.json").exists()
    stack.postgres.remove()


def test_a_temporary_stack_leaves_nothing_even_when_its_program_is_killed() -> None:
    holder = Holder("-")
    home, data = holder.home, LocalStack(holder.home).postgres.data
    left = [pids.read(home / f"{name}.json") for name in running(home)]
    holder.end(signal.SIGKILL)
    until_so(lambda: not home.exists() and not data.exists())
    until_so(lambda: not any(one is not None and pids.is_running(one) for one in left))


async def test_a_temporary_stack_leaves_nothing() -> None:
    async with LocalStack.temporary(durable=False) as stack:
        home, data = stack.home, stack.postgres.data
    assert not home.exists()
    assert not data.exists()


async def test_a_server_that_does_not_start_ends_the_others_and_says_why(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path, durable=False)
    (tmp_path / "temporal.db").mkdir()
    with pytest.raises(Unavailable, match=r"temporal did not start: .*unable to open"):
        async with stack:
            pass
    assert running(tmp_path) == {}
    stack.postgres.remove()


def test_a_number_that_another_process_has_now_is_not_ended() -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        footprint = pids.footprint(stranger.pid, ["sleep"], {})
        assert footprint is not None
        pids.end(footprint.model_copy(update={"started": "1"}))
        assert stranger.poll() is None
        pids.end(footprint)
        assert stranger.wait() == -signal.SIGTERM
    finally:
        stranger.kill()
        stranger.wait()


def test_a_process_that_does_not_go_is_killed() -> None:
    deaf = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
    )
    assert deaf.stdout is not None
    deaf.stdout.readline()
    footprint = pids.footprint(deaf.pid, [], {})
    assert footprint is not None
    pids.end(footprint, within=0.2)
    assert deaf.wait() == -signal.SIGKILL
    deaf.stdout.close()


def test_a_footprint_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert pids.read(tmp_path / "nothing.json") is None
    (tmp_path / "half.json").write_text('{"pid": 1')
    assert pids.read(tmp_path / "half.json") is None
