"""What the screening of goods says: the strictest rules that match, by name in both languages, and their lines."""

from __future__ import annotations

from pathlib import Path

from databases import Database
from order_samples import an_order
from temporalio.testing import ActivityEnvironment

from activities.screening import ScreeningActivities
from core.messages import Actor, Line, Order
from core.order.opening import Screening
from core.order.state import ScreeningHit
from core.screening.judging import LINES_NAMED, examine_goods
from core.screening.matching import Screener
from core.screening.rules import parse_rules
from core.screening.simplified import simplified_characters
from ledger.register import Register

RULES = parse_rules((Path(__file__).parents[1] / "policies" / "screening.toml").read_text(encoding="utf-8"))
SCREENER = Screener(RULES, simplified_characters())


def order_of(*goods: tuple[str, str]) -> Order:
    lines = tuple(
        Line(line_id=str(number), title=title, category=category, quantity=1, unit_price_minor=1)
        for number, (title, category) in enumerate(goods, 1)
    )
    return an_order().model_copy(update={"lines": lines})


def judged(*goods: tuple[str, str]) -> Screening:
    return examine_goods(order_of(*goods), SCREENER).judge()


def test_every_rule_has_a_name_in_chinese() -> None:
    assert [rule.name for rule in RULES.rules if not rule.name_zh or rule.name_zh.isascii()] == []


def test_the_strictest_rules_are_named_with_their_lines() -> None:
    held = judged(("cough syrup", "medicine"), ("tea", "food"), ("高仿 bag", "medicine"))
    assert held.verdict == "hold"
    assert held.reasons == ("medicine (line 1)", "medicine (line 3)", "replica (line 3: 高仿)")
    assert held.hits == (
        ScreeningHit(rule="Medicine", rule_zh="药品", lines=("1", "3"), rule_id="medicine"),
        ScreeningHit(rule="Possible counterfeit", rule_zh="疑似仿品", lines=("3",), rule_id="replica"),
    )
    refused = judged(("syrup", "medicine"), ("象 牙 手镯", "art"))
    assert (refused.verdict, refused.edition, refused.hits) == (
        "refuse",
        RULES.edition,
        (ScreeningHit(rule="Protected species", rule_zh="濒危物种", lines=("2",), rule_id="wildlife"),),
    )
    assert judged(("tea", "food")).hits == ()


def test_a_sentence_names_few_lines_of_many() -> None:
    (hit,) = judged(*[("syrup", "medicine")] * 40).hits
    assert len(hit.lines) == LINES_NAMED


async def test_goods_that_need_a_licence_go_when_their_merchant_has_it(register: Register, database: Database) -> None:
    screen = ScreeningActivities(SCREENER, register.licences).screen
    whisky = order_of(("single malt whisky", "drinks"))
    held = await ActivityEnvironment().run(screen, whisky)
    assert (held.verdict, held.reasons) == ("hold", ("alcohol (line 1: whisky; no licence liquor)",))
    now = an_order().payment.paid_at
    ann = Actor(role="operator", id="ann")
    await register.licences.note(whisky.merchant_id, "liquor", "JY1", None, ann, "seen", now)
    assert (await ActivityEnvironment().run(screen, whisky)).verdict == "allow"
