"""Sentences of ours and of libraries, said in other words, mostly in Chinese, by the form of the English one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
            text: an English one, of any length: a sender's own words may stand in it.
            named: in place of the table's own.
        """
        for fixed, said in self._forms:
            if (found := _between(fixed, text)) is not None:
                return said.format(*map(named or self._named, found))
        return None

    @cached_property
    def _forms(self) -> list[tuple[list[str], str]]:
        """The parts around what only the case knows, the most exact form first: that with the longest text."""
        ordered = sorted(self._table.items(), key=lambda pair: -len(pair[0]))
        return [([_plainly(part) for part in form.split("{}")], said) for form, said in ordered]


def _between(fixed: Sequence[str], text: str) -> list[str] | None:
    """What stands between these parts of a text, each as short as it can be and never nothing; None where they do not
    follow each other there.

    Each part is taken where it comes first, which leaves the most room for the others: nothing is tried twice. A
    regular expression tries each place of each part with those of all others, for minutes where a sender wants it.
    """
    first, *middle = fixed
    if not middle:
        return [] if text == first else None
    *middle, last = middle
    if not (text.startswith(first) and text.endswith(last)):
        return None
    found, begins, end = [], len(first), len(text) - len(last)
    for part in middle:
        at = text.find(part, begins + 1, end)
        if at < 0:
            return None
        found.append(text[begins:at])
        begins = at + len(part)
    return [*found, text[begins:end]] if begins < end else None


def in_each_language(table: Mapping[str, Help]) -> Mapping[Language, Forms]:
    """Forms of which each is said in both languages."""
    return {language: Forms({form: getattr(said, language) for form, said in table.items()}) for language in LANGUAGES}


def _plainly(part: str) -> str:
    return part.replace("{{", "{").replace("}}", "}")
