"""Values of a policy that cannot work together: windows, waits, fees, and states that nothing leads to."""

from __future__ import annotations

from collections.abc import Iterator

from core.audit.policy import TRUTH_RULES
from core.durations import format_duration
from core.intake import IntakePolicy
from core.policy import OrderLimits, Policy
from core.policy_cases import case_windows
from core.policy_clashes import EVERYTHING, Clash, unending
from core.withdrawal.policy import WithdrawalPolicy

_ACTED_IN = {
    "screening_end": "a reviewer",
    "collect_within": "the buyer",
    "refund_request_within": "a second person",
    "ship_within": "the merchant",
    "pickup_within": "the carrier",
    "receipt_within": "the buyer",
    "undelivered_within": "the carrier",
    "undelivered_end": "the buyer",
    "review_end": "a reviewer",
    "refund_stuck_after": "the channel",
    "payment_oldest": "the storefront",
}
"""Windows in which someone must be able to act, and who."""

_BEFORE = (
    ("screening_sla", "screening_end", "goods that wait too long are called overdue only after they were refused"),
    ("review_sla", "review_end", "a review is called overdue only after it ended"),
    ("ship_reminder", "ship_within", "the merchant is never reminded: the reminder is due before the clock starts"),
    ("collect_reminder", "collect_within", "the buyer is reminded before the goods are ready"),
    ("receipt_reminder", "receipt_within", "the buyer is reminded as the goods arrive"),
    ("pickup_within", "undelivered_within", "a parcel is given up as undelivered before its pickup is judged"),
)
"""The first must be shorter than the second."""


def policy_windows(policy: Policy) -> list[Clash]:
    """What cannot work in a policy, without its rules."""
    return [
        *order_windows(policy),
        *_withdrawals(policy.withdrawal),
        *_audit(policy),
        *_intake(policy.intake),
        *unending("reconciliation", policy.reconciliation),
    ]


def order_windows(policy: Policy) -> list[Clash]:
    """What cannot work in the limits of an order; with a rule's values in them, under that rule."""
    limits = policy.order
    return [
        *_windows(limits),
        *unending("order", limits),
        *_unreachable(limits),
        *_out_of_place(limits),
        *_looks(policy),
        *_fees(policy),
        *case_windows(policy),
    ]


def _key(name: str) -> str:
    return f"order.{name}"


def _of(limits: OrderLimits, name: str) -> str:
    return f"{name} ({format_duration(getattr(limits, name))})"


def _windows(limits: OrderLimits) -> Iterator[Clash]:
    for name, who in _ACTED_IN.items():
        if not getattr(limits, name):
            yield Clash((_key(name),), f"{name} is 0s: it passes at once, and {who} cannot act in time")
    for shorter, longer, why in _BEFORE:
        if getattr(limits, longer) and getattr(limits, shorter) >= getattr(limits, longer):
            yield Clash(
                (_key(shorter), _key(longer)), f"{_of(limits, shorter)} is not below {_of(limits, longer)}: {why}"
            )
    if limits.ship_by_longest < limits.ship_within:
        why = "an order's own limit would be cut below the usual one"
        keys = (_key("ship_by_longest"), _key("ship_within"))
        yield Clash(keys, f"{_of(limits, 'ship_by_longest')} is below {_of(limits, 'ship_within')}: {why}")
    if limits.correction_least > limits.correction_within:
        why = "an appeal that fails would leave more time than there was"
        keys = (_key("correction_least"), _key("correction_within"))
        yield Clash(keys, f"{_of(limits, 'correction_least')} is above {_of(limits, 'correction_within')}: {why}")


def _unreachable(limits: OrderLimits) -> Iterator[Clash]:
    """Things that the policy names and that nothing leads to."""
    if limits.extensions_max:
        if not limits.extension:
            yield Clash((_key("extension"),), "extension is 0s: an extension adds nothing")
        elif limits.extension > limits.receipt_within:
            why = "an extension is longer than the window that it extends"
            keys = (_key("extension"), _key("receipt_within"))
            yield Clash(keys, f"{_of(limits, 'extension')} is above {_of(limits, 'receipt_within')}: {why}")
        if not limits.extension_opens:
            yield Clash((_key("extension_opens"),), "extension_opens is 0s: an extension is always too early")
    if not limits.corrections_max and limits.correction_within:
        why = "a rejected parcel waits for a correction that is never allowed"
        yield Clash((_key("corrections_max"), _key("correction_within")), f"corrections_max is 0: {why}")
    if limits.corrections_max and not limits.correction_within:
        yield Clash((_key("correction_within"),), "correction_within is 0s: no correction can come in time")
    if limits.delays_max and not limits.delay_answer_within:
        yield Clash((_key("delay_answer_within"),), "delay_answer_within is 0s: no buyer can accept a later date")
    if limits.delays_max and not limits.delay_longest:
        yield Clash((_key("delay_longest"),), "delay_longest is 0s: every later date is too late")
    if limits.commands_reserved >= limits.commands_max:
        why = "everything is kept for the buyer, and the merchant can send nothing"
        keys = (_key("commands_reserved"), _key("commands_max"))
        yield Clash(keys, f"commands_reserved ({limits.commands_reserved}) is not below commands_max: {why}")


def _out_of_place(limits: OrderLimits) -> Iterator[Clash]:
    """Values at which something never happens, or always."""
    if not limits.handover_tries:
        yield Clash((_key("handover_tries"),), "handover_tries is 0: no code can be said, and no handover confirmed")
    if not limits.scans_max:
        yield Clash((_key("scans_max"),), "scans_max is 0: no scan of a carrier is kept")
    if limits.outage_grace and not limits.outage_limit:
        yield Clash((_key("outage_limit"),), "outage_limit is 0s: every wake follows an outage, and no deadline passes")
    if limits.payment_skew >= limits.payment_oldest:
        message = f"{_of(limits, 'payment_skew')} is not below {_of(limits, 'payment_oldest')}: clocks differ by more"
        yield Clash((_key("payment_skew"), _key("payment_oldest")), f"{message} than a payment may be old")
    if limits.ship_after_screening > limits.ship_by_longest:
        message = f"{_of(limits, 'ship_after_screening')} is above {_of(limits, 'ship_by_longest')}"
        yield Clash(
            (_key("ship_after_screening"), _key("ship_by_longest")), f"{message}: longer than any order may take"
        )


def _looks(policy: Policy) -> Iterator[Clash]:
    apart = policy.audit.no_trace_apart
    if policy.order.pickup_within and policy.order.pickup_within <= apart:
        why = "two looks that far apart do not fit in, and no parcel can be called absent"
        message = f"{_of(policy.order, 'pickup_within')} is not above no_trace_apart ({format_duration(apart)}): {why}"
        yield Clash((_key("pickup_within"), "audit.no_trace_apart"), message)


def _fees(policy: Policy) -> Iterator[Clash]:
    rates = {"commission_bps": policy.commission_bps}
    for number, rule in enumerate(policy.rules):
        if rule.commission_bps is not None:
            rates[f"rules.{number}.commission_bps"] = rule.commission_bps
    for key, bps in rates.items():
        if bps + policy.withdrawal.fee_bps >= EVERYTHING:
            fee = f" and withdrawal.fee_bps ({policy.withdrawal.fee_bps})" if policy.withdrawal.fee_bps else ""
            yield Clash((key,), f"commission_bps ({bps}){fee} take 100 % and more: the merchant gets nothing")


_AT_ONCE = {
    "approval_sla": "it passes at once, and no one can approve in time",
    "drop_valid": "no merchant can say the small amount in time",
    "standing_every": "its account and merchant would be checked without a pause",
    "send_within": "every instruction is given up unsent",
    "query_until": "no payout is ever looked for",
    "person_after": "a person is asked before a look",
    "outage_limit": "every wake would follow an outage",
}


def _withdrawals(limits: WithdrawalPolicy) -> Iterator[Clash]:
    currencies = [("withdrawal", limits)]
    for currency, own in limits.limits.items():
        values = own.model_dump(exclude_none=True)
        currencies.append((f"withdrawal.limits.{currency}", limits.model_copy(update=values)))
    for where, one in currencies:
        yield from _amounts(where, one)
    yield from unending("withdrawal", limits)
    for name, why in _AT_ONCE.items():
        if not getattr(limits, name):
            yield Clash((f"withdrawal.{name}",), f"{name} is 0s: {why}")
    if not limits.daily_count_max:
        yield Clash(("withdrawal.daily_count_max",), "daily_count_max is 0: nothing can be withdrawn")
    if not limits.commands_max:
        yield Clash(("withdrawal.commands_max",), "commands_max is 0: no one can approve, cancel or resolve anything")
    if not limits.query_every:
        yield Clash(("withdrawal.query_every",), "query_every is 0s: a payout would be asked about without a pause")
    if list(limits.query_after) != sorted(limits.query_after):
        yield Clash(("withdrawal.query_after",), "query_after does not ascend: a later question comes first")
    if limits.person_after > limits.query_until:
        message = "person_after is above query_until: the looks end before a person is asked"
        yield Clash(("withdrawal.person_after", "withdrawal.query_until"), message)


def _amounts(where: str, limits: WithdrawalPolicy) -> Iterator[Clash]:
    least, most = limits.minimum_minor, limits.maximum_minor
    keys = (f"{where}.minimum_minor", f"{where}.maximum_minor", "withdrawal.minimum_minor", "withdrawal.maximum_minor")
    if least > most:
        yield Clash(keys, f"minimum_minor ({least}) is above maximum_minor ({most}): no amount can be asked for")
    elif limits.fee(least) >= least:
        fee_keys = (f"{where}.fee_minor", "withdrawal.fee_minor", "withdrawal.fee_bps")
        yield Clash(fee_keys, f"the fee of the minimum ({least}) is {limits.fee(least)}: nothing of it is paid out")
    if limits.daily_sum_max_minor < least:
        daily = (f"{where}.daily_sum_max_minor", "withdrawal.daily_sum_max_minor")
        yield Clash(daily, f"daily_sum_max_minor is below minimum_minor ({least}): nothing can be withdrawn")
    if limits.approval_above_minor >= most > 1:
        above = (f"{where}.approval_above_minor", "withdrawal.approval_above_minor")
        message = f"approval_above_minor is not below maximum_minor ({most}): no withdrawal ever waits for approval"
        yield Clash(above, message)


def _audit(policy: Policy) -> Iterator[Clash]:
    audit = policy.audit
    ascending = (
        ("early_unknown", "early_weak", "a scan before the payment is weak before it is unknown"),
        ("no_trace_strong", "no_trace_fatal", "no trace rejects before it is looked at"),
        ("look_first", "look_longest", "looks become more frequent"),
        ("look_subscribed", "look_subscribed_longest", "looks at a subscribed number become more frequent"),
        ("look_first", "horizon", "a parcel goes to review before it was looked at twice"),
        ("gap_max", "gap_max_remote", "a remote place is expected to be quicker"),
        ("gap_max_remote", "gap_max_very_remote", "a very remote place is expected to be quicker"),
    )
    for lower, higher, why in ascending:
        low, high = getattr(audit, lower), getattr(audit, higher)
        if low > high:
            sentence = f"{lower} ({format_duration(low)}) is above {higher} ({format_duration(high)}): {why}"
            yield Clash((f"audit.{lower}", f"audit.{higher}"), sentence)
    if not audit.look_first:
        yield Clash(("audit.look_first",), "look_first is 0s: a carrier would be asked without a pause")
    silent = {*audit.shadow, *(rule for rule, weight in audit.weights.items() if weight == "none")}
    if not set(TRUTH_RULES) - {"number_possible"} - silent:
        message = "no rule counts: nothing leads to a review, and every parcel with a possible number is approved"
        yield Clash(("audit.shadow", "audit.weights"), message)


def _intake(limits: IntakePolicy) -> Iterator[Clash]:
    yield from unending("intake", limits)
    counted = [name for name in ("pair_max", "device_max", "place_max") if getattr(limits, name)]
    if counted and not limits.within:
        message = f"within is 0s: {counted[0]} counts orders of no time, and never finds any"
        yield Clash(("intake.within", f"intake.{counted[0]}"), message)
    if limits.thresholds_minor and not limits.just_under_bps:
        message = "just_under_bps is 0: no total is ever just under a threshold"
        yield Clash(("intake.just_under_bps", "intake.thresholds_minor"), message)
    if not limits.review_within:
        yield Clash(("intake.review_within",), "review_within is 0s: a person is called again as the hold begins")
