"""A market of few merchants with many orders: what each order is, what follows it, and how both are lived."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

import gateway
from bench.crowd import Crowd
from bench.engines import bench_order, numbered_waybill
from bench.faults.pending import task_of
from bench.kills.watch import Watch
from bench.orders import travelled
from core.errors import Unavailable
from core.ids import order_workflow_id
from core.messages import Actor, Order, Withdrawal
from ledger.payout_accounts import Binding
from ledger.register import Register

MERCHANTS = 40
WITHDRAWS_EVERY = 4
"""One in so many orders of a merchant is followed by a withdrawal."""
COMMISSION_BPS = 500
STEP_WITHIN = 600.0
"""Seconds of one step of an order, with its worker dead for most of them."""
LATE_AFTER = 60.0
"""Seconds after which a step is late: what its workflow then waits for is kept for the report."""
TRY_AGAIN_AFTER = 0.1
POLICY = f"""
name = "default"
commission_bps = {COMMISSION_BPS}
[order]
settlement_delay = "200ms"
after_sale_window = "0s"
[withdrawal]
daily_count_max = 100000
cooling = "0s"
query_after = ["1s", "3s", "8s"]
query_every = "10s"
not_found_apart = "1500ms"
"""


class Sale(NamedTuple):
    """One order of a shared merchant, and the withdrawal that may follow it."""

    number: int

    @property
    def order_id(self) -> str:
        return f"S{self.number:06}"

    @property
    def merchant_id(self) -> str:
        return merchants()[self.number % MERCHANTS]

    @property
    def order(self) -> Order:
        return bench_order(self.order_id, policy=None).model_copy(update={"merchant_id": self.merchant_id})

    @property
    def due_minor(self) -> int:
        """The merchant's share."""
        order = self.order
        return order.total_minor - (order.total_minor - order.freight_minor) * COMMISSION_BPS // 10_000

    @property
    def withdrawal_id(self) -> str | None:
        turn = self.number // MERCHANTS + self.number % MERCHANTS
        return f"w-{self.order_id}" if turn % WITHDRAWS_EVERY == 0 else None

    @property
    def withdrawn_minor(self) -> int:
        """Never more than this order brought, and no two of a merchant alike: the bank's journal then tells them
        apart.
        """
        return self.due_minor - self.number // MERCHANTS


def merchants() -> list[str]:
    """The ids of all merchants."""
    return [f"m-{number:02}" for number in range(MERCHANTS)]


def account_of(merchant_id: str) -> str:
    """The merchant's one payout account."""
    return f"acc-{merchant_id}"


def token_of(merchant_id: str) -> str:
    """The merchant, as the bank knows it."""
    return f"tok-{merchant_id}"


async def open_accounts(register: Register) -> None:
    """Bind each merchant's account."""
    for merchant_id in merchants():
        binding = Binding(
            account_id=account_of(merchant_id),
            merchant_id=merchant_id,
            currency="CNY",
            holder="Li Wei",
            last4="4242",
            rail="sandbox",
            rail_token=token_of(merchant_id),
        )
        await register.accounts.bind(binding, now=datetime.now(UTC))


class Market:
    """Buyers and merchants. While its worker is dead an order does not answer; the same again is safe."""

    def __init__(self, people: Crowd, watch: Watch) -> None:
        self._people, self._watch = people, watch
        self.late: dict[str, str] = {}
        """Order → the last step that was late, and what its workflow then waited for."""
        self.given_up: dict[str, str] = {}
        """Order → the step that did not end in its time; nothing later was tried."""

    async def live(self, sale: Sale) -> None:
        """From payment to the buyer's word, and to the merchant's withdrawal. What does not come to that is stuck, and
        the books will show it.
        """
        try:
            await self._sell(sale)
            if sale.withdrawal_id is not None:
                await self._withdraw(sale, sale.withdrawal_id)
        except GaveUp as gave_up:
            self.given_up[sale.order_id] = gave_up.step

    async def _sell(self, sale: Sale) -> None:
        order_id, client = sale.order_id, self._people.client
        await self._step(sale, "start", _patiently(lambda: gateway.start_order(client, sale.order)))
        await self._until(sale, "awaiting_shipment")
        waybill = numbered_waybill(sale.number)
        await self._step(sale, "deliver", _patiently(lambda: travelled(self._people.stack, waybill)))
        shipment = {
            "command_id": f"ship-{order_id}",
            "actor": {"role": "merchant", "id": sale.merchant_id},
            "parcels": [{"parcel_id": "p1", "carrier": "sandbox", "waybill": waybill}],
        }
        workflow_id = order_workflow_id(order_id)
        ship = _patiently(lambda: gateway.send(client, workflow_id, "report_shipment", shipment))
        await self._step(sale, "ship", ship)
        approved = self._watch.until(order_id, lambda row: row["audit"] == "approved")
        await self._step(sale, "until approved", approved)
        await self._step(sale, "confirm", _patiently(lambda: self._people.confirm(order_id)))

    async def _withdraw(self, sale: Sale, withdrawal_id: str) -> None:
        await self._until(sale, "settled")
        withdrawal = Withdrawal(
            withdrawal_id=withdrawal_id,
            merchant_id=sale.merchant_id,
            amount_minor=sale.withdrawn_minor,
            currency="CNY",
            account_id=account_of(sale.merchant_id),
            requested_by=Actor(role="merchant", id=sale.merchant_id),
        )
        start = _patiently(lambda: gateway.start_withdrawal(self._people.client, withdrawal))
        await self._step(sale, "withdraw", start)

    async def _until(self, sale: Sale, phase: str) -> None:
        in_phase = self._watch.until(sale.order_id, lambda row: row["phase"] == phase)
        await self._step(sale, f"until {phase}", in_phase)

    async def _step(self, sale: Sale, name: str, step: Coroutine[Any, Any, None]) -> None:
        """Take one step.

        Raises:
            GaveUp: it did not end in its time.
        """
        taken = asyncio.ensure_future(step)
        try:
            await asyncio.wait([taken], timeout=LATE_AFTER)
            if not taken.done():
                waits_for = await task_of(self._people.client, order_workflow_id(sale.order_id))
                self.late[sale.order_id] = f"{name}: {waits_for}"
            await asyncio.wait_for(taken, STEP_WITHIN - LATE_AFTER)
        except TimeoutError:
            raise GaveUp(name) from None
        finally:
            taken.cancel()


class GaveUp(Exception):
    """A step did not end in its time."""

    def __init__(self, step: str) -> None:
        super().__init__(f"{step} did not end within {STEP_WITHIN:.0f} s")
        self.step = step


async def _patiently(act: Callable[[], Awaitable[Any]]) -> None:
    while True:
        with suppress(Unavailable):
            await act()
            return
        await asyncio.sleep(TRY_AGAIN_AFTER)
