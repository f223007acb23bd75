"""One way to ask a provider over HTTP: with time limits, a size limit, no redirects, and strict JSON.

A nonsensical answer must not become a verdict or a posting, and a slow or endless one must not hold a worker. So every
failure here is `Unavailable` or `UnreadableAnswer`.
"""

from __future__ import annotations

import asyncio
import base64
import codecs
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from core.addresses import hide_passwords, split_login
from core.errors import NotSent, Unavailable, UnreadableAnswer
from core.reading import reasons_of

M = TypeVar("M", bound=BaseModel)

ANSWERS_WITHIN = timedelta(seconds=10)
"""From sending to the last byte. Short, so that a worker that was frozen does not send an outdated request."""
CONNECTED_WITHIN = 0.7
"""The connection's share of that time, so that a failed connection is recognised before the whole time is over."""
LARGEST_ANSWER = 1024 * 1024
_NEVER_LEFT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
    httpx2.InvalidURL,
)
"""Refused, not resolved, no TLS, no free connection: these errors occur before the first byte of a request is written.
"""


@dataclass(frozen=True)
class Reply:
    """A complete answer with a status below 500, not yet checked."""

    status: int
    raw: bytes
    source: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Names in lower case; of a repeated header the first value."""

    def read(self, model: type[M]) -> M:
        """Its JSON object as a model.

        Raises:
            UnreadableAnswer: it is not such JSON. The message names the first wrong field, but not its value, which may
                be secret.
        """
        return self.parsed(self.json(), model, f"{self.source} answered {self.status}")

    @staticmethod
    def parsed(value: dict[str, Any], model: type[M], source: str) -> M:
        """A JSON object as a model; see `read`."""
        try:
            return model.model_validate(value)
        except ValidationError as error:
            first = reasons_of(error)[0]
            raise UnreadableAnswer(f"{source}: {first['field']}: {first['message']}") from None

    def json(self) -> dict[str, Any]:
        """Its JSON object.

        Raises:
            UnreadableAnswer: it is not JSON, not an object, has a field twice, or numbers that JSON does not have.
        """
        try:
            # Decode it here: json would guess other encodings. Some vendors' servers put a byte order mark in front.
            text = self.raw.removeprefix(codecs.BOM_UTF8).decode()
            body = json.loads(text, parse_constant=_no_such_number, object_pairs_hook=_each_once)
        except (ValueError, RecursionError) as error:
            raise UnreadableAnswer(f"{self.source} answered {self.status}, not with JSON: {error}") from None
        if not isinstance(body, dict):
            raise UnreadableAnswer(f"{self.source} answered {self.status} with JSON that is no object")
        return body


class HttpClient:
    """A connection to one provider; an async context manager.

    Args:
        base_url: every path is appended to it. A login in it is sent as such, and appears in no message or log.
        name: of the provider, for messages.
        answers_within: limit for a whole exchange.
        headers: sent with every request.
    """

    def __init__(
        self,
        base_url: str,
        *,
        name: str,
        answers_within: timedelta = ANSWERS_WITHIN,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._seconds = answers_within.total_seconds()
        url, login = split_login(base_url)
        self._base = url.rstrip("/") + "/"
        connecting = self._seconds * CONNECTED_WITHIN
        self._extensions = {"timeout": httpx2.Timeout(self._seconds, connect=connecting, pool=connecting).as_dict()}
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "dakuan",
            **(headers or {}),
        }
        self._login = {"Authorization": _basic(*login)} if login else {}
        # The transport alone, without the library's client: that follows redirects, keeps cookies and logs addresses,
        # which we do not want, and costs a fifth more. Only our settings decide where a request goes: the machine's
        # proxies and .netrc are ignored.
        self._transport = httpx2.AsyncHTTPTransport(
            trust_env=False,
            # Plain HTTP needs no certificates. Loading them takes time.
            verify=not base_url.startswith("http://"),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def get(self, path: str, params: Mapping[str, str | int] | None = None) -> Reply:
        """Look something up; see `ask`."""
        return await self.ask("GET", path, params=params)

    async def post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Reply:
        """Send a JSON object; see `ask`."""
        return await self.ask("POST", path, json=body, headers=headers)

    async def ask(self, method: str, path: str, **request: Any) -> Reply:
        """One exchange, never repeated here: only the caller knows whether a repeat is safe.

        Returns:
            The answer if its status is below 500; a redirect is an answer too.

        Raises:
            NotSent: no connection was made: nothing was sent.
            Unavailable: no complete answer came in time, or a 5xx. The request may have had its effect.
            UnreadableAnswer: it is larger than `LARGEST_ANSWER`, or compressed though that was not requested.
        """
        try:
            asked = self._request(method, path, **request)
            async with asyncio.timeout(self._seconds):
                response = await self._transport.handle_async_request(asked)
                try:
                    raw = await self._body(response)
                finally:
                    await response.aclose()
        except _NEVER_LEFT as error:
            raise NotSent(f"{self.name} at {self._base} cannot be reached: {_why(error)}") from None
        except TimeoutError:
            raise Unavailable(f"{self.name} did not answer within {self._seconds:g} s") from None
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise Unavailable(f"{self.name} at {self._base} did not answer: {_why(error)}") from None
        if response.status_code >= 500:
            raise Unavailable(f"{self.name} answered {response.status_code}")
        headers = {name.lower(): value for name, value in reversed(response.headers.multi_items())}
        return Reply(status=response.status_code, raw=raw, source=self.name, headers=headers)

    def _request(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **request: Any
    ) -> httpx2.Request:
        return httpx2.Request(
            method,
            self._base + path.lstrip("/"),
            headers={**self._headers, **(headers or {}), **self._login},
            extensions=self._extensions,
            **request,
        )

    async def _body(self, response: httpx2.Response) -> bytes:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise UnreadableAnswer(f"{self.name} compressed its answer, which may be small and unpack to anything")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > LARGEST_ANSWER:
                raise UnreadableAnswer(f"{self.name} answered with more than {LARGEST_ANSWER // 1024} KB")
        return bytes(body)


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _why(error: Exception) -> str:
    return hide_passwords(str(error) or type(error).__name__)


def _no_such_number(text: str) -> Any:
    raise ValueError(f"{text} is no number in JSON")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field stands there twice")
    return fields
