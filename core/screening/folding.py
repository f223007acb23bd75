"""One form for all spellings of a word: width, case, accents, spacing, traditional characters, look-alikes.

A rule's words and a title are folded in the same way, letter by letter, so a word in a title is also in the folded
title. Which characters are the same in simplified Chinese is a table that the caller gives; `core.screening.simplified`
has OpenCC's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import NamedTuple

LEAST_DISGUISED = 5
"""Letters of a Latin word that is also looked for with digits instead of letters: `m4` and `ma` would be one word."""

_DIGITS_FOR_LETTERS = str.maketrans("013457l", "oieasti")
"""`1` and `l` both look like an i, so that all three are one letter here."""
_SIGNS_FOR_LETTERS = (re.compile(r"(?<=[a-z])@(?=[a-z])"), re.compile(r"(?<=[a-z])\$(?=[a-z])"))
_LATIN_WORD = re.compile(r"[a-z0-9]+")


class Folded(NamedTuple):
    """A text's letters and digits without anything between them. `gaps` are the places before which something stood.

    The ends count as gaps: a word that begins where the text does begins a word.
    """

    text: str
    gaps: frozenset[int]

    def is_apart(self, start: int, end: int) -> bool:
        """Whether a word begins at the first place or ends at the second."""
        return start in self.gaps or end in self.gaps

    def is_split(self, start: int, end: int) -> bool:
        """Whether something stands between the letters."""
        return any(place in self.gaps for place in range(start + 1, end))


class Folding:
    """Folds texts.

    Args:
        simplified: what stands for a character in simplified Chinese, by its code point.
        lookalikes: what some characters are written instead of: `鎗` for 枪, or the two halves `木仓`.
    """

    def __init__(self, simplified: Mapping[int, str], lookalikes: Mapping[str, str]) -> None:
        self._simplified = dict(simplified)
        single = {self._letters(wrong): self._letters(right) for wrong, right in lookalikes.items() if len(wrong) == 1}
        self._single = str.maketrans({wrong: right for wrong, right in single.items() if len(wrong) == 1})
        self._several = {self.fold(wrong).text: self.fold(right).text for wrong, right in lookalikes.items()}
        self._several = {wrong: right for wrong, right in self._several.items() if len(wrong) > 1 and wrong != right}
        longest = sorted(self._several, key=len, reverse=True)
        self._halves = re.compile("|".join(map(re.escape, longest))) if longest else None

    def fold(self, text: str) -> Folded:
        """A text's letters, each in its one form."""
        letters = self._letters(text).translate(self._single)
        for pattern, letter in zip(_SIGNS_FOR_LETTERS, "as", strict=True):
            letters = pattern.sub(letter, letters)
        return _compact(letters)

    def undisguised(self, folded: Folded) -> Folded:
        """The text as a reader sees it: look-alikes put together, digits read as the letters they look like."""
        text = folded if self._halves is None else self._joined(folded)
        return text._replace(text=_LATIN_WORD.sub(_as_letters, text.text))

    def _letters(self, text: str) -> str:
        apart = unicodedata.normalize("NFKD", text.translate(self._simplified)).casefold()
        kept = "".join(letter for letter in apart if unicodedata.category(letter) not in {"Mn", "Cf"})
        return unicodedata.normalize("NFKC", kept).translate(self._simplified)

    def _joined(self, folded: Folded) -> Folded:
        assert self._halves is not None
        text, gaps, last = "", set[int](), 0
        for found in self._halves.finditer(folded.text):
            gaps |= {len(text) + place - last for place in folded.gaps if last <= place < found.start()}
            text += folded.text[last : found.start()]
            if found.start() in folded.gaps:
                gaps.add(len(text))
            text += self._several[found.group()]
            last = found.end()
        gaps |= {len(text) + place - last for place in folded.gaps if place >= last}
        return Folded(text + folded.text[last:], frozenset(gaps))


def _as_letters(word: re.Match[str]) -> str:
    """A number stays a number; a word with digits in it is read as letters."""
    return word.group() if word.group().isdecimal() else word.group().translate(_DIGITS_FOR_LETTERS)


def _compact(letters: str) -> Folded:
    kept: list[str] = []
    gaps = {0}
    for letter in letters:
        if letter.isalnum():
            kept.append(letter)
        else:
            gaps.add(len(kept))
    return Folded("".join(kept), frozenset(gaps | {len(kept)}))
