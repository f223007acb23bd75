"""A desk for pushes of tracking providers, and the orders that it tells."""

from __future__ import annotations

from typing import Any

from ledger_samples import NOW, an_order, opened
from vendor_adapters import VENDORS, account

from activities.carriers.base import PushReader
from core.errors import Refused, Unavailable
from core.messages import ReportScan
from inbound.pushes import PushDesk
from ledger.register import Register
from wiring.carriers import carrier_of


class Orders:
    """Orders that take scans, once a command, as their workflows do."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, ReportScan]] = []
        self.ids: set[tuple[str, str]] = set()
        self.down = self.over = False

    async def report(self, order_id: str, command: dict[str, Any]) -> None:
        """As the workflow takes a command."""
        if self.down:
            raise Unavailable("Temporal did not answer")
        if self.over:
            raise Refused("order_over", "It is over.")
        read = ReportScan.model_validate(command, extra="forbid")
        if (order_id, read.command_id) not in self.ids:
            self.ids.add((order_id, read.command_id))
            self.taken.append((order_id, read))


def a_desk(register: Register, orders: Orders) -> PushDesk:
    """A desk with an account of each vendor, which tells these orders."""
    readers: dict[str, PushReader] = {}
    for vendor in VENDORS:
        reader = carrier_of(account(vendor), None)  # type: ignore[arg-type]  # sends nothing
        assert isinstance(reader, PushReader)
        readers[vendor] = reader
    return PushDesk(register, readers, orders.report)


async def shipped(register: Register, waybill: str, carrier: str = "yto", order_id: str = "A1") -> None:
    """An order whose parcel has this number."""
    await opened(register, an_order(order_id))
    await register.claims.claim(order_id, "m-1", "b-1", "CN", [("p1", carrier, waybill)], NOW)
