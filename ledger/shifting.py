"""Open orders whose deadlines are to be moved together: by merchant, place, carrier, phase or policy."""

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


class OpenOrder(Message):
    """An order that is not closed, as it was last recorded."""

    order: Order
    policy_hash: str
    state: dict[str, Any]


class Shifting(RegisterPart):
    """The register's open orders, for moves in bulk."""

    async def matching(self, where: Mapping[str, str], after: str = "") -> list[OpenOrder]:
        """The next page of open orders for which all of this is so, by order id.

        Args:
            where: names of CONDITIONS and the values that they must have.
            after: the last order of the page before.
        """
        wanted = Conditions()
        wanted.add("o.order_id > {}", after)
        for name, value in where.items():
            wanted.add(CONDITIONS[name], value)
        return await self._all(
            OpenOrder,
            "SELECT o.body AS order, o.policy_hash, o.state FROM orders o"
            f"{wanted.text} AND NOT o.closed AND o.state IS NOT NULL ORDER BY o.order_id{wanted.limit(PAGE)}",
            *wanted.arguments,
        )
