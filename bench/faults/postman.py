"""Callbacks of the bank, carried to their withdrawals as Signals; each stays in the bank's outbox until it is there."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Any

from temporalio.client import Client

import client as door
from activities.rails.sandbox import FAILURES
from core.errors import Refused, Unavailable
from core.messages import ReportPayout, withdrawal_workflow_id
from ledger.register import Register
from local.client import WorldClient

LOOKS_EVERY = 0.3
AT_ONCE = 16
"""Callbacks under way together."""


class Postman:
    """Delivers what the bank calls back about, and now and then a forgery."""

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
        """Deliver what is due; how many are left in the outbox, due or not."""
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
        """Whether it need not come again."""
        try:
            attempt = await self._register.attempt(callback["key"])
            if attempt is None:
                self.delivered["unknown key"] += 1
                return True
            workflow_id = withdrawal_workflow_id(attempt.withdrawal_id)
            for body in _bodies(callback, attempt.rail):
                await door.signal(self._client, workflow_id, ReportPayout.verb, body)
            self.delivered[callback["outcome"]] += 1
        except Refused as refusal:
            self.delivered[refusal.code] += 1
        except Unavailable:
            return False
        return True


def _bodies(callback: dict[str, Any], rail: str) -> list[dict[str, Any]]:
    """The callback; before every seventh a forgery that must be refused, and nothing of it believed."""
    code = callback["code"]
    body = {
        "command_id": f"callback-{callback['seq']}",
        "actor": {"role": "rail", "id": rail},
        "event_id": callback["event_id"],
        "key": callback["key"],
        "outcome": callback["outcome"],
        "amount_minor": callback["amount_minor"],
        "currency": callback["currency"],
        "failure": FAILURES.get(code or "", "unknown") if callback["outcome"] == "failed" else None,
        "code": code,
    }
    if callback["seq"] % 7:
        return [body]
    forged = {**body, "command_id": f"forged-{callback['seq']}", "event_id": f"forged-{callback['seq']}"}
    wrong = ({"amount_minor": body["amount_minor"] + 1}, {"currency": "JPY"}, {"key": "nobodys1"})
    return [{**forged, **wrong[callback["seq"] // 7 % len(wrong)]}, body]
