"""A workflow around a core: it reads what arrives, lets the core decide, journals, and waits.

A subclass names the commands and the core, and adds its story (`run`), its steps and a query for its whole state.
Each command of the contract becomes one Update, described by the command's own docstring; one dynamic Signal takes the
same verbs. So a new verb changes no file here.

Temporal runs a workflow's coroutines one at a time, and switches between them only at an `await` that has to wait.
Everything between two such awaits is atomic. Each await below says what may have changed when it returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Generic, NoReturn, Protocol, TypeVar

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from core.answers import Answer, HoldView
    from core.budgets import COMMAND_WEIGHS
    from core.fields import Message
    from core.inbox import Channel
    from core.messages import Command
    from core.reading import Unreadable, read_command
    from core.reasons import Refusal
    from workflows.burst import BUNDLE, PAUSE, SIGNALS_A_TASK, Burst, unbundled
    from workflows.page import Page
    from workflows.running import ignoring_cancellation, raise_refusal
    from workflows.waiting import DeadlineTimer, Due

R = TypeVar("R")
S = TypeVar("S", bound=Message)
"""The state that the core keeps: frozen, so that each change is a new object."""
Shown = TypeVar("Shown", bound=Message, contravariant=True)


class Core(Protocol[S]):
    """The module that decides commands. Pure and total: it raises nothing."""

    def first_answer(self, state: S, command: Command, /) -> Answer | Refusal | None:
        """The earlier answer to this command; None if it is new."""

    def refusal_of(self, state: S, command: Command, now: datetime, /) -> Refusal | None:
        """Why a new command would be refused now; None if it would not."""

    def receive(self, state: S, command: Command, now: datetime, channel: Channel, /) -> tuple[S, Answer | Refusal]:
        """The state after a command, and its answer."""
        ...

    def note_unreadable(self, state: S, verb: str, refusal: Refusal, now: datetime, /) -> S:
        """The state after a signal that could not be read."""
        ...

    def count_unreadable(self, state: S, code: str, signals: int, /) -> S:
        """The state after this many more unreadable signals."""
        ...

    def note_cancellation(self, state: S, now: datetime, /) -> S:
        """The state after a request to cancel the workflow, which is only noted."""
        ...


class Views(Protocol[Shown]):
    """The module with the views for people and clients."""

    def journal_view(self, state: Shown, /) -> list[dict[str, Any]]:
        """The journal as JSON, oldest first."""
        ...

    def holds_of(self, state: Shown, /) -> tuple[HoldView, ...]:
        """The reasons why money does not move."""
        ...


NOT_OPENED = "not_opened"
"""The phase of a refused workflow that the register does not know, either."""


class Machine(Generic[S]):
    """A durable state with one Update and one Signal for each command, and queries for its journal and holds."""

    COMMANDS: ClassVar[Mapping[str, type[Command]]] = {}

    def __init_subclass__(cls, commands: Mapping[str, type[Command]], **others: Any) -> None:
        super().__init_subclass__(**others)
        cls.COMMANDS = commands
        for verb, command in commands.items():
            setattr(cls, verb, _update_of(verb, command.purpose()))

    def __init__(self, core: Core[S], views: Views[S]) -> None:
        self._core = core
        self._views = views
        self._state: S | None = None
        self._failed: Refusal | None = None
        self._stored_phase: str | None = None
        self._changed = True
        self._set_back = False
        self._undecided = 0
        self._one_command = asyncio.Lock()
        self._burst = Burst()
        self._timer = DeadlineTimer()
        self._expected: datetime | None = None
        self._page = Page()
        # Temporal gives a run another seed where an operator has set it back, and in no other case. The loop must have
        # something to run: a changed condition alone wakes nothing.
        self._loop = asyncio.get_running_loop()
        workflow.register_random_seed_callback(self._wake_set_back)

    # --- the life ----------------------------------------------------------------------------------------

    @property
    def _opened(self) -> bool:
        """Whether commands can be decided."""
        return self._state is not None

    def _wake_set_back(self, seed: int) -> None:
        self._loop.call_soon(self._note_set_back)

    def _note_set_back(self) -> None:
        """The run was reset: its state is from long ago, and maybe nothing else would wake it."""
        self._set_back = self._changed = True

    def _note_cancellation(self) -> None:
        """Cancelling the workflow stops nothing; the request is noted in the journal."""
        if self._state is not None:
            self._state = self._core.note_cancellation(self._state, workflow.now())
            self._changed = True

    async def _whole(self, story: Coroutine[Any, Any, R]) -> R:
        """Live the story to its end. Where it fails, every command that waits gets the reason first: if the workflow
        ended before, its sender would get a failure of the service.
        """
        try:
            return await ignoring_cancellation(story, self._note_cancellation)
        except ApplicationError:
            # Here no lock is held any more. A handler that waits for one would never end.
            await self._answer_all()
            raise

    def _fail(self, refusal: Refusal, stored_phase: str | None = None) -> NoReturn:
        """Nothing was opened, or nothing is left to follow: the reason ends the workflow, and answers what waits.

        Args:
            stored_phase: the phase of the order that the register has under this id.
        """
        self._failed, self._stored_phase = refusal, stored_phase
        raise_refusal(refusal)

    def _spared(self, spare: Callable[[S, datetime, datetime], S]) -> S:
        """The state, with time for parties where the next deadline passed long ago: none of our workers ran.

        A step that waits for hours, for example while the database is down, is an outage too.
        """
        assert self._state is not None
        expected, self._expected = self._expected, None
        if expected is None:
            return self._state
        return spare(self._state, expected, workflow.now())

    def _expect(self, due: Due | None) -> None:
        """Note when the next deadline passes. A look after it that is much too late follows an outage."""
        self._expected = due.at if due is not None else None

    async def _wait_until(self, due: Due | None, *, early: bool = False) -> None:
        """Wait until something changes or the deadline passes. Either may be stale: the caller asks the core again.

        Args:
            early: see `DeadlineTimer.arm`.
        """
        self._timer.arm(due, early=early)
        # A command decided before this line has set `_changed`; waiting for a wake-up alone would miss it.
        await workflow.wait_condition(lambda: self._changed or self._timer.rang)

    async def _continue_as_new(self, started_with: Message, *, known_as: str) -> NoReturn:
        """Go on in a new run, with a short history and the same state.

        Args:
            started_with: an argument of the new run that the state repeats in the field `known_as`; the state leaves it
                out, because both share one size limit.
        """
        # A handler that is still running would be lost with this run, and its sender would get no answer. Take the
        # state afterwards: the last handler may have changed it.
        await self._answer_all()
        assert self._state is not None
        carried = self._state.model_dump(mode="json", exclude={known_as})
        workflow.continue_as_new(args=[started_with, {"state": carried, **self._carried_beside()}])

    def _carried_beside(self) -> dict[str, Any]:
        """What the next run must know that is no part of the state."""
        return {}

    async def _answer_all(self) -> None:
        """Wait until every command is answered: a run that ends loses the rest."""
        await workflow.wait_condition(workflow.all_handlers_finished)

    # --- commands ----------------------------------------------------------------------------------------

    def _validate(self, verb: str, bodies: Sequence[Any]) -> None:
        """Refuse an update before it costs history.

        While the workflow opens or another command is being decided, only what cannot be read is refused here; the
        state to judge by is not there yet.
        """
        command = read_command(self.COMMANDS, verb, single_argument(bodies))
        if isinstance(command, Refusal):
            raise_refusal(command)
        if self._state is None or not self._opened or self._undecided:
            return
        answer = self._core.first_answer(self._state, command)
        refusal = answer if answer is not None else self._core.refusal_of(self._state, command, workflow.now())
        if isinstance(refusal := refusal or self._objection(command), Refusal):
            raise_refusal(refusal)

    def _objection(self, command: Command) -> Refusal | None:
        """Why a new update is turned away that the core would accept. Asked by no replay, so it may grow stricter."""
        return None

    async def _update(self, verb: str, bodies: Sequence[Any]) -> Answer:
        command = read_command(self.COMMANDS, verb, single_argument(bodies))
        answer = command if isinstance(command, Refusal) else await self._decide(command, "update")
        if isinstance(answer, Refusal):
            raise_refusal(answer)
        return answer

    async def _decide(self, command: Command, channel: Channel) -> Answer | Refusal:
        """One command at a time, in the order in which they arrived."""
        self._undecided += 1
        try:
            # Commands may arrive with the start, before the opening has asked register and payment channel. A failed
            # opening ends the wait too: `_whole` waits for this handler.
            await self._decidable()
            # Deciding may wait for the register (`_receive`). Another command that ran in between would decide on a
            # state that this one is about to replace.
            async with self._one_command:
                if self._failed is not None:
                    return self._failed
                answer = await self._receive(command, channel)
                self._changed = True
        finally:
            self._undecided -= 1
        return answer

    async def _receive(self, command: Command, channel: Channel) -> Answer | Refusal:
        """Let the core decide. A subclass whose commands need the register asks it here."""
        assert self._state is not None
        self._state, answer = self._core.receive(self._state, command, workflow.now(), channel)
        return answer

    @workflow.signal(dynamic=True)
    async def on_signal(self, name: str, args: Sequence[RawValue]) -> None:
        """Every verb as a signal, answered in the journal, refusals included. Nothing raises: it would end the run."""
        if name == BUNDLE:
            for one in unbundled(args):
                self._put_off(*one)
        elif self._burst.has_room():
            await self._take_signal(name, args)
        else:
            self._put_off(name, args)
        if self._burst.waits and not self._burst.draining:
            await self._drain()

    def _put_off(self, name: str, args: Sequence[RawValue]) -> None:
        if name in self.COMMANDS:
            self._burst.waiting.append((name, args))
        else:
            self._burst.unknown += 1

    async def _drain(self) -> None:
        """Take the signals of a burst, some a workflow task, in the order of their arrival.

        This runs in the handler of the first that waits. In a task of its own, an error would be lost without a word:
        no later signal would be decided, and the workflow could never end.
        """
        self._burst.draining = True
        while self._burst.waits:
            # A timer ends this task. Without one, all signals would be decided in it, and it would be given up.
            await workflow.sleep(PAUSE, summary=BUNDLE)
            await self._decidable()
            unknown, self._burst.unknown = self._burst.unknown, 0
            if self._state is not None and unknown:
                self._state = self._core.count_unreadable(self._state, "unknown_verb", unknown)
            for _ in range(min(SIGNALS_A_TASK, len(self._burst.waiting))):
                await self._take_signal(*self._burst.waiting.popleft())
            self._changed = True
        self._burst.draining = False

    async def _take_signal(self, name: str, args: Sequence[RawValue]) -> None:
        command = read_command(self.COMMANDS, name, signal_body(args))
        if not isinstance(command, Refusal):
            await self._decide(command, "signal")
            return
        # The journal is a part of the state; before the opening there is none to write to.
        await self._decidable()
        if self._state is not None:
            self._state = self._core.note_unreadable(self._state, name, command, workflow.now())
            self._changed = True

    async def _decidable(self) -> None:
        """Wait until there is a state, or it is known that there will be none."""
        await workflow.wait_condition(lambda: self._opened or self._failed is not None)

    @workflow.update(dynamic=True)
    async def on_unknown_update(self, name: str, args: Sequence[RawValue]) -> None:
        """No such verb: its validator refuses."""

    @on_unknown_update.validator
    def refuse_unknown_update(self, name: str, args: Sequence[RawValue]) -> None:
        self._validate(name, (None,))

    # --- queries -----------------------------------------------------------------------------------------

    def _unopened(self) -> dict[str, Any]:
        """The view without a state: it is opening, or why it was refused."""
        if self._failed is None:
            return {"phase": "opening"}
        return {
            "phase": self._stored_phase or NOT_OPENED,
            "refusal": self._failed.model_dump(mode="json", exclude_none=True),
        }

    @workflow.query(description="What came in, and what was answered")
    def journal(self) -> list[dict[str, Any]]:
        """`[{seq, at, channel, verb, command_id, actor, outcome, code?, message?}]`."""
        return self._views.journal_view(self._state) if self._state is not None else []

    @workflow.query(description="Why the money is not here")
    def holds(self) -> list[dict[str, Any]]:
        """`[{reason, amount_minor?, currency?, since, expected_release?, who_can_act, what_helps, what_helps_zh?}]`."""
        if self._state is not None:
            views = self._views.holds_of(self._state)
        else:
            views = (_opening(),) if self._failed is None else ()
        return [view.model_dump(mode="json", exclude_none=True) for view in views]


def _update_of(verb: str, description: str) -> Any:
    """The Update of one verb. It takes any arguments: a typed one would fail to decode with no reason code."""

    async def handle(self: Machine[Any], *bodies: Any) -> Answer:
        return await self._update(verb, bodies)

    def validate(self: Machine[Any], *bodies: Any) -> None:
        self._validate(verb, bodies)

    handle.__name__ = handle.__qualname__ = verb
    update = workflow.update(name=verb, description=description)(handle)
    update.validator(validate)
    return update


def _opening() -> HoldView:
    """Why nothing moves yet while a workflow has no state."""
    return HoldView(
        reason="opening",
        since=workflow.info().workflow_start_time,
        who_can_act="system",
        what_helps="It goes on by itself once register and payment channel answer; `show` lists what is tried again,"
        " and why.",
        what_helps_zh="登记库与支付渠道答复后自动继续；show 会显示正在重试的操作及原因。",
    )


# --- what arrives ------------------------------------------------------------------------------------------


def single_argument(bodies: Sequence[Any]) -> Any:
    """The one argument of an update; none or several become a value that is refused."""
    return bodies[0] if len(bodies) == 1 else Unreadable(why=f"It takes one JSON object, not {len(bodies)} arguments.")


def signal_body(args: Sequence[RawValue]) -> Any:
    """The one JSON argument of a signal; anything else becomes a value that is refused."""
    if len(args) != 1:
        return Unreadable(why=f"It takes one JSON object, not {len(args)} arguments.")
    if len(args[0].payload.data) > COMMAND_WEIGHS:
        return Unreadable(why=f"It has over {COMMAND_WEIGHS:,} bytes.")
    try:
        return workflow.payload_converter().from_payload(args[0].payload)
    except Exception as error:  # any encoding and any bytes may arrive; a signal handler must not raise
        return Unreadable(why=f"It cannot be decoded: {type(error).__name__}.")
