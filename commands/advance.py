"""`advance ID DURATION`: move one order's or withdrawal's clock ahead, on a stack that allows it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

import gateway
from commands.console import JsonFlag, command, print_answer
from commands.reading import Subject, duration_of, subject_of
from commands.service import temporal
from commands.views import deadline_line
from core.errors import Refused
from core.reasons import SENTENCES
from core.texts import clock

if TYPE_CHECKING:
    from temporalio.client import Client


@command
async def advance(
    subject: Annotated[str, typer.Argument(metavar="ID", help="An order's id, or withdrawal-… .")],
    duration: Annotated[str, typer.Argument(help="How far: 90s, 30m, 48h, 3d, 1d12h.")],
    as_json: JsonFlag = False,
) -> None:
    """Skip time for one order or withdrawal, as if the days had passed. Only its own clock moves."""
    from temporalio.testing import TimeSkipper  # loaded when time is skipped

    about, ahead = subject_of(subject), duration_of(duration)
    async with temporal() as client:
        await skip(client, about, ahead)
        state = await gateway.query(client, about.workflow_id, "withdrawal" if about.is_withdrawal else "order")
        now = await TimeSkipper(client).get_current_time(client.get_workflow_handle(about.workflow_id))
    view: dict[str, Any] = {
        "id": subject,
        "now": now.isoformat(),
        "phase": state.get("phase"),
        "next_deadline": state.get("next_deadline"),
    }
    line = f"{subject}: it is {clock(now)}; {state.get('phase')}"
    due = f", waits for {deadline_line(state)}" if state.get("next_deadline") else ""
    print_answer(view, lambda console: console.print(line + due))


async def skip(client: Client, about: Subject, ahead: timedelta) -> None:
    """Let time pass for one order or withdrawal; it may end meanwhile.

    Raises:
        Refused: `not_running`: the workflow is over or never existed.
        Misconfigured: this Temporal does not allow time skipping.
        Unavailable: Temporal did not answer.
    """
    try:
        await gateway.skip_time(client, about.workflow_id, ahead)
    except Refused as refused:
        if await gateway.status_of(client, about.workflow_id) is None:
            raise Refused(refused.code, f"{SENTENCES['not_running']} {about.workflow_id}") from None
        message = f"The workflow of {about.noun} {about.id} has ended: its clock stands still."
        raise Refused(refused.code, message) from None
