"""The console's words in English and Chinese, from `words.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from core.texts import Language

Table = Mapping[str, Mapping[str, Mapping[str, str]]]


def _read() -> Table:
    text = resources.files("storefront.console").joinpath("words.toml").read_text(encoding="utf-8")
    found: Table = tomllib.loads(text)
    return found


TABLE = _read()
"""Section → key → language → words."""


_VERBS = re.compile(rf"`?\b({'|'.join(sorted(TABLE['verb'], key=len, reverse=True))})\b`?", re.ASCII)
"""Verbs of the contract within a sentence. In a Chinese one no letter needs to end before them."""


@dataclass(frozen=True)
class Phrases:
    """The words of one language. `words("order.title", id="A1")` is a sentence with its values put in."""

    language: Language

    def __call__(self, key: str, **values: object) -> str:
        """The words of a key.

        Raises:
            KeyError: there are none: a defect of ours, which a test finds.
        """
        section, _, name = key.partition(".")
        said = TABLE[section][name][self.language]
        return said.format(**values) if values else said

    def of(self, section: str, code: str | None) -> str:
        """What people call a code of the contract; the code itself, spaced, where it has no name here. Total."""
        if not code:
            return ""
        named = TABLE.get(section, {}).get(code)
        return named[self.language] if named is not None else code.replace("_", " ")

    def plain(self, text: str) -> str:
        """A sentence of the contract as people read it: a verb by its name here, as its button says it."""
        named = _VERBS.sub(self._named, text)
        # Chinese has spaces around foreign words, and none around quotes.
        return re.sub(r" ?(“[^”]*”) ?", r"\1", named) if self.language == "zh" and named != text else named

    def _named(self, found: re.Match[str]) -> str:
        # In English a verb of one word is a word of the sentence.
        is_word = self.language == "en" and "_" not in found[1] and found[0] == found[1]
        return found[0] if is_word else f"“{TABLE['verb'][found[1]][self.language]}”"
