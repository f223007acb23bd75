"""Keeps a vendor's shortest interval between two queries of one number, across workers and restarts.

A worker takes its turn in PostgreSQL before it asks, so only one of many workers asks. Within the interval the last
answer is returned with its own time, so it counts as one look. The answer is `throttled` if there is none yet or if it
was for another buyer's digits. If a number has several questions, each turn asks the next one. The clock is the
machine's: a vendor does not follow an order's skipped time.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from activities.carriers.asking import Question, Questions, answered, combined, questions_of
from activities.carriers.base import Carrier, TraceQuery, silent
from core.audit.trace import Trace
from core.durations import format_duration
from ledger.provider_log import LastLook
from ledger.register import Register


class PacedCarrier:
    """A provider behind its interval.

    Args:
        carrier: the provider; a failed query counts too, because the vendor may have counted it.
        interval: zero: every query is sent, and nothing is kept.
    """

    def __init__(self, carrier: Carrier, provider: str, register: Register, interval: timedelta) -> None:
        self._carrier, self._provider, self._register, self._interval = carrier, provider, register, interval

    def serves(self, carrier: str) -> bool:
        """See `Carrier.serves`."""
        return self._carrier.serves(carrier)

    async def trace(self, query: TraceQuery) -> Trace:
        """See `Carrier.trace`.

        Raises:
            Unavailable: the database did not answer, so the provider was not asked; a retry helps.
        """
        if not self.serves(query.carrier):
            return await self._carrier.trace(query)
        questions = questions_of(self._carrier, query)
        if not self._interval:
            return await self._ask_all(questions)
        return await self._ask_in_turn(query, questions)

    async def _ask_all(self, questions: Questions) -> Trace:
        """Ask every question until one brings scans."""
        answers: list[Trace] = []
        for question in questions.asked:
            answers.append(answered(await self._carrier.trace(question.query), question, questions))
            if answers[-1].scans:
                return answers[-1]
        return answers[0] if len(answers) == 1 else combined(answers)

    async def _ask_in_turn(self, query: TraceQuery, questions: Questions) -> Trace:
        """Ask one question: the one after the last one asked, or the same if that brought scans.

        The vendor locks a number that is queried twice within its interval, even by different questions.
        """
        log, number = self._register.providers, (query.carrier, query.waybill)
        keys = [_key(question, questions) for question in questions.asked]
        last = await log.last_look(self._provider, *number) if len(keys) > 1 else None
        turn = _turn(keys, last)
        question = questions.asked[turn]
        if not await log.take_look(self._provider, *number, keys[turn], self._interval, datetime.now(UTC)):
            if last is not None and last.key in keys:
                question = questions.asked[keys.index(last.key)]
            kept = await log.last_answer(self._provider, *number, _key(question, questions))
            why = f"asked less than {format_duration(self._interval)} ago"
            trace = kept or silent(query, self._provider, "throttled", why)
        else:
            begun = time.monotonic()
            trace = await self._carrier.trace(question.query)
            took = timedelta(seconds=time.monotonic() - begun)
            await log.keep_answer(self._provider, keys[turn], number, trace, took)
        return answered(trace, question, questions)


def _key(question: Question, questions: Questions) -> str:
    """The log's key of a question: the digits, and its name if there are several."""
    digits = question.query.phone_last4 or ""
    return digits if len(questions.asked) == 1 else f"{digits} {question.name}".strip()


def _turn(keys: list[str], last: LastLook | None) -> int:
    if last is None or last.key not in keys:
        return 0
    return keys.index(last.key) if last.found else (keys.index(last.key) + 1) % len(keys)
