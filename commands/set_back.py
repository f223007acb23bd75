"""`rescue --restored-to`: sets back the workflows that are ahead of a restored database."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any

import gateway
from commands.console import Failed, print_answer
from commands.lost import AT_ONCE
from commands.service import temporal
from core.errors import DakuanError, Refused
from core.reasons import SENTENCES
from screens import counted

if TYPE_CHECKING:
    from rich.console import Console
    from temporalio.client import Client

NAMED_AT_MOST = 20


async def set_all_back(moment: datetime, *, apply: bool, while_polling: bool = False) -> None:
    """Name all that decided something since the moment, and with `apply` set them back.

    Args:
        while_polling: also while a worker polls, or did within the last minute.

    Raises:
        Refused: `worker_polls`; a retry helps once no worker has polled for a minute.
        Unavailable: Temporal did not answer; a retry helps.
    """
    limit = asyncio.Semaphore(AT_ONCE)
    async with temporal() as client:
        if apply and not while_polling:
            await _refuse_while_polling(client)

        async def looked_at(workflow_id: str) -> dict[str, Any] | None:
            async with limit:
                return await _one(client, workflow_id, moment, apply=apply)

        looks = [looked_at(workflow_id) async for workflow_id in gateway.moved_since(client, moment)]
        found = [one for one in await asyncio.gather(*looks) if one is not None]
    view = {"applied": apply, "restored_to": moment.isoformat(), "looked_at": len(looks), "workflows": found}
    print_answer(view, lambda console: _show(console, view))
    if any(one["outcome"] == "failed" for one in found):
        raise Failed


async def _refuse_while_polling(client: Client) -> None:
    """A worker keeps workflows in memory that are ahead, and decides on while others are set back.

    Raises:
        Refused: `worker_polls`, with the workers.
    """
    there = await gateway.workers(client)
    if polling := sorted(there.workflows | there.activities):
        message = f"{SENTENCES['worker_polls']} Or give --while-polling. It is {', '.join(polling)}."
        raise Refused("worker_polls", message, "while_polling")


async def _one(client: Client, workflow_id: str, moment: datetime, *, apply: bool) -> dict[str, Any] | None:
    """What became of one; None: it is not ahead. One that fails does not stop the others."""
    outcome, why = "would_be_set_back", ""
    try:
        ahead = await gateway.ahead_of(client, workflow_id, moment)
        if ahead is None:
            return None
        if apply:
            await gateway.set_back(client, ahead)
            outcome = "set_back"
    except DakuanError as error:
        outcome, why = "failed", str(error)
    return {"workflow_id": workflow_id, "outcome": outcome, "why": why}


def _show(console: Console, view: dict[str, Any]) -> None:
    found = view["workflows"]
    console.print(f"{counted(len(found), 'workflow')} of {view['looked_at']:,} decided something since then.")
    wanted = "failed" if view["applied"] else "would_be_set_back"
    shown = [one for one in found if one["outcome"] == wanted]
    for one in shown[:NAMED_AT_MOST]:
        console.print(" ".join(filter(None, (one["workflow_id"], one["why"]))))
    if len(shown) > NAMED_AT_MOST:
        console.print(f"and {len(shown) - NAMED_AT_MOST:,} more; --json lists all")
    if view["applied"]:
        console.print(f"Set back: {len(found) - len(shown):,}. Start the workers; then rescue --all, prove, reconcile.")
    elif found:
        console.print("Nothing was set back: this is a dry run. --apply does it, while no worker runs.")
