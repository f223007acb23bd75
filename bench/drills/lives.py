"""Orders and withdrawals in the middle of their lives, how each goes on, and what must then stand in the books."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from temporalio.client import WorkflowHandle

import gateway
from bench.drills.stage import Drill
from core.errors import DakuanError, Refused, Unavailable
from core.ids import withdrawal_workflow_id
from demo.stage import StagedOrder
from ledger.payout_accounts import Binding

Kind = Literal["unshipped", "cancelled", "travelling", "case", "held", "approval", "unknown"]
MIX: Sequence[Kind] = (
    *("unshipped", "travelling", "cancelled", "travelling", "unshipped"),
    *("case", "held", "travelling", "approval", "unknown"),
)
AT_ONCE = 12
ENDS_WITHIN = 240.0
"""Seconds for one life, from its next step to its end."""
LOOK_EVERY = 0.25
WITHDRAWN = {"approval": 600, "unknown": 400}
"""Minor units: above the policy's limit two people approve."""
PAST_ALL_LOOKS = timedelta(days=1, hours=1)
"""The bank keeps silent for two looks. Where a fault delays one, the next is a day later."""
LOOKS_MOST, LOOK_WITHIN = 5, 40.0
"""Seconds for each."""


@dataclass
class Life:
    """One order, or the withdrawal that it paid for."""

    kind: Kind
    order: StagedOrder

    @property
    def withdrawal_id(self) -> str | None:
        return f"w-{self.order.name}-1" if self.kind in WITHDRAWN else None

    @property
    def account(self) -> str:
        return f"a-{self.order.name}"

    @property
    def token(self) -> str:
        """The payee's; `lost-…` makes the bank pay and keep silent."""
        return f"{'lost' if self.kind == 'unknown' else 'tok'}-{self.order.name}"

    @property
    def ends_as(self) -> str:
        return {"cancelled": "cancelled", "case": "refunded"}.get(self.kind, "settled")

    @property
    def movements(self) -> Counter[str]:
        """Each movement that must stand in the books at the end, once."""
        moves = {
            "settled": ("fund", "credit", "settle"),
            "cancelled": ("fund", "refund/cancel", "refund/cancel/paid"),
            "refunded": ("fund", "refund/case-1", "refund/case-1/paid"),
        }[self.ends_as]
        found = Counter(f"order/{self.order.name}/{move}" for move in moves)
        if self.withdrawal_id is not None:
            found.update(f"withdrawal/{self.withdrawal_id}/{move}" for move in ("reserve", "close"))
        return found


def lives(drill: Drill, count: int, first: int = 1) -> list[Life]:
    """So many, of all kinds in turn."""
    made = []
    for number in range(first, first + count):
        order = drill.stage.play(number)
        paid = order.order.payment.model_copy(update={"paid_at": order.now - timedelta(days=3)})
        order.order = order.order.model_copy(update={"payment": paid})
        made.append(Life(MIX[number % len(MIX)], order))
    return made


async def each(works: Iterable[Awaitable[None]], at_once: int = AT_ONCE) -> None:
    """All of them, a few at a time."""
    gate = asyncio.Semaphore(at_once)

    async def one(work: Awaitable[None]) -> None:
        async with gate:
            await work

    await asyncio.gather(*(one(work) for work in works))


# --- to the middle ---------------------------------------------------------------------------------------


async def begin(life: Life) -> None:
    """Bring it to where it waits."""
    order = life.order
    await order.start()
    if life.kind in {"unshipped", "cancelled"}:
        return
    if life.kind == "case":
        await order.send("open_after_sale", "buyer", kind="refund_only", reason="changed_mind")
        return
    await _travelled(order)
    await order.ship()
    await order.until(lambda state: state["audit"] == "approved")
    if life.kind == "held":
        await order.send("place_hold", "operator", name="risk", scope="credit", reason="unusual")
    if life.withdrawal_id is not None:
        await order.send("confirm_receipt", "buyer")
        await until_closed(life)
        await _withdraw(life)


async def _travelled(order: StagedOrder) -> None:
    """It was sent two days ago and has arrived."""
    sent, between, arrived = (order.now - timedelta(days=days) for days in (2, 1, 0))
    start, end = order.order.ship_from.city, order.order.ship_to.city
    await order.scans_at((sent, "picked_up", start), (between, "in_transit", "南京市"), (arrived, "delivered", end))


async def bind(life: Life) -> None:
    """Bind the merchant's account, or bind it again."""
    binding = Binding(
        account_id=life.account,
        merchant_id=life.order.order.merchant_id,
        kind="bank_card",
        currency="CNY",
        holder="Li Wei",
        last4="4242",
        rail="sandbox",
        rail_token=life.token,
    )
    await life.order.stage.register.accounts.bind(binding, now=datetime.now(UTC))


async def _withdraw(life: Life) -> None:
    await bind(life)
    await ask_again(life)
    wanted = "in_approval" if life.kind == "approval" else "unknown"
    await _until(lambda: _withdrawal_stands(life, wanted), f"{life.withdrawal_id} is {wanted}")


async def ask_again(life: Life) -> None:
    """Ask for the withdrawal, always under one id, as a storefront does until there is an answer."""
    await life.order.withdraw(WITHDRAWN[life.kind], life.account, withdrawal_id=life.withdrawal_id)


async def _withdrawal_stands(life: Life, wanted: str) -> bool:
    assert life.withdrawal_id is not None
    row = await life.order.stage.register.withdrawals.row(life.withdrawal_id)
    return row is not None and row.state_name == wanted


# --- to the end ------------------------------------------------------------------------------------------


async def go_on(life: Life) -> None:
    """What its people do next, until it has ended. What they are refused because it happened before is no fault."""
    order = life.order
    if life.kind == "unshipped":
        await _travelled(order)
        await _sent(order, "report_shipment", "merchant", parcels=[order.parcel()])
        await _until(lambda: _is_approved(order), f"{order.name} is approved")
    elif life.kind == "cancelled":
        await _sent(order, "cancel_order", "buyer", reason="no longer wanted")
    elif life.kind == "case":
        await _sent(order, "agree_after_sale", "merchant")
    elif life.kind == "held":
        await _sent(order, "lift_hold", "operator", name="risk", reason="checked")
    if life.withdrawal_id is not None:
        await _end_withdrawal(life)
        return
    if life.ends_as == "settled":
        await _sent(order, "confirm_receipt", "buyer")
    await until_closed(life)


async def _is_approved(order: StagedOrder) -> bool:
    row = await order.stage.register.orders.row(order.name)
    return row is not None and row.audit == "approved"


async def _end_withdrawal(life: Life) -> None:
    assert life.withdrawal_id is not None
    workflow_id, client = withdrawal_workflow_id(life.withdrawal_id), life.order.stage.client
    if life.kind == "approval":
        for person in ("ann", "bob"):
            command = {
                **life.order.command("operator"),
                "command_id": f"{life.order.name}-{person}",
                "actor": {"role": "operator", "id": person},
            }
            await _patiently(lambda command=command: gateway.send(client, workflow_id, "approve", command))  # type: ignore[misc]  # bound now
        await _until(lambda: _paid(life), f"{life.withdrawal_id} is paid")
        return
    for _ in range(LOOKS_MOST):
        await _patiently(lambda: _let_pass(life, client.get_workflow_handle(workflow_id)))
        with suppress(Unavailable):
            await _until(lambda: _paid(life), f"{life.withdrawal_id} is paid", LOOK_WITHIN)
            return
    raise Unavailable(f"it never came to that: {life.withdrawal_id} is paid")


async def _let_pass(life: Life, withdrawal: WorkflowHandle[Any, Any]) -> None:
    """Time for the looks that are left. A withdrawal that has ended since it was looked at needs none."""
    try:
        await life.order.skip(withdrawal, PAST_ALL_LOOKS)
    except Refused as refusal:
        if refusal.code != "not_running":
            raise


async def _paid(life: Life) -> bool:
    assert life.withdrawal_id is not None
    row = await life.order.stage.register.withdrawals.row(life.withdrawal_id)
    return row is not None and row.state_name in {"paid", "final"}


async def _sent(order: StagedOrder, verb: str, role: str, **body: object) -> None:
    """A command under one id, as a storefront repeats it until there is an answer."""
    command = {**order.command(role, **body), "command_id": f"{order.name}-{verb}"}
    await _patiently(lambda: gateway.send(order.stage.client, f"order-{order.name}", verb, command))


async def _patiently(act: Callable[[], Awaitable[object]]) -> None:
    async def done() -> bool:
        try:
            await act()
        except Unavailable:
            return False
        except Refused as refusal:
            return refusal.code != "not_running"
        return True

    await _until(done, "an answer comes")


async def until_closed(life: Life) -> None:
    """Wait until its order has ended."""

    async def closed() -> bool:
        row = await life.order.stage.register.orders.row(life.order.name)
        return row is not None and row.closed

    await _until(closed, f"{life.order.name} has ended")


async def _until(holds: Callable[[], Awaitable[bool]], what: str, within: float | None = None) -> None:
    """What does not answer is asked again."""

    async def so() -> bool:
        try:
            return await holds()
        except Unavailable:
            return False

    try:
        async with asyncio.timeout(within or ENDS_WITHIN):
            while not await so():  # noqa: ASYNC110  # other processes bring it about
                await asyncio.sleep(LOOK_EVERY)
    except TimeoutError:
        raise Unavailable(f"it never came to that: {what}") from None


# --- the end ---------------------------------------------------------------------------------------------


async def end_all(drill: Drill, all_lives: Sequence[Life]) -> None:
    """Let all go on at once; one that does not end is a breach."""

    async def ended(life: Life) -> None:
        try:
            await go_on(life)
        except DakuanError as error:
            drill.steps.expect(False, f"{life.kind} {life.order.name}: {error}")

    await each(ended(life) for life in all_lives)


async def check_lives(drill: Drill, all_lives: Sequence[Life]) -> None:
    """Each movement stands in the books once, and each effect happened once outside of them."""
    with drill.steps.step("movements and effects counted"):
        rows = await drill.pool.fetch("SELECT reference FROM movements WHERE reference ~ '^(order|withdrawal)/'")
        posted = Counter(str(row["reference"]) for row in rows)
        wanted = sum((life.movements for life in all_lives), Counter[str]())
        for reference in (posted - wanted) | (wanted - posted):
            drill.steps.expect(False, f"{reference}: {posted[reference]} times, not {wanted[reference]}")
        world, effects = drill.stage.world, 0
        for life in all_lives:
            row = await drill.stage.register.orders.row(life.order.name)
            phase = row.phase if row is not None else "not there"
            drill.steps.expect(phase == life.ends_as, f"{life.order.name} is {phase}, not {life.ends_as}")
            given_back = await world.refund_effects(life.order.order.payment.reference)
            paid_out = await world.payout_effects(life.token)
            drill.steps.expect(
                given_back == (life.ends_as != "settled"), f"{life.order.name}: refunded {given_back} times"
            )
            drill.steps.expect(
                paid_out == (life.withdrawal_id is not None), f"{life.withdrawal_id}: paid {paid_out} times"
            )
            effects += given_back + paid_out
    drill.steps.figures |= {"movements": float(posted.total()), "effects_outside": float(effects)}
