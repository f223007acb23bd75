"""Notify a stopped merchant's orders and withdrawals, so that each shows why it waits, and moves on afterwards.

The database enforces a stop without this: nothing of a frozen merchant is credited, settled or sent.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import gateway
from commands.console import print_line
from commands.service import temporal
from core.errors import DakuanError, Refused, Unavailable
from core.ids import order_workflow_id
from core.merchants import MERCHANT_FROZEN, MERCHANT_SUSPENDED, Stop
from core.messages import LiftHold, PlaceHold

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from temporalio.client import Client

    from core.messages import Actor
    from ledger.register import Register

HOLDS = {"frozen": MERCHANT_FROZEN, "suspended": MERCHANT_SUSPENDED}
"""The hold of a merchant's orders, by the decision about it."""
AT_ONCE = 8
"""Orders that are notified at one time."""


class Reached(NamedTuple):
    """Orders that show the stop now, or moved on; and those that could not be reached."""

    reached: list[str]
    not_reached: list[str]


async def reach_orders(register: Register, merchant: str, what: Stop, who: Actor, why: str, *, on: bool) -> Reached:
    """Place the hold on each open order, or lift it. Orders that are already right are left alone.

    A suspension stops no open order; one that was opened under it, held, is let go with it.
    """
    name = HOLDS.get(what)
    if name is None or (what == "suspended" and on):
        return Reached([], [])
    if on:
        return await _each(
            await register.merchants.to_hold(merchant), lambda client, one: _place(client, one, who, why)
        )
    ids = await register.merchants.to_let_go(merchant, name)
    return await _each(ids, lambda client, one: _lift(client, one, name, who, why))


async def _each(ids: Sequence[str], act: Callable[[Client, str], Awaitable[None]]) -> Reached:
    reached: list[str] = []
    missed: list[str] = []
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(client: Client, order_id: str) -> None:
        async with limit:
            try:
                await act(client, order_id)
            except Refused:
                pass  # settled, over, or as it should be: nothing of it waits
            except DakuanError:
                missed.append(order_id)
            else:
                reached.append(order_id)

    if ids:
        try:
            async with temporal() as client:
                await asyncio.gather(*(one(client, order_id) for order_id in ids))
        except Unavailable as error:
            print_line(f"The merchant's orders ({len(ids)}) could not be reached; run this again: {error}")
            return Reached(sorted(reached), sorted({*ids} - {*reached}))
    return Reached(sorted(reached), sorted(missed))


async def _place(client: Client, order_id: str, who: Actor, why: str) -> None:
    """Before the credit the hold stops it; after the credit the settlement."""
    for scope in ("credit", "payout"):
        body = {**_body(who, why), "name": MERCHANT_FROZEN, "scope": scope}
        try:
            await gateway.send(client, order_workflow_id(order_id), PlaceHold.verb, body)
        except Refused as error:
            if error.code != "already_credited":
                raise
        else:
            return


async def _lift(client: Client, order_id: str, name: str, who: Actor, why: str) -> None:
    await gateway.send(client, order_workflow_id(order_id), LiftHold.verb, {**_body(who, why), "name": name})


def _body(who: Actor, why: str) -> dict[str, Any]:
    """A fresh id: a hold that stands is not placed twice, and one that is gone not lifted twice."""
    return {"command_id": f"merchant-{uuid.uuid4()}", "actor": who.model_dump(), "reason": why}


async def tell_withdrawals(register: Register, merchant: str) -> list[str]:
    """Let waiting withdrawals check again at once; otherwise they do within hours. Returns those not reached."""
    waiting = await register.withdrawals.waiting(merchant)
    if not waiting:
        return []
    try:
        async with temporal() as client:
            for withdrawal_id in waiting:
                await gateway.recheck_withdrawal(client, withdrawal_id)
    except Unavailable as error:
        print_line(f"Withdrawals ({len(waiting)}) could not be reached; they find out by themselves: {error}")
        return waiting
    return []
