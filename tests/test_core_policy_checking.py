"""`policy check`: what is wrong with a policy file, by line and key; and where each value of a policy comes from."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from order_samples import an_order

from core.aftersale.limits import AfterSaleLimits
from core.audit.policy import TRUTH_RULES
from core.intake import IntakePolicy
from core.policy import OrderLimits, parse_policy, resolve
from core.policy_checking import check_policy
from core.policy_sources import Selection, differences, values_for, values_of, written
from core.reconciliation.policy import ReconciliationPolicy
from core.withdrawal.policy import WithdrawalPolicy

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
    ("commission_bps = 5\n", 1, "name", "must be given"),
    (HEAD + "\n# a comment\ncommision_bps = 5\n", 4, "commision_bps", "did you mean "),
    (HEAD + "commission_bps = 10001\n", 2, "commission_bps", "at most 10000"),
    (ORDER + 'ship_within = "2d"\nship_wihtin = "48h"\n', 4, "order.ship_wihtin", "did you mean "),
    (ORDER + "ship_within = 48\n", 3, "order.ship_within", "with its unit"),
    (ORDER + 'ship_within = "4000d"\n', 3, "order.ship_within", "3650d"),
    (
        HEAD + '[[rules]]\ncategory = "a"\n[[rules]]\ncategry = "b"\n',
        5,
        "rules.1.categry",
        "did you mean ",
    ),
    (
        HEAD + '[[rules]]\ncategory = "a"\n[rules.order]\nship_in = "1d"\n',
        5,
        "rules.0.order.ship_in",
        "did you mean ",
    ),
    (RULE + 'order = { ship_within = "soon" }\n', 4, "rules.0.order.ship_within", "duration"),
    (HEAD + '[[rules]]\ndelivery_mode = "drone"\ncommission_bps = 1\n', 3, "rules.0.delivery_mode", "'express'"),
    (OVERRIDE + 'values = { horizn = "1d" }\n', 4, "audit.overrides.0.values", "horizn"),
    (HEAD + "[withdrawal.limits.XXZ]\nminimum_minor = 1\n", 2, "withdrawal.limits.XXZ", "ISO 4217"),
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


AFTER = HEAD + "[after_sale]\n"
INTAKE = HEAD + "[intake]\n"
NEW_CLASHES = [
    (ORDER + 'collect_within = "0s"\n', 3, "order.collect_within", "the buyer cannot act"),
    (ORDER + 'collect_reminder = "7d"\n', 3, "order.collect_reminder", "before the goods are ready"),
    (ORDER + 'refund_request_within = "0s"\n', 3, "order.refund_request_within", "a second person cannot act"),
    (ORDER + "handover_tries = 0\n", 3, "order.handover_tries", "no code can be said"),
    (ORDER + "scans_max = 0\n", 3, "order.scans_max", "no scan of a carrier is kept"),
    (ORDER + 'outage_limit = "0s"\n', 3, "order.outage_limit", "no deadline passes"),
    (ORDER + 'payment_skew = "30d"\n', 3, "order.payment_skew", "than a payment may be old"),
    (ORDER + 'ship_after_screening = "16d"\n', 3, "order.ship_after_screening", "longer than any order may take"),
    (AFTER + 'answer_within = "0s"\n', 3, "after_sale.answer_within", "the merchant cannot act"),
    (AFTER + 'escalate_within = "0s"\n', 3, "after_sale.escalate_within", "the buyer cannot act"),
    (AFTER + 'evidence_within = "0s"\n', 3, "after_sale.evidence_within", "neither side can act"),
    (AFTER + 'replace_within = "0s"\n', 3, "after_sale.replace_within", "the merchant cannot act"),
    (AFTER + 'chargeback_answer_within = "0s"\n', 3, "after_sale.chargeback_answer_within", "the channel cannot act"),
    (AFTER + 'remind_before = "3d"\n', 3, "after_sale.remind_before", "no one is ever reminded"),
    (AFTER + 'return_pickup_within = "20d"\n', 3, "after_sale.return_pickup_within", "before its pickup is judged"),
    (AFTER + 'decide_end = "5d"\n', 3, "after_sale.decide_end", "before the reviewer is late"),
    (AFTER + "return_numbers_max = 0\n", 3, "after_sale.return_numbers_max", "no buyer can report a return"),
    (AFTER + "cases_max = 0\n", 3, "after_sale.cases_max", "complaints that no buyer may make"),
    (AFTER + 'windows = { quality = "0s" }\n', 3, "after_sale.windows.quality", "over at receipt"),
    (AFTER + 'windows = { quality = "400d" }\n', 3, "after_sale.windows.quality", "never ends"),
    (AFTER + 'pause_most = "0s"\n', 3, "after_sale.pause_most", "confirmed by silence while a case is open"),
    (AFTER + 'resume_least = "8d"\n', 3, "after_sale.resume_least", "more time than there was"),
    (AFTER + "late_bps = 10000\n", 3, "after_sale.late_bps", "100 %"),
    (AFTER + "late_minimum_minor = 9\nlate_cap_minor = 5\n", 3, "after_sale.late_minimum_minor", "more than the most"),
    (AFTER + "late_cap_minor = 5\n", 3, "after_sale.late_cap_minor", "never counts"),
    (HEAD + "[withdrawal]\ndaily_count_max = 0\n", 3, "withdrawal.daily_count_max", "nothing can be withdrawn"),
    (HEAD + "[withdrawal]\ncommands_max = 0\n", 3, "withdrawal.commands_max", "no one can approve"),
    *(
        (HEAD + f'[withdrawal]\n{name} = "0s"\n', 3, f"withdrawal.{name}", "0s")
        for name in ("approval_sla", "drop_valid", "standing_every", "send_within", "query_until", "outage_limit")
    ),
    (INTAKE + 'pair_max = 3\nwithin = "0s"\n', 4, "intake.within", "never finds any"),
    (INTAKE + "thresholds_minor = [5000]\njust_under_bps = 0\n", 4, "intake.just_under_bps", "just under a threshold"),
    (INTAKE + 'review_within = "0s"\n', 3, "intake.review_within", "as the hold begins"),
]


@pytest.mark.parametrize(("text", "line", "key", "said"), NEW_CLASHES)
def test_limits_of_cases_handovers_intake_and_outages_are_judged(text: str, line: int, key: str, said: str) -> None:
    problems = check_policy(text)
    assert any((one.line, one.key) == (line, key) and said in one.message for one in problems), problems


NOT_JUDGED = {
    "order.auto_withdraw": "a choice",
    "order.stopped_merchants": "a choice",
    "order.delays_max": "0 is a choice: no merchant may ask for a later date",
    "order.extensions_max": "0 is a choice: no buyer may extend",
    "order.commands_reserved": "judged with commands_max, whose key comes first",
    "after_sale.proposals_max": "0 is a choice: no smaller amount may be offered",
    "after_sale.silent_refund_most_minor": "an amount of the platform's choice; 0 gives nothing away",
    "after_sale.return_freight_most_minor": "an amount of the platform's choice; 0 gives none",
    "after_sale.late_scan_review": "a choice",
    "after_sale.chargeback_fee_bearer": "a choice",
    "after_sale.chargeback_after_refund_borne_by": "a choice",
    "withdrawal.amounts_in": "a name",
    "withdrawal.maximum_minor": "judged with minimum_minor, whose key comes first",
    "withdrawal.currencies": "a choice",
    "withdrawal.accounts_must_be_verified": "a choice",
    "withdrawal.fee_bps": "judged with commission_bps and fee_minor",
    "withdrawal.drop_tries": "its type has the bounds",
    "withdrawal.drops_max": "its type has the bounds",
    "withdrawal.attempts_max": "its type has the bounds",
    "withdrawal.return_watch_working_days": "its type has the bounds; 0 is a rail whose success is final",
    "withdrawal.callbacks_max": "0 is a choice: only look-ups count",
    "withdrawal.proofs": "judged where proofs are read",
    "intake.pair_max": "0 is off",
    "intake.device_max": "0 is off",
    "intake.place_max": "0 is off",
    "intake.thresholds_minor": "none is off",
    "intake.thresholds_in": "a name",
}
"""Limits that `policy check` does not judge, and why. The audit's rules are judged by its own benchmark."""
PARTS = {
    "order": OrderLimits(),
    "after_sale": AfterSaleLimits(),
    "withdrawal": WithdrawalPolicy(),
    "intake": IntakePolicy(),
    "reconciliation": ReconciliationPolicy(),
}


def test_each_limit_is_judged_or_says_why_not() -> None:
    named = {key for _, _, key, _ in (*CLASHES, *NEW_CLASHES)}
    for part, limits in PARTS.items():
        for name in type(limits).model_fields:
            key, value = f"{part}.{name}", getattr(limits, name)
            if isinstance(value, timedelta):
                problems = check_policy(f'{HEAD}[{part}]\n{name} = "400d"\n')
                assert key in {one.key for one in problems}, f"a wait of 400 days: {key}"
            else:
                judged = any(one == key or one.startswith(f"{key}.") for one in named)
                assert judged != (key in NOT_JUDGED), key
    assert not {key for key in NOT_JUDGED if not hasattr(PARTS[key.split(".")[0]], key.split(".")[1])}


def test_a_rule_about_after_sale_alone_changes_something_and_is_judged() -> None:
    rule = HEAD + '[[rules]]\ncategory = "a"\n[rules.after_sale]\nanswer_within = "{}"\n'
    assert check_policy(rule.format("3d")) == []
    (problem,) = check_policy(rule.format("12h"))
    assert (problem.line, problem.key) == (5, "rules.0.after_sale.answer_within")
    assert "under rule 0 (category a)" in problem.message


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
    problems = {problem.message: (problem.line, problem.key) for problem in check_policy(AFTER_SALE)}
    (contradiction,) = [said for said in problems if "set 1d and 12h: the later counts" in said]
    assert problems[contradiction] == (8, "rules.1.after_sale.answer_within")


def test_a_bad_value_of_a_rule_about_after_sale_is_named_by_line_and_key() -> None:
    (problem,) = check_policy(AFTER_SALE.replace('"12h"', '"soon"'))
    assert (problem.line, problem.key) == (8, "rules.1.after_sale.answer_within")
