"""Withdrawals: how money leaves, once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from commands.stage import StagedOrder
from commands.stories.orders import happy
from commands.stories.telling import Chapter, Told, money

WITHDRAWALS = Chapter()

UNDER_WAY = frozenset({"opening", "requested", "approved", "submitting", "submitted"})
"""Phases of a withdrawal that end by themselves within moments."""


async def _earn(play: StagedOrder, account: str) -> int:
    """Live through a happy order and bind an account; what is available then."""
    await play.stage.register.bind_account(
        account_id=account,
        merchant_id=play.order.merchant_id,
        currency=play.order.currency,
        rail="sandbox",
        holder=play.order.merchant_id,
        last4="4242",
        rail_token=f"tok-{account}",
        now=datetime.now(UTC),
    )
    await happy(play)
    return await play.stage.register.available(play.order.merchant_id, play.order.currency)


async def _paid_out(play: StagedOrder, account: str, *, wait_days: float = 0) -> str:
    """Withdraw all; say how it ended, how often the bank paid, and what the merchant still has."""
    amount = await play.stage.register.available(play.order.merchant_id, play.order.currency)
    handle = await play.withdraw(amount, account)
    for _ in range(100):
        state = (await handle.query("withdrawal"))["phase"]
        if state not in UNDER_WAY:
            break
        await asyncio.sleep(0.1)
    if wait_days:
        await play.skip(handle, timedelta(days=wait_days))
        state = (await handle.query("withdrawal"))["phase"]
    left = await play.stage.register.available(play.order.merchant_id, play.order.currency)
    effects = await play.stage.world.payout_effects(f"tok-{account}")
    return f"{state}, the bank paid {effects} times, {money(play.order, left)} left"


@WITHDRAWALS.story("withdrawal: paid to the bank")
async def withdrawal_paid(play: StagedOrder) -> Told:
    account = f"a-{play.name}"
    await _earn(play, account)
    return f"paid, the bank paid 1 times, {money(play.order, 0)} left", await _paid_out(play, account)


@WITHDRAWALS.story("withdrawal with an unknown outcome: it turns out paid, once")
async def withdrawal_unknown(play: StagedOrder) -> Told:
    account = f"a-{play.name}"
    await _earn(play, account)
    await play.stage.world.fault("bank", match=f"tok-{account}", kind="status_after_effect", times=1)
    got = await _paid_out(play, account, wait_days=0.1)
    return f"paid, the bank paid 1 times, {money(play.order, 0)} left", got


@WITHDRAWALS.story("withdrawal refused by the bank: given back")
async def withdrawal_refused(play: StagedOrder) -> Told:
    account = f"a-{play.name}"
    earned = await _earn(play, account)
    await play.stage.world.refuse_account(f"tok-{account}", code="ACCOUNT_CLOSED")
    got = await _paid_out(play, account)
    return f"failed, the bank paid 0 times, {money(play.order, earned)} left", got
