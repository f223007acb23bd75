"""A settled order under a hold, disputed and won: its money is frozen, taken, given back, frozen again and let go."""

from __future__ import annotations

from typing import Any

from order_crash_stage import CrashStage, approved, until

import gateway
from demo.stage import StagedOrder

MOVES = (
    *("fund", "credit", "settle", "freeze/1", "chargeback/1", "chargeback/1/fee", "chargeback/1/won"),
    *("freeze/2", "release/2"),
)
"""What must stand in the books at the end, each once."""
TAKEN, FEE = 1_000, 20
"""Minor units: of the dispute, and what the channel takes for it."""


async def live_through_a_dispute(stage: CrashStage, order: StagedOrder) -> None:
    """From its payment to its end."""
    await approved(order)
    await order.send("confirm_receipt", "buyer")
    await _closed(order)
    await _says(order, "place_hold", name="risk", scope="payout", reason="odd")
    await _moved(stage, order, "freeze/1")
    await _says(order, "report_chargeback", case_reference=f"d-{order.name}", amount_minor=TAKEN, fee_minor=FEE)
    await _moved(stage, order, "chargeback/1/fee")
    await _says(order, "report_chargeback", case_reference=f"d-{order.name}", outcome="won")
    await _moved(stage, order, "freeze/2")
    await _says(order, "lift_hold", name="risk", reason="checked")
    await _moved(stage, order, "release/2")
    await _closed(order)


async def _says(order: StagedOrder, verb: str, **body: Any) -> None:
    command = order.command("operator", **body)
    await gateway.signal_reopening(order.stage.client, order.order, verb, command)


async def _moved(stage: CrashStage, order: StagedOrder, movement: str) -> None:
    reference = f"order/{order.name}/{movement}"
    await until(stage.references, lambda found: reference in found)


async def _closed(order: StagedOrder) -> None:
    await until(lambda: order.stage.register.orders.row(order.name), lambda row: row is not None and row.closed)
