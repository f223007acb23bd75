"""Screening: are these goods allowed here? Prohibited categories and words come from a rules file."""

from __future__ import annotations

import tomllib
import unicodedata
from typing import Literal

from pydantic import ValidationError
from temporalio import activity

from core.errors import Misconfigured
from core.fields import Message
from core.messages import Line, Order
from core.order.opening import Screening
from core.order.state import ScreeningHit
from core.reading import reasons_of

Verdict = Literal["hold", "refuse"]
LINES_NAMED = 10
"""Lines that a sentence names of one rule; a person looks at the order for the rest."""


class ScreeningRule(Message):
    """Goods in these categories (and below them), or with one of these words in the title, get this verdict."""

    name: str
    name_zh: str | None = None
    verdict: Verdict
    categories: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()

    def matches(self, line: Line) -> bool:
        """Whether the rule applies to this line. Width, case and compatibility forms make no difference."""
        title = _folded(line.title)
        return any(
            line.category == category or line.category.startswith(f"{category}.") for category in self.categories
        ) or any(_folded(word) in title for word in self.keywords)


class ScreeningRules(Message):
    """A rules file, parsed."""

    rules: tuple[ScreeningRule, ...] = ()


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def parse_rules(text: str) -> ScreeningRules:
    """The rules of a TOML text.

    Raises:
        Misconfigured: it is not TOML, or a rule is malformed; a retry does not help.
    """
    try:
        return ScreeningRules.model_validate(tomllib.loads(text), extra="forbid")
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"screening rules: not TOML: {error}") from None
    except ValidationError as error:
        wrong = reasons_of(error)[0]
        raise Misconfigured(f"screening rules: {wrong['field']}: {wrong['message']}") from None


def judge_goods(order: Order, rules: ScreeningRules) -> Screening:
    """The strictest verdict of all rules that match a line, with the names of those rules."""
    matches = [(rule, line.line_id) for line in order.lines for rule in rules.rules if rule.matches(line)]
    if not matches:
        return Screening(verdict="allow")
    strictest: Verdict = "refuse" if any(rule.verdict == "refuse" for rule, _ in matches) else "hold"
    matches = [(rule, line_id) for rule, line_id in matches if rule.verdict == strictest]
    lines: dict[tuple[str, str | None], list[str]] = {}
    for rule, line_id in matches:
        lines.setdefault((rule.name, rule.name_zh), []).append(line_id)
    return Screening(
        verdict=strictest,
        reasons=tuple(f"{rule.name} (line {line_id})" for rule, line_id in matches),
        hits=tuple(
            ScreeningHit(rule=name, rule_zh=name_zh, lines=tuple(matched[:LINES_NAMED]))
            for (name, name_zh), matched in lines.items()
        ),
    )


class ScreeningActivities:
    """Screens orders against the rules it was given."""

    def __init__(self, rules: ScreeningRules) -> None:
        self._rules = rules

    @activity.defn
    async def screen(self, order: Order) -> Screening:
        """Allow, hold for a person, or refuse. Never fails."""
        return judge_goods(order, self._rules)
