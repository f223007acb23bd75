"""Skips time for one workflow, on a Temporal that allows it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from temporalio.service import RPCError
from temporalio.testing import TimeSkipper

from core.errors import Misconfigured
from gateway.refusals import in_our_words

if TYPE_CHECKING:
    from temporalio.client import Client

NOT_ALLOWED = {"UNIMPLEMENTED", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "PERMISSION_DENIED"}
"""The status of servers that do not allow time skipping."""


async def skip_time(client: Client, workflow_id: str, ahead: timedelta) -> bool:
    """Let time pass for one workflow, and return when everything that fell due has begun.

    Returns:
        Whether the time has passed. False: the workflow ended before.

    Raises:
        Refused: `not_running`: the workflow has ended, perhaps a moment ago, or never existed.
        Misconfigured: this Temporal does not allow time skipping.
        Unavailable: Temporal did not answer; a retry skips the time once more if it had.
    """
    with in_our_words(workflow_id):
        try:
            return await TimeSkipper(client).fast_forward(client.get_workflow_handle(workflow_id), ahead)
        except RPCError as error:
            if error.status.name not in NOT_ALLOWED:
                raise
            raise Misconfigured(
                f"This Temporal does not let time be skipped ({error.message}). The local stack does: starter.py up."
            ) from None
