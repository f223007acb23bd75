"""What people read, in English and in Chinese: the one way to write a time, and the one to write a length of time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")


class Help(NamedTuple):
    """A sentence in English and in Chinese. `{}` stands for what only the state knows."""

    en: str
    zh: str


def clock(at: datetime | str | None) -> str:
    """A time for people, UTC, to the minute: `2026-11-24 16:00 UTC`; "" where there is none.

    Args:
        at: aware; as a text RFC 3339, as JSON has it.
    """
    if at is None or at == "":
        return ""
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    # `strftime` imports a module, which is slow in the sandbox of workflows.
    return f"{moment.astimezone(UTC).isoformat(' ', 'minutes').removesuffix('+00:00')} UTC"


def listed(words: Iterable[str], language: Language = "en") -> str:
    """Words in a row: `a, b`, in Chinese `a、b`."""
    return ("、" if language == "zh" else ", ").join(words)


def joined(sentences: Iterable[str], language: Language = "en") -> str:
    """Sentences one after the other; Chinese ones without a space between."""
    return ("" if language == "zh" else " ").join(filter(None, sentences))


_UNITS = (
    (timedelta(days=1), (" day", " days"), " 天"),
    (timedelta(hours=1), (" h", " h"), " 小时"),
    (timedelta(minutes=1), (" min", " min"), " 分钟"),
    (timedelta(seconds=1), (" s", " s"), " 秒"),
    (timedelta(milliseconds=1), (" ms", " ms"), " 毫秒"),
)


def spell(length: timedelta, language: Language = "en") -> str:
    """A length of time for people, in its largest unit and the next: `30 days`, `2 h 5 min`, `2 小时 5 分钟`.

    What is smaller than that is left out.
    """
    if length < timedelta():
        return f"-{spell(-length, language)}"
    for place, (unit, _, _) in enumerate(_UNITS):
        if length >= unit:
            rest = [(length % unit // next_unit, place + 1) for next_unit, _, _ in _UNITS[place + 1 : place + 2]]
            counts = [(length // unit, place), *rest]
            return " ".join(_counted(count, where, language) for count, where in counts if count)
    return _counted(0, _SECONDS, language)


def spelled_zh(text: str) -> str | None:
    """A length that `spell` wrote in English, in Chinese; None where the text is none."""
    parts = [_SPELLED.fullmatch(part) for part in re.split(r" (?=[0-9])", text)]
    if not all(parts):
        return None
    return " ".join(f"{part[1]}{_CHINESE_UNITS[part[2]]}" for part in parts if part)


_CHINESE_UNITS = {unit: chinese for _, units, chinese in _UNITS for unit in units}
_SPELLED = re.compile(rf"(-?[0-9]+)({'|'.join(_CHINESE_UNITS)})")
_SECONDS = 3
"""The unit in which a zero length is written."""


def _counted(count: int, place: int, language: Language) -> str:
    _, (one, many), chinese = _UNITS[place]
    return f"{count}{chinese if language == 'zh' else one if count == 1 else many}"
