"""Waybill claims: a number belongs to one buyer and place of a merchant; between merchants the trace decides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from core.audit.facts import Rival
from ledger.pool import clean
from ledger.reading import Reading

ClaimOutcome = Literal["claimed", "merged", "in_use", "contested"]
ParcelNumber = tuple[str, str, str]
"""Parcel id, carrier, waybill."""


class Claims(Reading):
    """The register's waybill claims."""

    async def claim_waybills(
        self,
        order_id: str,
        merchant_id: str,
        buyer_id: str,
        destination: str,
        parcels: Sequence[ParcelNumber],
        now: datetime,
    ) -> list[ClaimOutcome]:
        """Claim the numbers of an order's parcels, all or none; the same claim again gets the same answer.

        Returns:
            One answer a parcel: `claimed`; `merged`, where the same merchant, buyer and place have it already;
            `in_use`, where another buyer or place of this merchant has it, and then nothing was claimed at all;
            `contested`, where another merchant has it: both claims stand.
        """
        if not parcels:
            return []
        return await self._call(  # type: ignore[no-any-return]  # the function's closed list of answers
            "SELECT claim_waybills($1, $2, $3, $4, $5, $6, $7, $8)",
            order_id,
            merchant_id,
            buyer_id,
            destination,
            *_columns(parcels),
            now,
        )

    async def release_claims(self, order_id: str, parcels: Sequence[ParcelNumber], now: datetime) -> None:
        """Give numbers up, so that they can be used again."""
        await self._call("SELECT release_claims($1, $2, $3, $4, $5)", order_id, *_columns(parcels), now)

    async def rival_claims(self, carrier: str, waybill: str, merchant_id: str, *, since: datetime) -> tuple[Rival, ...]:
        """Other merchants' live claims of a number made since a time, the earliest first."""
        rivals = await self._all(
            Rival,
            "SELECT merchant_id, claimed_at FROM waybill_claims"
            " WHERE carrier = $1 AND waybill = $2 AND merchant_id <> $3 AND released_at IS NULL AND claimed_at >= $4"
            " ORDER BY claimed_at, id",
            clean(carrier),
            clean(waybill),
            merchant_id,
            since,
        )
        return tuple(rivals)


def _columns(parcels: Sequence[ParcelNumber]) -> tuple[list[str], list[str], list[str]]:
    return (
        [parcel for parcel, _, _ in parcels],
        [clean(carrier) for _, carrier, _ in parcels],
        [clean(waybill) for _, _, waybill in parcels],
    )
