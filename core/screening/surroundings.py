"""What stands around a rule's word and says that other goods are meant.

Two signs excuse a word. An ordinary word shares letters with it: in 抽象牙签 there is 抽象, and no 象牙. Or the title
is about a product in the end: a `dagger pendant` is a pendant. A word that was written apart is excused by neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from core.screening.folding import Folded
from core.screening.rules import ScreeningRule, ScreeningRules

MEASURED = re.compile(r"\d(?:千克|克|粒|发|枚|升|kg|g|mm|ml|rounds?|grams?)")
"""A measure of goods that are sold by it: who sells `1g` sells no T-shirt."""


class Surroundings:
    """The words of a rules file that excuse others, in one spelling.

    Args:
        spell: gives a word the form that titles have.
    """

    def __init__(self, rules: ScreeningRules, spell: Callable[[str], str]) -> None:
        def spelled(words: Iterable[str]) -> list[tuple[str, str]]:
            return [(folded, word) for word in words if (folded := spell(word))]

        self._ordinary, self._products = spelled(rules.ordinary), spelled(rules.products)
        self._telling = [folded for folded, _ in spelled(rules.telling)]

    def excuse(self, rule: ScreeningRule, folded: Folded, start: int, end: int) -> str | None:
        """The word of the file that excuses these letters."""
        if folded.is_split(start, end):
            return None
        return self._running_on(folded, start, end) or (self._product(folded, end) if rule.motif else None)

    def _running_on(self, folded: Folded, start: int, end: int) -> str | None:
        for word, written in self._ordinary:
            for place in _places(word, folded.text, start - len(word) + 1, end):
                last = place + len(word)
                runs = place < start < last < end or start < place < end < last
                if runs and not folded.is_split(place, last):
                    return written
        return None

    def _product(self, folded: Folded, after: int) -> str | None:
        """The product that ends a part of the title; a Latin one is its last word."""
        measured = any(_is_whole(found.end(), folded) for found in MEASURED.finditer(folded.text))
        if measured or any(word in folded.text for word in self._telling):
            return None
        for word, written in self._products:
            for place in _places(word, folded.text, after, len(folded.text)):
                if _ends_a_part(word, folded, place):
                    return written
        return None


def _is_whole(end: int, folded: Folded) -> bool:
    """No Latin word goes on here."""
    return end in folded.gaps or not folded.text[end].isascii()


def _ends_a_part(word: str, folded: Folded, place: int) -> bool:
    last = place + len(word)
    if not word.isascii():
        return last in folded.gaps
    return place in folded.gaps and folded.text[last:] in {"", "s", "es"}


def _places(word: str, text: str, first: int, end: int) -> Iterator[int]:
    """Where a word stands from the first place on, before the end."""
    place = text.find(word, max(0, first))
    while 0 <= place < end:
        yield place
        place = text.find(word, place + 1)
