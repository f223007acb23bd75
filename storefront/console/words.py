"""The console's words in English and Chinese, from `words.toml`; codes of the contract have theirs in `core.names`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from core.names import Table, entry_name, names
from core.texts import Language
from storefront.console.forms import FormField


def _read() -> Table:
    text = resources.files("storefront.console").joinpath("words.toml").read_text(encoding="utf-8")
    return {**tomllib.loads(text), **names()}


TABLE = _read()
"""Section → key → language → words."""


OF_CHOICES: Mapping[str, str] = {
    "deadline": "deadline",
    "open_after_sale.kind": "case_kind",
    "open_after_sale.reason": "case_reason",
}
"""Field, or verb and field → the section that has the words for its values; others are in `choice`."""
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

    def entry(self, verb: str) -> str:
        """What people call an entry of a journal; see `core.names`."""
        return entry_name(verb, self.language)

    def label(self, verb: str, name: str) -> str:
        """What people call a field of a command's form."""
        return self.of("field", f"{verb}.{name}" if f"{verb}.{name}" in TABLE["field"] else name)

    def choice(self, verb: str, name: str, value: str | bool) -> str:
        """What people call a value of such a field."""
        code = value if isinstance(value, str) else "yes" if value else "no"
        section = OF_CHOICES.get(name) or OF_CHOICES.get(f"{verb}.{name}", "choice")
        return self.of(section, code)

    def hint(self, verb: str, field: FormField) -> str:
        """How such a field is filled in; "" where its name says it."""
        for key in (f"{verb}.{field.name}", field.name):
            if key in TABLE["hint"]:
                return TABLE["hint"][key][self.language]
        return ""

    def plain(self, text: str) -> str:
        """A sentence of the contract as people read it: a verb by its name here, as its button says it."""
        named = _VERBS.sub(self._named, text)
        # Chinese has spaces around foreign words, and none around quotes.
        return re.sub(r" ?(“[^”]*”) ?", r"\1", named) if self.language == "zh" and named != text else named

    def _named(self, found: re.Match[str]) -> str:
        # In English a verb of one word is a word of the sentence.
        is_word = self.language == "en" and "_" not in found[1] and found[0] == found[1]
        return found[0] if is_word else f"“{TABLE['verb'][found[1]][self.language]}”"
