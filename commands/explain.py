"""`explain CODE`: what a code of the contract means, in English or Chinese; without a code, all of them."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.console import JsonFlag, LangOption, command, language_of, print_answer
from commands.headings import print_in
from core.codes import KINDS_OF_CODES, Meaning, likely, meanings, meanings_of
from core.errors import BadInput
from core.texts import Language
from screens import Listing, table


@command
async def explain(
    code: Annotated[str | None, typer.Argument(help="Such as too_early, late_scan or missing.")] = None,
    lang: LangOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Explain a code: a refusal, a hold, a finding, a break, a stage, a deadline.

    A code may mean several things: one row each. Without a code all of them are listed.
    """
    language = language_of(lang)
    found = meanings() if code is None else meanings_of(code)
    if not found and code is not None:
        if near := ", ".join(likely(code)):
            raise BadInput(f"code: {code!r} is no code of the contract; did you mean: {near}")
        raise BadInput(f"code: {code!r} is no code of the contract; `explain` alone lists all")
    views = [one.model_dump(exclude_none=True) for one in found]
    print_answer(views, lambda console: print_in(console, _listing(found, language), language))


def _listing(found: tuple[Meaning, ...], language: Language) -> Listing:
    rows = [
        (
            one.code,
            getattr(KINDS_OF_CODES[one.kind], language),
            one.in_words(language, "name", "says"),
            one.in_words(language, "helps"),
        )
        for one in found
    ]
    return table("What a code means", ("code", "kind", "what it means", "what helps"), rows)
