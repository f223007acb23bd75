"""`policy check`: what is wrong with a policy file, by line and key; and where each value of a policy comes from."""

from __future__ import annotations

from pathlib import Path

import pytest
from order_samples import an_order

from core.audit.policy import TRUTH_RULES
from core.policy import OrderLimits, parse_policy, resolve
from core.policy_checking import check_policy
from core.policy_sources import Selection, differences, values_for, values_of, written

POLICIES = sorted(file for file in (Path(__file__).parents[1] / "policies").glob("*.toml") if file.stem != "screening")
HEAD = 'name = "x"\n'
ORDER = HEAD + "[order]\n"
RULE = HEAD + '[[rules]]\ncategory = "a"\n'
OVERRIDE = HEAD + '[[audit.overrides]]\ncategory = "a"\n'


@pytest.mark.parametrize("file", POLICIES, ids=[file.stem for file in POLICIES])
def test_nothing_is_wrong_with_the_policies_that_ship(file: Path) -> None:
    assert check_policy(file.read_text(encoding="utf-8")) == []


FORM = [
    ("name = \n", 1, "", "not TOML"),
    ("commission_bps = 5\n", 1, "name", "required"),
    (HEAD + "\n# a comment\ncommision_bps = 5\n", 4, "commision_bps", "Extra"),
    (HEAD + "commission_bps = 10001\n", 2, "commission_bps", "less than or equal"),
    (ORDER + 'ship_within = "2d"\nship_wihtin = "48h"\n', 4, "order.ship_wihtin", "Extra"),
    (ORDER + "ship_within = 48\n", 3, "order.ship_within", "with its unit"),
    (ORDER + 'ship_within = "4000d"\n', 3, "order.ship_within", "3650d"),
    (HEAD + '[[rules]]\ncategory = "a"\n[[rules]]\ncategry = "b"\n', 5, "rules.1.categry", "Extra"),
    (HEAD + '[[rules]]\ncategory = "a"\n[rules.order]\nship_in = "1d"\n', 5, "rules.0.order.ship_in", "Extra"),
    (RULE + 'order = { ship_within = "soon" }\n', 4, "rules.0.order.ship_within", "duration"),
    (HEAD + '[[rules]]\ndelivery_mode = "drone"\ncommission_bps = 1\n', 3, "rules.0.delivery_mode", "'express'"),
    (OVERRIDE + 'values = { horizn = "1d" }\n', 4, "audit.overrides.0.values", "horizn"),
    (HEAD + "[withdrawal.limits.XXZ]\nminimum_minor = 1\n", 2, "withdrawal.limits.XXZ.[key]", "ISO 4217"),
]


@pytest.mark.parametrize(("text", "line", "key", "said"), FORM)
def test_unknown_keys_and_impossible_values_are_named(text: str, line: int, key: str, said: str) -> None:
    problems = check_policy(text)
    assert any((one.line, one.key) == (line, key) and said in one.message for one in problems), problems


CLASHES = [
    (ORDER + 'ship_within = "0s"\n', 3, "order.ship_within", "the merchant cannot act in time"),
    (ORDER + 'receipt_within = "0s"\n', 3, "order.receipt_within", "the buyer cannot act"),
    (ORDER + 'screening_sla = "80h"\n', 3, "order.screening_sla", "not below screening_end (3d)"),
    (ORDER + 'review_end = "12h"\n', 3, "order.review_end", "review_sla (1d) is not below"),
    (ORDER + 'ship_within = "12h"\n', 3, "order.ship_within", "never reminded"),
    (ORDER + 'receipt_reminder = "7d"\n', 3, "order.receipt_reminder", "as the goods arrive"),
    (ORDER + 'pickup_within = "31d"\n', 3, "order.pickup_within", "before its pickup is judged"),
    (ORDER + 'ship_by_longest = "1d"\n', 3, "order.ship_by_longest", "cut below the usual one"),
    (ORDER + 'correction_least = "4d"\n', 3, "order.correction_least", "more time than there was"),
    (ORDER + 'extension = "9d"\n', 3, "order.extension", "longer than the window that it extends"),
    (ORDER + 'extension_opens = "0s"\n', 3, "order.extension_opens", "always too early"),
    (ORDER + 'extension = "0s"\n', 3, "order.extension", "adds nothing"),
    (ORDER + "corrections_max = 0\n", 3, "order.corrections_max", "never allowed"),
    (ORDER + 'correction_within = "0s"\ncorrection_least = "0s"\n', 3, "order.correction_within", "no correction can"),
    (ORDER + "commands_max = 20\n", 3, "order.commands_max", "the merchant can send nothing"),
    (ORDER + 'settlement_delay = "400d"\n', 3, "order.settlement_delay", "a wait without a deadline"),
    (ORDER + 'pickup_within = "12h"\n', 3, "order.pickup_within", "no parcel can be called absent"),
    (HEAD + "commission_bps = 10000\n", 2, "commission_bps", "100 %"),
    (HEAD + "commission_bps = 9000\n[withdrawal]\nfee_bps = 1000\n", 2, "commission_bps", "and withdrawal.fee_bps"),
    (HEAD + '[[rules]]\ncategory = "a"\ncommission_bps = 10000\n', 4, "rules.0.commission_bps", "100 %"),
    (HEAD + "[withdrawal]\nminimum_minor = 6000000\n", 3, "withdrawal.minimum_minor", "no amount can be asked for"),
    (HEAD + "[withdrawal]\nfee_minor = 100\n", 3, "withdrawal.fee_minor", "nothing of it is paid out"),
    (HEAD + "[withdrawal]\ndaily_sum_max_minor = 5\n", 3, "withdrawal.daily_sum_max_minor", "nothing can be withdrawn"),
    (HEAD + "[withdrawal]\napproval_above_minor = 5000000\n", 3, "withdrawal.approval_above_minor", "ever waits"),
    (HEAD + '[withdrawal]\nquery_every = "0s"\n', 3, "withdrawal.query_every", "without a pause"),
    (HEAD + '[withdrawal]\nquery_after = ["1h", "1m"]\n', 3, "withdrawal.query_after", "does not ascend"),
    (HEAD + '[withdrawal]\nperson_after = "31d"\n', 3, "withdrawal.person_after", "before a person is asked"),
    (
        HEAD + "[withdrawal.limits.JPY]\nminimum_minor = 9000000\n",
        3,
        "withdrawal.limits.JPY.minimum_minor",
        "no amount",
    ),
    (HEAD + '[audit]\nno_trace_strong = "9d"\n', 3, "audit.no_trace_strong", "rejects before it is looked at"),
    (HEAD + '[audit]\nlook_first = "0s"\n', 3, "audit.look_first", "without a pause"),
    (HEAD + '[[rules]]\ncategory = "a"\n', 2, "rules.0", "changes nothing"),
    (HEAD + "[[rules]]\ncommission_bps = 1\n", 2, "rules.0", "is for every order"),
    (HEAD + '[[audit.overrides]]\nvalues = { horizon = "9d" }\n', 2, "audit.overrides.0", "every parcel"),
    (HEAD + '[[audit.overrides]]\ncarrier = "sf"\nvalues = {}\n', 2, "audit.overrides.0", "changes nothing"),
]


@pytest.mark.parametrize(("text", "line", "key", "said"), CLASHES)
def test_values_that_cannot_work_together_are_named(text: str, line: int, key: str, said: str) -> None:
    problems = check_policy(text)
    assert any((one.line, one.key) == (line, key) and said in one.message for one in problems), problems


def test_an_audit_in_which_no_rule_counts_approves_everything() -> None:
    rules = ", ".join(f'"{rule}"' for rule in TRUTH_RULES if rule != "number_possible")
    (problem,) = check_policy(f"{HEAD}[audit]\nshadow = [{rules}]\n")
    assert (problem.line, problem.key) == (3, "audit.shadow")


def test_a_rule_is_judged_with_the_values_that_it_meets() -> None:
    text = HEAD + '[[rules]]\ncategory = "fresh"\n[rules.order]\nreceipt_within = "1d"\n'
    messages = [(one.line, one.key) for one in check_policy(text)]
    assert messages == [(5, "rules.0.order.receipt_within")] * 2, "the reminder and the extension do not fit"
    assert "under rule 0 (category fresh)" in check_policy(text)[0].message


def test_two_rules_that_only_together_cannot_work_are_found_where_they_can_meet() -> None:
    fresh = '[[rules]]\ncategory = "fresh"\n[rules.order]\nreceipt_within = "4d"\n'
    slow = '[[rules]]\nmerchant_id = "m-7"\n[rules.order]\nextension = "5d"\n'
    assert check_policy(HEAD + fresh) == check_policy(HEAD + slow) == []
    (problem,) = check_policy(HEAD + fresh + slow)
    assert "under rule 0 (category fresh) and rule 1 (merchant m-7)" in problem.message
    other = fresh.replace('category = "fresh"', 'merchant_id = "m-8"')
    assert check_policy(HEAD + other + slow) == []


def test_overrides_that_contradict_are_named_with_both_values() -> None:
    rule = '[[rules]]\ncategory = "a"\n[rules.order]\nship_within = "{}d"\n'
    (problem,) = check_policy(HEAD + rule.format(2) + rule.format(3))
    assert (problem.line, problem.key) == (9, "rules.1.order.ship_within")
    assert "rules 0 and 1 are both for category a and set 2d and 3d" in problem.message
    override = '[[audit.overrides]]\ncarrier = "sf"\n[audit.overrides.values]\nhorizon = "{}d"\n'
    (audit,) = check_policy(HEAD + override.format(9) + override.format(8))
    assert (audit.line, audit.key) == (9, "audit.overrides.1.values.horizon")


# --- where a value comes from ---------------------------------------------------------------------------------

SOURCES = """
name = "x"
commission_bps = 500
[order]
ship_within = "3d"
[[rules]]
category = "food"
commission_bps = 300
order = { ship_within = "1d", receipt_within = "3d" }
[[rules]]
grade = "gold"
order = { settlement_delay = "1d", ship_within = "5d" }
[[rules]]
delivery_mode = "express"
order = { pickup_within = "6d" }
[[rules]]
merchant_id = "m-9"
order = { ship_within = "9d" }
"""


def sources(values: object) -> dict[str, tuple[object, str]]:
    return {one.key: (one.value, one.source) for one in values}  # type: ignore[attr-defined]  # rows of values


def test_each_value_says_which_rule_the_file_or_our_default_it_comes_from() -> None:
    policy = parse_policy(SOURCES)
    by_key = sources(values_of(policy))
    assert by_key["order.ship_within"] == ("3d", "the policy")
    assert by_key["order.receipt_within"] == ("7d", "our default")
    assert by_key["withdrawal.query_after"] == (["1m", "5m", "1h"], "our default")
    food = sources(values_of(policy, Selection(category="food.tea", grade="gold", delivery_mode="express")))
    assert food["order.ship_within"] == ("5d", "rule 1 (grade gold)"), "a grade beats a category"
    assert food["order.receipt_within"] == ("3d", "rule 0 (category food)")
    assert food["commission_bps"] == (300, "rule 0 (category food)")
    assert food["order.pickup_within"] == ("6d", "rule 2 (delivery mode express)")
    assert sources(values_of(policy, Selection(merchant_id="m-9", grade="gold")))["order.ship_within"][0] == "9d"


def test_the_sources_of_an_order_are_those_of_what_it_follows() -> None:
    policy, order = parse_policy(SOURCES), an_order()
    resolved, by_key = resolve(policy, order, "gold"), sources(values_for(policy, order, "gold"))
    assert resolved.grade == "gold"
    limits = {name: written(getattr(resolved.order, name)) for name in OrderLimits.model_fields}
    assert {
        key.removeprefix("order."): value for key, (value, _) in by_key.items() if key.startswith("order.")
    } == limits
    assert by_key["order.settlement_delay"] == ("1d", "rule 1 (grade gold)")
    assert "grade" not in resolve(policy, order).model_dump(mode="json")


def test_what_changes_from_one_policy_to_another_is_listed_with_both_sources() -> None:
    old, new = parse_policy(SOURCES), parse_policy(SOURCES.replace('ship_within = "3d"', 'ship_within = "4d"') + "# \n")
    (one,) = differences(old, new)
    assert one.old is not None
    assert one.new is not None
    assert (one.key, one.old.value, one.new.value) == ("order.ship_within", "3d", "4d")
    without = parse_policy(SOURCES.partition("[[rules]]\nmerchant_id")[0])
    assert [(one.key, one.new) for one in differences(old, without)] == [("rules.3", None)]
    assert differences(old, parse_policy(SOURCES)) == ()


AFTER_SALE = """
name = "x"
[[rules]]
category = "food"
after_sale = { answer_within = "24h" }
[[rules]]
category = "food"
after_sale = { answer_within = "12h" }
"""


def test_a_rule_about_after_sale_is_a_source_and_two_that_differ_contradict() -> None:
    found = sources(values_of(parse_policy(AFTER_SALE), Selection(category="food.tea")))
    assert found["after_sale.answer_within"] == ("12h", "rule 1 (category food)")
    assert found["after_sale.cases_max"] == (5, "our default")
    problems = {(problem.line, problem.key): problem.message for problem in check_policy(AFTER_SALE)}
    assert "set 1d and 12h: the later counts" in problems[8, "rules.1.after_sale.answer_within"]


def test_a_bad_value_of_a_rule_about_after_sale_is_named_by_line_and_key() -> None:
    (problem,) = check_policy(AFTER_SALE.replace('"12h"', '"soon"'))
    assert (problem.line, problem.key) == (8, "rules.1.after_sale.answer_within")
