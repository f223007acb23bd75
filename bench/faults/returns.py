"""Orders whose money goes back during the storm: by an after-sale case, or by two people once they are settled."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import asyncpg

import gateway
from bench.engines import bench_order, waybill_of
from bench.faults.judging import Breach, Verdict
from bench.faults.people import Merchants, patiently
from core.errors import Refused, Unavailable
from local.journal import Effect

SHARE = 20
"""One such order for this many withdrawals, and one at least of either kind."""
PART_MINOR = 500
"""What two people give back of a settled order."""


@dataclass(frozen=True)
class GoingBack:
    """One order, how its money goes back, and when it begins: a share of the storm."""

    order_id: str
    how: Literal["case", "refund"]
    begins: float

    @property
    def amount_minor(self) -> int:
        return bench_order(self.order_id).total_minor if self.how == "case" else PART_MINOR

    @property
    def payment(self) -> str:
        return bench_order(self.order_id).payment.reference


def going_back(seed: int, withdrawals: int) -> list[GoingBack]:
    """All such orders of a run, in the order in which they begin."""
    made = []
    for number in range(max(2, withdrawals // SHARE)):
        chance = random.Random(f"{seed}/back/{number}")
        how: Literal["case", "refund"] = "case" if number % 2 else "refund"
        made.append(GoingBack(f"b-{seed}-{number}", how, chance.uniform(0.0, 0.7)))
    return sorted(made, key=lambda one: one.begins)


class Buyers(Merchants):
    """Buyers who open a case that the merchant agrees to, and two people who refund what is settled."""

    async def ask_back(self, orders: Sequence[GoingBack]) -> None:
        """Live all these orders; returns when the money of all has gone back."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as asking:
            for order in orders:
                await asyncio.sleep(max(0.0, began + order.begins * self._storm.seconds - time.monotonic()))
                asking.create_task(self._live(order))

    async def _live(self, order: GoingBack) -> None:
        if order.how == "case":
            await self._deliver(order.order_id)
            wish = {"kind": "refund_only", "reason": "damaged"}
            await self._send(order.order_id, "open_after_sale", "buyer", **wish)
            await self._send(order.order_id, "agree_after_sale", "merchant")
        else:
            await self._sell(order.order_id)
            await self._until(order.order_id, lambda row: row.closed)
            for person in ("operator-1", "operator-2"):
                await self._refund(order.order_id, person)
        wanted = order.amount_minor
        await self._until(order.order_id, lambda row: row.closed and row.refunded_minor == wanted)

    async def _deliver(self, order_id: str) -> None:
        await patiently(lambda: gateway.start_order(self._client, bench_order(order_id, policy=None)))
        await patiently(lambda: self._travelled(order_id))
        parcel = {"parcel_id": "p1", "carrier": "sandbox", "waybill": waybill_of(order_id)}
        await self._send(order_id, "report_shipment", "merchant", parcels=[parcel])
        await self._until(order_id, lambda row: row.audit == "approved")

    async def _refund(self, order_id: str, person: str) -> None:
        order, actor = bench_order(order_id, policy=None), {"role": "operator", "id": person}
        word = {"command_id": f"back-{person}", "actor": actor, "reason": "dented", "amount_minor": PART_MINOR}

        async def say() -> None:
            try:
                await gateway.refund_order(self._client, order, word)
            except Refused as refusal:
                if refusal.code == "too_early":  # its money is being moved
                    raise Unavailable(str(refusal)) from None
                raise

        await patiently(say)


# --- what became of them -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Returned:
    """One such order at the end: what the channel's journal says, what the books say, and whether it is closed."""

    order: GoingBack
    sent_minor: tuple[int, ...] = ()
    booked_minor: int = 0
    closed: bool = False


_BOOKED = """
SELECT split_part(reference, '/', 2) AS order_id, (-sum(delta_minor))::BIGINT AS booked_minor
FROM entries WHERE reference LIKE 'order/%/paid' AND path LIKE 'psp/%' GROUP BY 1
"""


async def returned(orders: Iterable[GoingBack], effects: Iterable[Effect], pool: asyncpg.Pool[Any]) -> list[Returned]:
    """The evidence once everything is at rest."""
    sent: dict[str, tuple[int, ...]] = {}
    for effect in effects:
        sent[effect.subject] = (*sent.get(effect.subject, ()), effect.amount_minor)
    booked: Mapping[str, int] = {row["order_id"]: row["booked_minor"] for row in await pool.fetch(_BOOKED)}
    closed = {row["order_id"] for row in await pool.fetch("SELECT order_id FROM orders WHERE closed")}
    return [
        Returned(one, sent.get(one.payment, ()), booked.get(one.order_id, 0), one.order_id in closed) for one in orders
    ]


def judge_returns(found: Iterable[Returned], verdict: Verdict) -> None:
    """Each refund reached its buyer once, and the books know."""
    for one in found:
        breaches = list(_breaches(one))
        verdict.breaches += breaches
        verdict.double_effects += max(len(one.sent_minor) - 1, 0)
        verdict.lost_minor += abs(sum(one.sent_minor) - one.booked_minor)
        verdict.stuck += any(breach.kind == "stuck" for breach in breaches)
        verdict.breaks += sum(breach.kind == "refunds_differ" for breach in breaches)


def _breaches(one: Returned) -> Iterator[Breach]:
    order = one.order
    if len(one.sent_minor) > 1:
        yield Breach("double_effect", order.order_id, f"the channel refunded {one.sent_minor}")
    if sum(one.sent_minor) != one.booked_minor:
        yield Breach("refunds_differ", order.order_id, f"{one.sent_minor} went back, the books say {one.booked_minor}")
    if one.booked_minor not in (0, order.amount_minor):
        yield Breach("wrong_amount", order.order_id, f"{one.booked_minor} is booked, decided was {order.amount_minor}")
    if not one.closed or not one.booked_minor:
        yield Breach(
            "stuck", order.order_id, f"{order.how}: {'closed' if one.closed else 'open'}, nothing more happens"
        )
