"""Workers killed by -9: after an effect and before its report, and at random moments. No effect happens twice."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from crashing_worker import ahead
from order_crash_stage import CrashStage, approved, reported, travelled, until

import gateway
from core.errors import Refused, Unavailable
from core.reading import content_hash
from demo.stage import StagedOrder
from ledger.payout_accounts import Binding

ENDS_AFTER = {
    **dict.fromkeys(("open", "fund", "record"), "awaiting_shipment"),
    "claim": "shipped",
    **dict.fromkeys(("look", "judge", "credit", "settle", "withdrawal"), "settled"),
    **dict.fromkeys(("refund", "channel", "arrived", "release"), "cancelled"),
    "case": "refunded",
    "afterwards": "settled",
}
"""The effects after which a worker dies, and what becomes of their orders."""
RESTING = frozenset({"awaiting_shipment", "shipped"})


async def test_an_effect_that_nobody_heard_of_is_done_once(stage: CrashStage, tmp_path: Path) -> None:
    orders = {effect: stage.order(effect) for effect in ENDS_AFTER}
    paying = orders["withdrawal"]
    paying.under("paying")
    await _account(stage, paying)
    afterwards = orders["afterwards"]
    async with stage.worker():
        await asyncio.gather(
            *(approved(orders[effect]) for effect in ("credit", "settle", "withdrawal", "afterwards")),
            *(
                orders[effect].start()
                for effect in ("record", "claim", "look", "judge", "release", "refund", "channel", "arrived", "case")
            ),
        )
        await afterwards.send("confirm_receipt", "buyer")
        for effect in ("release", "judge"):
            await orders[effect].ship()
        await orders["case"].send("open_after_sale", "buyer", kind="refund_only", reason="changed_mind")
        assert await _ending(afterwards, "settled") == "settled"
    await _registered(stage, orders["fund"])
    # No worker runs: everything is due at once for those that die.
    await _let_go(orders)
    with stage.crashing_worker(tmp_path, {effect: order.name for effect, order in orders.items()}):
        await asyncio.gather(*(_refunded(afterwards, person) for person in ("ann", "bob")))
        await until(lambda: asyncio.to_thread(ahead, tmp_path, orders), lambda effects: not effects)
        given = await until(afterwards.state, lambda state: [r["status"] for r in state["refunds"]] == ["arrived"])
        await until(lambda: stage.world.payout_effects(f"tok-{paying.name}"), bool)
        ended = {effect: await _ending(orders[effect], wanted) for effect, wanted in ENDS_AFTER.items()}
    assert ended == ENDS_AFTER
    references = await stage.references()
    posted = _posted({orders[effect].name: wanted for effect, wanted in ENDS_AFTER.items()})
    refund = f"order/{afterwards.name}/refund/{given['refunds'][0]['cause']}"
    posted.update((refund, f"{refund}/paid"))
    assert {name: count for name, count in references.items() if name.startswith("order/")} == posted
    for effect in ("refund", "channel", "arrived", "release", "case", "afterwards"):
        assert await stage.world.refund_effects(orders[effect].order.payment.reference) == 1
    assert await stage.world.payout_effects(f"tok-{paying.name}") == 1


async def _refunded(order: StagedOrder, person: str) -> None:
    """One of two people who refund a closed order, and say it again until there is an answer."""
    word = {**order.command("operator", amount_minor=500, reason="dented"), "actor": {"role": "operator", "id": person}}
    await until(lambda: gateway.refund_order(order.stage.client, order.order, word), bool)


async def _registered(stage: CrashStage, order: StagedOrder) -> None:
    """Registered by a run that was lost: the next one takes it over, and funds it in a step of its own."""
    policy = await stage.register.policies.newest(order.order.policy)
    assert policy is not None
    await stage.register.orders.open(
        order.order,
        content_hash(order.order),
        opened_by="lost",
        paid_minor_confirmed=order.order.payment.paid_minor,
        policy_hash=policy.content_hash,
        now=datetime.now(UTC),
    )


async def _account(stage: CrashStage, order: StagedOrder) -> None:
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


async def _let_go(orders: Mapping[str, StagedOrder]) -> None:
    """The commands that bring each order to its effect, while no worker runs."""

    async def signal(effect: str, verb: str, role: str, **body: Any) -> None:
        order = orders[effect]
        await gateway.signal(order.stage.client, order.handle.id, verb, order.command(role, **body))

    for effect in ("open", "fund"):
        await gateway.start_order(orders[effect].stage.client, orders[effect].order)
    await signal("record", "place_hold", "operator", name="risk", scope="credit", reason="unusual")
    await travelled(orders["look"])
    for effect in ("claim", "look"):
        parcel = {"parcel_id": "p1", "carrier": "sandbox", "waybill": orders[effect].waybill}
        await signal(effect, "report_shipment", "merchant", parcels=[parcel])
    await signal("judge", "report_scan", "carrier", **reported(orders["judge"]))
    for effect in ("look", "judge", "credit", "settle", "withdrawal"):
        await signal(effect, "confirm_receipt", "buyer")
    for effect in ("refund", "channel", "arrived", "release"):
        await signal(effect, "cancel_order", "buyer", reason="no longer wanted")
    await signal("case", "agree_after_sale", "merchant")


async def _ending(order: StagedOrder, wanted: str) -> str:
    """The phase in the register, once it is the wanted one or will not be; of what is over, once it is closed."""

    async def phase() -> str:
        row = await order.stage.register.orders.row(order.name)
        return "unknown" if row is None else row.phase if row.closed or row.phase in RESTING else f"{row.phase}, open"

    with contextlib.suppress(Unavailable):
        await until(phase, lambda got: got == wanted)
    return await phase()


def _posted(ends: Mapping[str, str]) -> Counter[str]:
    """What must stand in the books, each once."""
    moves = {
        "awaiting_shipment": ("fund",),
        "shipped": ("fund",),
        "settled": ("fund", "credit", "settle"),
        "cancelled": ("fund", "refund/cancel", "refund/cancel/paid"),
        "refunded": ("fund", "refund/case-1", "refund/case-1/paid"),
    }
    return Counter(f"order/{name}/{move}" for name, end in ends.items() for move in moves[end])


# --- in the gap ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arrives", ["hold", "return", "case"])
async def test_what_arrives_between_a_credit_and_its_report_comes_too_late(
    arrives: str, stage: CrashStage, tmp_path: Path
) -> None:
    order = stage.order(arrives)
    async with stage.worker():
        await approved(order)
    await gateway.signal(stage.client, order.handle.id, "confirm_receipt", order.command("buyer"))
    with stage.crashing_worker(tmp_path, {"credit": order.name}):
        await until(lambda: asyncio.to_thread((tmp_path / "credit").exists), bool)
        # The credit is booked and not reported. The next worker meets this first.
        if arrives == "hold":
            hold = order.command("operator", name="risk", scope="credit", reason="unusual")
            await gateway.signal(stage.client, order.handle.id, "place_hold", hold)
        elif arrives == "case":
            case = order.command("buyer", kind="refund_only", reason="quality", amount_minor=100)
            await gateway.signal(stage.client, order.handle.id, "open_after_sale", case)
        else:
            scan = {"at": order.now.isoformat(), "stage": "returning", "code": "returning", "text": "sent back"}
            command = order.command(
                "carrier", carrier="sandbox", waybill=order.waybill, scans=[scan], provider="sandbox"
            )
            await gateway.signal(stage.client, order.handle.id, "report_scan", command)
        if arrives == "hold":
            await until(order.state, lambda state: state["holds"] != [] and state["phase"] == "credited")
            await order.send("lift_hold", "operator", name="risk", reason="checked")
        if arrives == "case":
            await until(order.state, lambda state: state["after_sale"] == "open" and state["phase"] == "credited")
            await order.send("withdraw_after_sale", "buyer")
        assert await _ending(order, "settled") == "settled"
    references = await stage.references()
    assert references[f"order/{order.name}/credit"] == references[f"order/{order.name}/settle"] == 1


# --- by chance -------------------------------------------------------------------------------------------


async def test_orders_whose_workers_die_again_and_again_end_right(stage: CrashStage, tmp_path: Path) -> None:
    orders = [stage.order(f"order-{number}") for number in range(20)]
    chance = random.Random(20)
    wanted = {order.name: chance.choice(("settled", "settled", "cancelled")) for order in orders}
    with stage.crashing_worker(tmp_path, {"kills": 5, "seed": 7}):
        await asyncio.gather(*(_live(order, wanted[order.name], chance.uniform(0, 4)) for order in orders))
        ended = {order.name: await _ending(order, wanted[order.name]) for order in orders}
    assert ended == wanted
    assert await stage.references() == _posted(wanted)
    for order in orders:
        given_back = await stage.world.refund_effects(order.order.payment.reference)
        assert given_back == (wanted[order.name] == "cancelled")


async def _live(order: StagedOrder, end: str, later: float) -> None:
    """One order with a storefront that repeats each command that got no answer."""
    await asyncio.sleep(later)
    client, register = order.stage.client, order.stage.register
    await gateway.start_order(client, order.order)

    async def send(verb: str, role: str, **body: Any) -> None:
        command = order.command(role, **body)

        async def answer() -> str:
            try:
                return str((await gateway.send(client, order.handle.id, verb, command))["outcome"])
            except Refused as refusal:
                return refusal.code

        got = await until(answer, lambda got: got != "not_running")
        assert got in {"accepted", "duplicate", "order_over"}, (verb, got)

    if end == "cancelled":
        await send("cancel_order", "buyer", reason="no longer wanted")
        return
    await travelled(order)
    parcel = {"parcel_id": "p1", "carrier": "sandbox", "waybill": order.waybill}
    await send("report_shipment", "merchant", parcels=[parcel])
    await until(lambda: register.orders.row(order.name), lambda row: row is not None and row.audit == "approved")
    await send("confirm_receipt", "buyer")
