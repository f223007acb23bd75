"""One post of a webhook: a time limit for all of it, no redirects, no proxies, and an answer of 2 KB at most.

A consumer may be slow, endless, or lie about lengths. Nothing that it does holds a slot for longer than the limit, and
nothing raises.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

import httpcore2

from core.fields import UNPRINTABLE
from core.webhooks import PostAnswer
from storefront.targets import CheckedBackend, Reach, Resolver, TargetForbidden, resolve

ANSWERS_WITHIN = 15.0
"""Seconds for all of it: name, connection, TLS, request, answer."""
REST_WITHIN = 2.0
"""Seconds for the body of an answer once its status is there: only people read it."""
LARGEST_ANSWER = 2_048
CONNECTIONS = 64
KEPT_FOR = 5.0
"""Seconds that an idle connection is kept: a batch goes over one, and a name that moves is soon followed."""
_HEADERS = {"Content-Type": "application/json", "User-Agent": "dakuan-webhooks", "Accept-Encoding": "identity"}


class Poster:
    """Posts webhooks; an async context manager.

    Args:
        reach: where they may go.
        resolver: how a name becomes addresses.
        trusted: whom TLS trusts; the system's authorities unless given.
        within: seconds for one post.
    """

    def __init__(
        self,
        reach: Reach,
        *,
        resolver: Resolver = resolve,
        trusted: ssl.SSLContext | None = None,
        within: float = ANSWERS_WITHIN,
    ) -> None:
        self.reach, self._within = reach, within
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=trusted or ssl.create_default_context(),
            max_connections=CONNECTIONS,
            keepalive_expiry=KEPT_FOR,
            network_backend=CheckedBackend(reach, resolver),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._pool.aclose()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> PostAnswer:
        """Post a body; what went wrong is in the answer."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._within):
                answer = await self._posted(url, body, headers)
        except TimeoutError:
            answer = PostAnswer(error=f"no answer within {self._within:g} s")
        except TargetForbidden as error:
            answer = PostAnswer(error=str(error))
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException, OSError) as error:
            answer = PostAnswer(error=_printable(f"{type(error).__name__}: {error}"))
        return answer.model_copy(update={"took": timedelta(seconds=round(time.monotonic() - began, 3))})

    async def _posted(self, url: str, body: bytes, headers: Mapping[str, str]) -> PostAnswer:
        sent = [(name.encode(), value.encode()) for name, value in (_HEADERS | dict(headers)).items()]
        async with self._pool.stream("POST", url, headers=[(b"Host", _host_of(url)), *sent], content=body) as response:
            found = {name.lower(): value for name, value in reversed(response.headers)}
            text = await _beginning(response)
            retry = found.get(b"retry-after", b"").decode("latin-1")
            return PostAnswer(status=response.status, text=text, retry_after=retry_after_of(retry, datetime.now(UTC)))


async def _beginning(response: httpcore2.Response) -> str:
    """The first bytes of an answer. One that does not end, or breaks off, has a status all the same."""
    raw = bytearray()
    with suppress(TimeoutError, httpcore2.NetworkError, httpcore2.ProtocolError):
        async with asyncio.timeout(REST_WITHIN):
            async for chunk in response.aiter_stream():
                raw += chunk
                if len(raw) >= LARGEST_ANSWER:
                    break
    return _printable(bytes(raw[:LARGEST_ANSWER]).decode("utf-8", "replace"))


def retry_after_of(header: str | None, now: datetime) -> timedelta | None:
    """The delay of a Retry-After header (RFC 9110, 10.2.3), in seconds or as a date; None where it is unreadable."""
    text = (header or "").strip()
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return timedelta(seconds=int(text))
    try:
        at = parsedate_to_datetime(text)
        return max((at if at.tzinfo else at.replace(tzinfo=UTC)) - now, timedelta(0))
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _printable(text: str) -> str:
    return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)[:LARGEST_ANSWER]


def _host_of(url: str) -> bytes:
    origin = httpcore2.URL(url).origin
    usual = {b"http": 80, b"https": 443}[origin.scheme]
    host = b"[%b]" % origin.host if b":" in origin.host else origin.host
    return host if origin.port == usual else b"%b:%d" % (host, origin.port)
