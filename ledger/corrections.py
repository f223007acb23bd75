"""Corrections: how two people take back a wrong movement, whole or in part."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from core.fields import Message
from ledger.register_part import RegisterPart

CorrectionOutcome = Literal[
    "asked",
    "corrected",
    "already",
    "same_person",
    "access_ended",
    "different",
    "unknown_movement",
    "not_correctable",
    "no_such_leg",
    "above_movement",
    "insufficient_funds",
    "merchant_frozen",
]


class CorrectableLeg(Message):
    """A leg of a movement, and what corrections have taken back of it."""

    leg: int
    debit: str
    credit: str
    currency: str
    amount_minor: int
    corrected_minor: int


class Correction(Message):
    """A requested correction, and who carried it out; `done_by` is None while it waits."""

    request_id: str
    reference: str
    reason: str
    asked_by: str
    asked_at: datetime
    done_by: str | None
    done_at: datetime | None


class Corrected(Message):
    """The answer to one person; `where` is the leg, or the account that would be `short_by_minor` below zero."""

    outcome: CorrectionOutcome
    where: str | None = None
    short_by_minor: int | None = None


class Corrections(RegisterPart):
    """The register's corrections."""

    async def legs(self, reference: str) -> list[CorrectableLeg]:
        """The legs of a movement; none where there is no such movement."""
        return await self._all(CorrectableLeg, "SELECT * FROM correctable_legs($1)", reference)

    async def of(self, reference: str) -> list[Correction]:
        """The corrections of a movement, and of those, the earliest first."""
        columns = ", ".join(Correction.model_fields)
        return await self._all(
            Correction,
            f"SELECT {columns} FROM corrections k WHERE k.reference = $1 OR k.reference IN"
            " (SELECT 'correction/' || c.request_id FROM corrections c WHERE c.reference = $1)"
            " ORDER BY k.asked_at, k.request_id",
            reference,
        )

    async def waiting(self) -> list[Correction]:
        """The corrections that wait for a second person, the earliest first."""
        columns = ", ".join(Correction.model_fields)
        return await self._all(
            Correction, f"SELECT {columns} FROM corrections WHERE done_at IS NULL ORDER BY asked_at, request_id"
        )

    async def correct(
        self,
        request_id: str,
        reference: str,
        *,
        person: str,
        reason: str,
        now: datetime,
        legs: Mapping[int, int] | None = None,
    ) -> Corrected:
        """Take a movement back: the first person asks, a second one does it under the same request.

        Args:
            legs: what each leg gives back, in minor units; None: all that is left of it.
        """
        asked = None
        if legs is not None:
            asked = [{"leg": leg, "amount_minor": amount} for leg, amount in sorted(legs.items())]
        row = await self._row(
            "SELECT * FROM correct_movement($1, $2, $3, $4, $5, $6)", request_id, reference, asked, person, reason, now
        )
        assert row is not None  # the function answers with one row
        return Corrected(outcome=row["outcome"], where=row["account"], short_by_minor=row["short_by"])
