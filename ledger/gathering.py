"""Gathers concurrent calls: those that arrive while arrays are under way go together in the next one.

A call never waits for others to come. If nothing is under way it is sent at once, so a single caller loses nothing.
Under load the arrays grow by themselves: the longer they take, the more calls wait for the next.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")

PATIENCE = 0.5
"""Seconds after which an array without an answer makes room for another: one that waits for a lock, or for a dead
connection, must not stop the others. Usually an array takes some milliseconds.
"""


class Call(Generic[Q, A]):
    """One question of an array, which gets an answer of its own."""

    def __init__(self, question: Q, subject: str) -> None:
        self.question, self.subject = question, subject
        self._answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()

    @property
    def over(self) -> bool:
        """Whether it has its answer, or its caller was cancelled."""
        return self._answer.done()

    def answer(self, answer: A) -> None:
        """Answer the caller, if it still waits."""
        if not self.over:
            self._answer.set_result(answer)

    def fail(self, error: Exception) -> None:
        """Raise to the caller, if it still waits."""
        if not self.over:
            self._answer.set_exception(error)

    def cancel(self) -> None:
        """Cancel the caller, if it still waits."""
        self._answer.cancel()

    async def wait(self) -> A:
        """The answer."""
        return await self._answer


class Gathering(Generic[Q, A]):
    """Sends questions in arrays, in the order of their arrival."""

    def __init__(
        self,
        send: Callable[[Sequence[Call[Q, A]]], Awaitable[None]],
        *,
        subject_of: Callable[[Q], str],
        most: int,
        beside: int,
    ) -> None:
        """Args:
        send: asks an array, and answers or fails each of its calls; an error of its own fails those that are left.
        subject_of: two questions about one subject are never in one array; the later one goes with the next.
        most: questions in one array.
        beside: arrays under way at once.
        """
        self._send, self._subject_of, self._most, self._beside = send, subject_of, most, beside
        self._waiting: deque[Call[Q, A]] = deque()
        self._under_way: set[asyncio.Task[None]] = set()
        self._slow: set[asyncio.Task[None]] = set()
        self._empty = 0  # of those under way, the ones that have not taken their calls yet

    async def ask(self, question: Q) -> A:
        """The answer to this question.

        A caller that is cancelled stops no other. Its question is not sent any more, or its answer is lost: then it is
        not known what became of it.
        """
        call: Call[Q, A] = Call(question, self._subject_of(question))
        self._waiting.append(call)
        self._start()
        return await call.wait()

    def _start(self) -> None:
        """Start an array for what waits, if there is room."""
        if not self._waiting or len(self._under_way) >= self._beside:
            return
        task = asyncio.create_task(self._send_next())
        self._under_way.add(task)
        self._empty += 1
        patience = asyncio.get_running_loop().call_later(PATIENCE, self._make_room, task)

        def end(task: asyncio.Task[None]) -> None:
            patience.cancel()
            self._under_way.discard(task)
            self._slow.discard(task)
            if task.cancelled():  # the program ends
                _cancel(self._waiting)
            self._start()

        task.add_done_callback(end)

    def _make_room(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._slow.add(task)  # the event loop alone would not keep it
        self._start()

    async def _send_next(self) -> None:
        calls = self._take(share=-(-len(self._waiting) // self._empty))
        self._empty -= 1
        try:
            if calls:
                await self._send(calls)
        except Exception as error:  # the failure of an array is that of each call in it
            for call in calls:
                call.fail(error)
        finally:
            _cancel(calls)  # where it was cancelled itself: otherwise each has its answer

    def _take(self, share: int) -> list[Call[Q, A]]:
        """The next array. Calls whose subject it has already stay in front of those that came later."""
        taken: dict[str, Call[Q, A]] = {}
        left: list[Call[Q, A]] = []
        while self._waiting and len(taken) < min(share, self._most):
            call = self._waiting.popleft()
            if call.over:  # its caller was cancelled before it was sent
                continue
            if call.subject in taken:
                left.append(call)
            else:
                taken[call.subject] = call
        self._waiting.extendleft(reversed(left))
        return list(taken.values())


def _cancel(calls: Collection[Call[Q, A]]) -> None:
    for call in calls:
        call.cancel()
