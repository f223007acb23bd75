"""The HTTP gateway of a running `up`, and keys for it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import pytest
from command_line import ask
from up_stack import Up
from waiting import WITHIN, until_so

from config import load

REQUESTS = "/v1/requests/"


@dataclass(frozen=True)
class Answered:
    """A response: status, JSON, headers."""

    status: int
    body: Any
    headers: httpx2.Headers


@dataclass(frozen=True)
class Http:
    """A sender with a key of its own. It repeats what was refused for now, and asks on for what is under way."""

    client: httpx2.Client
    key: str
    key_id: str

    def get(self, path: str, **queries: Any) -> Answered:
        return self._asked("GET", path, params=queries or None)

    def post(self, path: str, body: Any = None, key: str | None = None, **headers: str) -> Answered:
        content = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        given = headers | ({"Idempotency-Key": key} if key is not None else {})
        return self._asked("POST", path, content=content, headers=given)

    def patch(self, path: str, body: Any) -> Answered:
        return self._asked("PATCH", path, content=json.dumps(body).encode())

    def delete(self, path: str) -> Answered:
        return self._asked("DELETE", path)

    def _asked(self, method: str, path: str, **more: Any) -> Answered:
        headers = {"Authorization": f"Bearer {self.key}", **more.pop("headers", {})}
        reply = self.client.request(method, path, headers=headers, **more)
        while reply.status_code == 429:
            time.sleep(float(reply.headers["retry-after"]))
            reply = self.client.request(method, path, headers=headers, **more)
        answer = Answered(reply.status_code, reply.json() if reply.content else None, reply.headers)
        where = str(reply.headers.get("location", ""))
        return self._became(where, answer) if where.startswith(REQUESTS) else answer

    def _became(self, where: str, taken: Answered) -> Answered:
        """What a request came to that was taken and had no answer within five seconds, as on a busy machine."""
        beside = {name: value for name, value in taken.body.items() if name not in {"status", "location"}}
        found = until_so(lambda: self.get(where), lambda found: found.body.get("code") != "under_way")
        return replace(found, body={**found.body, **beside})


def fresh_key() -> str:
    """An Idempotency-Key that no other request has."""
    return uuid.uuid4().hex


def keyed(client: httpx2.Client, *options: str) -> Http:
    """A sender whose key was made with these options."""
    made = ask("keys", "create", "test", "--by", "ann", *options)
    return Http(client, made["key"], made["key_id"])


@pytest.fixture(scope="module")
def http_client(up: Up) -> Iterator[httpx2.Client]:
    """A client of the gateway of the stack that is up."""
    port = (load().home / "http.port").read_text()
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=WITHIN) as client:
        yield client


@pytest.fixture(scope="module")
def shop(http_client: httpx2.Client) -> Http:
    """A storefront."""
    return keyed(http_client)
