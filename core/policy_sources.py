"""Each value of a policy and where it comes from: our default, the file, or the rule that matches an order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel

from core.aftersale.limits import AfterSaleLimits
from core.durations import format_duration
from core.fields import Message
from core.messages import Order
from core.policy import OrderLimits, Policy, Rule, resolve

OUR_DEFAULT = "our default"
THE_FILE = "the policy"


class PolicyValue(NamedTuple):
    """One value, by its key in the file, in the form the file has it."""

    key: str
    value: Any
    source: str


class Selection(NamedTuple):
    """Orders that a policy is resolved for: what is None is not known, and no rule about it applies."""

    merchant_id: str | None = None
    grade: str | None = None
    category: str | None = None
    delivery_mode: str | None = None

    def is_met_by(self, rule: Rule) -> bool:
        """Whether this rule applies to such orders."""
        if rule.merchant_id not in (None, self.merchant_id) or rule.grade not in (None, self.grade):
            return False
        if rule.delivery_mode not in (None, self.delivery_mode):
            return False
        return rule.category is None or (
            self.category is not None and rule.matches(rule.merchant_id or "", self.category)
        )


def values_of(policy: Policy, selection: Selection = Selection()) -> tuple[PolicyValue, ...]:
    """Every value for such orders, by key. The most specific rule sets each; of two as specific, the later one."""
    numbered = [(number, rule) for number, rule in enumerate(policy.rules) if selection.is_met_by(rule)]
    return _with_rules(policy, numbered)


def values_for(policy: Policy, order: Order, grade: str | None = None) -> tuple[PolicyValue, ...]:
    """Every value that an order follows, by key. Its commission is by line; the rules' rates are given one by one."""
    numbered = [(number, rule) for number, rule in enumerate(policy.rules) if rule.applies_to(order, grade)]
    assert resolve(policy, order, grade).rules == tuple(rule for _, rule in numbered)
    return _with_rules(policy, numbered)


def _with_rules(policy: Policy, numbered: list[tuple[int, Rule]]) -> tuple[PolicyValue, ...]:
    found = {value.key: value for value in _flat("", policy)}
    for number, rule in sorted(numbered, key=lambda one: one[1].specificity):
        source = f"rule {number} ({rule.selector})"
        parts: tuple[tuple[str, type[Message], dict[str, Any]], ...] = (
            ("order", OrderLimits, rule.order),
            ("after_sale", AfterSaleLimits, rule.after_sale),
        )
        for part, model, values in parts:
            limits = model.model_validate(values)
            for name in values:
                key = f"{part}.{name}"
                found[key] = PolicyValue(key, written(getattr(limits, name)), source)
        if rule.commission_bps is not None:
            found["commission_bps"] = PolicyValue("commission_bps", rule.commission_bps, source)
    return tuple(found.values())


def _flat(prefix: str, model: BaseModel) -> Iterator[PolicyValue]:
    for name in type(model).model_fields:
        if not prefix and name in {"name", "content_hash", "rules"}:
            continue
        value, key = getattr(model, name), f"{prefix}{name}"
        if isinstance(value, BaseModel):
            yield from _flat(f"{key}.", value)
        elif key != "audit.name":
            source = THE_FILE if name in model.model_fields_set else OUR_DEFAULT
            yield PolicyValue(key, written(value), source)


def written(value: Any) -> Any:
    """A value as a file has it: durations as `48h`, parts of it as JSON."""
    if hasattr(value, "total_seconds"):
        return format_duration(value)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_defaults=True)
    if isinstance(value, tuple | list):
        return [written(one) for one in value]
    if hasattr(value, "items"):
        return {key: written(one) for key, one in value.items()}
    return value


class Difference(NamedTuple):
    """A value that two policies have differently, with where each comes from; None where one has no such rule."""

    key: str
    old: PolicyValue | None
    new: PolicyValue | None


def differences(old: Policy, new: Policy) -> tuple[Difference, ...]:
    """What changes from one policy to another: values that differ, then rules that one of them lacks."""
    before = {value.key: value for value in values_of(old)}
    after = {value.key: value for value in values_of(new)}
    values = [Difference(key, before[key], after[key]) for key in before if before[key].value != after[key].value]
    return (*values, *_rule_differences(old.rules, new.rules))


def _rule_differences(old: tuple[Rule, ...], new: tuple[Rule, ...]) -> Iterator[Difference]:
    for number, rule in enumerate(old):
        if rule not in new:
            yield Difference(f"rules.{number}", PolicyValue(f"rules.{number}", _rule(rule), rule.selector), None)
    for number, rule in enumerate(new):
        if rule not in old:
            yield Difference(f"rules.{number}", None, PolicyValue(f"rules.{number}", _rule(rule), rule.selector))


def _rule(rule: Rule) -> dict[str, Any]:
    return rule.model_dump(mode="json", exclude_defaults=True)
