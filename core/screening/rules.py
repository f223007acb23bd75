"""A rules file: which goods are refused, held for a person, or need a licence, and which words are harmless."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from core.errors import Misconfigured
from core.fields import Message
from core.toml_lines import read_toml

Verdict = Literal["refuse", "hold", "licence"]
Words = tuple[Annotated[str, StringConstraints(strict=True, min_length=1, max_length=80)], ...]
RuleId = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Version = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9._-]{1,32}$")]
Licence = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Category = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z0-9_.-]{1,80}$")]


class ScreeningRule(Message):
    """Goods of these categories (and all below them), or with one of these words in the title, get this verdict."""

    id: RuleId
    name: Annotated[str, StringConstraints(strict=True, min_length=1, max_length=80)]
    name_zh: Annotated[str, StringConstraints(strict=True, min_length=1, max_length=80)] | None = None
    """How a person reads it in Chinese."""
    verdict: Verdict
    licence: Licence | None = None
    """What the merchant must have, where the verdict is `licence`."""
    without: Literal["refuse", "hold"] = "hold"
    """What becomes of an order whose merchant has no such licence."""
    appeal: bool = False
    """Whether the merchant may ask a person to look before a refusal by a word counts."""
    motif: bool = False
    """Whether other goods may show, taste of or be shaped like its goods: then `products` excuse its words."""
    hides: bool = False
    """Whether a seller may hide its goods in a product: where only the product follows its word, a person looks."""
    categories: tuple[Category, ...] = ()
    keywords: Words = ()
    allow: Words = ()
    """Phrases in which its words mean something else: a hit that lies inside one of them is none."""

    @model_validator(mode="after")
    def _names_its_licence(self) -> ScreeningRule:
        if (self.verdict == "licence") != (self.licence is not None):
            raise ValueError("licence: is named exactly where the verdict is licence")
        if self.verdict != "licence" and "without" in self.model_fields_set:
            raise ValueError("without: is only for rules whose verdict is licence")
        if self.appeal and "refuse" not in {self.verdict, self.without}:
            raise ValueError("appeal: is only for rules that refuse; held goods are looked at anyway")
        return self


class ScreeningRules(Message):
    """A rules file, read.

    `version` is its own word for itself, `content_hash` distinguishes two texts of one version.
    """

    version: Version
    lookalikes: dict[
        Annotated[str, StringConstraints(min_length=1, max_length=4)],
        Annotated[str, StringConstraints(min_length=1, max_length=4)],
    ] = {}
    """Another spelling of a character, and the character."""
    soften: Words = ()
    """Words of a title that point to a picture, a book or a game: what would be refused is held for a person."""
    ordinary: Words = ()
    """Words of every day that share letters with a rule's word: where one runs into it or out of it, it is none."""
    products: Words = ()
    """What a title is about in the end: a `dagger pendant` is a pendant. They excuse the words of a `motif` rule."""
    shapes: Words = ()
    """Words right after a rule's word that say that it is only shown (造型, shaped). They excuse as products do."""
    telling: Words = ()
    """Words that say that the goods themselves are meant; beside one of them no product and no shape excuses."""
    rules: Annotated[tuple[ScreeningRule, ...], Field(max_length=500)] = ()
    content_hash: str = ""

    @property
    def edition(self) -> str:
        """What an order keeps: the version, and the beginning of the text's hash."""
        return f"{self.version}+{self.content_hash[:8]}"


NO_RULES = ScreeningRules(version="none", content_hash="0" * 64)
"""Everything is allowed."""


def hash_of(text: str) -> str:
    """SHA-256 of a rules file."""
    return hashlib.sha256(text.encode()).hexdigest()


def parse_rules(text: str) -> ScreeningRules:
    """The rules of a TOML text.

    Raises:
        Misconfigured: not TOML, or a rule is not well formed; says line and key. A retry does not help.
    """
    rules, problems = read_toml(ScreeningRules, text)
    if rules is None:
        raise Misconfigured(f"screening rules: {'; '.join(map(str, problems))}")
    return rules.model_copy(update={"content_hash": hash_of(text)})
