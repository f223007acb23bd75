"""A client of another engine: it reads in the books and the marks what the duties did for an order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import asyncpg

from bench.engines import Scan, until, waybill_of


class PeerClient(ABC):
    """An engine of the bench. Connected from its construction, or from its entry as a context, until it is left."""

    name: ClassVar[str]

    def __init__(self, pool: asyncpg.Pool[Any], scan: Scan) -> None:
        self._pool, self._scan = pool, scan

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._close()

    async def start(self, order_id: str) -> None:
        await self._begin(order_id)
        await until(lambda: self._moved(order_id, "fund"))

    async def ship(self, order_id: str) -> None:
        await self._scan(waybill_of(order_id))
        await self._command(order_id, "ship")
        await until(lambda: self._marked(order_id, "audited"))

    async def confirm(self, order_id: str) -> None:
        await self._command(order_id, "confirm")

    async def settled(self, order_id: str) -> None:
        await until(lambda: self._moved(order_id, "settle"))

    async def _marked(self, order_id: str, what: str) -> Any:
        return await self._pool.fetchval("SELECT 1 FROM bench.marks WHERE order_id = $1 AND what = $2", order_id, what)

    async def _moved(self, order_id: str, what: str) -> Any:
        return await self._pool.fetchval("SELECT 1 FROM movements WHERE reference = $1", f"order/{order_id}/{what}")

    @abstractmethod
    async def _begin(self, order_id: str) -> None:
        """Hand the order to the engine."""

    @abstractmethod
    async def _command(self, order_id: str, verb: str) -> None:
        """Send `ship` or `confirm`, and wait until it is accepted."""

    @abstractmethod
    async def _close(self) -> None:
        """Disconnect."""
