"""What is wrong with a policy file before it is registered: keys, values, and values that cannot work together.

A policy that can be read may still be wrong: no one can act in time, a person is asked after everything was decided, or
a rule never counts. Each finding names line and key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

from pydantic import ValidationError

from core.aftersale.limits import AfterSaleLimits
from core.durations import format_duration
from core.fields import Message
from core.policy import OrderLimits, Policy, Rule, parse_policy
from core.policy_windows import order_windows, policy_windows
from core.reading import reasons_of
from core.toml_lines import FileProblem, Lines, read_toml

Place = tuple[str | int, ...]

RULES_COMBINED = 60
"""Rules up to which each pair that fits one order is looked at together."""

_IN_VALUES = re.compile(r"^((?:overrides|trials)\.\d+\.values): (.*)$", re.DOTALL)
"""How the audit's policy names what is wrong with an override's values."""


class PolicyFinding(NamedTuple):
    """Something that cannot work, with the keys that it is about. The first one in the file is named."""

    keys: tuple[Place, ...]
    message: str


def check_policy(text: str) -> list[FileProblem]:
    """Everything that is wrong with a policy file, by line and key; nothing where it is right."""
    policy, problems = read_toml(Policy, text)
    lines = Lines(text) if policy is not None or not _is_broken(problems) else None
    if policy is None:
        return sorted(_placed(problem, lines) for problem in problems)
    assert lines is not None
    if wrong := [_problem(lines, finding) for finding in _rule_values(policy)]:
        return sorted(wrong)
    policy = parse_policy(text)
    found = [
        *(PolicyFinding(tuple(_place(key) for key in one.keys), one.message) for one in policy_windows(policy)),
        *_windows_of_rules(policy),
        *_useless_rules(policy),
        *_contradictions(policy),
    ]
    return sorted({_problem(lines, finding) for finding in found})


def _is_broken(problems: list[FileProblem]) -> bool:
    return any(not problem.key for problem in problems)


def _placed(problem: FileProblem, lines: Lines | None) -> FileProblem:
    """An override of the audit names its own place inside the message."""
    inner = _IN_VALUES.match(problem.message)
    if lines is None or inner is None or problem.key != "audit":
        return problem
    key = f"audit.{inner[1]}"
    return FileProblem(lines.of(_place(key)), key, inner[2])


def _problem(lines: Lines, finding: PolicyFinding) -> FileProblem:
    place = next((key for key in finding.keys if lines.has(key)), finding.keys[0])
    return FileProblem(lines.of(place), ".".join(map(str, place)), finding.message)


def _place(key: str) -> Place:
    return tuple(int(part) if part.isdecimal() else part for part in key.split("."))


# --- rules -----------------------------------------------------------------------------------------------


def _rule_values(policy: Policy) -> Iterator[PolicyFinding]:
    for number, rule in enumerate(policy.rules):
        parts: tuple[tuple[str, type[Message], dict[str, Any]], ...] = (
            ("order", OrderLimits, rule.order),
            ("after_sale", AfterSaleLimits, rule.after_sale),
        )
        for part, model, values in parts:
            try:
                model.model_validate(values, extra="forbid")
            except ValidationError as error:
                for reason in reasons_of(error, model):
                    yield PolicyFinding((("rules", number, part, *_place(reason["field"])),), reason["message"])


def _windows_of_rules(policy: Policy) -> Iterator[PolicyFinding]:
    """What each rule, and each pair that can meet in one order, makes of the limits."""
    known = {(one.keys, one.message) for one in order_windows(policy)}
    numbered = list(enumerate(policy.rules))
    pairs = combinations(numbered, 2) if len(numbered) <= RULES_COMBINED else ()
    groups = [*([one] for one in numbered), *(list(pair) for pair in pairs if _can_meet(pair[0][1], pair[1][1]))]
    for group in groups:
        merged = _merged(policy, [rule for _, rule in group])
        for one in order_windows(merged):
            if (one.keys, one.message) in known:
                continue
            known.add((one.keys, one.message))
            places = [("rules", number, *_place(key)) for key in one.keys for number, rule in group if _sets(rule, key)]
            whose = " and ".join(f"rule {number} ({rule.selector})" for number, rule in group)
            yield PolicyFinding((*places, *map(_place, one.keys)), f"under {whose}: {one.message}")


def _sets(rule: Rule, key: str) -> bool:
    part, _, name = key.partition(".")
    values = {"order": rule.order, "after_sale": rule.after_sale}.get(part)
    return rule.commission_bps is not None if values is None else name.partition(".")[0] in values


def _merged(policy: Policy, rules: list[Rule]) -> Policy:
    """The policy as these rules together make it for an order."""
    order, after_sale = policy.order.model_dump(), policy.after_sale.model_dump()
    for rule in sorted(rules, key=lambda rule: rule.specificity):
        order.update(rule.order)
        after_sale.update(rule.after_sale)
    limits = {"order": OrderLimits.model_validate(order), "after_sale": AfterSaleLimits.model_validate(after_sale)}
    return policy.model_copy(update=limits)


def _can_meet(one: Rule, other: Rule) -> bool:
    """Whether some order has lines that both apply to."""
    pairs = (
        (one.merchant_id, other.merchant_id),
        (one.grade, other.grade),
        (one.delivery_mode, other.delivery_mode),
    )
    return all(a is None or b is None or a == b for a, b in pairs)


def _useless_rules(policy: Policy) -> Iterator[PolicyFinding]:
    for number, rule in enumerate(policy.rules):
        if not rule.order and not rule.after_sale and rule.commission_bps is None:
            message = "the rule changes nothing: it has neither order, after_sale nor commission_bps"
            yield PolicyFinding((("rules", number),), message)
        elif rule.selector == "every order":
            yield PolicyFinding((("rules", number),), "the rule is for every order: its values belong above the rules")
    for number, override in enumerate(policy.audit.overrides):
        if not override.values:
            yield PolicyFinding((("audit", "overrides", number),), "the override changes nothing: it has no values")
        elif not override.model_dump(exclude={"values"}, exclude_none=True):
            yield PolicyFinding(
                (("audit", "overrides", number),), "the override is for every parcel: set its values above"
            )


def _contradictions(policy: Policy) -> Iterator[PolicyFinding]:
    """Two rules for the same orders that set one value: the earlier never counts."""
    seen: dict[tuple[Any, str], tuple[int, Any]] = {}
    for number, rule in enumerate(policy.rules):
        for key, value in _settings(rule):
            which = (rule.merchant_id, rule.grade, rule.category, rule.delivery_mode)
            earlier = seen.get((which, key))
            seen[which, key] = (number, value)
            if earlier is not None:
                same = "the same value" if earlier[1] == value else f"{_shown(earlier[1])} and {_shown(value)}"
                message = (
                    f"rules {earlier[0]} and {number} are both for {rule.selector} and set {same}: the later counts"
                )
                yield PolicyFinding((("rules", number, *_place(key)),), message)
    yield from _audit_contradictions(policy)


def _audit_contradictions(policy: Policy) -> Iterator[PolicyFinding]:
    earlier: dict[tuple[str, str], int] = {}
    for number, override in enumerate(policy.audit.overrides):
        which = override.model_dump_json(exclude={"values"})
        for key in override.values:
            if (which, key) in earlier:
                message = f"overrides {earlier[which, key]} and {number} are for the same parcels: the later counts"
                yield PolicyFinding((("audit", "overrides", number, "values", key),), message)
            earlier[which, key] = number


def _settings(rule: Rule) -> Iterator[tuple[str, Any]]:
    limits = OrderLimits.model_validate(rule.order)
    for name in rule.order:
        yield f"order.{name}", getattr(limits, name)
    after_sale = AfterSaleLimits.model_validate(rule.after_sale)
    for name in rule.after_sale:
        yield f"after_sale.{name}", getattr(after_sale, name)
    if rule.commission_bps is not None:
        yield "commission_bps", rule.commission_bps


def _shown(value: Any) -> str:
    return format_duration(value) if hasattr(value, "total_seconds") else str(value)
