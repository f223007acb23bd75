"""What a workflow waits for: its next deadline, and activities that run beside it for days."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

WATCHED_AGAIN = timedelta(hours=1)
"""The wait after a watch failed permanently, for example because of a wrong setting."""


class Due(Protocol):
    """A deadline: its name and its time."""

    @property
    def name(self) -> str:
        """Its name, as people see it."""
        ...

    @property
    def at(self) -> datetime:
        """When it passes."""
        ...


class DeadlineTimer:
    """One timer for the earliest deadline, started again only when that deadline moves.

    A new timer is an action that is billed, and two events.
    """

    def __init__(self) -> None:
        self._armed: tuple[str, datetime] | None = None
        self._task: asyncio.Task[None] | None = None
        self.rang = False

    def rings_before(self, due: Due | None) -> datetime | None:
        """When the timer that is set rings, if that is before this deadline."""
        if self._armed is None or self.rang or due is None:
            return None
        at = self._armed[1]
        return at if at < due.at else None

    def arm(self, due: Due | None, *, early: bool = False) -> None:
        """Set the timer to this deadline; None sets none.

        Args:
            early: a timer that rings before this deadline stays. The caller then arms it again.
        """
        wanted = (due.name, due.at) if due is not None else None
        if wanted == self._armed and not self.rang:
            return
        if early and self.rings_before(due) is not None:
            return
        self.stop()
        self._armed = wanted
        if wanted is not None:
            self._task = asyncio.create_task(self._ring(*wanted))

    def stop(self) -> None:
        """Stop the timer."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
        self._armed, self._task, self.rang = None, None, False

    async def _ring(self, name: str, at: datetime) -> None:
        await workflow.sleep(max(timedelta(0), at - workflow.now()), summary=name)
        self.rang = True


class Watches:
    """Activities that run beside a workflow for days, one task a watch; started and ended as the core asks."""

    def __init__(self) -> None:
        self._tasks: dict[Any, asyncio.Task[None]] = {}

    def keep(self, wanted: Sequence[tuple[Any, Callable[[], Awaitable[None]]]], most: int) -> bool:
        """Start the wanted watches that do not run, the first `most` of them; cancel those that are no longer wanted.

        Returns:
            Whether some are left to start in a later workflow task.
        """
        starts = dict(wanted)
        for watch in [watch for watch in self._tasks if watch not in starts]:
            self._tasks.pop(watch).cancel()
        missing = [watch for watch in starts if watch not in self._tasks]
        for watch in missing[:most]:
            self._tasks[watch] = asyncio.create_task(self._go_on(starts[watch]))
        return len(missing) > most

    async def _go_on(self, start: Callable[[], Awaitable[None]]) -> None:
        """A permanent failure is a bug or a wrong setting on our side; retry hourly, so that the watch recovers."""
        while True:
            try:
                await start()
            except ActivityError as error:
                if is_cancelled_exception(error):
                    return
            else:
                return
            await workflow.sleep(WATCHED_AGAIN, summary="watch again after a failure")

    def done(self, watch: Any) -> None:
        """A watch has reported. If the core still wants it, it starts again."""
        self._tasks.pop(watch, None)

    def end(self) -> None:
        """Cancel all watches."""
        self.keep((), 0)
