"""Merchants whose money stops: one that is frozen, one whose settled order is held, one that leaves a deposit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import gateway
from core.errors import Refused
from core.ids import order_workflow_id
from core.intake import INTAKE_SIGNALS
from core.merchants import MERCHANT_FROZEN, Stop
from core.messages import Actor
from demo.stage import COMMISSION_BPS, StagedOrder
from demo.stories.orders import happy
from demo.stories.outcomes import Chapter, Outcome, ending, money, settled, start_and_ship
from demo.waiting import until
from ledger.pool import open_pool
from ledger.register import Register

MERCHANTS = Chapter()
OPERATOR = Actor(role="operator", id="operator-1")
DEPOSIT_MINOR = 1000


async def _stop(play: StagedOrder, what: Stop, *, on: bool) -> None:
    """What `merchant freeze`, `exit` and their reverse keep in the database."""
    merchant = play.order.merchant_id
    await play.stage.register.merchants.stop(merchant, what, on=on, by=OPERATOR, why="a story", now=play.now)


async def _available(play: StagedOrder) -> int:
    return await play.stage.register.withdrawals.available(play.order.merchant_id, play.order.currency)


async def _once(read: Callable[[], Awaitable[int]], wanted: int) -> int:
    """An amount once it is as wanted."""
    return await until(read, lambda amount: amount == wanted)


async def _second_order(play: StagedOrder) -> str:
    """What another order of the same merchant comes to."""
    payment = play.order.payment.model_copy(update={"reference": f"{play.order.payment.reference}-2"})
    other = play.order.model_copy(update={"order_id": f"{play.name}-2", "payment": payment})
    try:
        await gateway.opened(await gateway.start_order(play.stage.client, other))
    except Refused as refusal:
        return refusal.code
    return "opened"


@MERCHANTS.story("frozen merchant: nothing new, nothing credited, until an operator lets it go")
async def frozen(play: StagedOrder) -> Outcome:
    await start_and_ship(play)
    await play.travel()
    await _stop(play, "frozen", on=True)
    await play.send("confirm_receipt", "buyer")
    await play.until(lambda state: bool(state["holds"]))
    state = await play.state()
    seen = f"{await _second_order(play)}; {state['phase']}, held by {state['holds'][0]['name']}"
    await _stop(play, "frozen", on=False)
    # It goes by itself where it was not recorded before the merchant was let go.
    await play.refused("lift_hold", "operator", name=MERCHANT_FROZEN, reason="papers seen")
    await play.days(8)
    expected = f"merchant_frozen; shipped, held by {MERCHANT_FROZEN}"
    return f"{expected}; then {settled(play)}", f"{seen}; then {await ending(play)}"


@MERCHANTS.story("held merchant: a settled order's money is frozen, and let go")
async def held(play: StagedOrder) -> Outcome:
    await happy(play)
    body = play.command("operator", name="risk", scope="payout", reason="the goods may be stolen")
    await gateway.send_reopening(play.stage.client, play.order, "place_hold", body)
    kept = money(play.order, await _once(lambda: _available(play), 0))
    await play.send("lift_hold", "operator", name="risk", reason="they are not")
    await _once(lambda: _available(play), play.merchants_share)
    nothing = money(play.order, 0)
    return f"{nothing} while held; {settled(play)}", f"{kept} while held; {await ending(play)}"


@asynccontextmanager
async def _owner(play: StagedOrder) -> AsyncIterator[Register]:
    """The register as the database's owner, who alone decides terms."""
    server = play.stage.server
    assert server is not None
    pool = await open_pool(server.owner_dsn, size=1)
    try:
        yield Register(pool)
    finally:
        await pool.close()


@MERCHANTS.story("signals of collusion: an amount just under a threshold, and a pair again; a person lets both go")
async def alike(play: StagedOrder) -> Outcome:
    thresholds = f"pair_max = 1\nthresholds_minor = [{play.order.total_minor + 1}]"
    text = f'name = "watchful-{play.name.lower()}"\ncommission_bps = {COMMISSION_BPS}\n[intake]\n{thresholds}\n'
    play.under(await play.stage.policy_of(text))
    await start_and_ship(play)
    second, seen = f"{play.name}-2", [await _signals(play, play.name)]
    await _second_order(play)
    seen.append(await _signals(play, second))
    order_id = order_workflow_id(second)
    await gateway.send(play.stage.client, order_id, "cancel_order", play.command("buyer", reason="was a test"))
    await play.travel()
    await play.send("confirm_receipt", "buyer")
    await play.send("lift_hold", "operator", name=INTAKE_SIGNALS, reason="two gifts")
    await play.days(8)
    expected = "held for just_under; held for pair,just_under"
    return f"{expected}; then {settled(play)}", f"{'; '.join(seen)}; then {await ending(play)}"


async def _signals(play: StagedOrder, order_id: str) -> str:
    """What an order is held for from its beginning."""
    state = await gateway.query(play.stage.client, order_workflow_id(order_id), "order")
    return f"held for {next(h['facts']['signals'] for h in state['holds'] if h['name'] == INTAKE_SIGNALS)}"


@MERCHANTS.story("a deposit: filled by the first settlement, given back after the exit")
async def deposit(play: StagedOrder) -> Outcome:
    merchant, currency = play.order.merchant_id, play.order.currency
    async with _owner(play) as register:
        await register.merchants.require_deposit(
            merchant, DEPOSIT_MINOR, currency, by=OPERATOR, why="new here", now=play.now
        )
    await happy(play)
    filled = money(play.order, await _available(play))
    await _stop(play, "leaving", on=True)
    back = play.stage.register.merchants.pay_deposit_back
    early = (await back(merchant, currency, play.now)).outcome
    late = (await back(merchant, currency, play.now + timedelta(days=31))).outcome
    rest = money(play.order, play.merchants_share - DEPOSIT_MINOR)
    return (
        f"{rest} beside the deposit; too_early, paid_back; {settled(play)}",
        f"{filled} beside the deposit; {early}, {late}; {await ending(play)}",
    )
