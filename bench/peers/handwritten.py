"""Two hand-written orders to compare with ours. They use no product code: fixed steps, no checks, no answers.

*Bare* does only the same work as ours: the same tasks, updates, upserts and postings, local activities for the ledger.
*Base* is the style of most samples: signals, a regular activity for everything, one upsert a phase.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from bench.peers.duties import CONFIRM_BY, SETTLE_AFTER, SHIP_BY, Duties

PHASE = SearchAttributeKey.for_keyword("OrderPhase")
AUDIT = SearchAttributeKey.for_keyword("AuditState")
RECEIPT = SearchAttributeKey.for_keyword("ReceiptState")
DEADLINE = SearchAttributeKey.for_datetime("NextDeadline")
QUICK = timedelta(seconds=3)
SLOW = timedelta(seconds=30)


class PeerActivities:
    """The duties of an order as activities."""

    def __init__(self, duties: Duties) -> None:
        self._duties = duties

    @activity.defn
    async def bench_open(self, order_id: str) -> None:
        """A row for the order."""
        await self._duties.mark(order_id, "opened")

    @activity.defn
    async def bench_fund(self, order_id: str) -> None:
        await self._duties.fund(order_id, _scheduled_at())

    @activity.defn
    async def bench_screen(self, order_id: str) -> None:
        """Allow the goods."""

    @activity.defn
    async def bench_claim(self, order_id: str) -> bool:
        return await self._duties.claim(order_id)

    @activity.defn
    async def bench_audit(self, order_id: str) -> str:
        return await self._duties.audit(order_id)

    @activity.defn
    async def bench_record(self, request: list[str]) -> None:
        await self._duties.mark(*request)

    @activity.defn
    async def bench_credit(self, order_id: str) -> None:
        await self._duties.credit(order_id, _scheduled_at())

    @activity.defn
    async def bench_settle(self, order_id: str) -> None:
        await self._duties.settle(order_id, _scheduled_at())

    def all(self) -> list[Callable[..., Awaitable[Any]]]:
        """For a worker."""
        return [
            self.bench_open,
            self.bench_fund,
            self.bench_screen,
            self.bench_claim,
            self.bench_audit,
            self.bench_record,
            self.bench_credit,
            self.bench_settle,
        ]


def _scheduled_at() -> datetime:
    # Of the first attempt: a posting that is repeated must be the same.
    return activity.info().scheduled_time


@workflow.defn
class BareOrder:
    """Ours without the product."""

    def __init__(self) -> None:
        self.shipped = self.confirmed = False

    @workflow.run
    async def run(self, order_id: str) -> str:
        for step in (PeerActivities.bench_open, PeerActivities.bench_fund, PeerActivities.bench_screen):
            await workflow.execute_local_activity_method(step, order_id, schedule_to_close_timeout=QUICK)
        await self._record(order_id, "awaiting_shipment")
        self._show("awaiting_shipment", SHIP_BY)
        await workflow.wait_condition(lambda: self.shipped, timeout=SHIP_BY)
        self._show("shipped", CONFIRM_BY)
        await workflow.execute_activity_method(PeerActivities.bench_audit, order_id, start_to_close_timeout=SLOW)
        await self._record(order_id, "audited")
        self._show("shipped", CONFIRM_BY, "approved")
        await workflow.wait_condition(lambda: self.confirmed, timeout=CONFIRM_BY)
        await workflow.execute_local_activity_method(
            PeerActivities.bench_credit, order_id, schedule_to_close_timeout=QUICK
        )
        self._show("credited", SETTLE_AFTER, "approved")
        await workflow.sleep(SETTLE_AFTER)
        await workflow.execute_local_activity_method(
            PeerActivities.bench_settle, order_id, schedule_to_close_timeout=QUICK
        )
        self._show("settled", SETTLE_AFTER, "approved")
        return "settled"

    @workflow.update
    async def ship(self, order_id: str) -> str:
        claimed = await workflow.execute_local_activity_method(
            PeerActivities.bench_claim, order_id, schedule_to_close_timeout=QUICK
        )
        self.shipped = self.shipped or claimed
        return "accepted" if claimed else "waybill_in_use"

    @workflow.update
    async def confirm(self) -> str:
        self.confirmed = True
        return "accepted"

    async def _record(self, order_id: str, what: str) -> None:
        await workflow.execute_local_activity_method(
            PeerActivities.bench_record, [order_id, what], schedule_to_close_timeout=QUICK
        )

    def _show(self, phase: str, within: timedelta, audit: str = "collecting") -> None:
        workflow.upsert_search_attributes(
            [PHASE.value_set(phase), AUDIT.value_set(audit), DEADLINE.value_set(workflow.now() + within)]
        )


@workflow.defn
class BaseOrder:
    """The style of most samples."""

    def __init__(self) -> None:
        self.shipped = self.confirmed = False

    @workflow.run
    async def run(self, order_id: str) -> str:
        for step in (PeerActivities.bench_open, PeerActivities.bench_fund, PeerActivities.bench_screen):
            await workflow.execute_activity_method(step, order_id, start_to_close_timeout=SLOW)
        await workflow.wait_condition(lambda: self.shipped, timeout=SHIP_BY)
        await workflow.execute_activity_method(PeerActivities.bench_claim, order_id, start_to_close_timeout=SLOW)
        await workflow.execute_activity_method(PeerActivities.bench_audit, order_id, start_to_close_timeout=SLOW)
        await workflow.execute_activity_method(
            PeerActivities.bench_record, [order_id, "audited"], start_to_close_timeout=SLOW
        )
        workflow.upsert_search_attributes([PHASE.value_set("shipped"), AUDIT.value_set("approved")])
        await workflow.wait_condition(lambda: self.confirmed, timeout=CONFIRM_BY)
        await workflow.execute_activity_method(PeerActivities.bench_credit, order_id, start_to_close_timeout=SLOW)
        await workflow.sleep(SETTLE_AFTER)
        await workflow.execute_activity_method(PeerActivities.bench_settle, order_id, start_to_close_timeout=SLOW)
        workflow.upsert_search_attributes([PHASE.value_set("settled"), RECEIPT.value_set("confirmed")])
        return "settled"

    @workflow.signal
    def ship(self) -> None:
        self.shipped = True

    @workflow.signal
    def confirm(self) -> None:
        self.confirmed = True
