"""`codes.md`: what every code of the contract means, from the one look-up for all."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from core.codes import KINDS_OF_CODES, Meaning, meanings
from core.texts import LANGUAGES
from docs.blocks import prose, table


def page() -> str:
    """The page: a table for each kind of code."""
    return "\n\n".join(_blocks()) + "\n"


def _blocks() -> Iterator[str]:
    yield prose("""
        # Codes

        Generated from `core/codes.py` by `make docs`. What each code of the contract means, and what helps. The same is
        said by `python starter.py explain CODE`, by `GET /v1/codes/{code}` and by the console's search. Commands that
        people send stand in it by their names.
        """)
    for kind, rows in groupby(meanings(), lambda one: one.kind):
        named = KINDS_OF_CODES[kind]
        yield f"## {named.en[:1].upper()}{named.en[1:]} · {named.zh}"
        yield table(("code", "in English", "in Chinese"), (_row(one) for one in rows))


def _row(one: Meaning) -> tuple[str, ...]:
    english, chinese = (
        "<br>".join(filter(None, (one.in_words(of, "name", "says"), one.in_words(of, "helps")))) for of in LANGUAGES
    )
    return (f"`{one.code}`", english.replace("|", "\\|"), chinese.replace("|", "\\|"))
