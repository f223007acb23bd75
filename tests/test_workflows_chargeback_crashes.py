"""A worker that dies between a posting and its report, where money is taken back, kept, or held for its merchant.

All of these are one worker's: it dies after one effect at a time, and the others wait for the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from databases import Database
from order_crash_stage import CrashStage, approved, open_crash_stage, until

import gateway
from core.messages import Actor
from demo.stage import StagedOrder
from ledger.register import Register
from local.client import WorldClient
from local.temporal import Temporal

EFFECTS = ("chargeback", "won", "above", "above_won", "freeze", "thaw", "deposit", "held", "basket")
"""The effects after which the worker dies, each for the order of this name."""
ANN = Actor(role="operator", id="ann")
DEPOSIT = 500


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Temporal]:
    """A server of this file's own: its workers must be asked about no other orders."""
    server = Temporal(tmp_path_factory.mktemp("temporal"), usual=False)
    server.start()
    yield server
    server.remove()


@pytest_asyncio.fixture
async def stage(temporal: Temporal, world: WorldClient, database: Database) -> AsyncIterator[CrashStage]:
    async with open_crash_stage(temporal, world, database) as stage:
        yield stage


async def test_what_is_taken_back_kept_or_held_moves_once(stage: CrashStage, tmp_path: Path) -> None:
    orders = {effect: stage.order(effect) for effect in EFFECTS}
    both = (orders["basket"], stage.order("basket, the other"))
    _of_one_payment(both)
    async with stage.worker():
        await asyncio.gather(*(_prepared(order, effect) for effect, order in orders.items()), both[1].start())
    await _require_deposit(stage, orders["deposit"])
    await _freeze(stage, orders["held"], on=True)
    # No worker runs: everything is due at once for those that die.
    await asyncio.gather(*(_let_go(order, effect) for effect, order in orders.items()), _refunded(both[1]))
    with stage.crashing_worker(tmp_path, {effect: order.name for effect, order in orders.items()}):
        await until(lambda: asyncio.to_thread((tmp_path / "done").exists), bool)
        await until(
            orders["held"].state, lambda state: [hold["name"] for hold in state["holds"]] == ["merchant_frozen"]
        )
        await _freeze(stage, orders["held"], on=False)
        await orders["held"].send("lift_hold", "operator", name="merchant_frozen", reason="papers seen")
        await _at_rest(orders, both[1])
    await _check(stage, orders, both)


async def _prepared(order: StagedOrder, effect: str) -> None:
    """The order where its effect comes next."""
    if effect in {"freeze", "thaw", "deposit", "held"}:
        await approved(order)
    else:
        await order.start()
    if effect in {"freeze", "thaw"}:
        await order.send("confirm_receipt", "buyer")
        await _row(order, closed=True)
    if effect in {"above", "above_won"}:
        await order.send("cancel_order", "buyer", reason="no longer wanted")
        await _row(order, closed=True)
    if effect == "thaw":
        await _reopened(order, "place_hold", "operator", name="risk", scope="payout", reason="odd")
        await until(lambda: _moved(order, "freeze/1"), bool)
    if effect in {"won", "above_won"}:
        await _reopened(order, "report_chargeback", "operator", **_taken(order))
        await _row(order, closed=False)
        await until(lambda: _moved(order, "chargeback/1"), bool)


async def _let_go(order: StagedOrder, effect: str) -> None:
    """The commands that bring the order to its effect, while no worker runs."""
    if effect in {"chargeback", "above"}:
        await _reopened(order, "report_chargeback", "operator", **_taken(order))
    elif effect in {"won", "above_won"}:
        await _reopened(order, "report_chargeback", "operator", case_reference=f"d-{order.name}", outcome="won")
    elif effect == "freeze":
        await _reopened(order, "place_hold", "operator", name="risk", scope="payout", reason="odd")
    elif effect == "thaw":
        await _reopened(order, "lift_hold", "operator", name="risk", reason="checked")
    elif effect in {"deposit", "held"}:
        await _reopened(order, "confirm_receipt", "buyer")
    else:
        await _refunded(order)


async def _refunded(order: StagedOrder) -> None:
    """Two people refund all of an order of the basket."""
    for person in ("ann", "bob"):
        await _reopened(order, "refund_order", "operator", reason="the shop closed", who=person)


def _taken(order: StagedOrder) -> dict[str, Any]:
    return {"case_reference": f"d-{order.name}", "amount_minor": order.order.total_minor}


async def _reopened(order: StagedOrder, verb: str, role: str, who: str | None = None, **body: Any) -> None:
    command = order.command(role, **body)
    if who is not None:
        command["actor"] = {"role": role, "id": who}
    await gateway.signal_reopening(order.stage.client, order.order, verb, command)


def _of_one_payment(orders: Sequence[StagedOrder]) -> None:
    """One payment paid for these orders."""
    paid = orders[0].order.payment.model_copy(update={"paid_minor": sum(one.order.total_minor for one in orders)})
    for one in orders:
        one.order = one.order.model_copy(update={"payment": paid})


async def _require_deposit(stage: CrashStage, order: StagedOrder) -> None:
    await Register(stage.database.owner).merchants.require_deposit(
        order.order.merchant_id, DEPOSIT, "CNY", by=ANN, why="new here", now=datetime.now(UTC)
    )


async def _freeze(stage: CrashStage, order: StagedOrder, *, on: bool) -> None:
    merchant = order.order.merchant_id
    assert await stage.register.merchants.stop(merchant, "frozen", on=on, by=ANN, why="odd", now=datetime.now(UTC))


async def _row(order: StagedOrder, *, closed: bool, refunded: int | None = None) -> None:
    def holds(row: Any) -> bool:
        return row is not None and row.closed == closed and refunded in (None, row.refunded_minor)

    await until(lambda: order.stage.register.orders.row(order.name), holds)


async def _moved(order: StagedOrder, movement: str) -> int:
    """How often a movement of the order stands in the books, or one that is beside it."""
    wanted = (f"order/{order.name}/{movement}", f"order/{order.name}/{movement}/above")
    return sum(count for name, count in (await _stage_of(order).references()).items() if name in wanted)


def _stage_of(order: StagedOrder) -> CrashStage:
    assert isinstance(order.stage, CrashStage)
    return order.stage


async def _at_rest(orders: dict[str, StagedOrder], other: StagedOrder) -> None:
    whole = orders["chargeback"].order.total_minor
    await _row(orders["chargeback"], closed=False, refunded=whole)
    await _row(orders["won"], closed=False, refunded=0)
    await until(lambda: _moved(orders["above"], "chargeback/1"), bool)
    await until(lambda: _moved(orders["freeze"], "freeze/1"), bool)
    for effect in ("above_won", "thaw", "deposit", "held", "basket"):
        await _row(orders[effect], closed=True)
    await _row(other, closed=True)


async def _check(stage: CrashStage, orders: dict[str, StagedOrder], both: Sequence[StagedOrder]) -> None:
    references = await stage.references()
    wanted = {
        "chargeback": ("chargeback/1",),
        "won": ("chargeback/1", "chargeback/1/won"),
        "above": ("chargeback/1/above",),
        "above_won": ("chargeback/1/above", "chargeback/1/above/won"),
        "freeze": ("freeze/1",),
        "thaw": ("freeze/1", "release/1"),
        "deposit": ("credit", "settle"),
        "held": ("credit", "settle"),
    }
    for effect, moves in wanted.items():
        found = {name: n for name, n in references.items() if name.startswith(f"order/{orders[effect].name}/")}
        assert {name: found.get(name) for name in found} == dict.fromkeys(found, 1)
        assert {f"order/{orders[effect].name}/{move}" for move in moves} <= set(found)
    merchant = orders["deposit"].order.merchant_id
    assert await stage.database.balance(f"merchant/{merchant}/deposit") == DEPOSIT
    assert await stage.world.refund_effects(both[0].order.payment.reference) == len(both)
    assert await stage.world.refunded_minor(both[0].order.payment.reference) == both[0].order.payment.paid_minor
    kept = await stage.database.balance(f"order/{orders['freeze'].name}/frozen")
    assert kept == orders["freeze"].merchants_share
    assert await stage.database.balance(f"order/{orders['thaw'].name}/frozen") == 0
