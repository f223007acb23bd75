"""Spans from a request over its command, workflow and activity to the SQL, sent by OTLP over HTTP (protobuf).

Temporal's own interceptor (temporalio.contrib.opentelemetry) makes those of commands, workflows and activities: a span
of a workflow has no duration, and a replay makes none again. What is sent has only the attributes that are named here:
the texts of errors and the arguments of queries would carry payment references, amounts and what is personal.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from temporalio.contrib.opentelemetry import TracingInterceptor

from core.messages import ORDER_COMMANDS, WITHDRAWAL_COMMANDS

ATTRIBUTES = frozenset(
    {"temporalWorkflowID", "temporalRunID", "temporalActivityID"}
    | {"http.request.method", "http.route", "http.response.status_code"}
    | {"db.system.name", "db.operation.name", "error.type", "exception.type"}
)
"""All that a span may say. The id of a workflow has the id of its order or withdrawal, and no payment's."""
SENT_WITHIN = 5.0
"""Seconds for one batch. A receiver that is away delays nothing else: spans are dropped."""
UNROUTED = "unrouted"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
OTHER_METHOD = "HTTP"
"""Anyone may send any word as a method. A name of its own for each would fill the receiver's index of names."""
_HANDLED = re.compile(r"((?:HandleSignal|HandleUpdate|ValidateUpdate|HandleQuery|QueryWorkflow):)(.*)", re.DOTALL)
"""Spans of what a workflow is sent: any writer to the namespace chooses the name."""
OTHER_MESSAGE = "other"
MESSAGES = frozenset(
    {*ORDER_COMMANDS, *WITHDRAWAL_COMMANDS, "signals of a burst"}
    | {"order", "withdrawal", "account_drop", "summary", "journal", "holds", "__stack_trace", "__enhanced_stack_trace"}
)
"""What our workflows and Temporal's Web UI call such messages."""
_CALLED = re.compile(r"\b(?:FROM|SELECT|JOIN LATERAL)\s+(\w+)\s*\(", re.IGNORECASE)
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE)\s+(\w+)", re.IGNORECASE)


class RequestSpan:
    """The span of a request that is being answered."""

    def __init__(self, span: Span, method: str) -> None:
        self._span, self._method = span, method

    def note_status(self, status: int) -> None:
        """The answer has begun."""
        self._span.set_attribute("http.response.status_code", status)

    def note_route(self, path: str) -> None:
        """The route is known, such as `/v1/orders/{order_id}`."""
        self._span.update_name(f"{self._method} {path}")
        self._span.set_attribute("http.route", path)


class Tracing:
    """The spans of this process.

    Args:
        url: the receiver's address without the path, such as `http://127.0.0.1:4318`.
    """

    def __init__(self, url: str) -> None:
        name = f"{socket.gethostname()}/{os.getpid()}"
        resource = Resource.create({"service.name": "dakuan", "service.instance.id": name})
        self._provider = TracerProvider(resource=resource)
        sender = OTLPSpanExporter(endpoint=f"{url}/v1/traces", timeout=SENT_WITHIN)
        self._provider.add_span_processor(BatchSpanProcessor(BareExporter(sender)))
        self._tracer = self._provider.get_tracer("dakuan")
        self.interceptor = TracingInterceptor(self._tracer)

    def flush(self) -> None:
        """Send what waits, at most for `SENT_WITHIN`. Blocks."""
        self._provider.force_flush(int(SENT_WITHIN * 1000))

    # --- requests ------------------------------------------------------------------------------------------

    @contextmanager
    def request(self, method: str, traceparent: str | None = None, *, joins: bool = False) -> Iterator[RequestSpan]:
        """A span around one HTTP request.

        Args:
            traceparent: what the caller says of its own trace, if anything.
            joins: it is in that trace; else it begins one of its own, with a link to the caller's.
        """
        theirs = TraceContextTextMapPropagator().extract({} if traceparent is None else {"traceparent": traceparent})
        link = trace.get_current_span(theirs).get_span_context()
        known = method if method in METHODS else None
        with self._tracer.start_as_current_span(
            f"{known or OTHER_METHOD} {UNROUTED}",
            theirs if joins else Context(),
            SpanKind.SERVER,
            {"http.request.method": known or "_OTHER"},
            links=[Link(link)] if link.is_valid and not joins else [],
        ) as span:
            yield RequestSpan(span, known or OTHER_METHOD)

    # --- SQL -----------------------------------------------------------------------------------------------

    def note_query(self, record: Any) -> None:
        """A span for a statement that has ended (asyncpg's `LoggedQuery`); none where nothing is traced around it."""
        if not trace.get_current_span().get_span_context().is_valid:
            return
        ended = time.time_ns()
        operation = operation_of(record.query)
        span = self._tracer.start_span(
            f"SQL {operation}",
            kind=SpanKind.CLIENT,
            attributes={"db.system.name": "postgresql", "db.operation.name": operation},
            start_time=ended - int(record.elapsed * 1e9),
        )
        if record.exception is not None:
            span.set_attribute("error.type", type(record.exception).__name__)
            span.set_status(StatusCode.ERROR)
        span.end(ended)


@lru_cache(maxsize=1024)
def operation_of(query: str) -> str:
    """The function that a statement calls, or its first word with its table: `post`, `SELECT orders`, `COMMIT`."""
    if (called := _CALLED.search(query)) is not None:
        return called[1].lower()
    word = re.match(r"\s*(\w+)", query)
    table = _TABLE.search(query)
    return " ".join(filter(None, (word[1].upper() if word else "", table[1].lower() if table else "")))


class BareExporter(SpanExporter):
    """Sends spans with `ATTRIBUTES` alone: no texts of errors, no stacks."""

    def __init__(self, sender: SpanExporter) -> None:
        self._sender = sender

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send these."""
        return self._sender.export([_bare(span) for span in spans])

    def shutdown(self) -> None:
        """Send nothing more."""
        self._sender.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits here."""
        return self._sender.force_flush(timeout_millis)


def _bare(span: ReadableSpan) -> ReadableSpan:
    return ReadableSpan(
        name=bounded_name(span.name),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_named(span.attributes),
        events=[Event(event.name, _named(event.attributes), event.timestamp) for event in span.events],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def bounded_name(name: str) -> str:
    """A span's name; of a message that no workflow of ours takes, without the sender's word."""
    found = _HANDLED.fullmatch(name)
    return name if found is None or found[2] in MESSAGES else f"{found[1]}{OTHER_MESSAGE}"


def _named(attributes: Any) -> dict[str, Any]:
    return {name: value for name, value in (attributes or {}).items() if name in ATTRIBUTES}
