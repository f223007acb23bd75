"""What the screening of goods says: the strictest rules that match, by name in both languages, and their lines."""

from __future__ import annotations

from pathlib import Path

from order_driver import an_order

from activities.screening import LINES_NAMED, judge_goods, parse_rules
from core.messages import Line, Order
from core.order.state import ScreeningHit

RULES = parse_rules((Path(__file__).parents[1] / "policies" / "screening.toml").read_text(encoding="utf-8"))


def order_of(*goods: tuple[str, str]) -> Order:
    lines = tuple(
        Line(line_id=str(number), title=title, category=category, quantity=1, unit_price_minor=1)
        for number, (title, category) in enumerate(goods, 1)
    )
    return an_order().model_copy(update={"lines": lines})


def test_every_rule_has_a_name_in_chinese() -> None:
    assert [rule.name for rule in RULES.rules if not rule.name_zh or rule.name_zh.isascii()] == []


def test_the_strictest_rules_are_named_with_their_lines() -> None:
    held = judge_goods(order_of(("cough syrup", "medicine"), ("tea", "food"), ("高仿 bag", "medicine")), RULES)
    assert held.verdict == "hold"
    assert held.reasons == ("medicine (line 1)", "medicine (line 3)", "possible replica (line 3)")
    assert held.hits == (
        ScreeningHit(rule="medicine", rule_zh="药品", lines=("1", "3")),
        ScreeningHit(rule="possible replica", rule_zh="疑似仿品", lines=("3",)),
    )
    refused = judge_goods(order_of(("syrup", "medicine"), ("ivory", "art")), RULES)
    assert (refused.verdict, refused.hits) == (
        "refuse",
        (ScreeningHit(rule="protected species", rule_zh="濒危物种", lines=("2",)),),
    )
    assert judge_goods(order_of(("tea", "food")), RULES).hits == ()


def test_a_sentence_names_few_lines_of_many() -> None:
    (hit,) = judge_goods(order_of(*[("syrup", "medicine")] * 40), RULES).hits
    assert len(hit.lines) == LINES_NAMED
