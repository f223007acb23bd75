"""Policies: parsed from text, refused with the key that is wrong, resolved for an order, and then fixed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from order_samples import an_order

from core.errors import BadInput
from core.policy import OrderLimits, OrderPolicy, Policy, Rule, parse_policy, policy_hash, resolve

POLICIES = Path(__file__).parents[1] / "policies"
OF_ORDERS = [path for path in sorted(POLICIES.glob("*.toml")) if path.stem != "screening"]
RULES = """
name = "x"
commission_bps = 500

[[rules]]
category = "food"
commission_bps = 300
order = { ship_within = "1d", receipt_within = "3d" }

[[rules]]
category = "food.tea"
commission_bps = 200
order = { ship_within = "2d" }

[[rules]]
merchant_id = "m-7"
order = { settlement_delay = "1d", ship_within = "9d" }

[[rules]]
merchant_id = "m-8"
commission_bps = 1
order = { settlement_delay = "30d" }

[[rules]]
merchant_id = "m-7"
category = "food.tea"
commission_bps = 100
"""


def test_default_policy_is_the_designs() -> None:
    limits = parse_policy((POLICIES / "default.toml").read_text(encoding="utf-8")).order
    assert limits == OrderLimits()
    assert limits.ship_within == timedelta(hours=48)
    assert limits.receipt_within == timedelta(days=7)
    assert limits.undelivered_within == timedelta(days=30)
    assert (limits.commands_max, limits.commands_reserved, limits.scans_max) == (200, 20, 2000)


@pytest.mark.parametrize("path", OF_ORDERS, ids=[path.stem for path in OF_ORDERS])
def test_shipped_policies_can_be_read(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert parse_policy(text).content_hash == policy_hash(text)


@pytest.mark.parametrize("path", OF_ORDERS, ids=[path.stem for path in OF_ORDERS])
def test_every_limit_of_a_shipped_policy_says_where_it_comes_from(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").partition("[order]")[2].partition("\n[")[0].splitlines():
        assert "=" not in line.partition("#")[0] or "#" in line, line


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name = ", "not TOML"),
        ("commission_bps = 5", "name"),
        ('name = "Big Name"', "name"),
        ('name = "x"\ncommission = 5', "commission"),
        ('name = "x"\ncommission_bps = 10001', "commission_bps"),
        ('name = "x"\n[order]\nship_within = 48', "order.ship_within"),
        ('name = "x"\n[order]\nship_wihtin = "48h"', "order.ship_wihtin"),
        ('name = "x"\n[order]\ncorrections_max = -1', "order.corrections_max"),
        ('name = "x"\n[order]\nauto_withdraw = "sometimes"', "order.auto_withdraw"),
        ('name = "x"\n[[rules]]\ncategory = "food"\n[rules.order]\nship_wihtin = "48h"', "ship_wihtin"),
        ('name = "x"\n[[rules]]\ncategory = "food"\n[rules.order]\nship_within = "soon"', "ship_within"),
        ('name = "x"\n[[rules]]\ncategry = "food"', "rules.0.categry"),
    ],
)
def test_policy_that_cannot_be_is_refused_with_its_key(text: str, sentence: str) -> None:
    with pytest.raises(BadInput) as raised:
        parse_policy(text)
    assert sentence in str(raised.value)


def test_same_text_has_the_same_hash_and_another_text_another() -> None:
    assert parse_policy(RULES).content_hash == policy_hash(RULES)
    assert policy_hash(RULES) != policy_hash(RULES + " ")


# --- the most specific rule wins ------------------------------------------------------------------------------


def test_most_specific_rule_wins_each_limit() -> None:
    limits = resolve(parse_policy(RULES), an_order()).order
    assert limits.ship_within == timedelta(days=9), "a rule about the merchant beats any category"
    assert limits.receipt_within == timedelta(days=3)
    assert limits.settlement_delay == timedelta(days=1)
    assert limits.undelivered_within == timedelta(days=30)


def test_longer_category_beats_a_shorter_one() -> None:
    limits = resolve(parse_policy(RULES), an_order(merchant_id="m-1")).order
    assert limits.ship_within == timedelta(days=2)
    assert limits.settlement_delay == timedelta(days=4)


def test_rule_speaks_of_its_category_and_all_below_it_and_of_no_other() -> None:
    rule = Rule(category="food")
    assert rule.matches("m", "food")
    assert rule.matches("m", "food.tea.green")
    assert not rule.matches("m", "foodstuff")
    assert Rule(merchant_id="m").matches("m", "anything")
    assert not Rule(merchant_id="m", category="food").matches("n", "food")


@pytest.mark.parametrize(
    ("merchant", "category", "bps"),
    [
        ("m-1", "toys", 500),
        ("m-1", "food.snacks", 300),
        ("m-1", "food.tea", 200),
        ("m-7", "food.tea.green", 100),
        ("m-7", "food.snacks", 300),
        ("m-8", "food.tea", 1),
    ],
)
def test_commission_is_the_most_specific_rate(merchant: str, category: str, bps: int) -> None:
    policy = parse_policy(RULES)
    resolved = resolve(policy, an_order(merchant_id=merchant, lines=one_line(category), **TOTALS))
    assert resolved.commission_for(merchant, category) == bps


TOTALS = {"total_minor": 100, "freight_minor": 0}


def one_line(category: str) -> list[dict[str, object]]:
    return [{"line_id": "1", "title": "x", "category": category, "quantity": 1, "unit_price_minor": 100}]


def test_of_two_rules_as_specific_the_later_wins() -> None:
    rules = tuple(Rule(category="food", commission_bps=n, order={"ship_within": f"{n}d"}) for n in (1, 2))
    policy = Policy(name="x", rules=rules)
    resolved = resolve(policy, an_order(lines=one_line("food"), **TOTALS))
    assert resolved.commission_for("m", "food") == 2
    assert resolved.order.ship_within == timedelta(days=2)


def test_resolved_policy_takes_along_only_its_own_rules_and_says_from_which_text() -> None:
    policy = parse_policy(RULES)
    resolved = resolve(policy, an_order(merchant_id="m-1", lines=one_line("toys"), **TOTALS))
    assert resolved.rules == ()
    assert (resolved.name, resolved.content_hash) == ("x", policy.content_hash)


def test_resolving_twice_changes_nothing() -> None:
    policy, order = parse_policy(RULES), an_order()
    assert resolve(policy, order) == resolve(policy, order)


def test_policy_survives_json() -> None:
    policy = resolve(parse_policy(RULES), an_order())
    assert OrderPolicy.model_validate(policy.model_dump(mode="json")) == policy


def test_an_order_takes_along_what_its_scans_are_judged_by_and_names_the_rest() -> None:
    policy = parse_policy('name = "x"\n[audit]\nearly_weak = "3d"\nclock_skew = "1m"')
    resolved = resolve(policy, an_order())
    assert (resolved.early_weak, resolved.clock_skew) == (timedelta(days=3), timedelta(minutes=1))
    assert not hasattr(resolved, "audit")
    assert len(resolved.model_dump_json()) < 1300
    assert policy.audit.name == "x"
