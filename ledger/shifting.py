"""Orders whose deadlines are moved together: by merchant, place, carrier, phase or policy; and back, by the move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.fields import Message
from core.messages import Order
from ledger.register_part import Conditions, RegisterPart

PAGE = 500
"""Orders read at once."""

CONDITIONS: Mapping[str, str] = {
    "merchant": "o.merchant_id = {}",
    "phase": "o.phase = {}",
    "policy": "o.state #>> '{{policy,name}}' = {}",
    "carrier": "EXISTS (SELECT FROM jsonb_array_elements(o.state -> 'parcels') AS p (parcel)"
    " WHERE p.parcel ->> 'carrier' = {} AND NOT (p.parcel ->> 'ended')::BOOLEAN)",
    "from_country": "o.body #>> '{{ship_from,country}}' = {}",
    "from_province": "o.body #>> '{{ship_from,province}}' = {}",
    "from_city": "o.body #>> '{{ship_from,city}}' = {}",
    "to_country": "o.body #>> '{{ship_to,country}}' = {}",
    "to_province": "o.body #>> '{{ship_to,province}}' = {}",
    "to_city": "o.body #>> '{{ship_to,city}}' = {}",
}
"""What orders can be chosen by, with the condition of each."""


class RecordedOrder(Message):
    """An order as it was last recorded."""

    order: Order
    policy_hash: str
    state: dict[str, Any]


class RecordedMove(Message):
    """A move of deadlines to later: which deadline, and how many orders it moved."""

    deadline: str
    orders: int


class Shifting(RegisterPart):
    """The register's orders, for moves in bulk."""

    async def matching(self, where: Mapping[str, str], after: str = "") -> list[RecordedOrder]:
        """The next page of open orders for which all of this is so, by order id.

        Args:
            where: names of CONDITIONS and the values that they must have.
            after: the last order of the page before.
        """
        wanted = _wanted(where, after)
        return await self._all(
            RecordedOrder,
            f"{_ORDER}{wanted.text} AND NOT o.closed AND o.state IS NOT NULL ORDER BY o.order_id{wanted.limit(PAGE)}",
            *wanted.arguments,
        )

    async def moved_by(self, move_id: str, where: Mapping[str, str], after: str = "") -> list[RecordedOrder]:
        """The next page of the orders that a move moved and for which all of this is so, by order id; also those that
        are closed.
        """
        wanted = _wanted(where, after)
        wanted.add("EXISTS (SELECT FROM moved_orders m WHERE m.order_id = o.order_id AND m.move_id = {})", move_id)
        return await self._all(
            RecordedOrder,
            f"{_ORDER}{wanted.text} ORDER BY o.order_id{wanted.limit(PAGE)}",
            *wanted.arguments,
        )

    async def move(self, move_id: str) -> RecordedMove | None:
        """What a move moved; None where it moved no order."""
        counted = "SELECT min(deadline) AS deadline, count(*) AS orders FROM moved_orders WHERE move_id = $1"
        return await self._one(RecordedMove, f"{counted} HAVING count(*) > 0", move_id)


_ORDER = "SELECT o.body AS order, o.policy_hash, o.state FROM orders o"


def _wanted(where: Mapping[str, str], after: str) -> Conditions:
    wanted = Conditions()
    wanted.add("o.order_id > {}", after)
    for name, value in where.items():
        wanted.add(CONDITIONS[name], value)
    return wanted
