"""A worker that dies between a posting and its report, where money is taken back, kept, or held for its merchant.

All of these are one worker's. The effects that happen within a moment share a death, and the others wait for the next
one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from crashing_worker import ahead
from order_crash_stage import CrashStage, approved, until

import gateway
from core.messages import Actor
from demo.stage import StagedOrder
from ledger.register import Register

EFFECTS = (
    *("chargeback", "won", "above", "above_won", "freeze", "thaw", "deposit", "held", "basket"),
    *("freight", "charge", "claim_back", "rest", "sent_again", "replaced"),
    *("late", "kept", "covered"),
)
"""The effects after which the worker dies, each for the order of this name."""
ANN = Actor(role="operator", id="ann")
DEPOSIT, FREIGHT, REST = 500, 300, 2_000
CLAIMS = ("charge", "claim_back", "kept")
HELD = ("held", "kept")
"""Those whose merchant is frozen meanwhile."""


async def test_what_is_taken_back_kept_or_held_moves_once(stage: CrashStage, tmp_path: Path) -> None:
    orders = {effect: stage.order(effect) for effect in EFFECTS}
    both = (orders["basket"], stage.order("basket, the other"))
    _of_one_payment(both)
    _with_a_rest(orders["rest"])
    _of_one_more(orders["freight"])
    _sent_late(orders["late"])
    _to_a_closed_account(orders["covered"])
    async with stage.worker():
        await asyncio.gather(*(_prepared(order, effect) for effect, order in orders.items()), both[1].start())
    await _require_deposit(stage, orders["deposit"])
    for effect in HELD:
        await _freeze(stage, orders[effect], on=True)
    # No worker runs: everything is due at once for those that die.
    await asyncio.gather(*(_let_go(order, effect) for effect, order in orders.items()), _refunded(both[1]))
    with stage.crashing_worker(tmp_path, {effect: order.name for effect, order in orders.items()}):
        await until(lambda: asyncio.to_thread(ahead, tmp_path, orders), lambda effects: not effects)
        kept = f"order/{orders['kept'].name}/frozen"
        assert await until(lambda: stage.database.balance(kept), bool) == orders["kept"].merchants_share
        for effect in HELD:
            await until(
                orders[effect].state, lambda state: [hold["name"] for hold in state["holds"]] == ["merchant_frozen"]
            )
            await _freeze(stage, orders[effect], on=False)
            # Accepted, or the hold was not recorded before the merchant was let go: then it goes by itself.
            await orders[effect].refused("lift_hold", "operator", name="merchant_frozen", reason="papers seen")
        await _at_rest(orders, both[1])
    await _check(stage, orders, both)


async def _prepared(order: StagedOrder, effect: str) -> None:
    """The order where its effect comes next."""
    if effect in {"freeze", "thaw", "deposit", "held", "freight", "sent_again", "replaced"}:
        await approved(order)
    elif effect == "late":
        await _approved_late(order)
    else:
        await order.start()
    if effect in {"freeze", "thaw", "replaced"}:
        await order.send("confirm_receipt", "buyer")
        await _row(order, closed=True)
    if effect in {"above", "above_won", "covered"}:
        await order.send("cancel_order", "buyer", reason="no longer wanted")
        await _row(order, closed=effect != "covered")
    if effect == "thaw":
        await _reopened(order, "place_hold", "operator", name="risk", scope="payout", reason="odd")
        await until(lambda: _moved(order, "freeze/1"), bool)
    if effect in CLAIMS:
        await _late(order)
    if effect in {"freight", "sent_again", "replaced"}:
        await _case(order, effect)
    if effect in {"won", "above_won", "covered"}:
        await _reopened(order, "report_chargeback", "operator", **_taken(order))
        await _row(order, closed=False)
        await until(lambda: _moved(order, "chargeback/1"), bool)


def _to_a_closed_account(order: StagedOrder) -> None:
    """The channel refuses its refunds: the stand-in decides it by the payment's reference."""
    paid = order.order.payment.model_copy(update={"reference": f"refuse-{order.name}"})
    order.order = order.order.model_copy(update={"payment": paid})


def _sent_late(order: StagedOrder) -> None:
    """A carrier gets it after the time to ship, and it stays in one city: it can be there at once."""
    paid = order.order.payment.model_copy(update={"paid_at": order.now})
    same = {"ship_to": order.order.ship_from, "payment": paid, "policy": "late"}
    order.order = order.order.model_copy(update=same)


async def _approved_late(order: StagedOrder) -> None:
    """The carrier's clock is ahead of ours by less than an audit minds."""
    await order.start()
    city = order.order.ship_to.city
    sent, arrived = (order.now + timedelta(minutes=2, seconds=seconds) for seconds in (0, 1))
    await order.scans_at((sent, "picked_up", city), (arrived, "delivered", city))
    await order.ship()
    await until(order.state, lambda state: state["audit"] == "approved")


async def _late(order: StagedOrder) -> None:
    """Given up, refunded, and delivered after all; an operator claims it back."""
    await order.ship()
    await _refunded(order)
    await _row(order, closed=True)
    scan = {"at": order.now.isoformat(), "code": "80", "stage": "delivered"}
    fields: dict[str, Any] = {"carrier": "sandbox", "waybill": order.waybill, "scans": [scan], "provider": "sandbox"}
    await _reopened(order, "report_scan", "carrier", **fields)
    await until(order.state, lambda state: bool(state.get("parcels") and state["parcels"][0].get("late")))
    await _reopened(order, "open_claim_back", "operator", reason="the carrier delivered it")
    await _row(order, closed=False)


async def _case(order: StagedOrder, effect: str) -> None:
    """A return on its way back, or an exchange whose new goods are to be sent."""
    line = [{"line_id": order.order.lines[0].line_id, "quantity": 1}]
    kind = "return_and_refund" if effect == "freight" else "exchange"
    await _reopened(order, "open_after_sale", "buyer", kind=kind, reason="quality", lines=line)
    await until(order.state, lambda state: state.get("after_sale") == "open")
    await order.send("agree_after_sale", "merchant", with_return=effect == "freight")
    if effect == "freight":
        await order.send("report_return", "buyer", carrier="sandbox", waybill=order.new_waybill())


def _of_one_more(order: StagedOrder) -> None:
    """One unit more: with what is left of the order the freight of a way back can be paid."""
    first, *others = order.order.lines
    more = {"total_minor": order.order.total_minor + first.unit_price_minor}
    paid = order.order.payment.model_copy(update={"paid_minor": more["total_minor"]})
    lines = (first.model_copy(update={"quantity": first.quantity + 1}), *others)
    order.order = order.order.model_copy(update={**more, "lines": lines, "payment": paid})


def _with_a_rest(order: StagedOrder) -> None:
    """Its buyer paid more than any order claims."""
    paid = order.order.payment
    more = paid.model_copy(update={"paid_minor": paid.paid_minor + REST})
    order.order = order.order.model_copy(update={"payment": more})


async def _return_rest(order: StagedOrder) -> None:
    """Two people give back what no order claims."""
    paid, payments, name = order.order.payment, order.stage.register.payments, f"rest-{order.name}"
    for person in ("ann", "bob"):
        await payments.return_rest(
            name, paid.channel, paid.reference, person=person, reason="no order claims it", now=order.now
        )
    await gateway.start_payment_return(order.stage.client, name)


async def _let_go(order: StagedOrder, effect: str) -> None:
    """The commands that bring the order to its effect, while no worker runs."""
    if effect in {"chargeback", "above"}:
        await _reopened(order, "report_chargeback", "operator", **_taken(order))
    elif effect in {"won", "above_won", "covered"}:
        outcome = "lost" if effect == "covered" else "won"
        await _reopened(order, "report_chargeback", "operator", case_reference=f"d-{order.name}", outcome=outcome)
    elif effect == "freeze":
        await _reopened(order, "place_hold", "operator", name="risk", scope="payout", reason="odd")
    elif effect == "thaw":
        await _reopened(order, "lift_hold", "operator", name="risk", reason="checked")
    elif effect in {"deposit", "held", "late"}:
        await _reopened(order, "confirm_receipt", "buyer")
    elif effect == "freight":
        await _reopened(order, "confirm_return", "merchant", return_freight_minor=FREIGHT)
    elif effect in CLAIMS:
        await _reopened(order, "accept_claim_back", "buyer")
    elif effect == "rest":
        await _return_rest(order)
    elif effect == "sent_again":
        again = {"parcel_id": "p2", "carrier": "sandbox", "waybill": order.new_waybill()}
        await _reopened(order, "report_shipment", "merchant", parcels=[again])
    elif effect == "replaced":
        await _reopened(order, "report_replacement", "merchant", carrier="sandbox", waybill=order.new_waybill())
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
    for effect in ("above_won", "thaw", "deposit", "held", "basket", "covered"):
        await _row(orders[effect], closed=True)
    await _row(other, closed=True)
    for effect in CLAIMS:
        await _row(orders[effect], closed=True)
    await until(lambda: _moved(orders["freight"], "refund/case-1-freight/paid"), bool)
    await until(lambda: _moved(orders["late"], "refund/late/paid"), bool)
    rest = f"rest-{orders['rest'].name}"
    await until(
        lambda: orders["rest"].stage.register.payments.returned(rest),
        lambda found: found is not None and found.state == "arrived",
    )
    await until(orders["sent_again"].state, lambda state: len(state.get("parcels", ())) == 2)
    await until(orders["replaced"].state, lambda state: "replacement_sent" in str(state.get("cases")))


async def _check(stage: CrashStage, orders: dict[str, StagedOrder], both: Sequence[StagedOrder]) -> None:
    references = await stage.references()
    wanted = {
        "chargeback": ("chargeback/1",),
        "won": ("chargeback/1", "chargeback/1/won"),
        "above": ("chargeback/1/above",),
        "above_won": ("chargeback/1/above", "chargeback/1/above/won"),
        "covered": ("refund/cancel", "chargeback/1/above", "refund/cancel/covered"),
        "freeze": ("freeze/1",),
        "thaw": ("freeze/1", "release/1"),
        "deposit": ("credit", "settle"),
        "held": ("credit", "settle"),
        "freight": ("refund/case-1", "refund/case-1/paid", "refund/case-1-freight", "refund/case-1-freight/paid"),
        "late": ("credit", "refund/late", "refund/late/paid"),
        **dict.fromkeys(CLAIMS, ("claim_back/1",)),
        "kept": ("claim_back/1", "release/1"),
    }
    for effect, moves in wanted.items():
        found = {name: n for name, n in references.items() if name.startswith(f"order/{orders[effect].name}/")}
        assert {name: found.get(name) for name in found} == dict.fromkeys(found, 1)
        assert {f"order/{orders[effect].name}/{move}" for move in moves} <= set(found)
    await _check_channel(stage, orders)
    merchant = orders["deposit"].order.merchant_id
    assert await stage.database.balance(f"merchant/{merchant}/deposit") == DEPOSIT
    assert await stage.world.refund_effects(both[0].order.payment.reference) == len(both)
    assert await stage.world.refunded_minor(both[0].order.payment.reference) == both[0].order.payment.paid_minor
    kept = await stage.database.balance(f"order/{orders['freeze'].name}/frozen")
    assert kept == orders["freeze"].merchants_share
    for effect in ("thaw", "kept"):
        assert await stage.database.balance(f"order/{orders[effect].name}/frozen") == 0
    goods = sum(line.quantity * line.unit_price_minor for line in orders["late"].order.lines)
    assert await stage.world.refunded_minor(orders["late"].order.payment.reference) == goods * 5 // 100


async def _check_channel(stage: CrashStage, orders: dict[str, StagedOrder]) -> None:
    """The channel moved each once, and no number is claimed for two parcels."""
    world = stage.world
    for effect in CLAIMS:
        order = orders[effect].order
        assert await world.charged_minor(order.payment.reference) == [order.total_minor]
    assert await world.refund_effects(orders["freight"].order.payment.reference) == 2
    assert await world.refunded_minor(orders["rest"].order.payment.reference) == REST
    for effect, numbers in (("sent_again", 2), ("replaced", 2), ("freight", 2)):
        claims = await stage.database.pool.fetch(
            "SELECT waybill FROM waybill_claims WHERE order_id = $1", orders[effect].name
        )
        assert len(claims) == len({row["waybill"] for row in claims}) == numbers, effect
