"""Waybill claims: a number belongs to one buyer and place of a merchant; between merchants the trace decides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from core.fields import Message
from core.records import LedgerFacts, OrderRecord
from ledger.orders import LET_GO, STORED_BY_A_LOST_TRY
from ledger.pool import clean
from ledger.register_part import RegisterPart, below

ClaimOutcome = Literal["claimed", "merged", "in_use", "contested"]
ParcelNumber = tuple[str, str, str]
"""Parcel id, carrier, waybill."""


class Claimant(Message):
    """An order that uses a number now or did before (`uses`), and the carrier it named.

    `waits`: it waits for its parcel of this number to move on, and for nothing else of it.
    """

    order_id: str
    carrier: str
    uses: bool = True
    waits: bool = False


class Claimed(Message):
    """The register's answers, one a parcel, and what was recorded before, if the order was recorded with them.

    `claimed`; `merged`: the same merchant, buyer and place have it already; `in_use`: another buyer or place of this
    merchant has it, and then nothing was claimed at all; `contested`: another merchant has it, and both claims stand.
    """

    outcomes: tuple[ClaimOutcome, ...]
    standing: LedgerFacts | None = None


class Claims(RegisterPart):
    """The register's waybill claims."""

    async def claim(
        self,
        order_id: str,
        merchant_id: str,
        buyer_id: str,
        destination: str,
        parcels: Sequence[ParcelNumber],
        now: datetime,
        record: OrderRecord | None = None,
    ) -> Claimed:
        """Claim the numbers of an order's parcels, all or none; the same claim again gets the same answer.

        Args:
            record: the order's next record; kept in the same transaction if every answer is `claimed`.
        """
        if not parcels:
            return Claimed(outcomes=())
        # One statement: its snapshot is older than what the function writes, so that `revision` is the row's before.
        row = await self._row(
            "SELECT r.outcomes, r.kept, o.revision,"
            " ARRAY(SELECT m.reference FROM movements m WHERE m.reference >= $10 AND m.reference < $11 ORDER BY m.id)"
            f" AS references, {STORED_BY_A_LOST_TRY.format(order='$1', first='$12')} AS notices,"
            f" {LET_GO.format(kept='r.kept', record='$9')}"
            " FROM claim_and_record($1, $2, $3, $4, $5, $6, $7, $8, $9) AS r"
            " LEFT JOIN orders o ON o.order_id = $1",
            order_id,
            merchant_id,
            buyer_id,
            destination,
            *_columns(parcels),
            now,
            record,
            *below(f"order/{order_id}"),
            record.first_notice_seq if record else 0,
        )
        assert row is not None  # the function answers with one row
        standing = None
        if row["kept"] is not None:
            standing = LedgerFacts.model_validate({name: row[name] for name in LedgerFacts.model_fields})
        return Claimed(outcomes=row["outcomes"], standing=standing)

    async def release(self, order_id: str, but: Sequence[ParcelNumber], now: datetime) -> None:
        """Release the order's numbers but for these, so that they can be used again."""
        await self._call("SELECT release_claims($1, $2, $3, $4, $5)", order_id, *_columns(but), now)

    async def claimants(self, waybill: str) -> list[Claimant]:
        """The open orders that use a number now, under any carrier; where there is none, those that last used it."""
        found = await self._all(
            Claimant,
            "SELECT DISTINCT c.order_id, c.carrier, c.released_at IS NULL AND NOT o.closed AS uses,"
            " o.phase = 'shipped' AND coalesce(o.body ->> 'delivery_mode', 'express') = 'express' AND EXISTS ("
            "   SELECT FROM jsonb_path_query(o.state, '$.parcels[*]') AS p (parcel) WHERE p.parcel ->> 'waybill' = $1"
            "   AND p.parcel ->> 'parcel_id' = c.parcel_id AND p.parcel ->> 'ended' = 'false') AS waits"
            " FROM waybill_claims c JOIN orders o ON o.order_id = c.order_id"
            " WHERE c.waybill = $1 AND (o.state IS NOT NULL OR NOT o.closed) ORDER BY c.order_id, c.carrier, uses DESC",
            clean(waybill),
        )
        return [one for one in found if one.uses] or found


def _columns(parcels: Sequence[ParcelNumber]) -> tuple[list[str], list[str], list[str]]:
    return (
        [parcel for parcel, _, _ in parcels],
        [clean(carrier) for _, carrier, _ in parcels],
        [clean(waybill) for _, _, waybill in parcels],
    )
