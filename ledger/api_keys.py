"""API keys in the register: who may ask over HTTP. Only digests are kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.fields import Message
from ledger.register_part import Conditions, RegisterPart


class ApiKey(Message):
    """A key without its secret. `merchant_id` None: the storefront's, for orders of all merchants.

    `line` is the first of the keys that it follows by rotations: together they are one sender. `ended_by` None: it has
    not ended, or by the date that it was given.
    """

    key_id: str
    line: str
    name: str
    merchant_id: str | None
    scopes: tuple[str, ...]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    ended_by: str | None
    last_used: datetime | None


_KEY = f"SELECT {', '.join(ApiKey.model_fields)} FROM api_keys"


class ApiKeys(RegisterPart):
    """The register's API keys."""

    async def add(
        self,
        key_id: str,
        name: str,
        digest: bytes,
        *,
        merchant_id: str | None,
        scopes: Sequence[str],
        by: str,
        expires_at: datetime | None,
        now: datetime,
    ) -> None:
        """Add a key that follows none, as the owner.

        Args:
            digest: of the key, with the newest pepper.
        """
        await self._call(
            "SELECT add_api_key($1, $2, $3, $4, $5, $6, $7, $8, NULL)",
            *(key_id, name, digest, merchant_id, list(scopes), by, expires_at, now),
        )

    async def follow(
        self,
        old: ApiKey,
        old_ends: datetime,
        key_id: str,
        digest: bytes,
        *,
        by: str,
        expires_at: datetime | None,
        now: datetime,
    ) -> str | None:
        """Add a key like an old one, which ends by then, as the owner: both or neither.

        Returns None; or, where nothing is done, the visible part of the key that another rotation has put in its place,
        or of the old one itself, whose end was changed since it was read.

        Args:
            old: as it was read.
            digest: as for `add`.
        """
        first = await self._call(
            "SELECT rotate_api_key($1, $2, $3, $4, $5, $6, $7, $8)",
            *(old.key_id, old.expires_at, old_ends, key_id, digest, by, expires_at, now),
        )
        return None if first is None else str(first)

    async def end(self, key_id: str, at: datetime, by: str) -> bool:
        """Let a key end by then, as the owner. False: it is not known, or ends earlier."""
        return bool(await self._call("SELECT end_api_key($1, $2, $3)", key_id, at, by))

    async def find(self, digests: Sequence[bytes], now: datetime) -> ApiKey | None:
        """The key of one of these digests (by each pepper) that is valid now."""
        return await self._one(
            ApiKey, f"{_KEY} WHERE digest = ANY ($1) AND (expires_at IS NULL OR expires_at > $2)", list(digests), now
        )

    async def get(self, key_id: str) -> ApiKey | None:
        """A key by its visible part, valid or not."""
        return await self._one(ApiKey, f"{_KEY} WHERE key_id = $1", key_id)

    async def note_used(self, key_id: str, now: datetime) -> None:
        """A request came with this key."""
        await self._call("SELECT note_key_used($1, $2)", key_id, now)

    async def follower(self, key: ApiKey, now: datetime) -> ApiKey | None:
        """The newest valid key of a key's line that was made after it, by rotation."""
        query = f"{_KEY} WHERE line = $1 AND created_at > $2 AND (expires_at IS NULL OR expires_at > $3)"
        return await self._one(ApiKey, f"{query} ORDER BY created_at DESC LIMIT 1", key.line, key.created_at, now)

    async def list(self, merchant_id: str | None = None, limit: int = 1000) -> list[ApiKey]:
        """Keys, of one merchant or of all, the newest first."""
        wanted = Conditions()
        wanted.add("merchant_id = {}", merchant_id)
        return await self._all(
            ApiKey, f"{_KEY}{wanted.text} ORDER BY created_at DESC, key_id DESC{wanted.limit(limit)}", *wanted.arguments
        )
