"""Times that note what is asked of them: a life is lived with them once, and its answers say where else it holds.

Every time of a life is one of the record's (the payment, an event, the time to ship) and a distance that the policy
gives. Its core asks whether one lies before another, and nothing else decides. So a life holds for every past order to
which the same questions have the same answers. What cannot be noted (a day of the week, a fraction of an hour that
decides) raises `Untraceable`; then the life is lived with real times.

Traced times show a day of long ago. What was read past them leads to a life that is not the one with real times: the
first order of each kind is lived in both ways.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, NoReturn

MICROSECOND = timedelta(microseconds=1)
_SHOWN_AT = (1980, 1, 1)


class Untraceable(Exception):
    """Something was asked of a time that cannot be noted."""


class TimeQuestion(NamedTuple):
    """Whether time `one` of the record lies less than `by` microseconds after time `other`."""

    one: int
    other: int
    by: int


class Trail:
    """The questions of one life and their answers, by the times of one past order in microseconds."""

    def __init__(self, times: Sequence[int]) -> None:
        self.answers: list[tuple[TimeQuestion, bool]] = []
        self._times = times
        self._known: dict[tuple[int, int], tuple[float, float]] = {}
        self._written: dict[str, tuple[int, int]] = {}

    def time(self, of: int) -> TracedTime:
        """The record's time of this number."""
        return _time(self, of, 0)

    def after(self, one: int, other: int) -> TracedSpan:
        """From time `other` to time `one`."""
        return TracedSpan(self, one, other, 0)

    def less(self, one: int, other: int, by: int) -> bool:
        """Whether `one - other < by`, noted where the answers so far do not say it."""
        if one == other:
            return by > 0
        if one > other:
            return not self.less(other, one, 1 - by)
        least, below = self._known.get((one, other), (float("-inf"), float("inf")))
        if by >= below or by <= least:
            return by >= below
        answer = self._times[one] - self._times[other] < by
        self._known[one, other] = (least, by) if answer else (by, below)
        self.answers.append((TimeQuestion(one, other, by), answer))
        return answer

    def equal(self, one: int, other: int, by: int) -> bool:
        """Whether `one - other == by`."""
        return not self.less(one, other, by) and self.less(one, other, by + 1)

    def written(self, of: int, by: int) -> str:
        """A time as a text. Texts are compared, so it is noted that other times that were written are others."""
        text = f"<{of}+{by}>"
        for other, (one, apart) in self._written.items():
            if other != text and self.equal(of, one, apart - by):
                raise Untraceable
        self._written[text] = (of, by)
        return text


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise Untraceable


class _Compared:
    """Comparisons, each as one question: is this less than the other and so many microseconds more?"""

    __slots__ = ()

    def __lt__(self, other: Any) -> bool:
        return self._less(other, 0)

    def __le__(self, other: Any) -> bool:
        return self._less(other, 1)

    def __gt__(self, other: Any) -> bool:
        return not self._less(other, 1)

    def __ge__(self, other: Any) -> bool:
        return not self._less(other, 0)

    @abstractmethod
    def _less(self, other: Any, more: int) -> bool:
        """Whether this is less than the other and `more` microseconds."""


class TracedTime(_Compared, datetime):
    """A time of the record and a distance from it."""

    trail: Trail
    of: int
    by: int

    def __add__(self, span: Any) -> Any:
        if isinstance(span, timedelta):
            return _time(self.trail, self.of, self.by + span // MICROSECOND)
        if isinstance(span, TracedSpan) and span.one == span.other:
            return _time(self.trail, self.of, self.by + span.by)
        if isinstance(span, TracedSpan) and span.other == self.of:
            return _time(self.trail, span.one, self.by + span.by)
        raise Untraceable

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, TracedTime):
            return _span(self.trail, self.of, other.of, self.by - other.by)
        return self + -other if isinstance(other, timedelta | TracedSpan) else _refuse()

    def _less(self, other: Any, more: int) -> bool:
        if not isinstance(other, TracedTime):
            raise Untraceable
        return self.trail.less(self.of, other.of, other.by - self.by + more)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TracedTime):
            return self.trail.equal(self.of, other.of, other.by - self.by)
        return _refuse() if isinstance(other, datetime) else False

    def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:
        return self.trail.written(self.of, self.by)

    def __str__(self) -> str:
        return self.isoformat()

    def __format__(self, spec: str) -> str:
        return self.isoformat()

    def strftime(self, spec: str) -> str:
        return self.isoformat()

    def astimezone(self, tz: Any = None) -> TracedTime:
        return self if tz is UTC else _refuse()

    __hash__ = __rsub__ = __reduce_ex__ = replace = _refuse
    date = time = timetz = timetuple = utctimetuple = timestamp = ctime = toordinal = _refuse
    weekday = isoweekday = isocalendar = _refuse


def _time(trail: Trail, of: int, by: int) -> TracedTime:
    at = TracedTime(*_SHOWN_AT, tzinfo=UTC)
    at.trail, at.of, at.by = trail, of, by
    return at


def _span(trail: Trail, one: int, other: int, by: int) -> TracedSpan | timedelta:
    return timedelta(microseconds=by) if one == other else TracedSpan(trail, one, other, by)


class TracedSpan(_Compared):
    """From one time of the record to another, and something more. It is no `timedelta`, so none passes for it."""

    __slots__ = ("by", "one", "other", "trail")

    def __init__(self, trail: Trail, one: int, other: int, by: int) -> None:
        self.trail, self.one, self.other, self.by = trail, one, other, by

    def __add__(self, more: Any) -> Any:
        if isinstance(more, TracedTime):
            return more + self
        if isinstance(more, timedelta):
            return TracedSpan(self.trail, self.one, self.other, self.by + more // MICROSECOND)
        if isinstance(more, TracedSpan) and more.one == self.other:
            return _span(self.trail, self.one, more.other, self.by + more.by)
        if isinstance(more, TracedSpan) and more.other == self.one:
            return _span(self.trail, more.one, self.other, self.by + more.by)
        raise Untraceable

    __radd__ = __add__

    def __neg__(self) -> TracedSpan:
        return TracedSpan(self.trail, self.other, self.one, -self.by)

    def __sub__(self, less: Any) -> Any:
        return self + -less

    def __rsub__(self, more: Any) -> Any:
        return -self + more

    def _less(self, other: Any, more: int) -> bool:
        if isinstance(other, timedelta):
            return self.trail.less(self.one, self.other, other // MICROSECOND - self.by + more)
        if not isinstance(other, TracedSpan):
            raise Untraceable
        by = other.by - self.by + more
        if self.other == other.other:
            return self.trail.less(self.one, other.one, by)
        return self.trail.less(other.other, self.other, by) if self.one == other.one else _refuse()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TracedSpan | timedelta):
            return not self._less(other, 0) and self._less(other, 1)
        return False

    def __bool__(self) -> bool:
        return self != timedelta()

    __hash__ = _refuse

    def total_seconds(self) -> ShownNumber:
        """For a text."""
        return ShownNumber()

    def __truediv__(self, by: object) -> ShownNumber:
        return ShownNumber()


class ShownNumber:
    """A number that is only shown. Whether it is more than another cannot be noted."""

    def __round__(self, digits: int | None = None) -> ShownNumber:
        return self

    def __truediv__(self, by: object) -> ShownNumber:
        return self

    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __hash__ = __bool__ = _refuse
