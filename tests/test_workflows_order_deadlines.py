"""Each deadline of an order from both sides, on the real stack: days are skipped, minutes decide."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from order_stage import Play
from waiting import until

from core.aftersale.deadlines import CASE_REMINDER
from core.aftersale.deadlines import PASSING as CASE_PASSING
from core.order.handover import hash_of_code
from core.order.passing import PASSING
from demo.stage import StagedOrder

MINUTES = timedelta(minutes=5)
"""Before and after a deadline; a busy machine takes some of it."""
IMPATIENT = """
name = "impatient"
[order]
undelivered_within = "2d"
undelivered_end = "12h"
"""
"""A month in which a carrier is asked twice a day takes 15 s to skip."""
State = dict[str, Any]


async def skip(order: StagedOrder, length: timedelta) -> None:
    await order.days(length / timedelta(days=1))


async def deadline(order: StagedOrder, name: str) -> datetime:
    """When it is; passes those that come before."""
    for _ in range(20):
        due = (await order.until(lambda state: state["next_deadline"] is not None))["next_deadline"]
        at = datetime.fromisoformat(due["at"])
        if due["name"] == name:
            return at
        await skip(order, max(at - order.now, timedelta()) + MINUTES)
    raise AssertionError(f"{name} never comes")


async def notified(order: StagedOrder) -> set[tuple[str, str]]:
    """What stands in the register for whom."""
    notices = await order.stage.register.notices.read(subject=f"order/{order.name}", limit=1000)
    return {(notice.to, notice.name) for notice in notices}


# --- orders that wait for something ----------------------------------------------------------------------


async def held_goods(order: StagedOrder) -> None:
    order.of_category("medicine.pills")
    await order.start()


async def refused_goods(order: StagedOrder) -> None:
    order.titled("水弹枪 电动")
    await order.start()


async def unshipped(order: StagedOrder) -> None:
    await order.start()


async def labelled(order: StagedOrder) -> None:
    await order.start()
    await order.ship()
    await order.scan("label")


async def frozen(order: StagedOrder) -> None:
    """Picked up, and never seen again."""
    await order.start()
    await order.ship()
    await order.scan("picked_up")


async def impatient(order: StagedOrder) -> None:
    order.under(await order.stage.policy_of(IMPATIENT))
    await frozen(order)


async def delivered(order: StagedOrder) -> None:
    await order.start()
    await order.ship()
    await order.travel()
    await order.days(0.6)


async def asked_for_a_refund(order: StagedOrder) -> None:
    """One of two people said so."""
    await delivered(order)
    await order.send("refund_order", "operator", amount_minor=100, reason="dented")


async def held_until(order: StagedOrder) -> None:
    """To be looked at again before the receipt is due."""
    await delivered(order)
    review_at = (order.now + 24 * 60 * MINUTES).isoformat()
    await order.send("place_hold", "operator", name="risk", scope="payout", reason="odd", review_at=review_at)


async def credited(order: StagedOrder) -> None:
    await delivered(order)
    await order.send("confirm_receipt", "buyer")
    await order.until(lambda state: state["phase"] == "credited")


async def rejected(order: StagedOrder) -> None:
    await frozen(order)
    await order.scan("returning")
    await order.days(1)


async def appealed(order: StagedOrder) -> None:
    await rejected(order)
    await order.send("appeal_audit", "merchant", statement="the courier erred")


async def refunding(order: StagedOrder) -> None:
    await order.stage.world.plan_refunds(order.order.payment.reference, "processing", looks=None)
    await order.start()
    await order.send("cancel_order", "buyer", reason="no longer wanted")
    await order.until(lambda state: state["refunds"][0]["status"] == "booked")


async def ready(order: StagedOrder) -> None:
    """The goods wait for a buyer who collects them."""
    code = hash_of_code(order.order.order_id, "KX7-3F9-22Q")
    order.order = order.order.model_copy(update={"delivery_mode": "pickup", "handover_hash": code})
    await order.start()
    await order.send("report_ready", "merchant")


async def asked_for_a_later_date(order: StagedOrder) -> None:
    """Of a presale; the buyer has not answered."""
    ship_by = order.now + timedelta(days=10)
    order.order = order.order.model_copy(update={"ship_by": ship_by})
    await order.start()
    later = (ship_by + timedelta(days=5)).isoformat()
    await order.send("request_delay", "merchant", ship_by=later, reason="the factory is late")


def phase(name: str) -> Callable[[State], bool]:
    return lambda state: state["phase"] == name


def hold(reason: str) -> Callable[[State], bool]:
    return lambda state: any(hold["name"] == reason for hold in state["holds"])


def review(state: State) -> bool:
    return bool(state["audit"] == "in_review")


def confirmed(state: State) -> bool:
    return bool(state["receipt"]["by"] == "timeout")


def asked(state: State) -> bool:
    return state["undelivered_asked_at"] is not None


PASSES: dict[str, tuple[Callable[[StagedOrder], Awaitable[None]], Callable[[State], bool] | tuple[str, str]]] = {
    "screening_appeal_by": (refused_goods, phase("refused")),
    "screening_sla": (held_goods, ("reviewer", "screening_overdue")),
    "screening_end": (held_goods, phase("refused")),
    "ship_reminder": (unshipped, ("merchant", "ship_reminder")),
    "ship_by": (unshipped, phase("cancelled")),
    "pickup_by": (labelled, phase("cancelled")),
    "review_sla": (appealed, ("reviewer", "review_overdue")),
    "review_end": (appealed, hold("review_overdue")),
    "undelivered_by": (impatient, asked),
    "undelivered_end": (impatient, phase("refunded")),
    "receipt_reminder": (delivered, ("buyer", "receipt_reminder")),
    "receipt_by": (delivered, confirmed),
    "audit_correction": (rejected, phase("refunded")),
    "refund_request_by": (asked_for_a_refund, lambda state: state["next_deadline"]["name"] == "receipt_reminder"),
    "settle_at": (credited, phase("settled")),
    "hold_review": (held_until, ("operator", "hold_review_due")),
    "delay_answer_by": (asked_for_a_later_date, ("merchant", "delay_refused")),
    "collect_reminder": (ready, ("buyer", "collect_reminder")),
    "collect_by": (ready, phase("cancelled")),
    "refund_stuck": (refunding, hold("refund_stuck")),
}
"""By name: an order that has this deadline, and what is true of its state or notices once it has passed."""


@pytest.mark.parametrize("name", PASSES)
async def test_a_deadline_passes_when_it_is_due_and_not_before(name: str, play: Play) -> None:
    order, (live, then) = play(), PASSES[name]
    await live(order)
    at = await deadline(order, name)
    await skip(order, at - order.now - MINUTES)
    state = await order.until(lambda state: state["next_deadline"] is not None)
    if isinstance(then, tuple):
        assert then not in await notified(order)
    else:
        assert not then(state)
    await skip(order, 2 * MINUTES)
    if isinstance(then, tuple):
        await until(lambda: notified(order), lambda found: then in found)
    else:
        await order.until(then)


def test_every_deadline_of_the_core_is_passed_here() -> None:
    """Those of after-sale cases pass in the stories of the demo."""
    of_cases = {*CASE_PASSING, CASE_REMINDER, "pause_end"}
    assert set(PASSES) == {*PASSING, "settle_at"} - of_cases
