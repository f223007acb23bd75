"""Asks a query again that came before the workflow task of newer events; see `workflows/begun.py`.

It sits in the client, under every query. The server holds the second one back until that task is done.
"""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio.client import Interceptor, OutboundInterceptor, QueryWorkflowInput, WorkflowQueryFailedError

from core.ids import ASKED_TOO_EARLY

WAITS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds before each further try."""


class Repeating(Interceptor):
    """A client with it gets the answer of the task that its query came before."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Repeated(next)


class _Repeated(OutboundInterceptor):
    async def query_workflow(self, input: QueryWorkflowInput) -> Any:
        for wait in WAITS:
            try:
                return await super().query_workflow(input)
            except WorkflowQueryFailedError as error:
                if ASKED_TOO_EARLY not in str(error):
                    raise
            await asyncio.sleep(wait)
        return await super().query_workflow(input)
