"""Limits of after-sale cases that cannot work: stages in which no one can act, and amounts that never count."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from core.aftersale.limits import AfterSaleLimits
from core.durations import format_duration
from core.policy_clashes import EVERYTHING, LONGEST_WAIT, Clash, unending

if TYPE_CHECKING:
    from core.policy import Policy

_ACTED_IN = {
    "answer_within": "the merchant",
    "escalate_within": "the buyer",
    "return_within": "the buyer",
    "return_pickup_within": "the carrier",
    "return_delivery_within": "the carrier",
    "inspect_within": "the merchant",
    "evidence_within": "neither side",
    "decide_within": "a reviewer",
    "replace_within": "the merchant",
    "chargeback_evidence_within": "neither side",
    "chargeback_answer_within": "the channel",
}
"""Windows in which someone must be able to act, and who."""
_REMINDED = ("answer_within", "escalate_within", "return_within", "inspect_within")
"""Windows with a reminder before their end."""


def case_windows(policy: Policy) -> Iterator[Clash]:
    """What cannot work in the limits of after-sale cases, beside those of the order."""
    limits = policy.after_sale
    yield from unending("after_sale", limits)
    for name, who in _ACTED_IN.items():
        if not getattr(limits, name):
            cannot = f"{who} can act" if who == "neither side" else f"{who} cannot act"
            yield Clash((_key(name),), f"{name} is 0s: it passes at once, and {cannot} in time")
    for name in _REMINDED:
        if getattr(limits, name) and limits.remind_before >= getattr(limits, name):
            why = "no one is ever reminded: the reminder is due before the stage begins"
            yield _pair(limits, "remind_before", "is not below", name, why)
    yield from _stages(limits)
    yield from _openings(policy)
    yield from _clocks(policy)
    yield from _compensation(policy)


def _stages(limits: AfterSaleLimits) -> Iterator[Clash]:
    if limits.return_pickup_within >= limits.return_delivery_within:
        why = "a returned parcel is late before its pickup is judged"
        yield _pair(limits, "return_pickup_within", "is not below", "return_delivery_within", why)
    least = limits.evidence_within + limits.decide_within
    if limits.decide_end <= least:
        keys = (_key("decide_end"), _key("decide_within"), _key("evidence_within"))
        message = (
            f"{_of(limits, 'decide_end')} is not above evidence_within and decide_within ({format_duration(least)})"
        )
        yield Clash(keys, f"{message}: the hold comes before the reviewer is late")
    if not limits.return_numbers_max:
        yield Clash((_key("return_numbers_max"),), "return_numbers_max is 0: no buyer can report a return")


def _openings(policy: Policy) -> Iterator[Clash]:
    limits, window = policy.after_sale, policy.order.after_sale_window
    if not limits.cases_max and window:
        why = "the money waits for complaints that no buyer may make"
        message = f"cases_max is 0 and after_sale_window is {format_duration(window)}: {why}"
        yield Clash((_key("cases_max"), "order.after_sale_window"), message)
    for reason, within in limits.windows.items():
        if not within:
            yield Clash((_key(f"windows.{reason}"), _key("windows")), f"windows.{reason} is 0s: it is over at receipt")
        elif within > LONGEST_WAIT:
            yield Clash((_key(f"windows.{reason}"), _key("windows")), f"windows.{reason} never ends")


def _clocks(policy: Policy) -> Iterator[Clash]:
    limits = policy.after_sale
    if not limits.pause_most:
        yield Clash((_key("pause_most"),), "pause_most is 0s: receipt is confirmed by silence while a case is open")
    for name, window in (("receipt_within", policy.order.receipt_within), ("pause_most", limits.pause_most)):
        if window and limits.resume_least > window:
            other = f"order.{name}" if name == "receipt_within" else _key(name)
            why = (
                "a pause would give more time than there was"
                if name == "receipt_within"
                else "clocks never stand so long"
            )
            message = f"{_of(limits, 'resume_least')} is above {name} ({format_duration(window)}): {why}"
            yield Clash((_key("resume_least"), other), message)


def _compensation(policy: Policy) -> Iterator[Clash]:
    limits, bps = policy.after_sale, policy.commission_bps
    if limits.late_bps and limits.late_bps + bps >= EVERYTHING:
        message = f"late_bps ({limits.late_bps}) and commission_bps ({bps}) take 100 % and more of a late order"
        yield Clash((_key("late_bps"), "commission_bps"), message)
    if limits.late_cap_minor and limits.late_minimum_minor > limits.late_cap_minor:
        message = f"late_minimum_minor ({limits.late_minimum_minor}) is above late_cap_minor ({limits.late_cap_minor})"
        yield Clash((_key("late_minimum_minor"), _key("late_cap_minor")), f"{message}: the least is more than the most")
    if limits.late_cap_minor and not limits.late_bps and not limits.late_minimum_minor:
        why = "late_bps and late_minimum_minor are 0, so nothing is ever given"
        yield Clash((_key("late_cap_minor"),), f"late_cap_minor ({limits.late_cap_minor}) never counts: {why}")


def _key(name: str) -> str:
    return f"after_sale.{name}"


def _of(limits: AfterSaleLimits, name: str) -> str:
    value: timedelta = getattr(limits, name)
    return f"{name} ({format_duration(value)})"


def _pair(limits: AfterSaleLimits, one: str, relation: str, other: str, why: str) -> Clash:
    return Clash((_key(one), _key(other)), f"{_of(limits, one)} {relation} {_of(limits, other)}: {why}")
