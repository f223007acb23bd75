"""The vendor's interval: of many workers one asks, the others get its answer or none, and nothing is evidence twice."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from databases import Database
from vendor_adapters import fresh, query, scan

from activities.carriers.base import Silence, TraceQuery, found, silent
from activities.carriers.paced import PacedCarrier
from core.audit.facts import remember
from core.audit.trace import Trace
from ledger.looks import Number
from ledger.pool import open_pool
from ledger.register import Register

HALF_AN_HOUR = timedelta(minutes=30)


class Counting:
    """A provider that counts how often it was asked."""

    def __init__(self, why: Silence | None = None, *, empty: bool = False) -> None:
        self.asked, self.why, self.empty = 0, why, empty

    def serves(self, carrier: str) -> bool:
        return True

    async def trace(self, query: TraceQuery) -> Trace:
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.why is not None:
            return silent(query, "counting", self.why, "so it is")
        return found(query, "counting", [] if self.empty else [scan(0, "picked_up")])


def paced(register: Register, carrier: Counting, interval: timedelta = HALF_AN_HOUR) -> PacedCarrier:
    return PacedCarrier(carrier, "counting", register, interval)


async def test_within_the_interval_the_last_answer_is_given_again(register: Register) -> None:
    carrier, asked = Counting(), query("kdniao", fresh())
    first = await paced(register, carrier).trace(asked)
    second = await paced(register, carrier).trace(asked)
    assert (first, carrier.asked) == (second, 1)


async def test_two_workers_at_once_ask_once(database: Database) -> None:
    other = await open_pool(database.worker_dsn, size=8)
    try:
        carrier, asked = Counting(), query("kdniao", fresh())
        workers = [paced(Register(pool), carrier) for pool in (database.pool, other)]
        traces = await asyncio.gather(*(workers[number % 2].trace(asked) for number in range(40)))
    finally:
        await other.close()
    assert carrier.asked == 1
    assert {trace.answer for trace in traces} <= {"found", "throttled"}
    assert any(trace.answer == "found" for trace in traces)


async def test_after_the_interval_it_is_asked_again(register: Register) -> None:
    carrier, asked = Counting(), query("kdniao", fresh())
    short = timedelta(milliseconds=20)
    await paced(register, carrier, short).trace(asked)
    await asyncio.sleep(0.03)
    await paced(register, carrier, short).trace(asked)
    assert carrier.asked == 2


async def test_another_buyers_digits_do_not_get_the_answer(register: Register) -> None:
    carrier, number = Counting(), fresh("SF")
    await paced(register, carrier).trace(query("kdniao", number, "sf", "1234"))
    trace = await paced(register, carrier).trace(query("kdniao", number, "sf", "9999"))
    assert (trace.answer, carrier.asked) == ("throttled", 1)


async def test_a_silence_takes_the_turn_and_is_not_kept(register: Register) -> None:
    carrier, asked = Counting("unavailable"), query("kdniao", fresh())
    assert (await paced(register, carrier).trace(asked)).answer == "unavailable"
    assert (await paced(register, carrier).trace(asked)).answer == "throttled"
    assert carrier.asked == 1


async def test_the_same_look_twice_is_one_look(register: Register) -> None:
    carrier, asked = Counting(empty=True), query("kdniao", fresh())
    history = remember((), [await paced(register, carrier).trace(asked)])
    history = remember(history, [await paced(register, carrier).trace(asked)])
    assert [entry.looks for entry in history] == [1]


async def test_no_interval_asks_always_and_keeps_nothing(register: Register, database: Database) -> None:
    carrier, asked = Counting(), query("kdniao", fresh())
    for _ in range(3):
        await paced(register, carrier, timedelta()).trace(asked)
    assert carrier.asked == 3
    assert await database.pool.fetchval("SELECT count(*) FROM carrier_looks") == 0


# --- outages ---------------------------------------------------------------------------------------------


async def test_the_share_without_a_trace_counts_each_other_number_once(register: Register) -> None:
    now = datetime.now(UTC)

    async def note(number: str, no_trace: bool | None, at: datetime = now) -> tuple[int, float | None]:
        _, answers = await register.looks.keep(
            Number("A1", "p1", "m-1", "yto", number),
            (),
            no_trace,
            at,
            claimed_since=at,
            window=timedelta(hours=6),
            most=500,
        )
        return answers.answers, answers.no_trace_share

    assert await note("N1", True) == (0, None)
    for number in range(2, 5):
        await note(f"N{number}", False)
    for _ in range(10):
        assert await note("N1", True) == (3, 0.0)
    assert await note("N9", None) == (4, 0.25)
    assert await note("N9", None, now + timedelta(hours=7)) == (0, None)
