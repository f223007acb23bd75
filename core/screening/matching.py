"""Titles against the rules: which rule matches these goods, by which word, and what excuses it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Literal, NamedTuple

from core.screening.folding import LEAST_DISGUISED, Folded, Folding
from core.screening.rules import ScreeningRule, ScreeningRules
from core.screening.surroundings import Surroundings

Outcome = Literal["allow", "hold", "refuse"]


BETWEEN_WORDS = "it runs from one word into the next"


class Hit(NamedTuple):
    """A rule that matches some goods, by a word of their title or by their category.

    `doubt` is why a person looks before it is refused: a softening word of the title, or a word that runs from inside
    one word into another (大象 牙膏 is no 象牙). `excused_by` is the allowed phrase around the word, or the ordinary
    word or the product beside it; such a hit counts nothing.
    """

    rule: ScreeningRule
    word: str = ""
    doubt: str | None = None
    excused_by: str | None = None

    def outcome(self, licences: Collection[str]) -> Outcome:
        """What becomes of the goods of a merchant who has these licences."""
        if self.excused_by is not None or self.rule.licence in licences:
            return "allow"
        verdict: Outcome = self.rule.without if self.rule.verdict == "licence" else self.rule.verdict
        return "hold" if self.doubt is not None else verdict


class _Keyword(NamedTuple):
    folded: str
    written: str
    rule: ScreeningRule
    gaps: frozenset[int]
    """Where it has gaps of its own: `hand grenade`."""


class _Words:
    """The words of all rules in one spelling, by how they begin, and the phrases that excuse them."""

    def __init__(self, rules: ScreeningRules, spell: Callable[[str], Folded]) -> None:
        self._spell = spell
        self._around = Surroundings(rules, lambda word: spell(word).text)
        self._index: dict[str, list[_Keyword]] = {}
        self._allowed: dict[str, list[tuple[str, str]]] = {}

    def add(self, word: str, rule: ScreeningRule) -> None:
        """A word of a rule. One without letters or digits is never found."""
        folded = self._spell(word)
        if folded.text:
            self._index.setdefault(folded.text[:2], []).append(_Keyword(folded.text, word, rule, folded.gaps))

    def allow(self, phrase: str, rule: ScreeningRule) -> None:
        """A phrase in which a rule's words mean something else."""
        if folded := self._spell(phrase).text:
            self._allowed.setdefault(rule.id, []).append((folded, phrase))

    def found_in(self, folded: Folded) -> Iterator[Hit]:
        """Every place in the text where a word of a rule stands."""
        text = folded.text
        for start, letter in enumerate(text):
            for keyword in (*self._index.get(text[start : start + 2], ()), *self._single(letter, start, text)):
                end = _end_of(keyword.folded, folded, start)
                if end is not None:
                    yield self._hit(keyword, folded, start, end)

    def _hit(self, keyword: _Keyword, folded: Folded, start: int, end: int) -> Hit:
        """The keyword stands here: what excuses it, and what puts it in doubt."""
        rule = keyword.rule
        if (excuse := self._excuse(rule, folded.text, start, end)) is not None:
            return Hit(rule, keyword.written, None, excuse)
        if any(place in folded.gaps and place - start not in keyword.gaps for place in range(start + 1, end)):
            chance = not folded.is_apart(start, end)
            return Hit(rule, keyword.written, BETWEEN_WORDS if chance else None)
        beside = self._around.beside(rule, folded, start, end)
        return Hit(rule, keyword.written, beside.doubt, beside.excuse)

    def _single(self, letter: str, start: int, text: str) -> list[_Keyword]:
        """Words of one letter. At the end of the text they were already looked up."""
        return self._index.get(letter, []) if start + 1 < len(text) else []

    def _excuse(self, rule: ScreeningRule, text: str, start: int, end: int) -> str | None:
        """The allowed phrase that these letters lie in."""
        for allowed, phrase in self._allowed.get(rule.id, ()):
            place = text.find(allowed)
            while 0 <= place <= start:
                if place + len(allowed) >= end:
                    return phrase
                place = text.find(allowed, place + 1)
        return None


def _end_of(word: str, folded: Folded, start: int) -> int | None:
    """Where a word ends that stands here, its plural with it; None where it does not stand here.

    A Latin word stands only as a word of its own: no `gun` in `burgundy`.
    """
    if not folded.text.startswith(word, start):
        return None
    end = start + len(word)
    if _is_latin(word[0]) and start and start not in folded.gaps and _is_latin(folded.text[start - 1]):
        return None
    if not _is_latin(word[-1]):
        return end
    for plural in ("", "s", "es"):
        last = end + len(plural)
        if folded.text.startswith(plural, end) and (last in folded.gaps or not _is_latin(folded.text[last])):
            return last
    return None


def _stands(word: str, folded: Folded) -> bool:
    """Whether a word stands anywhere in a text."""
    start = folded.text.find(word)
    while start >= 0 and _end_of(word, folded, start) is None:
        start = folded.text.find(word, start + 1)
    return start >= 0


def _is_latin(letter: str) -> bool:
    return letter.isascii()


class Screener:
    """The rules, ready for many titles.

    Args:
        simplified: what stands for a character in simplified Chinese, by its code point.
    """

    def __init__(self, rules: ScreeningRules, simplified: Mapping[int, str]) -> None:
        self.rules = rules
        self._folding = Folding(simplified, rules.lookalikes)
        self._plain, self._disguised = _Words(rules, self._folding.fold), _Words(rules, self._undisguised)
        self._softening = tuple((self.fold(word), word) for word in rules.soften if self.fold(word))
        for rule in rules.rules:
            for words in (self._plain, self._disguised):
                for phrase in rule.allow:
                    words.allow(phrase, rule)
            for word in rule.keywords:
                self._add(word, rule)

    def _add(self, word: str, rule: ScreeningRule) -> None:
        self._plain.add(word, rule)
        folded = self.fold(word)
        if not folded.isascii() or (len(folded) >= LEAST_DISGUISED and folded.isalpha()):
            self._disguised.add(word, rule)

    def fold(self, text: str) -> str:
        """A text as words are compared."""
        return self._folding.fold(text).text

    def _undisguised(self, text: str) -> Folded:
        return self._folding.undisguised(self._folding.fold(text))

    def examine(self, title: str, category: str = "") -> tuple[Hit, ...]:
        """Every rule that matches such goods, each once, by its strongest hit."""
        hits = [Hit(rule) for rule in self.rules.rules if _is_below(category, rule.categories)]
        folded = self._folding.fold(title)
        hits += self._plain.found_in(folded)
        undisguised = self._folding.undisguised(folded)
        if undisguised.text != folded.text:
            hits += self._disguised.found_in(undisguised)
        counting: dict[str, Hit] = {}
        for hit in sorted(hits, key=lambda hit: (hit.excused_by is not None, hit.doubt is not None)):
            counting.setdefault(hit.rule.id, self._softened(hit, folded) if hit.word else hit)
        return tuple(counting.values())

    def _softened(self, hit: Hit, title: Folded) -> Hit:
        if hit.doubt is not None or hit.excused_by is not None:
            return hit
        word = next((word for folded, word in self._softening if _stands(folded, title)), None)
        return hit if word is None else hit._replace(doubt=f"the title says {word}")


def _is_below(category: str, categories: Collection[str]) -> bool:
    return any(category == one or category.startswith(f"{one}.") for one in categories)
