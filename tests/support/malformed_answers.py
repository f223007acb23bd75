"""Malformed answers of a provider: the bytes that a test wants, over real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any


def http(body: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    """An answer as it goes over the wire; `length` announces another length than the body's."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def malformed_answers(good: dict[str, Any]) -> Mapping[str, bytes]:
    """Malformed answers, by name. None of them may be taken for a good one."""
    return _malformed(json.dumps(good))


@cache
def _malformed(text: str) -> Mapping[str, bytes]:
    """Some are large; a test of each way asks for all of them."""
    good, whole = json.loads(text), text.encode()
    return {
        "nothing at all": b"",
        "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
        "a web page": http(b"<html><body>Welcome</body></html>", "200 OK", "Content-Type: text/html"),
        "an empty body": http(b""),
        "half of the JSON": http(whole[: len(whole) // 2]),
        "less than announced": http(whole[:-1], length=len(whole)),
        "ten megabytes": http(whole[:-1] + b', "more": "' + b"x" * 10_485_760 + b'"}'),
        "an array": http(b"[" + whole + b"]"),
        "null": http(b"null"),
        "every value in an array": http(json.dumps({name: [value] for name, value in good.items()}).encode()),
        "every value a number": http(json.dumps(dict.fromkeys(good, 7)).encode()),
        "every value null": http(json.dumps(dict.fromkeys(good)).encode()),
        "an empty object": http(b"{}"),
        "a number that JSON lacks": http(whole[:-1] + b', "more": NaN}'),
        "a field twice": http(whole[:-1] + b"," + whole[1:]),
        "too deep": http(b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
        "a number without end": http(b'{"amount_minor": ' + b"9" * 6000 + b"}"),
        "another encoding": http(whole.decode().encode("utf-16")),
        "broken UTF-8": http(whole[:-1] + b', "more": "\xff\xfe"}'),
        "compressed": http(gzip.compress(whole), "200 OK", "Content-Encoding: gzip"),
        "a redirect": http(whole, "302 Found", "Location: http://127.0.0.1:9/elsewhere"),
        "500 with the good answer": http(whole, "500 Internal Server Error"),
        "502 with a page": http(b"<h1>Bad gateway</h1>", "502 Bad Gateway"),
        "404 with a page": http(b"<h1>Not found</h1>", "404 Not Found"),
        "404 with other JSON": http(b'{"code": "NO_ROUTE"}', "404 Not Found"),
        "204": b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
        "a status that does not exist": http(whole, "999 Strange"),
    }


@asynccontextmanager
async def answering(*chunks: bytes, pause: float = 0.0, silent: bool = False) -> AsyncIterator[str]:
    """A server that answers every request with these bytes; its URL.

    Args:
        chunks: sent one after the other, `pause` seconds apart.
        silent: take the request and never answer.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            if silent:
                await reader.read()
            for chunk in chunks:
                writer.write(chunk)
                await writer.drain()
                await asyncio.sleep(pause)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.close()
        await server.wait_closed()
