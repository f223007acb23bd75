"""What stands around a rule's word and says that other goods are meant.

Three signs excuse a word. An ordinary word shares letters with it: in 抽象牙签 there is 抽象, and no 象牙. A shape
follows it: 手枪造型 is no pistol. Or the title is about a product in the end: a `dagger pendant` is a pendant. A word
that was written apart is excused by none. A seller who lies writes 手枪 钥匙扣: of goods that can be hidden so, a
person looks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from core.screening.folding import Folded
from core.screening.rules import ScreeningRule, ScreeningRules

MEASURED = re.compile(r"\d(?:千克|公斤|克|斤|粒|颗|发|枚|升|kg|g|mm|ml|oz|rounds?|grams?)")
"""A measure of goods that are sold by it: who sells `1g` sells no T-shirt."""


class Beside(NamedTuple):
    """What stands beside a word: what excuses it, or why a person must look."""

    excuse: str | None = None
    doubt: str | None = None


class Surroundings:
    """The words of a rules file that excuse others, in one spelling.

    Args:
        spell: gives a word the form that titles have.
    """

    def __init__(self, rules: ScreeningRules, spell: Callable[[str], str]) -> None:
        def spelled(words: Iterable[str]) -> list[tuple[str, str]]:
            return [(folded, word) for word in words if (folded := spell(word))]

        self._ordinary, self._products = spelled(rules.ordinary), spelled(rules.products)
        self._shapes = spelled(rules.shapes)
        self._telling = [folded for folded, _ in spelled(rules.telling)]

    def beside(self, rule: ScreeningRule, folded: Folded, start: int, end: int) -> Beside:
        """The word of the file that excuses these letters, which were not written apart, or puts them in doubt."""
        if (word := self._running_on(folded, start, end)) is not None:
            return Beside(excuse=word)
        if not rule.motif or self._means_the_goods(folded):
            return Beside()
        if (shape := self._shape(folded, end)) is not None:
            return Beside(excuse=shape)
        if rule.hides and end in folded.gaps and (product := self._product(folded, end, end + 1)) is not None:
            return Beside(doubt=f"it may be hidden in {product}")
        return Beside(excuse=self._product(folded, end, len(folded.text)))

    def _means_the_goods(self, folded: Folded) -> bool:
        measured = any(_is_whole(found.end(), folded) for found in MEASURED.finditer(folded.text))
        return measured or any(word in folded.text for word in self._telling)

    def _shape(self, folded: Folded, end: int) -> str | None:
        for word, written in self._shapes:
            if folded.text.startswith(word, end) and _is_whole(end + len(word), folded, word):
                return written
        return None

    def _running_on(self, folded: Folded, start: int, end: int) -> str | None:
        for word, written in self._ordinary:
            for place in _places(word, folded.text, start - len(word) + 1, end):
                last = place + len(word)
                runs = place < start < last < end or start < place < end < last
                if runs and not folded.is_split(place, last):
                    return written
        return None

    def _product(self, folded: Folded, after: int, before: int) -> str | None:
        """The product that begins between these places and ends a part of the title; a Latin one is its last word."""
        for word, written in self._products:
            for place in _places(word, folded.text, after, before):
                if _ends_a_part(word, folded, place):
                    return written
        return None


def _is_whole(end: int, folded: Folded, word: str = "a") -> bool:
    """No Latin word goes on here."""
    return not word[-1].isascii() or end in folded.gaps or not folded.text[end].isascii()


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
