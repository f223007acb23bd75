"""Is a Chinese sentence wholly Chinese? Texts of people and providers are quoted, and names of commands are names."""

from __future__ import annotations

import re

from core.messages import ORDER_COMMANDS, WITHDRAWAL_COMMANDS

_QUOTED = re.compile(r"“[^”]*”")
_KNOWN = sorted({*ORDER_COMMANDS, *WITHDRAWAL_COMMANDS, "to_confirm", "show", "UTC"})
_NAMES = re.compile(rf"\b(?:{'|'.join(_KNOWN)})\b")
_WORD = re.compile(r"[A-Za-z]{2,}")


def english_in(text: str, *names: str) -> list[str]:
    """The English words of a Chinese text; ids and names of the sample are given."""
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, "")
    return _WORD.findall(_NAMES.sub("", _QUOTED.sub("", text)))
