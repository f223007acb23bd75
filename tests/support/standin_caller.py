"""Asks the stand-ins over HTTP in their own dialect, as a foreign program would."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest_asyncio
from waiting import WITHIN

from local.client import WorldClient
from local.standins import StandIns

_numbers = itertools.count(1)


def fresh(prefix: str = "") -> str:
    """A key or reference of this test's own."""
    return f"{prefix}{next(_numbers):08}x"


def scan(stage: str, hours: float, **more: Any) -> dict[str, Any]:
    at = datetime(2026, 11, 22, 8, tzinfo=UTC) + timedelta(hours=hours)
    return {"at": at.isoformat(), "code": stage, "stage": stage, **more}


class Caller:
    """Asks the stand-ins as a foreign program with its own code for their dialects."""

    def __init__(self, url: str) -> None:
        self._http = httpx2.AsyncClient(base_url=url, timeout=WITHIN, trust_env=False, verify=False)

    async def close(self) -> None:
        await self._http.aclose()

    async def track(self, waybill: str, **more: str) -> dict[str, Any]:
        body = {"carrier": "sandbox", "waybill": waybill, **more}
        return dict((await self._http.post("/carrier/track", json=body)).json())

    async def payment(self, reference: str, amount_minor: int = 1000, currency: str = "CNY") -> httpx2.Response:
        params: dict[str, str | int] = {"reference": reference, "amount_minor": amount_minor, "currency": currency}
        return await self._http.get("/channel/payments", params=params)

    async def refund(self, key: str, reference: str, amount_minor: int = 1000, /, **more: Any) -> httpx2.Response:
        body = {"key": key, "payment_reference": reference, "amount_minor": amount_minor, "currency": "CNY", **more}
        return await self._http.post("/channel/refunds", json=body)

    async def refund_state(self, key: str) -> Any:
        answer = await self._http.get(f"/channel/refunds/{key}")
        return answer.json().get("state", answer.status_code)

    async def pay(self, key: str, token: str, amount_minor: int = 1000, /, **more: Any) -> httpx2.Response:
        account = {"token": token, "last4": "4242", "holder": "m-1"}
        body = {"key": key, "amount_minor": amount_minor, "currency": "CNY", "account": account, **more}
        return await self._http.post("/bank/payouts", json=body)

    async def payout(self, key: str) -> dict[str, Any]:
        answer = await self._http.get(f"/bank/payouts/{key}")
        return {"status": answer.status_code, **answer.json()}

    async def post(self, path: str, content: bytes) -> httpx2.Response:
        return await self._http.post(path, content=content)


@pytest_asyncio.fixture(loop_scope="session")
async def caller(standins: StandIns, world: WorldClient) -> Any:
    one = Caller(standins.url)
    yield one
    await one.close()
