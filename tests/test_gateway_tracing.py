"""Traces: one from the request to the SQL, sent over HTTP, and nothing in them that is personal, paid or secret."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from arrows import ROOT
from databases import Database
from http_in_process import NOWHERE, PEPPER, Unlimited
from leaking import leaked
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from reconciliation_stage import own_world
from temporalio.workflow import _Definition
from waiting import WITHIN
from withdrawal_stage import WithdrawalStage

import gateway
from config import Settings
from core.api_keys import RANDOM_BYTES, SCOPES, key_id_of, make_key
from core.errors import Misconfigured
from gateway import tracing
from gateway.spans import ATTRIBUTES, MESSAGES, bounded_name, operation_of
from gateway.tracing import tracing_of
from ledger.book import Book
from ledger.pool import open_pool
from ledger.register import Register
from ledger.vault import Vault
from local.client import WorldClient
from local.temporal import Temporal
from storefront import changing
from storefront.app import application
from storefront.changing import Changes
from storefront.endpoints import EndpointDesk
from storefront.identities import digest_of
from storefront.service import HttpService
from worker import WORKFLOWS
from workflows.burst import BUNDLE

__all__ = ["own_world"]

AMOUNT = 3_141_592
PARENT = "0af7651916cd43dd8448eb211c80319c"
RANDOM = {"trace_id", "span_id", "parent_span_id", "start_time_unix_nano", "end_time_unix_nano", "time_unix_nano"}
"""Fields of spans, of their events and of their links."""
TRACEPARENT = f"00-{PARENT}-b7ad6b7169203331-01"


@dataclass
class Receiver:
    """A receiver of OTLP over HTTP."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)

    @property
    def spans(self) -> list[Span]:
        """All that arrived."""
        return [span for body in self.bodies for span in _spans_of(ExportTraceServiceRequest.FromString(body))]

    @property
    def said(self) -> bytes:
        """All that arrived, but for ids, times and the number of the process: short words stand there now and then."""
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        for of_process in (one.resource.attributes for request in requests for one in request.resource_spans):
            named = [one for one in of_process if one.key != "service.instance.id"]
            del of_process[:]
            of_process.extend(named)
        for span in (span for request in requests for span in _spans_of(request)):
            for part in (span, *span.events, *span.links):
                for name in RANDOM.intersection(part.DESCRIPTOR.fields_by_name):
                    part.ClearField(name)
        return b"".join(request.SerializeToString() for request in requests)


def _spans_of(request: ExportTraceServiceRequest) -> list[Span]:
    return [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert (self.path, self.headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
            found.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Takes)
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Traced:
    """A gateway and a stage whose clients and pools are traced."""

    stage: WithdrawalStage
    settings: Settings
    asker: httpx2.AsyncClient

    async def ask(self, path: str, body: dict[str, Any], key: str) -> httpx2.Response:
        """One command of the storefront."""
        headers = {"Idempotency-Key": key, "traceparent": TRACEPARENT}
        return await self.asker.post(path, content=json.dumps(body), headers=headers)

    async def flush(self) -> None:
        """Everything is sent."""
        sender = tracing_of(self.settings)
        assert sender is not None
        await asyncio.to_thread(sender.flush)


@pytest_asyncio.fixture
async def traced(
    receiver: Receiver,
    money_temporal: Temporal,
    own_world: WorldClient,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Traced]:
    monkeypatch.setattr(changing, "ANSWERS_WITHIN", WITHIN)
    settings = Settings(
        database_url=database.worker_dsn, temporal_address=money_temporal.address, otlp=receiver.url, peppers=(PEPPER,)
    )
    sender = tracing_of(settings)
    assert sender is not None
    pool = await open_pool(database.worker_dsn, size=4, note=sender.note_query)
    async with gateway.connected(settings) as client:
        register = Register(pool)
        stage = WithdrawalStage(
            client,
            Book(pool),
            register,
            own_world,
            money_temporal.address,
            database.worker_dsn,
            database.owner_dsn,
        )
        await stage.furnish()
        service = HttpService(
            settings=settings,
            register=register,
            client=client,
            changes=Changes(register, client, (PEPPER,)),
            pushes=NOWHERE,
            callbacks=NOWHERE,
            limits=Unlimited(),
            endpoints=EndpointDesk(register, Vault({"k": b"k" * 32}), NOWHERE),
        )
        key = make_key(b"r" * RANDOM_BYTES)
        key_id = key_id_of(key)
        assert key_id is not None
        await Register(database.owner).api_keys.add(
            key_id,
            "test",
            digest_of(key, PEPPER),
            merchant_id=None,
            scopes=SCOPES,
            by="ann",
            expires_at=None,
            now=datetime.now(UTC),
        )
        transport = httpx2.ASGITransport(app=application(service))
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://localhost", headers={"Authorization": f"Bearer {key}"}
        ) as asker:
            yield Traced(stage, settings, asker)
        await stage.clear()
    await pool.close()


async def test_one_trace_goes_from_the_request_to_the_sql_and_says_nothing_personal(
    traced: Traced, receiver: Receiver
) -> None:
    stage = traced.stage
    body = stage.asked(AMOUNT).model_dump(mode="json", exclude={"requested_by"})
    async with stage.worker():
        started = await traced.ask("/v1/withdrawals", body, "start-1")
        assert started.status_code == 201, started.text
        handle = stage.client.get_workflow_handle(f"withdrawal-{body['withdrawal_id']}")
        await stage.phase(handle, "in_approval")
        by = {"actor": {"role": "merchant", "id": stage.merchant}}
        called_off = await traced.ask(f"/v1/withdrawals/{body['withdrawal_id']}/cancel", by, "cancel-1")
        assert called_off.status_code == 200, called_off.text
        await stage.phase(handle, "cancelled")
    await traced.flush()
    spans = [span for span in receiver.spans if span.trace_id.hex() == PARENT]
    names = {span.name for span in spans}
    assert {
        "POST /v1/withdrawals",
        "StartWorkflow:WithdrawalWorkflow",
        "RunWorkflow:WithdrawalWorkflow",
        "HandleUpdate:cancel",
        "RunActivity:post",
    } <= names, names
    by_id = {span.span_id: span for span in spans}
    posted = [span for span in spans if span.name.startswith("SQL ") and _parent(by_id, span) == "RunActivity:post"]
    assert posted, names
    assert len(by_id) == len(spans)  # none twice
    assert leaked((str(AMOUNT), stage.token, "4242", "Li Wei", stage.merchant), receiver.said) == []
    assert {one.key for span in receiver.spans for one in span.attributes} <= ATTRIBUTES


def _parent(by_id: dict[bytes, Span], span: Span) -> str:
    parent = by_id.get(span.parent_span_id)
    return parent.name if parent is not None else ""


async def test_an_error_is_sent_by_its_class_alone(traced: Traced, receiver: Receiver) -> None:
    pool = traced.stage.register.pool
    sender = tracing_of(traced.settings)
    assert sender is not None

    async def fail() -> None:
        with sender.request("GET"):
            with pytest.raises(Exception, match="secret_table"):
                await pool.fetchval("SELECT x FROM secret_table WHERE y = $1", "secret-98")
            await asyncio.sleep(0)  # the note of a query is taken in the next turn of the loop
            raise ValueError("secret-99")

    with pytest.raises(ValueError, match="secret-99"):
        await fail()
    await traced.flush()
    spans = {span.name: span for span in receiver.spans}
    [event] = spans["GET unrouted"].events
    assert [(one.key, one.value.string_value) for one in event.attributes] == [("exception.type", "ValueError")]
    failed = spans["SQL SELECT secret_table"]
    assert (failed.status.code, failed.status.message) == (2, "")
    assert not any(b"secret-9" in body for body in receiver.bodies)


STRANGE = "ba5eba11ba5eba11ba5eba11ba5eba11"


async def test_a_caller_without_a_key_writes_into_no_trace_but_its_own(traced: Traced, receiver: Receiver) -> None:
    """Its flag that nothing be kept counts for nothing, either."""
    given = {"traceparent": f"00-{STRANGE}-b7ad6b7169203331-00"}
    for header in ("", "Bearer dk_live_wrong", f"Bearer {make_key(b's' * RANDOM_BYTES)}"):
        answer = await traced.asker.get("/v1/orders/A1", headers={**given, "Authorization": header})
        assert answer.status_code == 401
    assert (await traced.asker.get("/v1/orders/A1", headers=given)).status_code == 404
    await traced.flush()
    linked = [span for span in receiver.spans for link in span.links if link.trace_id.hex() == STRANGE]
    assert [span.name for span in linked] == ["GET /v1/orders/{order_id}"] * 3
    assert not any(span.trace_id.hex() == STRANGE or span.parent_span_id for span in linked)


async def test_a_word_that_is_no_method_gives_no_span_its_name(traced: Traced, receiver: Receiver) -> None:
    for method in ("BREW", "x" * 500):
        await traced.asker.request(method, "/v1/orders/A1")
    await traced.flush()
    found = [span for span in receiver.spans if ("_OTHER" in str(span.attributes))]
    assert [span.name.partition(" ")[0] for span in found] == ["HTTP", "HTTP"]


def test_a_message_that_no_workflow_takes_gives_no_span_its_name() -> None:
    for prefix in ("HandleSignal", "HandleUpdate", "ValidateUpdate", "HandleQuery", "QueryWorkflow"):
        assert bounded_name(f"{prefix}:give_me\nmoney") == f"{prefix}:other"
    assert bounded_name("RunActivity:post") == "RunActivity:post"


def test_each_message_of_a_workflow_keeps_its_name() -> None:
    for workflow in WORKFLOWS:
        definition = _Definition.must_from_class(workflow)
        named = {*definition.queries, *definition.updates, *definition.signals} - {None}
        assert named <= MESSAGES, workflow
    assert BUNDLE in MESSAGES


async def test_a_query_outside_of_a_trace_is_not_sent(traced: Traced, receiver: Receiver) -> None:
    before = len(receiver.spans)
    assert await traced.stage.register.withdrawals.row("w-none") is None
    await asyncio.sleep(0)
    await traced.flush()
    assert len(receiver.spans) == before


@pytest.mark.parametrize(
    ("query", "operation"),
    [
        ("SELECT * FROM post($1, $2)", "post"),
        ("SELECT note_proof_run($1)", "note_proof_run"),
        ("SELECT o.* FROM orders o WHERE o.order_id = $1", "SELECT orders"),
        ("INSERT INTO notices (subject) VALUES ($1)", "INSERT notices"),
        ("COMMIT;", "COMMIT"),
        ("BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN"),
    ],
)
def test_a_statement_is_named_by_what_it_calls(query: str, operation: str) -> None:
    assert operation_of(query) == operation


def test_without_a_receiver_nothing_of_opentelemetry_s_sdk_is_loaded() -> None:
    program = (
        "import sys, asyncio, gateway, worker, storefront.app; from config import Settings;"
        "from gateway.tracing import tracing_of; assert tracing_of(Settings()) is None;"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_receiver_without_the_extra_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.delitem(sys.modules, "gateway.spans")
    with pytest.raises(Misconfigured, match=r"opentelemetry.* is not installed: `pip install dakuan\[otel\]`"):
        tracing.tracing_of(Settings(otlp="http://127.0.0.1:9"))


@pytest.mark.parametrize("address", ["127.0.0.1:4318", "http://", "ftp://x", "http://127.0.0.1:4318/v1/traces"])
def test_an_address_of_another_form_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(Misconfigured, match="DAKUAN_OTLP is not an address such as") as caught:
        Settings.from_env({"DAKUAN_OTLP": address, "DAKUAN_HOME": "/nowhere"})
    assert str(caught.value).endswith("without /v1/traces")


def test_a_receiver_on_another_machine_needs_tls_or_a_name() -> None:
    variables = {"DAKUAN_OTLP": "http://traces.example:4318", "DAKUAN_HOME": "/nowhere"}
    with pytest.raises(Misconfigured, match=r"DAKUAN_OTLP is plain http:// to traces\.example"):
        Settings.from_env(variables)
    allowed = Settings.from_env({**variables, "DAKUAN_PLAIN_HTTP": "traces.example"})
    assert allowed.otlp == "http://traces.example:4318"
