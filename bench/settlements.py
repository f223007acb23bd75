"""Settlements of registered orders for `bench ledger`: each in a call of its own, or gathered; with records or without.

An order has its money in its proceeds, put there by the owner. A settlement moves it to one of a few busy merchants.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal

import asyncpg

from bench.engines import bench_order
from core import movements
from core.movements import Leg, Movement, adjustment
from core.order.opening import begin
from core.policy import parse_policy, resolve
from core.records import OrderRecord
from ledger.book import ARRAY_MAX, Book

AMOUNT = 95
MERCHANTS = 32
POLICY = 'name = "bench"\n'
_HASH = "5" * 64
_PAYMENTS = """
INSERT INTO dakuan.payments (channel, payment, currency, paid_minor, claimed_minor)
SELECT 'bench', 'pay-' || i, 'CNY', 1000, 1000 FROM generate_series($1::INT, $2::INT) AS s (i)
"""
_ORDERS = f"""
INSERT INTO dakuan.orders (order_id, merchant_id, buyer_id, currency, total_minor, channel, payment, body, content_hash,
                           opened_by, policy_hash, opened_at, revision, phase, audit, receipt, state, recorded_at)
SELECT 'S' || i, i % {MERCHANTS}, 'buyer', 'CNY', 1000, 'bench', 'pay-' || i, '{{}}', '{"c" * 64}',
       'run', '{_HASH}', now(), 1, 'credited', 'approved', 'confirmed', $3, now()
FROM generate_series($1::INT, $2::INT) AS s (i)
"""

Way = Literal["alone", "concurrent"]


class Settlements:
    """Orders that were credited, each settled once."""

    def __init__(self, worker: asyncpg.Pool[Any], owner: asyncpg.Pool[Any], *, beside: int) -> None:
        self._book, self._owner = Book(worker, beside=beside), owner
        self._next = self._ready = 1
        order = bench_order("S0", policy="bench")
        state = begin(order, resolve(parse_policy(POLICY), order), datetime.now(UTC)).changed(
            funded=True, credited_minor=AMOUNT
        )
        self._state: dict[str, Any] = state.model_dump(mode="json")

    async def prepare(self, orders: int) -> None:
        """Register as many more orders, with their money."""
        await self._owner.execute(
            "INSERT INTO dakuan.policies (content_hash, name, text) VALUES ($1, 'bench', $2) ON CONFLICT DO NOTHING",
            _HASH,
            POLICY,
        )
        book = Book(self._owner)
        for begin_at in range(self._ready, self._ready + orders, ARRAY_MAX):
            end = min(begin_at + ARRAY_MAX, self._ready + orders)
            await self._owner.execute(_PAYMENTS, begin_at, end - 1)
            await self._owner.execute(_ORDERS, begin_at, end - 1, self._state)
            await book.post_all([_put(number) for number in range(begin_at, end)])
        self._ready += orders

    async def settle(self, way: Way, orders: int, callers: int, *, recorded: bool, latencies: list[float]) -> float:
        """Settle so many of the prepared orders, by so many callers at once; orders per second."""
        numbers = iter(range(self._next, self._next + orders))
        self._next += orders
        assert self._next <= self._ready, "prepare them first"
        began = time.perf_counter()
        await asyncio.gather(*(self._caller(way, numbers, recorded, latencies) for _ in range(callers)))
        return orders / (time.perf_counter() - began)

    async def _caller(self, way: Way, numbers: Iterator[int], recorded: bool, latencies: list[float]) -> None:
        post = self._book.post if way == "concurrent" else self._book.post_alone
        for number in numbers:
            began = time.perf_counter()
            posted = await post(_settlement(number), self._record(number) if recorded else None)
            latencies.append(time.perf_counter() - began)
            assert posted.outcome == "posted"

    def _record(self, number: int) -> OrderRecord:
        return OrderRecord(
            order_id=f"S{number}",
            revision=2,
            phase="settled",
            audit="approved",
            receipt="confirmed",
            state={**self._state, "recorded_revision": 1},
            recorded_at=datetime.now(UTC),
        )


def _put(number: int) -> Movement:
    legs = [Leg("psp/bench", f"order/S{number}/proceeds", AMOUNT)]
    return adjustment(f"bench/put/{number}", "CNY", datetime.now(UTC), legs)


def _settlement(number: int) -> Movement:
    return movements.settle(
        f"S{number}",
        merchant_id=str(number % MERCHANTS),
        amount_minor=AMOUNT,
        currency="CNY",
        occurred_at=datetime.now(UTC),
    )
