"""`screening check|try`: the errors of a rules file, and the rules' answer for a title."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.console import Failed, JsonFlag, command, print_answer
from commands.group import plain_app
from commands.problems import print_problems
from commands.reading import read_text
from config import load
from core.errors import Refused
from core.screening.checking import check_rules
from core.screening.matching import Hit, Outcome, Screener
from core.screening.rules import parse_rules
from core.screening.simplified import simplified_characters
from screens import table
from wiring.screening import rules_in

if TYPE_CHECKING:
    from rich.console import Console

screening = plain_app(
    name="screening", help="Screening of goods: check the rules file, try a title.", no_args_is_help=True
)

_STRICTEST: tuple[Outcome, ...] = ("refuse", "hold", "allow")


@screening.command("check")
@command
async def check_file(
    file: Annotated[
        str | None, typer.Argument(help="A rules file; the one in use unless given, - reads stdin.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the errors of a rules file, by line and key: unknown keys, rules that never match, duplicates."""
    name = file or str(load().screening)
    text = read_text(name)
    problems = check_rules(text, simplified_characters())
    edition = None if problems else parse_rules(text).edition
    print_problems(name, problems, as_good={"edition": edition})
    if problems:
        raise Failed


@screening.command("try")
@command
async def try_titles(
    titles: Annotated[list[str], typer.Argument(metavar="TITLE…", help="Titles of goods.")],
    category: Annotated[str, typer.Option(help="The goods' category.")] = "",
    licence: Annotated[list[str] | None, typer.Option(help="A licence that the merchant has; may be repeated.")] = None,
    rules: Annotated[Path | None, typer.Option(help="The rules file; the one in use unless given.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the rules' answer for titles: the outcome, the rule and its word, and what excuses it."""
    screener = Screener(rules_in(rules or load().screening), simplified_characters())
    have = _known(licence or [], screener)
    views = [_view(title, screener.examine(title, category), have) for title in titles]
    print_answer(
        {"edition": screener.rules.edition, "titles": views},
        lambda console: _show(console, screener.rules.edition, views),
    )


def _known(licences: list[str], screener: Screener) -> frozenset[str]:
    known = sorted({rule.licence for rule in screener.rules.rules if rule.licence is not None})
    for licence in licences:
        if licence not in known:
            raise Refused(
                "malformed", f"licence: no rule asks for {licence[:40]!r}; known: {', '.join(known)}", "licence"
            )
    return frozenset(licences)


def _view(title: str, hits: tuple[Hit, ...], licences: frozenset[str]) -> dict[str, Any]:
    outcomes = {hit.outcome(licences) for hit in hits}
    return {
        "title": title,
        "outcome": next((outcome for outcome in _STRICTEST if outcome in outcomes), "allow"),
        "hits": [
            {
                "rule": hit.rule.id,
                "name": hit.rule.name,
                "word": hit.word or None,
                "outcome": hit.outcome(licences),
                "licence": hit.rule.licence,
                "doubt": hit.doubt,
                "excused_by": hit.excused_by,
                "appeal": hit.rule.appeal,
            }
            for hit in hits
        ],
    }


def _show(console: Console, edition: str, views: list[dict[str, Any]]) -> None:
    rows = [
        (view["title"], view["outcome"], hit.get("rule"), hit.get("word"), _why(hit))
        for view in views
        for hit in view["hits"] or [{}]
    ]
    console.print(table(f"Screening, rules {edition}", ("title", "outcome", "rule", "word", "because"), rows))


def _why(hit: dict[str, Any]) -> str:
    if not hit:
        return "no rule speaks of it"
    if hit["excused_by"]:
        return f"excused by {hit['excused_by']}"
    if hit["licence"]:
        return f"licence {hit['licence']}: {'the merchant has it' if hit['outcome'] == 'allow' else 'missing'}"
    return hit["doubt"] or ("its merchant may appeal" if hit["appeal"] and hit["outcome"] == "refuse" else hit["name"])
