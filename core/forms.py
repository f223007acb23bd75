"""Sentences of ours and of libraries, said in other words, mostly in Chinese, by the form of the English one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property

from core.texts import LANGUAGES, Help, Language


class Forms:
    """English forms and what is said in their place. `{}` stands for what only the case knows.

    Args:
        table: form to form, both with as many `{}`. A brace of the text itself is doubled, as in `str.format`.
        named: what stands for `{}`, as the other form has it.
    """

    def __init__(self, table: Mapping[str, str], named: Callable[[str], str] = str) -> None:
        self._table, self._named = table, named

    def said(self, text: str, named: Callable[[str], str] | None = None) -> str | None:
        """The text in its other form; None where it has none of these.

        Args:
            text: an English one.
            named: in place of the table's own.
        """
        for form, said in self._patterns:
            if (found := form.fullmatch(text)) is not None:
                return said.format(*map(named or self._named, found.groups()))
        return None

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], str]]:
        """The most exact first: the longest text around what only the case knows."""
        ordered = sorted(self._table.items(), key=lambda pair: -len(pair[0]))
        return [(re.compile("(.+?)".join(map(_plainly, form.split("{}"))), re.DOTALL), said) for form, said in ordered]


def in_each_language(table: Mapping[str, Help]) -> Mapping[Language, Forms]:
    """Forms of which each is said in both languages."""
    return {language: Forms({form: getattr(said, language) for form, said in table.items()}) for language in LANGUAGES}


def _plainly(part: str) -> str:
    return re.escape(part.replace("{{", "{").replace("}}", "}"))
