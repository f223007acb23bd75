"""All rules by name, and what a policy makes of their findings: other weights, shadows, trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from core.audit import service_rules, truth_rules
from core.audit.case import Case, lay_out
from core.audit.findings import Finding
from core.audit.policy import SERVICE_RULES, TRUTH_RULES, Weight

Rule = Callable[[Case], Finding]

TRUTH: Mapping[str, Rule] = {name: getattr(truth_rules, name) for name in TRUTH_RULES}
SERVICE: Mapping[str, Rule] = {name: getattr(service_rules, name) for name in SERVICE_RULES}

RULE_SET = "3"
"""The version of the rules: raised whenever the same facts may get another finding."""

_TRUTH = tuple(TRUTH.values())
_SERVICE = tuple(SERVICE.values())


def judge_rules(case: Case, *, services: bool = True) -> tuple[list[Finding], list[Finding]]:
    """Every rule's finding: those that count (service rules among them, weightless), and those in shadow.

    Args:
        services: the service rules too, and trials, by which nothing is decided.
    """
    policy, in_person = case.policy, case.order.buyer_confirmed_in_person
    findings = [rule(case) for rule in _TRUTH]
    shadow: list[Finding] = []
    if policy.weights or policy.shadow or in_person:
        findings = [_weighed(finding, case) for finding in findings]
        shadow = [finding for finding in findings if finding.rule in policy.shadow]
        findings = [finding for finding in findings if finding.rule not in policy.shadow]
    if services:
        if policy.trials:
            shadow.extend(_trials(case))
        findings.extend([rule(case) for rule in _SERVICE])
    return findings, shadow


def _weighed(finding: Finding, case: Case) -> Finding:
    """The policy's weight instead of the rule's own.

    After a receipt confirmed by the buyer, only an impossible number stays fatal.
    """
    if finding.outcome != "fail":
        return finding
    weight: Weight = finding.weight
    for rule, other in case.policy.weights.items():
        weight = other if rule == finding.rule else weight
    if weight == "fatal" and case.order.buyer_confirmed_in_person and finding.rule != "number_possible":
        weight = "strong"
    return finding if weight == finding.weight else replace(finding, weight=weight)


def _trials(case: Case) -> list[Finding]:
    """Rules under other thresholds.

    The case is built again, since thresholds also decide which scans are the order's.
    """
    found = []
    for trial in case.policy.trials:
        policy = case.policy.with_values(trial.values)
        tried = TRUTH[trial.rule](lay_out(case.order, case.parcel, case.traces, policy, case.now))
        found.append(replace(_weighed(tried, case), trial=trial.name))
    return found
