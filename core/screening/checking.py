"""What is wrong with a rules file: keys and values, rules that never match, words and ids that stand twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from core.screening.matching import Screener
from core.screening.rules import ScreeningRule, ScreeningRules
from core.toml_lines import FileProblem, Lines, read_toml

Place = tuple[str | int, ...]
Finding = tuple[Place, str]


def check_rules(text: str, simplified: Mapping[int, str]) -> list[FileProblem]:
    """Everything that is wrong with a rules file, by line and key; nothing where it is right.

    Args:
        simplified: as `Screener` takes it.
    """
    rules, problems = read_toml(ScreeningRules, text)
    if rules is None:
        return problems
    lines, screener = Lines(text), Screener(rules, simplified)
    found = [
        *_ids(rules),
        *_lookalikes(rules, screener),
        *_doubled_words(rules, screener),
        *_surroundings(rules, screener),
        *(finding for place, rule in enumerate(rules.rules) for finding in _rule(place, rule, screener)),
    ]
    return sorted(FileProblem(lines.of(place), ".".join(map(str, place)), message) for place, message in found)


def _ids(rules: ScreeningRules) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for place, rule in enumerate(rules.rules):
        if rule.id in first:
            yield ("rules", place, "id"), f"{rule.id!r} is rule {first[rule.id]} already"
        first.setdefault(rule.id, place)


def _lookalikes(rules: ScreeningRules, screener: Screener) -> Iterator[Finding]:
    for wrong, right in rules.lookalikes.items():
        if wrong == right or not screener.fold(wrong):
            yield ("lookalikes", wrong), "changes nothing"
        elif right in rules.lookalikes:
            yield ("lookalikes", wrong), f"{right!r} is a look-alike itself, and is not replaced again"


def _surroundings(rules: ScreeningRules, screener: Screener) -> Iterator[Finding]:
    """Words beside a rule's that stand twice in their list, or have no letter."""
    for key in ("ordinary", "products", "shapes", "telling"):
        first: dict[str, str] = {}
        for number, word in enumerate(getattr(rules, key)):
            folded = screener.fold(word)
            if not folded:
                yield (key, number), f"{word!r} has no letter and no digit"
            elif folded in first:
                yield (key, number), f"{word!r} stands there already as {first[folded]!r}"
            first.setdefault(folded, word)


def _doubled_words(rules: ScreeningRules, screener: Screener) -> Iterator[Finding]:
    """Words and categories of two rules, or twice of one: one of the two is a slip."""
    words: dict[str, tuple[ScreeningRule, str]] = {}
    categories: dict[str, ScreeningRule] = {}
    for place, rule in enumerate(rules.rules):
        for number, word in enumerate(rule.keywords):
            other = words.setdefault(screener.fold(word), (rule, word))
            if other != (rule, word) or word in rule.keywords[:number]:
                same = "" if other[1] == word else f" as {other[1]!r}"
                yield ("rules", place, "keywords", number), f"{word!r} stands in rule {other[0].id!r} already{same}"
        for number, category in enumerate(rule.categories):
            owner = categories.setdefault(category, rule)
            if owner is not rule or category in rule.categories[:number]:
                yield ("rules", place, "categories", number), f"{category!r} stands in rule {owner.id!r} already"


def _rule(place: int, rule: ScreeningRule, screener: Screener) -> Iterator[Finding]:
    where: Place = ("rules", place)
    if not rule.keywords and not rule.categories:
        yield where, f"rule {rule.id!r} never matches: it has neither keywords nor categories"
        return
    live = [word for word in rule.keywords if _can_match(word, rule, screener)]
    for number, word in enumerate(rule.keywords):
        if word not in live:
            yield (*where, "keywords", number), f"{word!r} never matches: {_why_never(word, rule, screener)}"
    if not live and not rule.categories:
        yield where, f"rule {rule.id!r} never matches: none of its words can"
    yield from _useless(where, rule, screener)


def _can_match(word: str, rule: ScreeningRule, screener: Screener) -> bool:
    return any(hit.rule.id == rule.id and hit.excused_by is None for hit in screener.examine(word))


def _why_never(word: str, rule: ScreeningRule, screener: Screener) -> str:
    if not screener.fold(word):
        return "it has no letter and no digit"
    hits = (hit for hit in screener.examine(word) if hit.rule.id == rule.id)
    excuse = next((hit.excused_by for hit in hits), None)
    return f"the allowed phrase {excuse!r} excuses it wherever it stands"


def _useless(where: Place, rule: ScreeningRule, screener: Screener) -> Iterator[Finding]:
    """Words that a shorter one covers, categories below another, phrases without a word that they could excuse."""
    folded = {word: screener.fold(word) for word in rule.keywords}
    for number, word in enumerate(rule.keywords):
        cover = next((one for one in rule.keywords if one != word and _covers(folded[one], folded[word])), None)
        if cover is not None:
            yield (*where, "keywords", number), f"{word!r} adds nothing: {cover!r} is found wherever it stands"
    for number, category in enumerate(rule.categories):
        above = next((one for one in rule.categories if category.startswith(f"{one}.")), None)
        if above is not None:
            yield (*where, "categories", number), f"{category!r} adds nothing: it lies below {above!r}"
    for number, phrase in enumerate(rule.allow):
        if not any(hit.rule.id == rule.id for hit in screener.examine(phrase)):
            yield (*where, "allow", number), f"{phrase!r} excuses nothing: no word of rule {rule.id!r} stands in it"


def _covers(short: str, long: str) -> bool:
    """Whether the short word is found wherever the long one stands. A Latin word is found only as a whole."""
    return bool(short) and short != long and short in long and not short.isascii()
