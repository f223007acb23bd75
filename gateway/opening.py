"""Opens an order or a withdrawal: starts its workflow and waits until it is decided that it goes on."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio.client import Client, WorkflowHandle

from core.errors import Refused, Unavailable
from core.ids import order_workflow_id
from core.messages import Order, Withdrawal
from core.reading import content_hash
from core.reasons import SENTENCES
from gateway.asking import opened, query, retries
from gateway.refusals import refuse_if_failed
from gateway.starting import start_order, start_withdrawal

LOOK_EVERY = 0.2
"""Seconds between two looks at a withdrawal that is waited for."""
PASSING = frozenset({"approved", "submitting", "submitted"})
"""States that end without a person, unless something is held."""


async def open_order(client: Client, order: Order, *, within: float, idle: str | None = None) -> dict[str, Any]:
    """Start an order and return its state once it is open.

    Args:
        within: seconds. A payment channel that is away keeps an order opening for as long as it is away.
        idle: why no worker would take it; then it is started, and not waited for.

    Raises:
        Refused: with the reason code; `order_exists_with_different_content` where the id is another order's.
        Unavailable: Temporal or every worker is away; a retry helps and starts nothing twice.
    """
    handle: WorkflowHandle[Any, Any]
    try:
        handle = await start_order(client, order)
    except Refused as over:
        if over.code != "order_over":
            raise
        handle = client.get_workflow_handle(order_workflow_id(order.order_id))
    if idle is not None:
        raise Unavailable(f"{handle.id} is started, and opens once a worker takes it; look with `show`. {idle}")
    state = await _opened_within(client, handle, within)
    known = state.get("order")
    if known is not None and content_hash(Order.model_validate(known)) != content_hash(order):
        raise Refused(
            "order_exists_with_different_content", f"Another order with the id {order.order_id} exists.", "order_id"
        )
    return state


async def _opened_within(client: Client, handle: WorkflowHandle[Any, Any], seconds: float) -> dict[str, Any]:
    try:
        async with asyncio.timeout(seconds):
            return await opened(handle)
    except TimeoutError:
        tried = "; ".join(f"{one['activity']}: {one['failure']}" for one in await retries(client, handle.id))
        raise Unavailable(
            f"{handle.id} is started and still opening ({tried or 'no reason is known'}). "
            "It goes on by itself; look with `show`."
        ) from None


async def open_withdrawal(client: Client, withdrawal: Withdrawal, *, wait: bool = False) -> dict[str, Any]:
    """Start a withdrawal and return its state once its money is reserved; with `wait`, once it is decided.

    Raises:
        Refused: with the reason code; nothing was reserved.
        Unavailable: Temporal or every worker is away; a retry helps and reserves nothing twice.
    """
    handle = await start_withdrawal(client, withdrawal)
    while True:
        state = await _withdrawal(client, handle)
        known = state.get("withdrawal")
        if known is not None and Withdrawal.model_validate(known) != withdrawal:
            code = "withdrawal_exists_with_different_content"
            raise Refused(code, f"{SENTENCES[code]} {withdrawal.withdrawal_id}", "withdrawal_id")
        if state.get("phase") == "refused":
            refusal = state["refusal"]
            raise Refused(refusal["code"], refusal["message"], refusal.get("field"))
        if _answered(state, wait=wait):
            return state
        await asyncio.sleep(LOOK_EVERY)


async def _withdrawal(client: Client, handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    state = dict(await query(client, handle.id, "withdrawal"))
    if "withdrawal" not in state:
        await refuse_if_failed(handle)
    return state


def _answered(state: dict[str, Any], *, wait: bool) -> bool:
    phase = state.get("phase")
    if phase in {None, "requested", "opening", "not_opened"}:
        return False
    return not wait or phase not in PASSING or bool(state.get("holds"))
