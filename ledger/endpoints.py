"""Endpoints of webhooks: where events are sent, how far each has come, what waits, and what failed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import SecretStr

from core.events import Cursor, StoredEvent
from core.fields import Message
from core.webhooks import EndpointState, Health, PostAnswer
from ledger.pool import Pool, clean
from ledger.register_part import Conditions, RegisterPart
from ledger.vault import Sealed, Vault

PARKED_AT_MOST = 1_000
"""Waiting subjects of one endpoint, at which its cursor rests until some are delivered."""


class StoredEndpoint(Message):
    """An endpoint without its secrets. `merchant_id` None: the platform's, for all events."""

    endpoint_id: str
    merchant_id: str | None
    url: str
    description: str
    types: tuple[str, ...]
    signing: str
    state: EndpointState
    disabled_for: str | None
    failing_since: datetime | None
    paused_until: datetime | None
    echoed_at: datetime | None
    position: int
    event: int
    advanced_at: datetime | None
    created_by: str
    created_at: datetime

    @property
    def cursor(self) -> Cursor:
        """Every event up to here is delivered, or waits."""
        return Cursor(self.position, self.event)

    @property
    def health(self) -> Health:
        return Health(state=self.state, failing_since=self.failing_since, disabled_for=self.disabled_for)


class NewEndpoint(Message):
    """What an endpoint is made with. `digest`: of what was asked, so that the same again is the same endpoint."""

    endpoint_id: str
    merchant_id: str | None
    url: str
    description: str
    types: tuple[str, ...]
    signing: str
    created_by: str
    digest: str
    asked_as: str


class ParkedSubject(Message):
    """A subject that waits at an event that failed so often."""

    subject: str
    seq: int
    failures: int
    next_at: datetime
    last_status: int | None
    last_error: str | None


class StoredAttempt(Message):
    """A post that failed, or one that mended it."""

    id: int
    event_id: str
    type: str
    at: datetime
    status: int | None
    took_ms: int
    answer: str
    error: str


class SealedSecret(Message):
    """A secret as it is stored."""

    endpoint_id: str
    number: int
    asked_as: str
    key_id: str
    nonce: bytes
    ciphertext: bytes
    ends_at: datetime | None
    older_end_at: datetime | None
    """When the last of those before it ends, as its rotation was answered; None: it is the first."""

    def open(self, vault: Vault) -> SecretStr:
        """The secret; see `Vault.open`."""
        return vault.open_secret(Sealed(self.key_id, self.nonce, self.ciphertext), self.endpoint_id, self.number)


_ENDPOINT = f"SELECT {', '.join(StoredEndpoint.model_fields)} FROM endpoints"
_SECRET = f"SELECT {', '.join(SealedSecret.model_fields)} FROM endpoint_secrets"
_PARKED = f"SELECT {', '.join(ParkedSubject.model_fields)} FROM parked"
_ATTEMPT = f"SELECT {', '.join(StoredAttempt.model_fields)} FROM attempts"


class Endpoints(RegisterPart):
    """The register's endpoints, as people see and change them."""

    async def add(self, new: NewEndpoint, secret: SecretStr, vault: Vault, *, at_most: int, now: datetime) -> str:
        """Add an endpoint, disabled until its URL echoes a challenge.

        Returns:
            `added`, `same`, `other` for another of this id, `too_many`.

        Raises:
            Misconfigured: there is no key to seal its secret; a retry does not help.
        """
        sealed = vault.seal_secret(secret, new.endpoint_id, 1)
        return str(
            await self._call(
                "SELECT add_endpoint($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
                *(new.endpoint_id, new.merchant_id, new.url, new.description, list(new.types), new.signing),
                *(new.created_by, new.digest, new.asked_as),
                *(sealed.key_id, sealed.nonce, sealed.ciphertext, at_most, now),
            )
        )

    async def get(self, endpoint_id: str) -> StoredEndpoint | None:
        """An endpoint; None where there is none."""
        return await self._one(StoredEndpoint, f"{_ENDPOINT} WHERE endpoint_id = $1", endpoint_id)

    async def rows(self, merchant_id: str | None = None, limit: int = 500) -> list[StoredEndpoint]:
        """Endpoints of one merchant or of all, the newest first."""
        wanted = Conditions()
        wanted.add("merchant_id = {}", merchant_id)
        return await self._all(
            StoredEndpoint,
            f"{_ENDPOINT}{wanted.text} ORDER BY created_at DESC, endpoint_id DESC{wanted.limit(limit)}",
            *wanted.arguments,
        )

    async def change(
        self, endpoint_id: str, *, url: str | None, description: str | None, types: Sequence[str] | None
    ) -> bool:
        """Change what is given. Another URL has to echo a challenge first."""
        changed = (url, description, None if types is None else list(types))
        return bool(await self._call("SELECT change_endpoint($1, $2, $3, $4)", endpoint_id, *changed))

    async def enable(self, endpoint_id: str, url: str, now: datetime) -> bool:
        """Deliver to it: this URL has echoed a challenge. False: the URL is another one by now."""
        return bool(await self._call("SELECT enable_endpoint($1, $2, $3)", endpoint_id, url, now))

    async def disable(self, endpoint_id: str, now: datetime) -> bool:
        """Send nothing there until it is enabled; nothing is skipped meanwhile."""
        return bool(await self._call("SELECT disable_endpoint($1, 'asked', $2)", endpoint_id, now))

    async def remove(self, endpoint_id: str) -> bool:
        """Remove it with its secrets and what waits."""
        return bool(await self._call("SELECT remove_endpoint($1)", endpoint_id))

    async def secrets(self, endpoint_id: str, now: datetime) -> list[SealedSecret]:
        """The secrets that sign now, the newest first."""
        return await self._all(
            SealedSecret,
            f"{_SECRET} WHERE endpoint_id = $1 AND (ends_at IS NULL OR ends_at > $2) ORDER BY number DESC",
            endpoint_id,
            now,
        )

    async def rotate(
        self, endpoint_id: str, number: int, secret: SecretStr, vault: Vault, *, asked_as: str, ends_at: datetime
    ) -> int | None:
        """Add a secret of this number; the one before ends then. The number of the newest; None: it is another's."""
        sealed = vault.seal_secret(secret, endpoint_id, number)
        found = await self._call(
            "SELECT rotate_endpoint($1, $2, $3, $4, $5, $6, $7)",
            *(endpoint_id, number, asked_as, sealed.key_id, sealed.nonce, sealed.ciphertext, ends_at),
        )
        return None if found is None else int(found)

    async def reseal(self, vault: Vault) -> int:
        """Seal every secret with the vault's first key, as the owner; returns how many were sealed with another.

        Raises:
            Unavailable: a secret does not open; those before it are sealed.
        """
        resealed = 0
        while rows := await self._all(SealedSecret, f"{_SECRET} WHERE key_id <> $1 LIMIT 100", vault.newest):
            for row in rows:
                sealed = vault.seal_secret(row.open(vault), row.endpoint_id, row.number)
                resealed += bool(
                    await self._call(
                        "SELECT reseal_endpoint($1, $2, $3, $4, $5, $6)",
                        *(row.endpoint_id, row.number, row.nonce, sealed.key_id, sealed.nonce, sealed.ciphertext),
                    )
                )
        return resealed

    async def parked(self, endpoint_id: str, limit: int = 100) -> list[ParkedSubject]:
        """Subjects that wait, the next one first."""
        query = f"{_PARKED} WHERE endpoint_id = $1 ORDER BY next_at, subject LIMIT $2"
        return await self._all(ParkedSubject, query, endpoint_id, limit)

    async def count_parked(self, endpoint_id: str) -> int:
        """How many subjects wait."""
        return int(await self._call("SELECT count(*) FROM parked WHERE endpoint_id = $1", endpoint_id))

    async def attempts(self, endpoint_id: str, *, before: int | None = None, limit: int = 50) -> list[StoredAttempt]:
        """Posts that failed or mended, the newest first; before the one of this number."""
        wanted = Conditions()
        wanted.add("endpoint_id = {}", endpoint_id)
        wanted.add("id < {}", before)
        return await self._all(
            StoredAttempt, f"{_ATTEMPT}{wanted.text} ORDER BY id DESC{wanted.limit(limit)}", *wanted.arguments
        )

    async def note_attempt(self, endpoint_id: str, event_id: str, kind: str, at: datetime, answer: PostAnswer) -> None:
        """Keep a post."""
        await self._call(
            "SELECT note_attempt($1, $2, $3, $4, $5, $6, $7, $8)",
            *(endpoint_id, event_id, kind, at, answer.status, round(answer.took.total_seconds() * 1000)),
            *(clean(answer.text), clean(answer.error)),
        )

    async def resend(self, endpoint_id: str, subject: str, seq: int, now: datetime) -> bool:
        """Send a subject again from this event on."""
        return bool(await self._call("SELECT resend_subject($1, $2, $3, $4)", endpoint_id, subject, seq, now))

    async def rewind(self, endpoint_id: str, cursor: Cursor, now: datetime) -> bool:
        """Send everything again from this place on, where it lies behind."""
        return bool(await self._call("SELECT rewind_endpoint($1, $2, $3, $4)", endpoint_id, *cursor, now))

    async def purge(self, before: datetime) -> int:
        """Forget attempts that are older, and at least a week old; returns how many."""
        return int(await self._call("SELECT purge_attempts($1)", before))

    async def take(
        self, by: str, *, failing: bool, at_most: int, until: datetime, now: datetime
    ) -> list[StoredEndpoint]:
        """Take endpoints that something is to be sent to.

        Args:
            by: the gateway that delivers; a name of its own for each call.
            failing: those that only fail, or the others.
        """
        rows = await self._rows(
            "SELECT * FROM take_endpoints($1, $2, $3, $4, $5, $6)", by, failing, at_most, PARKED_AT_MOST, until, now
        )
        return await self._all(
            StoredEndpoint, f"{_ENDPOINT} WHERE endpoint_id = ANY ($1)", [row["take_endpoints"] for row in rows]
        )

    def lease(self, endpoint_id: str, by: str) -> EndpointLease:
        """What is written while an endpoint is taken."""
        return EndpointLease(self._pool, endpoint_id, by)


class EndpointLease(RegisterPart):
    """The writes of the gateway that has an endpoint. False: it lost it meanwhile, and nothing was written."""

    def __init__(self, pool: Pool, endpoint_id: str, by: str) -> None:
        super().__init__(pool)
        self._mine = (endpoint_id, by)

    async def advance(self, cursor: Cursor, now: datetime) -> bool:
        """Every event up to here is delivered, or waits."""
        return bool(await self._call("SELECT advance_endpoint($1, $2, $3, $4, $5)", *self._mine, *cursor, now))

    async def park(
        self,
        event: StoredEvent,
        failures: int,
        next_at: datetime,
        answer: PostAnswer,
        health: Health,
        paused_until: datetime | None,
        now: datetime,
    ) -> bool:
        """Let the event's subject wait."""
        return bool(
            await self._call(
                "SELECT park_subject($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
                *(*self._mine, event.subject, event.seq, failures, next_at, answer.status, clean(answer.error)),
                *(health.state, health.failing_since, health.disabled_for, paused_until, now),
            )
        )

    async def go_on(self, subject: str, seq: int, now: datetime, health: Health) -> bool:
        """Let a subject wait at an event that was not tried yet."""
        return bool(
            await self._call(
                "SELECT park_subject($1, $2, $3, $4, 0, $5, NULL, NULL, $6, $7, $8, NULL, $5)",
                *(*self._mine, subject, seq, now, health.state, health.failing_since, health.disabled_for),
            )
        )

    async def unpark(self, subject: str) -> bool:
        """The subject has caught up."""
        return bool(await self._call("SELECT unpark_subject($1, $2, $3)", *self._mine, subject))

    async def mend(self, now: datetime) -> bool:
        """It answers again; what waits is due."""
        return bool(await self._call("SELECT mend_endpoint($1, $2, $3)", *self._mine, now))

    async def release(self, now: datetime) -> None:
        """Give it back."""
        await self._call("SELECT release_endpoint($1, $2, $3)", *self._mine, now)

    async def due(self, now: datetime, limit: int) -> list[ParkedSubject]:
        """Waiting subjects whose time has come."""
        query = f"{_PARKED} WHERE endpoint_id = $1 AND next_at <= $2 ORDER BY next_at, subject LIMIT $3"
        return await self._all(ParkedSubject, query, self._mine[0], now, limit)

    async def waiting(self) -> frozenset[str]:
        """All subjects that wait."""
        rows = await self._rows("SELECT subject FROM parked WHERE endpoint_id = $1", self._mine[0])
        return frozenset(row["subject"] for row in rows)
