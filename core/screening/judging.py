"""An order's goods against the rules: allowed, held for a person, or refused, and by which rule of which edition."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from core.messages import Line, Order
from core.order.opening import Screening
from core.order.state import ScreeningHit
from core.screening.matching import Hit, Outcome, Screener

LINES_NAMED = 10
"""Lines that a sentence names for one rule. A person finds the others in the order."""
_STRICTEST: tuple[Outcome, ...] = ("refuse", "hold", "allow")


class RuleOnLine(NamedTuple):
    """A rule that matches a line."""

    line: Line
    hit: Hit


class Examined(NamedTuple):
    """The rules' answer for an order's lines, without knowledge of its merchant."""

    edition: str
    found: tuple[RuleOnLine, ...]

    @property
    def asks_for_licences(self) -> bool:
        """Whether the answer depends on the merchant's licences."""
        return any(one.hit.rule.licence is not None and one.hit.excused_by is None for one in self.found)

    def judge(self, licences: Collection[str] = ()) -> Screening:
        """The strictest outcome of all matching rules, with the ids of those rules."""
        outcomes = [(one.hit.outcome(licences), one) for one in self.found]
        names = {outcome for outcome, _ in outcomes}
        strictest = next((outcome for outcome in _STRICTEST if outcome in names), "allow")
        if strictest == "allow":
            return Screening(verdict="allow", edition=self.edition)
        counting = [one for outcome, one in outcomes if outcome == strictest]
        return Screening(
            verdict=strictest,
            reasons=tuple(_reason(one) for one in counting),
            hits=_by_rule(counting),
            edition=self.edition,
            appealable=strictest == "refuse" and all(_may_be_wrong(one.hit) for one in counting),
        )


def examine_goods(order: Order, screener: Screener) -> Examined:
    """Every rule that matches a line of the order."""
    found = tuple(RuleOnLine(line, hit) for line in order.lines for hit in screener.examine(line.title, line.category))
    return Examined(screener.rules.edition, found)


def _by_rule(counting: Sequence[RuleOnLine]) -> tuple[ScreeningHit, ...]:
    """Each rule once, with the first of its lines."""
    lines: dict[str, list[str]] = {}
    for one in counting:
        lines.setdefault(one.hit.rule.id, []).append(one.line.line_id)
    rules = {one.hit.rule.id: one.hit.rule for one in counting}
    return tuple(
        ScreeningHit(rule=rule.name, rule_zh=rule.name_zh, lines=tuple(lines[id_][:LINES_NAMED]), rule_id=id_)
        for id_, rule in rules.items()
    )


def _may_be_wrong(hit: Hit) -> bool:
    """A word may mean something else. A category is the merchant's own word."""
    return hit.rule.appeal and bool(hit.word)


def _reason(one: RuleOnLine) -> str:
    """The rule, the line and the word; also a missing licence, and whether the word may be there by chance."""
    said = [f"{one.hit.rule.id} (line {one.line.line_id}"]
    if one.hit.word:
        said.append(f": {one.hit.word}")
    if one.hit.rule.licence is not None:
        said.append(f"; no licence {one.hit.rule.licence}")
    return "".join(said) + ")"
