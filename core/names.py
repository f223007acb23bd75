"""What people call the codes of the contract, in English and in Chinese: from `names.toml`, by kind of code."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

from core.texts import Language

Table = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Section → code → language → words."""


@cache
def names() -> Table:
    """All of them. Read when first asked for: workflows have no use for them."""
    found: Table = tomllib.loads(resources.files("core").joinpath("names.toml").read_text(encoding="utf-8"))
    return found


def name_of(section: str, code: str, language: Language = "en") -> str:
    """What people call a code. Total: one without a name is shown as it is, without its underscores."""
    named = names().get(section, {}).get(code)
    return named[language] if named is not None else code.replace("_", " ")


def entry_name(verb: str, language: Language = "en") -> str:
    """What people call an entry of a journal: a command, a deadline that passed, or what the system noted. Total."""
    section = next((one for one in ("verb", "deadline", "journal", "notice") if verb in names()[one]), "verb")
    return name_of(section, verb, language)


def actor_name(who: str, language: Language = "en") -> str:
    """Who acts or can act: a role, or a role and an id as in `operator:ann` or `operator ann`. Total."""
    role, _, name = who.replace(":", " ").partition(" ")
    return " ".join(filter(None, (name_of("role", role, language), name)))
