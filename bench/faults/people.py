"""The people around the withdrawals: merchants who withdraw, two reviewers who approve, operators who ask the bank."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import asyncpg
from temporalio.client import Client

import gateway
from bench.engines import bench_order, waybill_of
from bench.faults.plan import Fate, Storm
from core.errors import Refused, Unavailable
from core.ids import withdrawal_workflow_id
from core.messages import Actor, Withdrawal
from ledger.register import Register
from local.client import WorldClient

T = TypeVar("T")
TRIES_AGAIN_AFTER = 0.5
LOOKS_EVERY = 1.0
AT_ONCE = 8
LETS_LIE = 5.0
"""Seconds before the same case is handled again."""
RESOLVED = frozenset({"payout_stuck", "amount_disagrees"})
"""Holds that operators resolve with the bank. The other holds end with these."""
BACKLOG_MAX = 150
"""The limit of undecided withdrawals: more would only wait for each other."""
_WAITING = """
SELECT withdrawal_id, state_name,
       ARRAY(SELECT hold ->> 'name' FROM jsonb_array_elements(coalesce(state -> 'holds', '[]')) AS hold) AS holds
FROM withdrawals
WHERE NOT closed AND state_name IN ('in_approval', 'unknown')
"""
_BACKLOG = "SELECT count(*) FROM withdrawals WHERE NOT closed AND state_name IN ('requested', 'approved', 'submitting')"


async def patiently(act: Callable[[], Awaitable[T]]) -> T:
    """Try until there is an answer, as a storefront does: every request has an id that makes a repeat harmless."""
    while True:
        try:
            return await act()
        except Unavailable:
            await asyncio.sleep(TRIES_AGAIN_AFTER)


class Merchants:
    """Merchants withdraw at the times of their fates; some first earn the money with an order."""

    def __init__(self, client: Client, pool: asyncpg.Pool[Any], world: WorldClient, storm: Storm) -> None:
        self._client, self._pool, self._world, self._storm = client, pool, world, storm
        self._register = Register(pool)
        self.begun = 0

    async def ask(self, fates: Sequence[Fate]) -> None:
        """Start all withdrawals; returns when all have begun."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as asking:
            for index, fate in enumerate(fates):
                await asyncio.sleep(max(0.0, began + fate.begins * self._storm.seconds - time.monotonic()))
                if index % 20 == 0:
                    await self._room()
                asking.create_task(self._one(fate))

    async def _room(self) -> None:
        """Wait until fewer are in progress."""
        # They are handled by other processes: there is no event to wait for.
        while await self._backlog() > BACKLOG_MAX:  # noqa: ASYNC110
            await asyncio.sleep(TRIES_AGAIN_AFTER)

    async def _backlog(self) -> int:
        try:
            return int(await self._pool.fetchval(_BACKLOG))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError):
            return 0  # it is being killed; waiting for it would only prolong the storm

    async def _one(self, fate: Fate) -> None:
        if fate.order_id is not None:
            await self._sell(fate.order_id)
        withdrawal = Withdrawal(
            withdrawal_id=fate.withdrawal_id,
            merchant_id=fate.merchant_id,
            amount_minor=fate.amount_minor,
            currency="CNY",
            account_id=fate.account_id,
            requested_by=Actor(role="merchant", id=fate.merchant_id),
        )
        await patiently(lambda: gateway.start_withdrawal(self._client, withdrawal))
        self.begun += 1

    async def _sell(self, order_id: str) -> None:
        """One order from payment to settled, through all kills."""
        await patiently(lambda: gateway.start_order(self._client, bench_order(order_id, policy=None)))
        await patiently(lambda: self._travelled(order_id))
        parcel = {"parcel_id": "p1", "carrier": "sandbox", "waybill": waybill_of(order_id)}
        await self._send(order_id, "report_shipment", "merchant", parcels=[parcel])
        await self._until(order_id, lambda row: row.audit == "approved")
        await self._send(order_id, "confirm_receipt", "buyer")
        await self._until(order_id, lambda row: row.phase == "settled")

    async def _travelled(self, order_id: str) -> None:
        now = datetime.now(UTC)
        seen = ((-2, "picked_up", "杭州市"), (-1, "in_transit", "南京市"), (0, "delivered", "北京市"))
        scans = [
            {"at": (now + timedelta(days=days)).isoformat(), "code": stage, "stage": stage, "city": city}
            for days, stage, city in seen
        ]
        await self._world.add_scans("sandbox", waybill_of(order_id), scans)

    async def _send(self, order_id: str, verb: str, role: str, **body: Any) -> None:
        command = {"command_id": f"{verb}-{order_id}", "actor": {"role": role, "id": f"{role[0]}-{order_id}"}, **body}

        async def sent() -> None:
            try:
                await gateway.send(self._client, f"order-{order_id}", verb, command)
            except Refused as refusal:
                if refusal.code == "not_running":  # the start is not visible everywhere yet
                    raise Unavailable(str(refusal)) from None
                if refusal.code != "order_over":  # it has ended, by this same command, whose answer was lost
                    raise

        await patiently(sent)

    async def _until(self, order_id: str, so: Callable[[Any], bool]) -> None:
        while True:
            row = await patiently(lambda: self._register.orders.row(order_id))
            if row is not None and so(row):
                return
            await asyncio.sleep(TRIES_AGAIN_AFTER)


class Desk:
    """Two reviewers and two operators. They ask the bank itself, and report its journal."""

    def __init__(self, client: Client, pool: asyncpg.Pool[Any], world: WorldClient, fates: Sequence[Fate]) -> None:
        self._client, self._pool, self._world = client, pool, world
        self._tokens = {fate.withdrawal_id: fate.token for fate in fates}
        self._commands = 0
        self._looked_at: dict[str, float] = {}
        self.acts: Counter[str] = Counter()

    async def sit(self) -> None:
        """Work until cancelled."""
        while True:
            with suppress(
                Unavailable,
                OSError,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,
                TimeoutError,
            ):
                await self.round()
            await asyncio.sleep(LOOKS_EVERY)

    async def round(self) -> None:
        """Handle everything that waits for a person now."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(withdrawal_id: str, state: str) -> None:
            async with gate:
                await (self._both(withdrawal_id, "approve") if state == "in_approval" else self._resolve(withdrawal_id))

        rows = await self._pool.fetch(_WAITING)
        mine = [row for row in rows if row["state_name"] == "in_approval" or RESOLVED & set(row["holds"])]
        due = [row for row in mine if self._looked_at.get(row["withdrawal_id"], 0.0) < time.monotonic() - LETS_LIE]
        self._looked_at |= {row["withdrawal_id"]: time.monotonic() for row in due}
        await asyncio.gather(*(one(row["withdrawal_id"], row["state_name"]) for row in due))

    async def _resolve(self, withdrawal_id: str) -> None:
        journal = await self._world.journal("bank", self._tokens[withdrawal_id])
        outcome = "paid" if any(effect.effect == "payout" for effect in journal) else "failed"
        reference = f"bank-letter-{withdrawal_id}"
        await self._both(withdrawal_id, "resolve_unknown", outcome=outcome, reference=reference, reason="by letter")

    async def _both(self, withdrawal_id: str, verb: str, **body: Any) -> None:
        for person in ("operator-1", "operator-2"):
            self._commands += 1
            actor = {"role": "operator", "id": person}
            command = {"command_id": f"desk-{self._commands}", "actor": actor, **body}
            workflow_id = withdrawal_workflow_id(withdrawal_id)
            try:
                # Until there is an answer: its effect may be in the register already, of which its workflow knows
                # nothing if Temporal died before it kept the command. The register then names no person any more.
                await patiently(partial(gateway.send, self._client, workflow_id, verb, command))
                self.acts[verb] += 1
            except Refused as refusal:
                self.acts[refusal.code] += 1
                if refusal.code != "needs_other_person":  # this person acted before, and the answer was lost
                    return
