"""Delivers the bank's callbacks to their withdrawals as Signals; each stays in the outbox until it arrives."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Any

from temporalio.client import Client

import gateway
from activities.rails.sandbox import FAILURES
from core.errors import Unavailable
from core.messages import Actor, ReportPayout
from ledger.register import Register
from local.client import WorldClient

LOOKS_EVERY = 0.3
AT_ONCE = 16
"""Callbacks delivered at the same time."""


class Postman:
    """Delivers the bank's callbacks, and some forgeries."""

    def __init__(self, world: WorldClient, register: Register, client: Client) -> None:
        self._world, self._register, self._client = world, register, client
        self.delivered: Counter[str] = Counter()

    async def walk(self) -> None:
        """Deliver until cancelled."""
        while True:
            with suppress(Unavailable):
                await self.round()
            await asyncio.sleep(LOOKS_EVERY)

    async def round(self) -> int:
        """Deliver the due callbacks; returns how many are left in the outbox, due or not."""
        due, left = await self._world.callbacks()
        gate = asyncio.Semaphore(AT_ONCE)

        async def carry(callback: dict[str, Any]) -> int | None:
            async with gate:
                return callback["seq"] if await self._delivered(callback) else None

        there = [seq for seq in await asyncio.gather(*map(carry, due)) if seq is not None]
        if there:
            await self._world.acknowledge(there)
        return left - len(there)

    async def _delivered(self, callback: dict[str, Any]) -> bool:
        """Whether it was delivered and need not come again."""
        try:
            attempt = await self._register.payouts.get(callback["key"])
            if attempt is None:
                self.delivered["unknown key"] += 1
                return True
            for report in _reports(callback, attempt.rail):
                await gateway.report_payout(self._client, attempt.withdrawal_id, report)
            self.delivered[callback["outcome"]] += 1
        except Unavailable:
            return False
        return True


MORE_THAN_ANY = 10**9
"""Minor units: more than any payout of a run."""


def _reports(callback: dict[str, Any], rail: str) -> list[ReportPayout]:
    """The callback, and before every seventh a forgery that must be refused."""
    seq, code, outcome = callback["seq"], callback["code"], callback["outcome"]
    report = ReportPayout(
        command_id=f"callback-{seq}",
        actor=Actor(role="rail", id=rail),
        event_id=callback["event_id"],
        key=callback["key"],
        outcome=outcome,
        amount_minor=callback["amount_minor"],
        currency=callback["currency"],
        failure=FAILURES.get(code or "", "unknown") if outcome == "failed" else None,
        code=code,
    )
    if seq % 7:
        return [report]
    lies: tuple[dict[str, Any], ...] = (
        # A forged partial return cannot be recognised; a return of more than was paid can.
        {"amount_minor": report.amount_minor + MORE_THAN_ANY},
        {"currency": "JPY"},
        {"key": "nobodys1"},
        {"actor": Actor(role="rail", id="another")},
    )
    lie = {"command_id": f"forged-{seq}", "event_id": f"forged-{seq}", **lies[seq // 7 % len(lies)]}
    return [report.model_copy(update=lie), report]
