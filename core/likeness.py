"""How alike names are: what a hint offers for one that is not known, and whether one misspells another.

A name that misspells one and is not refused is taken for a new one, without a word.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from difflib import SequenceMatcher, get_close_matches

ALIKE = 0.8
"""From here on two names are one and its misspelling: one or two letters in ten differ."""
_NUMBERED = re.compile(r"(.+?)(?:[-_/. ]([A-Za-z]|[0-9]+)|([0-9]+))")
"""A name that ends with a number, or with a letter after a separator: `bank_a`, `bank-12`, `bank2`."""


def nearest(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """The known names that are most like this one, the likeliest first: for a hint beside a refusal."""
    return get_close_matches(name, list(known), n=most)


def as_alike(one: str, other: str, least: float) -> bool:
    """Whether two texts have at least this share of their letters in common."""
    match = SequenceMatcher(None, one, other)
    # The first two are upper bounds of the third, and are found faster.
    return match.real_quick_ratio() >= least <= match.quick_ratio() and match.ratio() >= least


def misspelt(name: str, known: Collection[str], *, most: int = 3, alike: float = ALIKE) -> list[str]:
    """The known names that this one misspells, the likeliest first; none for a known name.

    Names that differ only in a last letter or number are those of several things, not misspellings: `bank_a` beside
    `bank_b`, `bank` beside `bank_2`.
    """
    if name in known:
        return []
    near = get_close_matches(name, known, n=max(1, len(known)), cutoff=alike)
    return [one for one in near if not _are_several(name, one)][:most]


def _are_several(one: str, other: str) -> bool:
    (name, end), (other_name, other_end) = _parted(one), _parted(other)
    return name == other_name and end != other_end


def _parted(name: str) -> tuple[str, str]:
    """The name without its last letter or number, and that one."""
    found = _NUMBERED.fullmatch(name)
    return (found[1], found[2] or found[3]) if found is not None else (name, "")
