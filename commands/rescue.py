"""`rescue ORDER`: an order whose workflow was terminated, failed or reset starts again from register and ledger."""

from __future__ import annotations

from typing import Annotated

import typer
from temporalio.client import Client, WorkflowExecutionStatus

import client as door
from commands.console import JsonFlag, command, tell
from commands.link import books, temporal
from commands.reading import id_of
from commands.views import holds_table, order_facts
from core.errors import Refused
from core.messages import order_workflow_id
from core.reasons import SENTENCES


@command
async def rescue(
    order_id: Annotated[str, typer.Argument(metavar="ORDER", help="The order's id.")],
    as_json: JsonFlag = False,
) -> None:
    """Start an order's workflow again where it is lost and money is held. Nothing is posted twice."""
    id_of(order_id, "order_id")
    async with books() as register:
        known = await register.known_order(order_id)
    if known is None:
        raise Refused("unknown_order", f"{SENTENCES['unknown_order']} {order_id}", "order_id")
    if known.closed:
        raise Refused("order_over", f"Order {order_id} is closed and its money is where it belongs.", "order_id")
    async with temporal() as client:
        await refuse_while_running(client, order_id)
        handle = await door.start_order(client, known.order, rescue=True)
        state = await door.opened(handle)
        holds = await door.query(client, handle.id, "holds")
    tell({"state": state, "holds": holds}, lambda console: console.print(order_facts(state), holds_table(holds)))


async def refuse_while_running(client: Client, order_id: str) -> None:
    """A second workflow beside one that runs would be two minds about the same money.

    Raises:
        Refused: `still_running`.
    """
    if await door.status_of(client, order_workflow_id(order_id)) == WorkflowExecutionStatus.RUNNING:
        message = f"{SENTENCES['still_running']} There is nothing to rescue of order {order_id}."
        raise Refused("still_running", message, "order_id")
