"""What an operator must know of Temporal: failing tasks, versions that get no task, full namespaces, TLS mistakes."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from temporalio import activity, workflow
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkerDeploymentConfig
from waiting import ANSWERS_WITHIN, WITHIN, until

import gateway
import gateway.sending
from commands.prove import prove_progress
from config import Settings
from core.errors import Misconfigured, Unavailable
from core.ids import DEPLOYMENT, TASK_QUEUE
from gateway import connecting
from local.temporal import Temporal


@workflow.defn(name="Stuck")
class Stuck:
    """Fails its task again and again, as code does that a deploy broke."""

    @workflow.run
    async def run(self) -> None:
        raise ValueError("no patched() here")


@activity.defn
async def _nothing() -> None:
    """Lets a worker poll for activities too."""


async def _until(client: Client, right: Callable[[str | None], bool]) -> str | None:
    """Why no task is taken, once that is as expected."""

    async def why_idle() -> str | None:
        return (await gateway.workers(client)).why_idle

    return await until(why_idle, right)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Temporal]:
    """A Temporal of this module's own, as `up` starts it."""
    temporal = Temporal(tmp_path_factory.mktemp("temporal"))
    temporal.start()
    yield temporal
    temporal.remove()


@pytest_asyncio.fixture(loop_scope="session")
async def client(server: Temporal) -> AsyncIterator[Client]:
    async with gateway.connected(Settings(temporal_address=server.address)) as connected:
        yield connected


async def namespace(server: Temporal, client: Client, name: str) -> Client:
    request = RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=Duration(seconds=86400))
    await client.workflow_service.register_namespace(request)
    settings = Settings(temporal_address=server.address, temporal_namespace=name)
    return await until(lambda: gateway.connect(settings), despite=(Misconfigured, RPCError))


async def test_a_workflow_whose_task_fails_again_and_again_is_named(server: Temporal, client: Client) -> None:
    mine = await namespace(server, client, "stuck")
    worker = Worker(mine, task_queue=TASK_QUEUE, workflows=[Stuck], workflow_runner=UnsandboxedWorkflowRunner())
    assert (await prove_progress(mine)).holds
    async with worker:
        await mine.start_workflow("Stuck", id="order-A1", task_queue=TASK_QUEUE)
        found = await until(lambda: gateway.failing(mine, 20))
        assert [(one.workflow_id, one.why) for one in found] == [("order-A1", "WorkflowWorkerUnhandledFailure")]
        proof = await prove_progress(mine)
        assert not proof.holds
        assert proof.evidence[0]["workflow_id"] == "order-A1"
        await mine.get_workflow_handle("order-A1").terminate()


async def test_a_build_that_is_not_current_is_named_and_deploy_makes_it_current(
    server: Temporal, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = await namespace(server, client, "builds")
    monkeypatch.setattr(gateway.pollers, "ANSWER_WITHIN", ANSWERS_WITHIN)  # a server alone on its machine takes less
    assert "No worker polls" in str((await gateway.workers(mine)).why_idle)
    with pytest.raises(Misconfigured, match="DAKUAN_BUILD_ID=b1"):
        await gateway.make_current(mine, "b1")
    config = WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name=DEPLOYMENT, build_id="b1"),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )
    async with Worker(
        mine,
        task_queue=TASK_QUEUE,
        workflows=[Stuck],
        activities=[_nothing],
        workflow_runner=UnsandboxedWorkflowRunner(),
        deployment_config=config,
    ):
        why = await _until(mine, lambda said: said is not None and "b1" in said)
        assert "is not current" in str(why)
        assert "deploy --build-id b1" in str(why)
        await gateway.make_current(mine, "b1", ramp=10)
        await gateway.make_current(mine, "b1")
        assert await _until(mine, lambda said: said is None) is None
        assert (await gateway.workers(mine)).current == "b1"
        monkeypatch.setattr(gateway.pollers, "TRIES", 1)
        monkeypatch.setattr(gateway.pollers, "POLLED_WITHIN", timedelta(0))  # its last poll is too long ago
        for ramp in (None, 10):
            with pytest.raises(Misconfigured, match="no worker of build b1"):
                await gateway.make_current(mine, "b1", ramp=ramp)
        with pytest.raises(Misconfigured, match="already current"):
            await gateway.make_current(mine, "b1", ramp=0)
        await gateway.make_current(mine, "b1", polled=False)
        with pytest.raises(Misconfigured, match="does not take build b2"):
            await gateway.make_current(mine, "b2", polled=False)


async def test_a_namespace_without_room_is_misconfigured(server: Temporal, client: Client) -> None:
    mine = await namespace(server, client, "crowded")
    for number in range(8):
        theirs = {f"Their{number}": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD}
        await mine.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace="crowded", search_attributes=theirs)
        )
    with pytest.raises(Misconfigured, match="room for 2 more Keyword attributes, Dakuan needs 7"):
        await gateway.register_search_attributes(mine)


async def test_a_command_without_a_worker_comes_back_in_time(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway.sending, "ANSWER_WITHIN", timedelta(seconds=2))
    await client.start_workflow("Stuck", id="order-idle", task_queue=TASK_QUEUE)
    with pytest.raises(Unavailable, match=r"did not answer within 2 s.*command id c1"):
        await asyncio.wait_for(gateway.send(client, "order-idle", "cancel_order", {"command_id": "c1"}), WITHIN)
    await client.get_workflow_handle("order-idle").terminate()


# --- TLS -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost"
    done = subprocess.run(command.split(), cwd=folder, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("openssl is not installed")
    return folder


@pytest.mark.parametrize("options", [{"tls": True}, {"api_key": "x"}])
async def test_tls_against_a_plain_server_is_misconfigured(server: Temporal, options: dict[str, object]) -> None:
    settings = Settings(temporal_address=server.address, temporal_options=options)
    with pytest.raises(Misconfigured, match="does not speak TLS"):
        await gateway.connect(settings)


async def test_a_plain_client_at_a_tls_port_is_misconfigured(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "TLS_TRIED_WITHIN", WITHIN)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with listening:
        address = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        with pytest.raises(Misconfigured, match="the server wants TLS"):
            await gateway.connect(Settings(temporal_address=address))
        with pytest.raises(Misconfigured, match="not trusted"):
            await gateway.connect(Settings(temporal_address=address, temporal_options={"tls": True}))


async def test_a_server_that_is_away_is_not_misconfigured() -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9: "):
        await gateway.connect(Settings(temporal_address="127.0.0.1:9"))
