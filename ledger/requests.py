"""Changing requests of the HTTP gateway: written down before they are carried out, answered once."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from core.fields import Message
from ledger.register_part import RegisterPart


class TakenRequest(Message):
    """Whether the caller may carry a request out, or why not. `answered` comes with the first answer."""

    outcome: Literal["taken", "under_way", "answered", "other"]
    status: int | None = None
    answer: Any = None


class PendingRequest(Message):
    """A request without an answer, taken by the caller. `digest` proves that a gateway wrote it.

    `api_key` is the first key of its sender's line.
    """

    api_key: str
    idempotency_key: str
    digest: str
    older_digest: str | None = None
    """By the pepper before, while peppers are rotated."""
    what: str
    subject: str
    body: Any


class StoredRequest(Message):
    """A request as its sender may see it. Without a status it has no answer yet."""

    status: int | None
    answer: Any
    received_at: datetime


class Requests(RegisterPart):
    """The register's changing requests, by API key and Idempotency-Key."""

    async def take(
        self,
        request: PendingRequest,
        *,
        taken_until: datetime,
        now: datetime,
    ) -> TakenRequest:
        """Write a request down, and take it until then. The same key with other digests is `other`."""
        digests = [digest for digest in (request.digest, request.older_digest) if digest is not None]
        taken = await self._one(
            TakenRequest,
            "SELECT * FROM take_request($1, $2, $3, $4, $5, $6, $7, $8)",
            *(request.api_key, request.idempotency_key, digests, request.what, request.subject, request.body),
            *(taken_until, now),
        )
        assert taken is not None  # the function answers with one row
        return taken

    async def answer(self, api_key: str, idempotency_key: str, status: int, answer: Any, now: datetime) -> None:
        """Keep an answer; the first one stands."""
        await self._call("SELECT answer_request($1, $2, $3, $4, $5)", api_key, idempotency_key, status, answer, now)

    async def unanswered(self, at_most: int, *, taken_until: datetime, now: datetime) -> list[PendingRequest]:
        """Take the oldest requests that no gateway works on."""
        return await self._all(PendingRequest, "SELECT * FROM take_unanswered($1, $2, $3)", at_most, taken_until, now)

    async def known(self, api_key: str, idempotency_key: str) -> StoredRequest | None:
        """A request of this line of keys, with its answer where it has one."""
        return await self._one(
            StoredRequest,
            "SELECT status, answer, received_at FROM requests WHERE api_key = $1 AND idempotency_key = $2",
            api_key,
            idempotency_key,
        )

    async def purge(self, before: datetime) -> int:
        """Forget answered requests that came before, and at least thirty days ago; returns how many."""
        return int(await self._call("SELECT purge_requests($1)", before))
