"""Units of an order's lines: how many of each a command names, or parcels hold."""

from __future__ import annotations

from collections.abc import Iterable

from core.command import LineQuantity
from core.order.state import OrderState
from core.reasons import Refusal, refuse


def units_of(parts: Iterable[LineQuantity] | None) -> dict[str, int]:
    """Line → units, summed where a line stands there twice; empty where nothing is named."""
    units: dict[str, int] = {}
    for part in parts or ():
        units[part.line_id] = units.get(part.line_id, 0) + part.quantity
    return units


def refuse_unknown_line(state: OrderState, line_id: str) -> Refusal | None:
    """Why a command may not name this line: the order has none of this id."""
    known = sorted(line.line_id for line in state.lines)
    return None if line_id in known else refuse("unknown_line", f"Known: {', '.join(known)}.", field="lines")
