"""The HTTP gateway in this process, on a database of the test's own, with answers instead of Temporal."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx2
from databases import Database

from config import Settings
from core.api_keys import RANDOM_BYTES, SCOPES, key_id_of, make_key
from ledger.register import Register
from ledger.requests import PendingRequest
from ledger.vault import Vault
from storefront.app import application
from storefront.changing import Changes, KeptAnswer
from storefront.endpoints import EndpointDesk
from storefront.identities import digest_of
from storefront.limits import Limits
from storefront.service import HttpService

PEPPER = b"p" * 32
NOWHERE: Any = None
_numbers = itertools.count(1)


class PlayedChanges(Changes):
    """Requests are written down, and answered here: what would have been sent is kept."""

    def __init__(self, register: Register) -> None:
        super().__init__(register, NOWHERE, (PEPPER,))
        self.sent: list[PendingRequest] = []

    async def _send(self, pending: PendingRequest) -> KeptAnswer:
        self.sent.append(pending)
        return KeptAnswer(201 if pending.what in {"order", "withdrawal"} else 200, {"outcome": "accepted"})


class Unlimited(Limits):
    """Limits that let everything through: a table asks more often than any sender."""

    def count(self, key_id: str, *, changing: bool) -> None:
        """Nothing is counted."""

    def takes_command(self, sender: str, kind: str, subject: str) -> bool:
        return True

    def note_wrong(self, address: str) -> None:
        """Nothing is counted."""


@dataclass(frozen=True)
class Gateway:
    """A gateway and its parts."""

    asker: httpx2.AsyncClient
    changes: PlayedChanges
    service: HttpService
    owners: Register

    async def key(self, *, merchant: str | None = None, scopes: tuple[str, ...] = SCOPES) -> dict[str, str]:
        """The header of a new key."""
        key = make_key(secrets.token_bytes(RANDOM_BYTES))
        key_id, digest = key_id_of(key), digest_of(key, PEPPER)
        assert key_id is not None
        now = datetime.now(UTC)
        await self.owners.api_keys.add(
            key_id, "test", digest, merchant_id=merchant, scopes=scopes, by="ann", expires_at=None, now=now
        )
        return {"Authorization": f"Bearer {key}"}

    async def ask(
        self, method: str, path: str, headers: dict[str, str], body: Any = None, key: str | None = None
    ) -> httpx2.Response:
        """One request; a changing one has a key of its own unless one is given."""
        content = None if method in {"GET", "DELETE"} else json.dumps({} if body is None else body).encode()
        given = headers | ({} if method == "GET" else {"Idempotency-Key": key or f"k-{next(_numbers)}"})
        return await self.asker.request(method, path, headers=given, content=content)


@asynccontextmanager
async def in_process(
    database: Database, settings: Settings | None = None, limits: Limits | None = None
) -> AsyncIterator[Gateway]:
    """A gateway on this database; without limits unless they are given."""
    register, owners = Register(database.pool), Register(database.owner)
    changes = PlayedChanges(register)
    found = (settings or Settings()).model_copy(update={"peppers": (PEPPER,)})
    service = HttpService(
        settings=found,
        register=register,
        client=NOWHERE,
        changes=changes,
        pushes=NOWHERE,
        callbacks=NOWHERE,
        limits=limits or Unlimited(),
        endpoints=EndpointDesk(register, Vault({"k": b"k" * 32}), NOWHERE),
    )
    transport = httpx2.ASGITransport(app=application(service))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as asker:
        yield Gateway(asker, changes, service, owners)
