"""Sentences of ours and of libraries, said in Chinese by the form of the English one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property


class Forms:
    """English forms and what they are in Chinese. `{}` stands for what only the case knows.

    Args:
        table: form to form, both with as many `{}`. A brace of the text itself is doubled, as in `str.format`.
        named: what stands for `{}`, as Chinese has it.
    """

    def __init__(self, table: Mapping[str, str], named: Callable[[str], str] = str) -> None:
        self._table, self._named = table, named

    def chinese(self, text: str) -> str | None:
        """The text in Chinese; None where it has none of these forms."""
        for form, said in self._patterns:
            if (found := form.fullmatch(text)) is not None:
                return said.format(*(self._named(part) for part in found.groups()))
        return None

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], str]]:
        """The most exact first: the longest text around what only the case knows."""
        ordered = sorted(self._table.items(), key=lambda pair: -len(pair[0]))
        return [(re.compile("(.+?)".join(map(_plainly, form.split("{}"))), re.DOTALL), said) for form, said in ordered]


def _plainly(part: str) -> str:
    return re.escape(part.replace("{{", "{").replace("}}", "}"))
