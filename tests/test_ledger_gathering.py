"""Concurrent calls go together: at once, in their order, each answered alone; no caller harms another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from waiting import WITHIN

from ledger import gathering
from ledger.gathering import Call, Gathering


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No array makes room for another before its time, also where the machine stands still for a while."""
    monkeypatch.setattr(gathering, "PATIENCE", WITHIN)


class Clerk:
    """Answers arrays by hand: each waits until it is let go."""

    def __init__(self) -> None:
        self.arrays: list[list[str]] = []
        self._doors: list[asyncio.Event] = []

    async def send(self, calls: Sequence[Call[str, str]]) -> None:
        """`!` in a question is refused, `?` is a defect of this clerk."""
        door = asyncio.Event()
        self.arrays.append([call.question for call in calls])
        self._doors.append(door)
        await door.wait()
        for call in calls:
            if "?" in call.question:
                raise RuntimeError("a defect")
            if "!" in call.question:
                call.fail(ValueError(call.question))
            else:
                call.answer(call.question.upper())

    async def arrived(self, arrays: int) -> None:
        """Return once so many arrays were sent."""
        for _ in range(1000):
            if len(self.arrays) >= arrays:
                return
            await asyncio.sleep(0)
        pytest.fail(f"{self.arrays} and no more")

    def let_go(self, array: int = -1) -> None:
        self._doors[array].set()


def gathered(clerk: Clerk, most: int = 100, beside: int = 1) -> Gathering[str, str]:
    """Questions about the subject before the dash."""
    return Gathering(clerk.send, subject_of=lambda question: question.partition("-")[0], most=most, beside=beside)


def asking(asked: Gathering[str, str], *questions: str) -> list[asyncio.Task[str]]:
    return [asyncio.create_task(asked.ask(question)) for question in questions]


async def test_a_single_call_is_sent_at_once_and_alone() -> None:
    clerk = Clerk()
    asked = gathered(clerk)
    for name in ("a", "b"):
        (call,) = asking(asked, name)
        await clerk.arrived(len(clerk.arrays) + 1)
        clerk.let_go()
        assert await call == name.upper()
    assert clerk.arrays == [["a"], ["b"]]


async def test_what_arrives_while_one_is_under_way_goes_together_in_its_order() -> None:
    clerk = Clerk()
    asked = gathered(clerk)
    first = asking(asked, "a")
    await clerk.arrived(1)
    others = asking(asked, "d", "b", "c")
    await asyncio.sleep(0)
    clerk.let_go()
    await clerk.arrived(2)
    clerk.let_go()
    assert await asyncio.gather(*first, *others) == ["A", "D", "B", "C"]
    assert clerk.arrays == [["a"], ["d", "b", "c"]]


async def test_calls_of_one_moment_go_together() -> None:
    clerk = Clerk()
    calls = asking(gathered(clerk), "a", "b", "c")
    await clerk.arrived(1)
    clerk.let_go()
    assert await asyncio.gather(*calls) == ["A", "B", "C"]
    assert clerk.arrays == [["a", "b", "c"]]


async def test_two_calls_about_one_subject_are_never_in_one_array_and_keep_their_order() -> None:
    clerk = Clerk()
    calls = asking(gathered(clerk), "a-1", "b-1", "a-2", "a-3", "c-1")
    for array in range(3):
        await clerk.arrived(array + 1)
        clerk.let_go()
    assert await asyncio.gather(*calls) == ["A-1", "B-1", "A-2", "A-3", "C-1"]
    assert clerk.arrays == [["a-1", "b-1", "c-1"], ["a-2"], ["a-3"]]


async def test_an_array_has_at_most_so_many_and_the_first_to_come_are_first() -> None:
    clerk = Clerk()
    calls = asking(gathered(clerk, most=2), "a", "b", "b-2", "c", "d")
    for array in range(3):
        await clerk.arrived(array + 1)
        clerk.let_go()
    await asyncio.gather(*calls)
    assert clerk.arrays == [["a", "b"], ["b-2", "c"], ["d"]]


async def test_arrays_beside_each_other_share_what_waits() -> None:
    clerk = Clerk()
    asked = gathered(clerk, beside=2)
    calls = asking(asked, "a", "b", "c", "d", "e")
    await clerk.arrived(2)
    calls += asking(asked, "f", "g")
    await asyncio.sleep(0)
    clerk.let_go(1)
    await clerk.arrived(3)
    for array in (0, 2):
        clerk.let_go(array)
    await asyncio.gather(*calls)
    assert clerk.arrays == [["a", "b", "c"], ["d", "e"], ["f", "g"]]


async def test_a_refusal_is_its_own_callers() -> None:
    clerk = Clerk()
    calls = asking(gathered(clerk), "a", "b!", "c")
    await clerk.arrived(1)
    clerk.let_go()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [str(answer) for answer in answers] == ["A", "b!", "C"]
    assert isinstance(answers[1], ValueError)


async def test_a_cancelled_caller_stops_no_other() -> None:
    clerk = Clerk()
    asked = gathered(clerk)
    sent, beside = asking(asked, "a", "b")
    await clerk.arrived(1)
    unsent, after = asking(asked, "c", "d")
    await asyncio.sleep(0)
    for call in (sent, unsent):
        call.cancel()
    await asyncio.sleep(0)
    clerk.let_go()
    await clerk.arrived(2)
    clerk.let_go()
    assert [await beside, await after] == ["B", "D"]
    assert sent.cancelled()
    assert unsent.cancelled()
    assert clerk.arrays == [["a", "b"], ["d"]], "what was not sent is not sent any more"


async def test_where_every_caller_was_cancelled_nothing_is_sent_and_the_next_call_is() -> None:
    clerk = Clerk()
    asked = gathered(clerk)
    (call,) = asking(asked, "a")
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    (after,) = asking(asked, "b")
    await clerk.arrived(1)
    clerk.let_go()
    assert await after == "B"
    assert clerk.arrays == [["b"]]


async def test_a_defect_reaches_every_caller_that_has_no_answer_yet() -> None:
    clerk = Clerk()
    asked = gathered(clerk)
    calls = asking(asked, "a", "b?", "c")
    await clerk.arrived(1)
    after = asking(asked, "d")
    await asyncio.sleep(0)
    clerk.let_go()
    await clerk.arrived(2)
    clerk.let_go()
    answers = await asyncio.gather(*calls, *after, return_exceptions=True)
    assert [str(answer) for answer in answers] == ["A", "a defect", "a defect", "D"]


async def test_an_array_that_gets_no_answer_does_not_stop_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "PATIENCE", 0)
    clerk = Clerk()
    asked = gathered(clerk)
    stuck = asking(asked, "a")
    await clerk.arrived(1)
    beside = asking(asked, "b")
    await clerk.arrived(2)
    clerk.let_go(1)
    assert await beside[0] == "B"
    after = asking(asked, "c")
    await clerk.arrived(3)
    clerk.let_go(2)
    assert await after[0] == "C"
    assert not stuck[0].done()
    clerk.let_go(0)
    assert await stuck[0] == "A"


async def test_when_the_program_ends_no_caller_waits_on() -> None:
    clerk = Clerk()
    asked = gathered(clerk)
    calls = asking(asked, "a")
    await clerk.arrived(1)
    calls += asking(asked, "b")
    await asyncio.sleep(0)
    for task in asyncio.all_tasks():
        if "_send_next" in repr(task.get_coro()):
            task.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert [call.cancelled() for call in calls] == [True, True]
    assert len(clerk.arrays) == 1
