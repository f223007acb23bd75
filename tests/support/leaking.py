"""Whether bytes that leave the system hold a private word."""

from __future__ import annotations

import re
from collections.abc import Iterable


def leaked(words: Iterable[str], sent: bytes) -> list[str]:
    """Those of the words that are in it. Digits have to stand by themselves: a few stand in an id now and then, and a
    number before an @ is a process's, in the name of a worker or a client.
    """
    return [word for word in words if re.search(_pattern(word), sent)]


def _pattern(word: str) -> bytes:
    plain = re.escape(word.encode())
    return rb"(?<![0-9A-Za-z-])%b(?![0-9A-Za-z@-])" % plain if word.isdecimal() else plain
