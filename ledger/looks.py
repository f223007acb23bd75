"""Looks at parcels: keep what the providers said, and read all that the audit needs to know, in one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from core.audit.facts import Rival
from core.audit.trace import Trace
from core.audit.waybills import CARRIERS
from ledger.pool import clean
from ledger.pushes import KeptPush
from ledger.register_part import RegisterPart


class Number(NamedTuple):
    """A parcel of an order, and the number that its merchant named."""

    order_id: str
    parcel_id: str
    merchant_id: str
    carrier: str
    waybill: str


class Answers(NamedTuple):
    """Recent answers about a carrier's other numbers, and how many of them were `no_trace`."""

    answers: int
    without_trace: int

    @property
    def no_trace_share(self) -> float | None:
        """None if there was no answer."""
        return self.without_trace / self.answers if self.answers else None


class Known(NamedTuple):
    """What the register knows of a number.

    `pushed`: the traces pushed for it under any carrier, one a provider and carrier. `rivals`: live claims of it that
    stand against this order's, the earliest first. These are other merchants' claims, and the same merchant's for
    another buyer or place under another carrier's name, which intake does not see. A claim under another carrier counts
    only if the number can belong to one parcel alone. `polled`: the last scans that each provider had of this parcel
    before this look.
    """

    pushed: tuple[KeptPush, ...]
    rivals: tuple[Rival, ...]
    polled: tuple[Trace, ...]


class Looks(RegisterPart):
    """The register's knowledge of parcels, as the audit reads it."""

    async def keep(
        self,
        number: Number,
        traces: Sequence[Trace],
        no_trace: bool | None,
        now: datetime,
        *,
        claimed_since: datetime,
        window: timedelta,
        most: int,
    ) -> tuple[Known, Answers]:
        """Keep what the providers said at one look; a repeat changes nothing.

        Args:
            no_trace: whether the number had no trace; None: the answers do not say.
            now: by the machine's clock, which all orders of a carrier share.
            claimed_since: older claims are no rivals.
            window: how far back answers about the carrier's other numbers count.
            most: how many of them count.
        """
        row = await self._row(
            f"SELECT n.answers, n.without_trace, {_PUSHED}, {_RIVALS}, {_POLLED}"
            " FROM keep_look($1, $6, $3, $2, $7, $8, $9, $10, $11) AS n",
            *_known_by(number, claimed_since),
            number.parcel_id,
            [trace.model_dump(mode="json") for trace in traces],
            *(no_trace, now, window, most),
        )
        assert row is not None  # the function answers with one row
        return _known(number, row), Answers(row["answers"], row["without_trace"])

    async def read(self, number: Number, *, claimed_since: datetime) -> Known:
        """What is known without a question to a provider."""
        row = await self._row(
            f"SELECT {_PUSHED}, {_RIVALS}, {_POLLED}", *_known_by(number, claimed_since), number.parcel_id
        )
        assert row is not None  # it has no FROM
        return _known(number, row)


_PUSHED = """(
    SELECT jsonb_agg(jsonb_build_object('asked', t.carrier, 'trace', t.trace) ORDER BY t.provider, t.carrier)
    FROM pushed_traces t WHERE t.waybill = $2
) AS pushed"""
_RIVALS = """(
    SELECT jsonb_agg(jsonb_build_object(
        'carrier', c.carrier, 'merchant_id', c.merchant_id, 'claimed_at', c.claimed_at,
        'ship_to', o.body -> 'ship_to', 'paid_at', o.body #> '{payment,paid_at}'
    ) ORDER BY c.claimed_at, c.id)
    FROM waybill_claims c JOIN orders o ON o.order_id = c.order_id
    LEFT JOIN orders own ON own.order_id = $1
    WHERE c.waybill = $2 AND c.released_at IS NULL AND c.claimed_at >= $5 AND c.order_id <> $1
      AND (c.merchant_id <> $4 OR c.carrier <> $3 AND own.order_id IS NOT NULL
           AND (o.buyer_id, o.body -> 'ship_to') <> (own.buyer_id, own.body -> 'ship_to'))
) AS rivals"""
_POLLED = """(
    SELECT jsonb_agg(p.trace ORDER BY p.provider) FROM polled_traces p
    WHERE p.order_id = $1 AND p.parcel_id = $6 AND p.trace ->> 'waybill' = $2
) AS polled"""


def _known_by(number: Number, claimed_since: datetime) -> tuple[object, ...]:
    """The first five parameters of both queries."""
    return number.order_id, clean(number.waybill), clean(number.carrier), number.merchant_id, claimed_since


def _known(number: Number, row: Any) -> Known:
    pushed = (KeptPush(push["asked"], Trace.model_validate(push["trace"])) for push in row["pushed"] or ())
    rivals = (
        Rival.model_validate({name: claim[name] for name in Rival.model_fields})
        for claim in row["rivals"] or ()
        if CARRIERS.one_parcel(number.carrier, claim["carrier"], number.waybill)
    )
    polled = (Trace.model_validate(trace) for trace in row["polled"] or ())
    return Known(tuple(pushed), tuple(rivals), tuple(trace for trace in polled if trace.scans))
