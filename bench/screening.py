"""`python -m bench screening`: what the screening rules make of titles that a person has judged, and how fast.

A *miss* is a forbidden title that would be sold; *softer* is one that is held where it should be refused. A *false hit*
is an innocent title that is held or refused.
"""

from __future__ import annotations

import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console

from bench.figures import FigureFile, Figures, show, write
from core.errors import Misconfigured
from core.screening.matching import Hit, Screener
from core.screening.simplified import simplified_characters
from wiring.screening import rules_in

TITLES = Path(__file__).with_name("screening_titles.toml")
RULES = Path(__file__).parents[1] / "policies" / "screening.toml"
STRICT = {"allow": 0, "hold": 1, "refuse": 2}
ROUNDS = 20


class Judged(NamedTuple):
    """A title, what a person says of it, and what the rules make of it, without and with every licence."""

    kind: str
    expected: str
    title: str
    outcome: str
    licensed: str
    hits: tuple[Hit, ...]

    @property
    def error(self) -> str:
        """What is wrong with the outcome; empty where it is right."""
        if self.expected == "allow":
            return "false hit" if self.outcome != "allow" else ""
        if self.outcome == "allow":
            return "miss"
        if self.expected == "licence":
            return "" if self.licensed == "allow" else "false hit"
        return "softer" if STRICT[self.outcome] < STRICT[self.expected] else ""


def screening_bench(
    rules: Annotated[Path, typer.Option(help="The rules file.")] = RULES,
    titles: Annotated[Path, typer.Option(help="Titles by kind, with what a person says of them.")] = TITLES,
    json: FigureFile = None,
) -> None:
    """Misses and false hits of the screening rules, and titles a second."""
    screener = Screener(rules_in(rules), simplified_characters())
    judged = list(judge_titles(screener, titles))
    figures = figures_of(judged) | {"titles_per_s": _speed(screener, judged)}
    errors = [one for one in judged if one.error]
    show(
        f"Screening, rules {screener.rules.edition}",
        ("error", "expected", "got", "title", "by"),
        _rows(errors),
        figures,
    )
    Console().print("The titles were written by the rules' own authors, which flatters the rules.")
    write(figures, json)


def judge_titles(screener: Screener, file: Path = TITLES) -> Iterator[Judged]:
    """Every title of the file, judged."""
    every = {rule.licence for rule in screener.rules.rules if rule.licence is not None}
    for group in _groups(file):
        for title in group["titles"]:
            hits = screener.examine(title)
            outcome, licensed = strictest(hits, ()), strictest(hits, every)
            yield Judged(group["kind"], group["expect"], title, outcome, licensed, hits)


def _groups(file: Path) -> list[dict[str, Any]]:
    try:
        return list(tomllib.loads(file.read_text(encoding="utf-8"))["titles"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Misconfigured(f"{file} has no titles: {error}") from None


def strictest(hits: Iterable[Hit], licences: Iterable[str]) -> str:
    """The strictest outcome of these hits for a merchant with these licences."""
    have = frozenset(licences)
    return max((hit.outcome(have) for hit in hits), key=STRICT.__getitem__, default="allow")


def figures_of(judged: list[Judged]) -> Figures:
    """How many titles of each kind there are, and how many of them were judged wrongly, by error."""
    kinds = Counter(one.kind for one in judged)
    errors = Counter(f"{one.kind}: {one.error}" for one in judged if one.error)
    return {"titles": len(judged), **dict(sorted(kinds.items())), **dict(sorted(errors.items()))}


def _rows(judged: list[Judged]) -> list[tuple[str, ...]]:
    return [
        (
            one.error,
            one.expected,
            one.outcome,
            one.title,
            "; ".join(f"{hit.rule.id}: {hit.word}" for hit in one.hits if hit.excused_by is None),
        )
        for one in judged
    ]


def _speed(screener: Screener, judged: list[Judged]) -> float:
    began = time.process_time()
    for _ in range(ROUNDS):
        for one in judged:
            screener.examine(one.title)
    return ROUNDS * len(judged) / (time.process_time() - began)
