"""Payout attempts: each is written before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from core.fields import Message
from core.reading import content_hash
from core.reasons import Refusal, refuse
from core.withdrawal.payouts import RailTerms
from core.withdrawal.steps import OpenAttempt
from ledger.register_part import RegisterPart

AttemptState = Literal["open", "sending", "unsent", "accepted", "unknown", "paid", "failed"]


class PayoutAttempt(Message):
    """The row of an attempt, with the account version that the withdrawal was requested for."""

    key: str
    withdrawal_id: str
    attempt_no: int
    request_hash: str
    amount_minor: int
    currency: str
    account_id: str
    account_version: int
    holder: str
    last4: str
    rail: str
    rail_token: str
    terms: RailTerms
    lease_until: datetime | None
    state: AttemptState
    created_at: datetime
    updated_at: datetime


_ATTEMPT = f"SELECT {', '.join(PayoutAttempt.model_fields)} FROM payout_attempts"


class Payouts(RegisterPart):
    """The register's payout attempts."""

    async def open(self, step: OpenAttempt, terms: RailTerms) -> PayoutAttempt | Refusal:
        """Write the intent to pay before anything is sent, for the account version that was asked for.

        An existing attempt of this number is returned as it is; its key wins over the one given. The answer is a
        refusal once the withdrawal is closed, without the approvals it needs, with its account suspended, and while the
        merchant owes money. While an earlier attempt may still pay, the database refuses finally.
        """
        withdrawal_id = step.withdrawal.withdrawal_id
        outcome = await self._call(
            "SELECT open_attempt($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            *(withdrawal_id, step.number, step.key, content_hash(step.withdrawal), step.amount_minor, terms),
            *([actor.id for actor in step.approvals], [actor.role for actor in step.approvals]),
            *(step.at, step.record),
        )
        if outcome not in {"opened", "exists"}:
            return refuse(outcome)
        attempt = await self._one(
            PayoutAttempt, f"{_ATTEMPT} WHERE withdrawal_id = $1 AND attempt_no = $2", withdrawal_id, step.number
        )
        assert attempt is not None
        return attempt

    async def update(
        self,
        key: str,
        state: AttemptState,
        *,
        when: Sequence[AttemptState] | None = None,
        lease_until: datetime | None = None,
        now: datetime,
    ) -> bool:
        """Compare and set: move the attempt to `state` if it is in one of `when`. False: it was not."""
        return bool(await self._call("SELECT update_attempt($1, $2, $3, $4, $5)", key, state, when, lease_until, now))

    async def get(self, key: str) -> PayoutAttempt | None:
        """The attempt with this key."""
        return await self._one(PayoutAttempt, f"{_ATTEMPT} WHERE key = $1", key)

    async def of_withdrawal(self, withdrawal_id: str) -> list[PayoutAttempt]:
        """All attempts of a withdrawal, in order."""
        return await self._all(PayoutAttempt, f"{_ATTEMPT} WHERE withdrawal_id = $1 ORDER BY attempt_no", withdrawal_id)

    async def events(self, withdrawal_id: str) -> list[dict[str, Any]]:
        """The rail events that a withdrawal has counted."""
        rows = await self._call(
            "SELECT coalesce(jsonb_agg(to_jsonb(e) ORDER BY e.at, e.event_id), '[]') FROM payout_events e"
            " JOIN payout_attempts a USING (key) WHERE a.withdrawal_id = $1",
            withdrawal_id,
        )
        return list(rows)
