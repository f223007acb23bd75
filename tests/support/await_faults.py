"""Faults at the points where a workflow awaits an activity: not executed, no answer in time, executed but unreported.

A point is an activity by name; `post` is one for each kind of movement. Each is struck once for each order or
withdrawal, the first time that it comes to it; a posting is struck once for each movement.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Literal

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from core.errors import Unavailable
from core.steps import Post

Fault = Literal["error", "timeout", "unreported"]
FAULTS: tuple[Fault, ...] = ("error", "timeout", "unreported")
TIMES: dict[Fault, int] = {"error": 4, "timeout": 1, "unreported": 1}
"""How often a point fails: an error also uses up the quick tries, so that the step goes on as a regular activity."""
LONGER_THAN_ANY_LIMIT = 600.0
"""Seconds."""


class Strikes(Interceptor):
    """Strikes each point of each workflow by one kind of fault; `struck` counts the strikes by point."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.struck: Counter[str] = Counter()
        self._of: Counter[tuple[str, str]] = Counter()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Struck(next, self)

    def strikes(self, point: str, subject: str) -> bool:
        """Whether this call is struck; it counts as one. The subject is a workflow, or what it posts."""
        self._of[point, subject] += 1
        if self._of[point, subject] > TIMES[self.fault]:
            return False
        self.struck[point] += 1
        return True


class _Struck(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, strikes: Strikes) -> None:
        super().__init__(next)
        self._strikes = strikes

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        subject = _posted(input.args) or info.workflow_id or ""
        if not self._strikes.strikes(point_of(info.activity_type, input.args), subject):
            return await self.next.execute_activity(input)
        if self._strikes.fault == "timeout":
            await asyncio.sleep(LONGER_THAN_ANY_LIMIT)
        if self._strikes.fault == "unreported":
            await self.next.execute_activity(input)
        raise Unavailable("planted")


def point_of(name: str, arguments: Any) -> str:
    """The await point of a call."""
    (step,) = arguments or (None,)
    return f"post {step.movement.kind}" if isinstance(step, Post) else name


def _posted(arguments: Any) -> str | None:
    """The reference of the movement that a call posts."""
    (step,) = arguments or (None,)
    return step.movement.reference if isinstance(step, Post) else None
