"""Orders whose money goes back, or is kept, during the storm.

By an after-sale case, by two people once they are settled, by a chargeback that is lost or won, by one of what was
refunded already; by a hold on a settled order, which is lifted again; and by one that stands while a chargeback is won.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import asyncpg
from temporalio.client import Client

import gateway
from bench.engines import bench_order, waybill_of
from bench.faults.judging import Breach, Verdict
from bench.faults.pending import task_of
from bench.faults.people import TRIES_AGAIN_AFTER, Merchants, patiently
from core.errors import Refused, Unavailable
from core.ids import order_workflow_id
from local.journal import Effect

SHARE = 20
"""One such order for this many withdrawals, and some at least."""
LEAST = 4
PART_MINOR = 500
"""What two people give back of a settled order, or what a channel takes of it."""
How = Literal["case", "kept", "above", "refund", "won", "freeze", "lost"]


class Ending(NamedTuple):
    """What must be true at the end: what the channel refunded, what it keeps of a chargeback, and what was moved."""

    refunded_minor: int = 0
    charged_minor: int = 0
    moves: tuple[str, ...] = ()


WHOLE_MINOR = bench_order("o").total_minor
ENDINGS: Mapping[How, Ending] = {
    "case": Ending(WHOLE_MINOR),
    "kept": Ending(moves=("freeze/1", "chargeback/1", "chargeback/1/won", "freeze/2", "release/2")),
    "above": Ending(WHOLE_MINOR, WHOLE_MINOR, ("chargeback/1/above",)),
    "refund": Ending(PART_MINOR),
    "won": Ending(moves=("chargeback/1", "chargeback/1/won")),
    "freeze": Ending(moves=("freeze/1", "release/1")),
    "lost": Ending(0, PART_MINOR, ("chargeback/1",)),
}
"""By how an order's money goes back; in this order they are drawn."""


@dataclass(frozen=True)
class GoingBack:
    """One order, how its money goes back, and when it begins: a share of the storm."""

    order_id: str
    how: How
    begins: float

    @property
    def amount_minor(self) -> int:
        """What the channel refunds."""
        return ENDINGS[self.how].refunded_minor

    @property
    def payment(self) -> str:
        return bench_order(self.order_id).payment.reference


def going_back(seed: int, withdrawals: int) -> list[GoingBack]:
    """All such orders of a run, in the order in which they begin."""
    made, hows = [], tuple(ENDINGS)
    for number in range(max(LEAST, withdrawals // SHARE)):
        chance = random.Random(f"{seed}/back/{number}")
        made.append(GoingBack(f"b-{seed}-{number}", hows[number % len(hows)], chance.uniform(0.0, 0.7)))
    return sorted(made, key=lambda one: one.begins)


class Buyers(Merchants):
    """Buyers who open a case that the merchant agrees to, people who refund or hold what is settled, and a channel."""

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
        elif order.how == "above":
            await patiently(lambda: gateway.start_order(self._client, bench_order(order.order_id, policy=None)))
            await self._send(order.order_id, "cancel_order", "buyer", reason="no longer wanted")
            await self._until(order.order_id, lambda row: row.closed)
            await self._dispute(order.order_id, WHOLE_MINOR, "lost")
        else:
            await self._sell(order.order_id)
            await self._until(order.order_id, lambda row: row.closed)
            await self._afterwards(order)
        wanted = order.amount_minor or (PART_MINOR if order.how == "lost" else 0)
        await self._until(order.order_id, lambda row: row.closed and row.refunded_minor == wanted)

    async def _afterwards(self, order: GoingBack) -> None:
        """What happens to an order that is settled and closed."""
        if order.how == "refund":
            for person in ("operator-1", "operator-2"):
                await self._refund(order.order_id, person)
        elif order.how in {"freeze", "kept"}:
            await self._reopening(order.order_id, "place_hold", name="risk", scope="payout", reason="odd")
            await self._until_moved(order.order_id, "freeze/1")
            if order.how == "kept":
                await self._dispute(order.order_id, PART_MINOR, "won")
                await self._until_moved(order.order_id, "freeze/2")
            await self._reopening(order.order_id, "lift_hold", name="risk", reason="checked")
        else:
            await self._dispute(order.order_id, PART_MINOR, order.how)

    async def _dispute(self, order_id: str, amount_minor: int, outcome: str) -> None:
        """The channel takes the money, and later says who was right."""
        report = {"case_reference": f"d-{order_id}"}
        await self._reopening(order_id, "report_chargeback", **report, amount_minor=amount_minor)
        await self._reopening(order_id, "report_chargeback", **report, outcome=outcome)

    async def _reopening(self, order_id: str, verb: str, **body: Any) -> None:
        """A command that makes a closed order run again, sent until there is an answer."""
        command_id = f"{verb}-{body.get('outcome', 'first')}"
        command = {"command_id": command_id, "actor": {"role": "operator", "id": "operator-1"}, **body}
        order = bench_order(order_id, policy=None)
        await self._patiently_until_in_time(lambda: gateway.send_reopening(self._client, order, verb, command))

    async def _until_moved(self, order_id: str, movement: str) -> None:
        """Return once this movement of the order stands in the books."""
        while True:
            known = await patiently(lambda: self._register.orders.known(order_id))
            if known is not None and f"order/{order_id}/{movement}" in known.references:
                return
            await asyncio.sleep(TRIES_AGAIN_AFTER)

    async def _patiently_until_in_time(self, act: Callable[[], Awaitable[object]]) -> None:
        """As `patiently`, and again while the order's money is being moved."""

        async def say() -> None:
            try:
                await act()
            except Refused as refusal:
                if refusal.code == "too_early":
                    raise Unavailable(str(refusal)) from None
                raise

        await patiently(say)

    async def _deliver(self, order_id: str) -> None:
        await patiently(lambda: gateway.start_order(self._client, bench_order(order_id, policy=None)))
        await patiently(lambda: self._travelled(order_id))
        parcel = {"parcel_id": "p1", "carrier": "sandbox", "waybill": waybill_of(order_id)}
        await self._send(order_id, "report_shipment", "merchant", parcels=[parcel])
        await self._until(order_id, lambda row: row.audit == "approved")

    async def _refund(self, order_id: str, person: str) -> None:
        order, actor = bench_order(order_id, policy=None), {"role": "operator", "id": person}
        word = {"command_id": f"back-{person}", "actor": actor, "reason": "dented", "amount_minor": PART_MINOR}
        await self._patiently_until_in_time(lambda: gateway.refund_order(self._client, order, word))


# --- what became of them -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Returned:
    """One such order at the end: what the channel's journal says, what the books say, and whether it is closed.

    `charged_minor` is what a chargeback took and did not give back, `moves` the order's movements without its id.
    """

    order: GoingBack
    sent_minor: tuple[int, ...] = ()
    booked_minor: int = 0
    closed: bool = False
    charged_minor: int = 0
    frozen_minor: int = 0
    moves: tuple[str, ...] = ()
    task: str = ""
    """The workflow task that an open order waits for."""


_BOOKED = """
SELECT split_part(reference, '/', 2) AS order_id,
       coalesce(-sum(delta_minor) FILTER (WHERE path LIKE 'psp/%' AND reference LIKE '%/paid'), 0)::BIGINT
           AS booked_minor,
       coalesce(-sum(delta_minor) FILTER (WHERE path LIKE 'psp/%' AND reference LIKE 'order/%/chargeback/%'), 0)::BIGINT
           AS charged_minor,
       coalesce(sum(delta_minor) FILTER (WHERE path LIKE 'order/%/frozen'), 0)::BIGINT AS frozen_minor,
       array_agg(DISTINCT substr(reference, length('order/' || split_part(reference, '/', 2)) + 2)) AS moves
FROM entries WHERE reference LIKE 'order/%' GROUP BY 1
"""


async def returned(
    orders: Iterable[GoingBack], effects: Iterable[Effect], pool: asyncpg.Pool[Any], client: Client
) -> list[Returned]:
    """The evidence once everything is at rest."""
    sent: dict[str, tuple[int, ...]] = {}
    for effect in effects:
        sent[effect.subject] = (*sent.get(effect.subject, ()), effect.amount_minor)
    books: dict[str, dict[str, Any]] = {row["order_id"]: dict(row) for row in await pool.fetch(_BOOKED)}
    closed = {row["order_id"] for row in await pool.fetch("SELECT order_id FROM orders WHERE closed")}
    found = []
    for one in orders:
        booked = books.get(one.order_id, {"moves": ()})
        booked.pop("order_id", None)
        moves = tuple(booked.pop("moves"))
        is_closed = one.order_id in closed
        task = "" if is_closed else await task_of(client, order_workflow_id(one.order_id))
        sent_minor = sent.get(one.payment, ())
        found.append(Returned(one, sent_minor=sent_minor, closed=is_closed, moves=moves, task=task, **booked))
    return found


def judge_returns(found: Iterable[Returned], verdict: Verdict) -> None:
    """Each refund reached its buyer once, and the books know."""
    for one in found:
        breaches = list(_breaches(one))
        verdict.breaches += breaches
        verdict.double_effects += max(len(one.sent_minor) - 1, 0)
        verdict.lost_minor += abs(sum(one.sent_minor) - one.booked_minor)
        verdict.stuck += any(breach.kind == "stuck" for breach in breaches)
        verdict.lost_minor += abs(one.charged_minor - ENDINGS[one.order.how].charged_minor) if one.closed else 0
        verdict.breaks += sum(breach.kind in {"refunds_differ", "chargebacks_differ"} for breach in breaches)


def _breaches(one: Returned) -> Iterator[Breach]:
    order = one.order
    if len(one.sent_minor) > 1:
        yield Breach("double_effect", order.order_id, f"the channel refunded {one.sent_minor}")
    if sum(one.sent_minor) != one.booked_minor:
        yield Breach("refunds_differ", order.order_id, f"{one.sent_minor} went back, the books say {one.booked_minor}")
    if one.booked_minor not in (0, order.amount_minor):
        yield Breach("wrong_amount", order.order_id, f"{one.booked_minor} is booked, decided was {order.amount_minor}")
    ending = ENDINGS[order.how]
    if one.closed and one.charged_minor != ending.charged_minor:
        what = f"the channel keeps {ending.charged_minor}, the books say {one.charged_minor}"
        yield Breach("chargebacks_differ", order.order_id, what)
    if one.closed and one.frozen_minor:
        yield Breach("frozen_for_ever", order.order_id, f"{one.frozen_minor} stays frozen")
    if not one.closed or (ending.refunded_minor and not one.booked_minor) or not set(ending.moves) <= set(one.moves):
        yield Breach(
            "stuck",
            order.order_id,
            f"{order.how}: {'closed' if one.closed else 'open'}, nothing more happens {one.task}".rstrip(),
        )
