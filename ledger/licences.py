"""Licences of merchants: noted and withdrawn by people of the platform, read where goods need one."""

from __future__ import annotations

from datetime import datetime

from core.fields import Message
from core.messages import Actor
from ledger.register_part import Conditions, RegisterPart


class MerchantLicence(Message):
    """A licence that a merchant has: its certificate's number, until when, and who noted it and why."""

    merchant_id: str
    licence: str
    number: str
    valid_until: datetime | None
    role: str
    who: str
    why: str
    at: datetime


class Licences(RegisterPart):
    """The register's licences of merchants."""

    async def note(
        self,
        merchant_id: str,
        licence: str,
        number: str,
        valid_until: datetime | None,
        by: Actor,
        why: str,
        now: datetime,
    ) -> bool:
        """A merchant has this licence. False: it was noted so already."""
        return await self._move(merchant_id, licence, "noted", number, valid_until, by.role, by.id, why, now)

    async def withdraw(self, merchant_id: str, licence: str, by: Actor, why: str, now: datetime) -> bool:
        """A merchant does not have it any more. False: it had none."""
        return await self._move(merchant_id, licence, "withdrawn", None, None, by.role, by.id, why, now)

    async def _move(self, *arguments: object) -> bool:
        return bool(await self._call("SELECT move_licence($1, $2, $3, $4, $5, $6, $7, $8, $9)", *arguments))

    async def valid_of(self, merchant_id: str) -> frozenset[str]:
        """The names of the licences that a merchant has now, by the database's clock."""
        names = await self._call(
            "SELECT coalesce(array_agg(licence), '{}') FROM licences"
            " WHERE merchant_id = $1 AND (valid_until IS NULL OR valid_until > clock_timestamp())",
            merchant_id,
        )
        return frozenset(names)

    async def list(self, merchant_id: str | None, limit: int = 1000) -> list[MerchantLicence]:
        """Licences, of one merchant or of all; those that have run out too."""
        wanted = Conditions()
        wanted.add("merchant_id = {}", merchant_id)
        return await self._all(
            MerchantLicence,
            f"SELECT * FROM licences{wanted.text} ORDER BY merchant_id, licence{wanted.limit(limit)}",
            *wanted.arguments,
        )
