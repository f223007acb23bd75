"""What both workflows share: reading any payload, one deadline timer, postings that may take long, a page for people.

Nothing here decides anything. A signal handler never raises; an update handler raises only an application error whose
type is a reason code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any, NoReturn, TypeVar

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from core.messages import HoldView, Unreadable
    from core.reasons import Refusal
    from core.search_attributes import SEARCH_ATTRIBUTES, SearchAttributeType

A = TypeVar("A")
P = TypeVar("P")
R = TypeVar("R")

QUICK = timedelta(seconds=3)
"""A local activity that needs longer falls back to a regular one, which everybody can see."""
QUICK_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=3)
WATCHED_AGAIN = timedelta(hours=1)
"""After a watch failed in a way that no retry mends, such as a setting that is wrong."""
PATIENT = timedelta(seconds=30)
PATIENT_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))
"""For ever: a posting is repeated until the ledger answers. Its answers, refusals included, are values."""


async def quickly(activity: Callable[[A, P], Awaitable[R]], request: P, summary: str) -> R:
    """Carry out a ledger or register activity: locally, and where that takes long or fails as a regular one."""
    try:
        return await workflow.execute_local_activity_method(
            activity, request, schedule_to_close_timeout=QUICK, retry_policy=QUICK_RETRY, summary=summary
        )
    except FailureError as error:  # a local activity's failure comes bare, a regular one's in an ActivityError
        if is_cancelled_exception(error):
            raise
    return await durably(activity, request, summary)


async def durably(activity: Callable[[A, P], Awaitable[R]], request: P, summary: str) -> R:
    """Carry out a ledger or register activity after the decision for it stands in the history.

    A local activity acts first: where its worker dies before the report, the decision is made anew, perhaps another
    one, because of what arrived meanwhile.
    """
    return await workflow.execute_activity_method(
        activity, request, start_to_close_timeout=PATIENT, retry_policy=PATIENT_RETRY, summary=summary
    )


async def unstoppable(story: Coroutine[Any, Any, R], asked: Callable[[], None]) -> R:
    """Live a story to its end, whoever asks Temporal to cancel its workflow: the money would stay where it is for ever.

    Args:
        asked: called for each such request.
    """
    living = asyncio.create_task(story)
    while not living.done():
        try:
            await asyncio.wait([living])
        except asyncio.CancelledError:  # also when a worker forgets the workflow, and ends its tasks one by one
            if workflow.cancellation_reason() is not None:
                asked()
    return living.result()


def only(bodies: Sequence[Any]) -> Any:
    """The one argument of an update; none or several become a value that is refused."""
    return bodies[0] if len(bodies) == 1 else Unreadable(why=f"It takes one JSON object, not {len(bodies)} arguments.")


def body_of(args: Sequence[RawValue]) -> Any:
    """The one JSON argument of a signal; anything else becomes a value that is refused."""
    if len(args) != 1:
        return Unreadable(why=f"It takes one JSON object, not {len(args)} arguments.")
    try:
        return workflow.payload_converter().from_payload(args[0].payload)
    except Exception as error:  # any encoding and any bytes may arrive; a signal handler must not raise
        return Unreadable(why=f"It cannot be decoded: {type(error).__name__}.")


def refused(refusal: Refusal) -> NoReturn:
    """Fail an update with its reason code as the failure's type.

    Raises:
        ApplicationError: always; a retry does not help.
    """
    details = refusal.model_dump(exclude_none=True)
    raise ApplicationError(refusal.message, details, type=refusal.code, non_retryable=True)


def opening_holds() -> list[dict[str, Any]]:
    """Why nothing moves yet while a workflow has no state: for its `holds` query."""
    helps = "it goes on by itself once register and payment channel answer; `show` tells what is tried again, and why"
    view = HoldView(reason="opening", since=workflow.info().workflow_start_time, who_can_act="system", what_helps=helps)
    return [view.model_dump(mode="json", exclude_none=True)]


class DeadlineTimer:
    """One timer for the earliest deadline, started anew only when that deadline moves."""

    def __init__(self) -> None:
        self._armed: tuple[str, datetime] | None = None
        self._task: asyncio.Task[None] | None = None
        self.rang = False

    def arm(self, name: str | None, at: datetime | None) -> None:
        """Ring at `at`; with None not at all."""
        wanted = (name, at) if name is not None and at is not None else None
        if wanted == self._armed and not self.rang:
            return
        self.stop()
        self._armed = wanted
        if wanted is not None:
            self._task = asyncio.create_task(self._ring(*wanted))

    def stop(self) -> None:
        """Ring no more."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
        self._armed, self._task, self.rang = None, None, False

    async def _ring(self, name: str, at: datetime) -> None:
        await workflow.sleep(max(timedelta(0), at - workflow.now()), summary=name)
        self.rang = True


_MAKERS: dict[SearchAttributeType, Callable[[str], SearchAttributeKey[Any]]] = {
    "Keyword": SearchAttributeKey.for_keyword,
    "KeywordList": SearchAttributeKey.for_keyword_list,
    "Int": SearchAttributeKey.for_int,
    "Datetime": SearchAttributeKey.for_datetime,
}
_KEYS = {name: _MAKERS[kind](name) for name, kind in SEARCH_ATTRIBUTES.items()}


def _search_value(value: Any) -> Any:
    """A value the server cannot choke on: over 2,048 bytes it would terminate the workflow."""
    if isinstance(value, str):
        return value[:100]
    return [str(item)[:100] for item in value][:10] if isinstance(value, list | tuple) else value


class Page:
    """What people see in the Web UI: search attributes and current details, written only when they change."""

    def __init__(self) -> None:
        self._shown: dict[str, Any] = {}

    def show(self, values: dict[str, Any], details: str) -> None:
        """Upsert what changed, in one event, and set the details, which cost none."""
        changed = {name: value for name, value in values.items() if self._shown.get(name) != value}
        updates = [
            _KEYS[name].value_unset() if value is None else _KEYS[name].value_set(_search_value(value))
            for name, value in changed.items()
        ]
        if updates:
            workflow.upsert_search_attributes(updates)
        self._shown = dict(values)
        workflow.set_current_details(details)


class Watches:
    """Activities that run beside a workflow for days, one task a watch; started and ended as the core asks."""

    def __init__(self) -> None:
        self._tasks: dict[Any, asyncio.Task[None]] = {}

    def keep(self, wanted: Sequence[tuple[Any, Callable[[], Awaitable[None]]]]) -> None:
        """Start the wanted watches that do not run; cancel those that are not wanted any more."""
        starts = dict(wanted)
        for watch in [watch for watch in self._tasks if watch not in starts]:
            self._tasks.pop(watch).cancel()
        for watch, start in starts.items():
            if watch not in self._tasks:
                self._tasks[watch] = asyncio.create_task(self._go_on(start))

    async def _go_on(self, start: Callable[[], Awaitable[None]]) -> None:
        """Whatever makes a watch's activity fail for good is ours to repair; then it goes on by itself."""
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
        """A watch reported; if the core still wants one like it, it starts anew."""
        self._tasks.pop(watch, None)

    def end(self) -> None:
        """End all."""
        self.keep(())
