"""Penny drops in the register: written before they are sent, booked when they are paid, reported by the merchant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from core.account_drop.state import AccountDrop, DropState
from core.fields import Message
from core.messages import Actor
from core.reasons import Refusal, refuse
from ledger.register_part import RegisterPart


class StoredDrop(Message):
    """The row of a drop."""

    key: str
    account_id: str
    version: int
    drop_no: int
    amount_minor: int
    currency: str
    rail: str
    state: DropState
    detail: str | None
    tries_left: int
    valid_until: datetime
    created_at: datetime
    updated_at: datetime


class AmountCheck(NamedTuple):
    """The answer to a reported amount. None: the account is verified; otherwise the reason why it is not."""

    refusal: Refusal | None
    tries_left: int | None


_DROP = f"SELECT {', '.join(StoredDrop.model_fields)} FROM account_drops"


class AccountDrops(RegisterPart):
    """The register's penny drops."""

    async def open(self, drop: AccountDrop, amount_minor: int, now: datetime) -> Refusal | None:
        """Write the drop before it is sent; an existing drop with this key is left as it is. None: the drop is in the
        register.
        """
        outcome = await self._call(
            "SELECT open_drop($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            *(drop.key, drop.account_id, amount_minor, drop.tries, now + drop.valid, drop.drops_max),
            *(drop.by.role, drop.by.id, drop.why, now),
        )
        return None if outcome in {"opened", "exists"} else refuse(outcome, drop.account_id, "account")

    async def update(
        self, key: str, state: DropState, *, when: Sequence[DropState], detail: str | None = None, now: datetime
    ) -> bool:
        """Compare and set: move a drop to `state` if it is in one of `when`; a paid drop is booked in the same
        transaction.
        """
        return bool(await self._call("SELECT update_drop($1, $2, $3, $4, $5)", key, state, list(when), detail, now))

    async def get(self, key: str) -> StoredDrop | None:
        """The drop with this key."""
        return await self._one(StoredDrop, f"{_DROP} WHERE key = $1", key)

    async def undecided(self) -> list[StoredDrop]:
        """All drops whose outcome is not known yet, the earliest first."""
        return await self._all(
            StoredDrop, f"{_DROP} WHERE state IN ('open', 'sending', 'accepted', 'unknown') ORDER BY created_at, key"
        )

    async def check_amount(
        self, account_id: str, amount_minor: int, *, by: Actor, why: str, now: datetime
    ) -> AmountCheck:
        """Check the amount that the owner says arrived.

        The right amount verifies the account. A wrong one uses up a try and is recorded.
        """
        row = await self._row(
            "SELECT * FROM tell_drop($1, $2, $3, $4, $5, $6)", account_id, amount_minor, by.role, by.id, why, now
        )
        assert row is not None
        outcome, left = str(row["outcome"]), row["tries_left"]
        if outcome == "verified":
            return AmountCheck(None, left)
        detail = f"Tries left: {left}." if outcome == "wrong_drop_amount" else ""
        return AmountCheck(refuse(outcome, detail, "amount"), left)
