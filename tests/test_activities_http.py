"""Asking providers over HTTP: what comes back is whole, small, in time and JSON, or it is an error that says so."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta
from typing import ClassVar

import pytest
from malformed_answers import answering, http
from pydantic import BaseModel

from activities.http import LARGEST_ANSWER, HttpClient
from core.errors import Unavailable, UnreadableAnswer

SHORT = timedelta(milliseconds=300)


class Thing(BaseModel):
    n: int


async def test_a_good_answer_is_read() -> None:
    async with answering(http(b'{"n": 7}')) as url, HttpClient(url, name="harbor") as client:
        assert (await client.get("thing")).read(Thing) == Thing(n=7)


async def test_a_byte_order_mark_is_read_over() -> None:
    async with answering(http(b'\xef\xbb\xbf{"n": 7}')) as url, HttpClient(url, name="harbor") as client:
        assert (await client.get("thing")).read(Thing) == Thing(n=7)


async def test_a_refused_connection_is_unavailable_and_names_the_address() -> None:
    url = "http://127.0.0.1:1"
    async with HttpClient(url, name="harbor") as client:
        with pytest.raises(Unavailable, match=f"harbor at {url}"):
            await client.get("thing")


async def test_silence_ends_with_the_time_limit() -> None:
    async with answering(silent=True) as url, HttpClient(url, name="harbor", answers_within=SHORT) as client:
        with pytest.raises(Unavailable):
            await client.get("thing")


async def test_an_answer_that_drips_ends_with_the_time_limit() -> None:
    drops = [bytes([byte]) for byte in http(b'{"n": 7}')]
    async with answering(*drops, pause=0.05) as url, HttpClient(url, name="harbor", answers_within=SHORT) as client:
        with pytest.raises(Unavailable, match="within"):
            await client.get("thing")


async def test_an_answer_without_end_is_cut_at_the_size_limit() -> None:
    endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    chunks = [endless, *[b"x" * 65536] * (2 * LARGEST_ANSWER // 65536)]
    async with answering(*chunks) as url, HttpClient(url, name="harbor") as client:
        with pytest.raises(UnreadableAnswer, match="more than 1024 KB"):
            await client.get("thing")


async def test_an_answer_of_exactly_the_size_limit_is_read() -> None:
    body = b'{"n": 7}'.ljust(LARGEST_ANSWER)
    async with answering(http(body)) as url, HttpClient(url, name="harbor") as client:
        assert (await client.get("thing")).read(Thing).n == 7


async def test_a_redirect_is_not_followed() -> None:
    async with answering(http(b'{"n": 7}')) as elsewhere:
        away = http(b"", "302 Found", f"Location: {elsewhere}/thing")
        async with answering(away) as url, HttpClient(url, name="harbor") as client:
            assert (await client.get("thing")).status == 302


async def test_proxies_of_the_machine_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with answering(http(b'{"n": 7}')) as url, HttpClient(url, name="harbor") as client:
        assert (await client.get("thing")).status == 200


async def test_the_first_wrong_field_is_named_and_its_value_is_not() -> None:
    async with answering(http(b'{"n": "a secret"}')) as url, HttpClient(url, name="harbor") as client:
        reply = await client.get("thing")
        with pytest.raises(UnreadableAnswer, match="harbor answered 200: n: ") as caught:
            reply.read(Thing)
        assert "secret" not in str(caught.value)


async def test_a_path_stays_under_the_base() -> None:
    async with answering(http(b'{"n": 7}')) as url, HttpClient(f"{url}/v1/", name="harbor") as client:
        assert (await client.get("/thing")).status == 200


async def test_a_login_of_the_address_is_sent_as_such_and_no_cookie_comes_back() -> None:
    class Asked(asyncio.Protocol):
        heads: ClassVar[list[str]] = []

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.heads.append(data.decode())
            assert isinstance(self.transport, asyncio.Transport)
            self.transport.write(http(b'{"n": 7}', "200 OK", "Set-Cookie: seen=1"))
            self.transport.close()

    server = await asyncio.get_running_loop().create_server(Asked, "127.0.0.1", 0)
    address = f"http://ann:p%40ss@127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server, HttpClient(address, name="harbor") as client:
        for _ in range(2):
            await client.get("a thing", {"q": "茶"})
    login = base64.b64encode(b"ann:p@ss").decode()
    for head in Asked.heads:
        assert head.startswith("GET /v1/a%20thing?q=%E8%8C%B6 HTTP/1.1\r\n")
        assert f"Authorization: Basic {login}\r\n" in head
        assert "cookie" not in head.lower()
    assert len(Asked.heads) == 2
