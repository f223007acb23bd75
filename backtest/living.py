"""Plays a past order on a running stack, at its real distances in time.

Each order has its own clock, which jumps from one event to the next; deadlines in between pass during the jump. A scan
is given to the carrier just before the clock passes its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError

import gateway
from backtest.building import CARRIER, order_of, return_waybill_of, sends_back, waybill_of
from backtest.past import PastOrder
from backtest.timeline import Event, What, timeline
from core.errors import Refused, Unavailable
from core.ids import order_workflow_id
from core.messages import Order
from core.policy import Policy
from gateway.sending import ANSWER_WITHIN
from local.client import WorldClient

PARCEL = "p1"
PAST_THE_MOMENT = timedelta(seconds=1)
"""A jump ends a little after its target, so that the order's clock has certainly passed it."""
STAGES: dict[What, str] = {
    "picked_up": "picked_up",
    "delivered": "delivered",
    "back_picked_up": "picked_up",
    "back_delivered": "delivered",
}


@dataclass
class Life:
    """The outcome of one past order."""

    past: PastOrder
    order: Order
    state: dict[str, Any] = field(default_factory=dict)
    """The order's own view at the end; empty if it never opened."""
    holds: list[dict[str, Any]] = field(default_factory=list)
    """Why money does not move, if the order is still open."""
    refused: list[tuple[str, str]] = field(default_factory=list)
    """Commands that were refused: (verb, reason code)."""
    asked_at: datetime | None = None
    """When the buyer asked for the money back."""
    failure: str | None = None
    """Why the order could not be played to its end: it was refused at opening, or the stack failed."""


class PastStage:
    """A running stack that plays past orders, several at once."""

    def __init__(self, client: Client, world: WorldClient, policy: Policy) -> None:
        self._client = client
        self._world = world
        self._policy = policy

    async def live(self, past: PastOrder) -> Life:
        """Play one paid order from its payment to its end. Never raises: a failure is recorded in the result."""
        life = Life(past, order_of(past, datetime.now(UTC), self._policy.name))
        player = _Player(self._client, self._world, life)
        try:
            await player.play(timeline(past), _time_to_end(self._policy))
        except Exception as error:  # one order's failure is reported; the others go on
            life.failure = f"{type(error).__name__}: {error}"
        return life


def _time_to_end(policy: Policy) -> timedelta:
    """How long after its last event an order may take to end by itself: the sum of all its limits."""
    limits = policy.order
    return sum(
        (
            limits.ship_by_longest,
            limits.pickup_within,
            limits.undelivered_within,
            limits.undelivered_end,
            limits.correction_within,
            limits.review_end,
            limits.receipt_within,
            limits.settlement_delay,
            limits.after_sale_window,
            limits.refund_stuck_after,
        ),
        timedelta(days=1),
    )


class _Player:
    """One order, with the people who act on it."""

    def __init__(self, client: Client, world: WorldClient, life: Life) -> None:
        self._client, self._world, self._life = client, world, life
        self._paid_at = life.order.payment.paid_at
        self._waybill = waybill_of(life.order.order_id)
        self._skipped = timedelta()
        self._uploaded = self._sent_back = False
        self._ended = False

    async def play(self, events: Sequence[Event], patience: timedelta) -> None:
        """Play all events."""
        handle = await gateway.start_order(self._client, self._life.order)
        for after, together in groupby(events, lambda event: event.after):
            await self._jump(handle, after)
            for event in together:
                if not self._ended:
                    await self._do(event)
        if not self._ended:
            await self._skip(handle, patience)
        await self._read_end(handle)

    # --- time ------------------------------------------------------------------------------------------

    @property
    def _now(self) -> datetime:
        """The order's own time: the time of day plus the skipped time."""
        return datetime.now(UTC) + self._skipped

    async def _jump(self, handle: WorkflowHandle[Any, Any], after: timedelta) -> None:
        ahead = self._paid_at + after + PAST_THE_MOMENT - self._now
        if ahead > PAST_THE_MOMENT and not self._ended:
            await self._skip(handle, ahead)

    async def _skip(self, handle: WorkflowHandle[Any, Any], ahead: timedelta) -> None:
        try:
            self._ended = not await gateway.skip_time(self._client, handle.id, ahead)
        except Refused:
            self._ended = True
        self._skipped += ahead

    # --- events ----------------------------------------------------------------------------------

    async def _do(self, event: Event) -> None:
        order = self._life.order
        if event.what in STAGES:
            await self._scan(event)
        elif event.what == "upload":
            parcel = {"parcel_id": PARCEL, "carrier": CARRIER, "waybill": self._waybill, "lines": None}
            self._uploaded = await self._send(event, "report_shipment", "merchant", order.merchant_id, parcels=[parcel])
        elif event.what == "cancel":
            self._life.asked_at = self._now
            await self._send(event, "cancel_order", "buyer", order.buyer_id, reason="canceled, says the record")
        elif event.what == "confirm":
            await self._send(event, "confirm_receipt", "buyer", order.buyer_id)
        else:
            await self._after_sale(event)

    async def _after_sale(self, event: Event) -> None:
        """What buyer and merchant do about a case."""
        order, past = self._life.order, self._life.past
        if event.what == "complain":
            self._life.asked_at = self._now
            back = past.delivered_at is not None and sends_back(past.order_id)
            wish = {
                "kind": "return_and_refund" if back else "refund_only",
                "reason": "quality" if past.delivered_at else "not_received",
                "text": "canceled, says the record",
            }
            await self._send(event, "open_after_sale", "buyer", order.buyer_id, **wish)
        elif event.what == "agree":
            await self._send(event, "agree_after_sale", "merchant", order.merchant_id)
        elif event.what == "send_back":
            number = {"carrier": CARRIER, "waybill": return_waybill_of(order.order_id)}
            self._sent_back = await self._send(event, "report_return", "buyer", order.buyer_id, **number)
        else:
            await self._send(event, "confirm_return", "merchant", order.merchant_id)

    async def _scan(self, event: Event) -> None:
        """The carrier scans the parcel, and reports it to us if we know the number already."""
        order, back = self._life.order, event.what.startswith("back_")
        where = order.ship_from if back == event.what.endswith("delivered") else order.ship_to
        waybill = return_waybill_of(order.order_id) if back else self._waybill
        scan = {
            "at": (self._paid_at + event.after).isoformat(),
            "code": STAGES[event.what],
            "stage": STAGES[event.what],
            "city": ", ".join(part for part in (where.city, where.province) if part),
        }
        await self._world.add_scans(CARRIER, waybill, [scan])
        if self._sent_back if back else self._uploaded:
            report = {"carrier": CARRIER, "waybill": waybill, "scans": [scan], "provider": CARRIER}
            await self._send(event, "report_scan", "carrier", CARRIER, **report)

    async def _send(self, event: Event, verb: str, role: str, who: str, **fields: Any) -> bool:
        """Send an event's command; returns whether it was accepted. A refusal is a result, not an error."""
        workflow_id = order_workflow_id(self._life.order.order_id)
        body = {"command_id": f"past-{event.what}", "actor": {"role": role, "id": who}, **fields}
        try:
            await gateway.send(self._client, workflow_id, verb, body)
        except Refused as refusal:
            self._life.refused.append((verb, refusal.code))
            return False
        return True

    # --- the end ---------------------------------------------------------------------------------------

    async def _read_end(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Read the order's own view; the workflow's result is a shorter summary."""
        if self._ended and not await self._was_opened(handle):
            return
        self._life.state = await gateway.query(self._client, handle.id, "order")
        self._life.holds = await gateway.query(self._client, handle.id, "holds")

    async def _was_opened(self, handle: WorkflowHandle[Any, Any]) -> bool:
        try:
            await handle.result(rpc_timeout=ANSWER_WITHIN)
        except WorkflowFailureError as error:
            self._life.failure = f"refused: {gateway.refusal_in(error).code}"
            return False
        except RPCError as error:
            raise Unavailable(f"Temporal did not say how it ended: {error.message}") from None
        return True
