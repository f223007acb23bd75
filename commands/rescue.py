"""`rescue ID`: continues an order or withdrawal from register and ledger after its workflow was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

import gateway
from commands.console import JsonFlag, command, print_answer
from commands.link import books
from commands.reading import Subject, subject_of
from commands.service import temporal
from commands.views import holds_table, order_facts, withdrawal_facts
from core.errors import Refused
from core.reasons import SENTENCES

if TYPE_CHECKING:
    from temporalio.client import Client


@command
async def rescue(
    subject: Annotated[str, typer.Argument(metavar="ID", help="An order's id, or withdrawal-… .")],
    as_json: JsonFlag = False,
) -> None:
    """Restart a lost workflow whose money is held. Nothing is posted twice."""
    about = subject_of(subject)
    view = await (_rescue_withdrawal(about) if about.is_withdrawal else _rescue_order(about))
    show = withdrawal_facts if about.is_withdrawal else order_facts
    print_answer(view, lambda console: console.print(show(view["state"]), holds_table(view["holds"])))


async def _rescue_order(about: Subject) -> dict[str, Any]:
    async with books() as register:
        known = await register.orders.known(about.id)
    if known is None:
        raise Refused("unknown_order", f"{SENTENCES['unknown_order']} {about.id}", "order_id")
    if known.closed:
        raise Refused("order_over", f"Order {about.id} is closed and its money is where it belongs.", "order_id")
    async with temporal() as client:
        await refuse_while_running(client, about)
        handle = await gateway.start_order(client, known.order, rescue=True)
        return {"state": await gateway.opened(handle), "holds": await gateway.query(client, handle.id, "holds")}


async def _rescue_withdrawal(about: Subject) -> dict[str, Any]:
    """One that has ended is restarted as well: it ends again at once."""
    async with books() as register:
        known = await register.withdrawals.known(about.id)
    if known is None:
        raise Refused("unknown_withdrawal", f"{SENTENCES['unknown_withdrawal']} {about.id}", "withdrawal_id")
    async with temporal() as client:
        await refuse_while_running(client, about)
        handle = await gateway.resume_withdrawal(client, about.id)
        state = await gateway.opened(handle, "withdrawal")
        return {"state": state, "holds": await gateway.query(client, handle.id, "holds")}


async def refuse_while_running(client: Client, about: Subject) -> None:
    """Check that no workflow runs: two workflows would both decide about the same money.

    Raises:
        Refused: `still_running`.
    """
    from temporalio.client import WorkflowExecutionStatus

    if await gateway.status_of(client, about.workflow_id) == WorkflowExecutionStatus.RUNNING:
        message = f"{SENTENCES['still_running']} There is nothing to rescue of {about.noun} {about.id}."
        raise Refused("still_running", message, f"{about.noun}_id")
