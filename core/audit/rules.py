"""All rules by name, and what a policy makes of their findings: other weights, shadows, trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from core.audit import service_rules, truth_rules
from core.audit.case import Case, lay_out
from core.audit.findings import Finding
from core.audit.policy import SERVICE_RULES, TRUTH_RULES

Rule = Callable[[Case], Finding]

TRUTH: Mapping[str, Rule] = {name: getattr(truth_rules, name) for name in TRUTH_RULES}
SERVICE: Mapping[str, Rule] = {name: getattr(service_rules, name) for name in SERVICE_RULES}

RULE_SET = "1"
"""The version of the rules: raised whenever the same facts may get another finding."""

_TRUTH = tuple(TRUTH.values())
_SERVICE = tuple(SERVICE.values())


def judge_rules(case: Case) -> tuple[list[Finding], list[Finding]]:
    """Every rule's finding: those that count (service rules among them, weightless), and those in shadow."""
    policy, in_person = case.policy, case.order.buyer_confirmed_in_person
    findings = [rule(case) for rule in _TRUTH]
    shadow: list[Finding] = []
    if policy.weights or policy.shadow or in_person:
        for finding in findings:
            _weigh(finding, case)
        shadow = [finding for finding in findings if finding.rule in policy.shadow]
        findings = [finding for finding in findings if finding.rule not in policy.shadow]
    if policy.trials:
        shadow.extend(_trials(case))
    findings.extend([rule(case) for rule in _SERVICE])
    return findings, shadow


def _weigh(finding: Finding, case: Case) -> None:
    """The policy's weight instead of the rule's own; a buyer's own word leaves only an impossible number fatal."""
    if finding.outcome != "fail":
        return
    for rule, weight in case.policy.weights.items():
        if rule == finding.rule:
            finding.weight = weight
    if finding.weight == "fatal" and case.order.buyer_confirmed_in_person and finding.rule != "number_possible":
        finding.weight = "strong"


def _trials(case: Case) -> list[Finding]:
    """Rules under other thresholds: laid out anew, since thresholds also decide which scans are the order's."""
    found = []
    for trial in case.policy.trials:
        policy = case.policy.with_values(trial.values)
        tried = TRUTH[trial.rule](lay_out(case.order, case.parcel, case.traces, policy, case.now))
        _weigh(tried, case)
        tried.trial = trial.name
        found.append(tried)
    return found
