"""Sends a command to an order, also to one that is over, where the command is one that such an order still takes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from temporalio.client import Client

import gateway
from core.command import Command
from core.errors import Refused
from core.ids import order_workflow_id
from core.order.commands import VERBS
from ledger.register import Register

Books = Callable[[], AbstractAsyncContextManager[Register]]
"""Opens the register; most commands do not need it."""


async def send_to_order(
    client: Client, books: Books, order_id: str, command: Command, payload: dict[str, Any]
) -> dict[str, Any]:
    """The answer to a command. A closed order runs again from the register for the verbs that it still takes.

    Args:
        payload: the command as it is sent.

    Raises:
        Refused: with the reason code; a retry does not help.
        Unavailable: no answer in time; a retry with the same command id helps and changes nothing twice.
    """
    try:
        return await gateway.send(client, order_workflow_id(order_id), command.verb, payload)
    except Refused as refusal:
        if refusal.code not in {"order_over", "not_running"} or not VERBS[type(command)].reopens:
            raise
        async with books() as register:
            known = await register.orders.known(order_id)
        if known is None or not known.closed:
            raise
        return await gateway.send_reopening(client, known.order, command.verb, payload)
