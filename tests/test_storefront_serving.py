"""The gateway as a server: slow senders, one that takes all connections, what is no HTTP, targets of proxies."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from console_client import console_client
from databases import Database
from http_in_process import in_process
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from waiting import WITHIN

from config.gateway import Connections
from ledger.register import Register
from storefront import bodies, serving
from storefront.__main__ import main
from storefront.bodies import object_of
from storefront.problems import ProblemError, respond
from storefront.serving import listen, server_of


async def echo(request: Request) -> Response:
    try:
        return Response(repr(await object_of(request)))
    except ProblemError as error:
        return respond(error.problem, error.headers)


@asynccontextmanager
async def connection(
    connections: Connections = Connections(), *, sends: bytes = b""
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server as the gateway's, with one route that reads a body.

    Args:
        sends: is there before the server takes the connection: on a busy machine a short limit is over before the next
            turn.
    """
    listener = listen("127.0.0.1", 0)
    server = server_of(Starlette(routes=[Route("/", echo, methods=["POST"])]), connections)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    asker = socket.create_connection(listener.getsockname())
    asker.sendall(sends)
    reader, writer = await asyncio.open_connection(sock=asker)
    try:
        yield reader, writer
    finally:
        writer.close()
        server.should_exit = True
        await running


async def test_one_address_cannot_take_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_is_this_machine", lambda address: False)
    listener = listen("127.0.0.1", 0)
    server = server_of(Starlette(routes=[Route("/", echo, methods=["POST"])]), Connections(100, 2))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    port = listener.getsockname()[1]
    whole = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
    try:
        taken = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for reader, writer in taken:
            writer.write(whole)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        assert await _answer(port, whole) == b""
        taken[0][1].close()
        # The server hears of the end a moment later.
        assert any([(await _answer(port, whole)).startswith(b"HTTP/1.1 200") for _ in range(100)])
        taken[1][1].close()
    finally:
        server.should_exit = True
        await running


async def _answer(port: int, whole: bytes) -> bytes:
    """The first line of an answer; empty where the connection is refused."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(whole)
    try:
        return await asyncio.wait_for(reader.readline(), WITHIN)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("address", "ours"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.0.0.7", False), ("fe80::1%eth0", False)],
)
def test_the_proxy_on_this_machine_may_have_more(address: str, ours: bool) -> None:
    assert serving._is_this_machine(address) is ours


@pytest.mark.parametrize("head", [b"", b"POST / HT", b"POST / HTTP/1.1\r\nHost: localhost\r\n"])
async def test_a_sender_that_never_ends_the_head_is_left(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HEADERS_WITHIN", 0.05)
    async with connection(sends=head) as (reader, _):
        assert await asyncio.wait_for(reader.read(), WITHIN) == b""


async def test_a_sender_that_never_ends_the_body_is_told_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "ARRIVES_WITHIN", 0.05)
    async with connection() as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        answer = await asyncio.wait_for(reader.read(), WITHIN)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"too_slow"' in answer


async def test_a_form_that_never_ends_is_left_too(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anyone may send one: it is read before it is known whose it is."""
    monkeypatch.setattr(bodies, "ARRIVES_WITHIN", 0.05)

    async def never() -> AsyncIterator[bytes]:
        yield b"form_"
        await asyncio.Event().wait()

    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": "9"}
    async with console_client(register) as browser:
        for path in ("/console/sign-in", "/console/preferences"):
            answer = await asyncio.wait_for(browser.post(path, content=never(), headers=headers), WITHIN)
            assert (answer.status_code, answer.headers["connection"]) == (408, "close")


def _problem_in(answer: bytes) -> tuple[int, str, str]:
    """Status, media type and code of a raw answer, whose headers are as everywhere."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    problem = json.loads(body)
    assert headers["x-request-id"] == problem["request_id"]
    assert (headers["connection"], headers["x-content-type-options"]) == ("close", "nosniff")
    return int(lines[0].split()[1]), headers["content-type"], problem["code"]


@pytest.mark.parametrize(
    "sent", [b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"]
)
async def test_what_is_no_http_gets_a_problem_too(sent: bytes) -> None:
    async with connection() as (reader, writer):
        writer.write(sent)
        answer = await asyncio.wait_for(reader.read(), WITHIN)
    assert _problem_in(answer) == (400, "application/problem+json", "unreadable")


async def test_a_server_that_is_full_says_so_as_a_problem() -> None:
    async with connection(Connections(1, 1)) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
        answer = await asyncio.wait_for(reader.read(), WITHIN)
    assert _problem_in(answer) == (503, "application/problem+json", "unavailable")
    assert b"retry-after: " in answer.lower()


async def test_a_target_with_scheme_and_host_is_read_as_its_path(database: Database) -> None:
    """Its host counts, and not the header's."""
    async with in_process(database) as gateway:
        app: Any = gateway.asker._transport.app  # type: ignore[attr-defined]

        async def asked(target: bytes, host: bytes = b"localhost") -> str:
            said: list[Any] = []

            async def send(message: Any) -> None:
                said.append(message)

            async def receive() -> Any:
                return {"type": "http.request"}

            scope = {"type": "http", "method": "GET", "path": target.decode(), "raw_path": target, "query_string": b""}
            await app({**scope, "headers": [(b"host", host)]}, receive, send)
            return str(json.loads(said[-1]["body"])["code"])

        assert await asked(b"http://localhost:8420/v1/orders") == "unauthorized"
        assert await asked(b"HTTPS://localhost", b"evil.example") == "not_found"
        assert await asked(b"http://evil.example/v1/orders") == "unknown_host"
        assert await asked(b"http://localhost@evil.example/v1/orders") == "not_found"


async def test_a_second_request_on_the_same_connection_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HEADERS_WITHIN", 4 * WITHIN)
    whole = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
    async with connection() as (reader, writer):
        for _ in range(2):
            writer.write(whole)
            assert (await asyncio.wait_for(reader.readuntil(b"{}"), WITHIN)).startswith(b"HTTP/1.1 200")
        monkeypatch.setattr(serving, "HEADERS_WITHIN", 0.05)  # not before: a busy machine would pass it
        writer.write(whole[:20])
        assert await asyncio.wait_for(reader.read(), WITHIN) == b""


@pytest.mark.parametrize("port", ["65536", "-1", "http", "８４２０"])
def test_a_port_that_there_is_not_is_bad_usage(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["storefront", f"--port={port}"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert f"{port!r} is not a port from 0 to 65535" in capsys.readouterr().err
