"""An order whose policy says so withdraws its own proceeds when they are available, or says in its journal why not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from order_crash_stage import CrashStage, approved, until

from core.ids import automatic_withdrawal_id
from demo.stage import StagedOrder
from ledger.payout_accounts import Binding


async def _bound(stage: CrashStage, name: str) -> StagedOrder:
    """An order under a policy that withdraws, whose merchant has a default account."""
    order = stage.order(name)
    order.under("paying")
    await stage.register.accounts.bind(
        Binding(
            account_id=f"a-{order.name}",
            merchant_id=order.order.merchant_id,
            kind="bank_card",
            currency="CNY",
            holder="Li Wei",
            last4="4242",
            rail="sandbox",
            rail_token=f"tok-{order.name}",
        ),
        now=datetime.now(UTC),
    )
    return order


async def _settled(stage: CrashStage, order: StagedOrder) -> dict[str, Any]:
    """The journal's last word about the withdrawal of an order that has lived to its end."""
    await approved(order)
    await order.send("confirm_receipt", "buyer")

    async def closed() -> bool:
        row = await stage.register.orders.row(order.name)
        return row is not None and row.closed

    await until(closed, bool)
    journal = await order.handle.query("journal")
    return next(entry for entry in reversed(journal) if entry["verb"] == "start_withdrawal")


async def test_an_order_withdraws_its_own_proceeds_once_they_are_available(stage: CrashStage) -> None:
    order = await _bound(stage, "pays")
    async with stage.worker():
        entry = await _settled(stage, order)
        withdrawal_id = automatic_withdrawal_id(order.name)
        assert entry["message"] == f"withdrawal {withdrawal_id}"
        await until(lambda: stage.world.payout_effects(f"tok-{order.name}"), bool)
        (row,) = await stage.register.withdrawals.rows(merchant_id=order.order.merchant_id)
    assert (row.withdrawal_id, row.amount_minor) == (withdrawal_id, order.merchants_share)
    assert row.requested_by == f"order-{order.name}"
    assert await stage.register.withdrawals.available(order.order.merchant_id, "CNY") == 0


async def test_an_order_stops_at_a_suspended_account_and_tells_its_merchant(stage: CrashStage) -> None:
    order = await _bound(stage, "stops")
    await stage.register.accounts.suspend(f"a-{order.name}", "returned", datetime.now(UTC))
    async with stage.worker():
        assert (await _settled(stage, order))["code"] == "account_suspended"
    assert await stage.register.withdrawals.rows(merchant_id=order.order.merchant_id) == []
    assert await stage.register.withdrawals.available(order.order.merchant_id, "CNY") == order.merchants_share
    notices = await stage.register.notices.read(subject=f"order/{order.name}")
    assert [notice.facts for notice in notices if notice.name == "withdrawal_skipped"] == [
        {"reason": "account_suspended"}
    ]
