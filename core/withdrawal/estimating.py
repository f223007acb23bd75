"""What a withdrawal would cost, when it would arrive, and what stands against it, before it is requested.

The database checks again at the request; an estimate promises nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from core.fields import Message, Time
from core.messages import Withdrawal
from core.money import format_minor
from core.reasons import Refusal, in_chinese, refuse
from core.texts import clock
from core.withdrawal.calendar import after_working_days, next_day_starts
from core.withdrawal.opening import check_request
from core.withdrawal.payouts import RailTerms
from core.withdrawal.policy import WithdrawalPolicy


class Standing(Message):
    """The facts about a merchant, an account and a day from register and books, in minor units of one currency.

    `account_found`: the merchant has this account. The fields about it are valid only then.
    """

    available_minor: int
    owed_minor: int
    count_today: int
    sum_today_minor: int
    account_found: bool
    account_currency: str | None = None
    account_suspended: bool = False
    account_cooling_until: Time | None = None
    account_verified: bool = True
    rail: str | None = None
    stop: str | None = None
    """The reason code for which the merchant gets no payout."""


class Objection(Refusal):
    """What stands against a request, for its sender to read in either language."""

    message_zh: str


class Estimate(Message):
    """The expected result of a request.

    `against` is empty where it would be reserved. `arrives_by` is the rail's usual time in working days; None where
    people must approve it first, or the account is unknown.
    """

    amount_minor: int
    fee_minor: int
    net_minor: int
    currency: str
    needs_approval: bool
    arrives_by: Time | None
    available_minor: int
    count_left_today: int
    sum_left_today_minor: int
    limits_turn_over_at: Time
    against: tuple[Objection, ...]


def estimate(
    withdrawal: Withdrawal,
    policy: WithdrawalPolicy,
    standing: Standing,
    terms: RailTerms | None,
    now: datetime,
    closed: frozenset[date] = frozenset(),
) -> Estimate:
    """The expected result of this request now.

    Args:
        terms: what the account's rail promises; None where there is no such rail.
        closed: days on which banks rest, besides Saturday and Sunday.
    """
    amount = withdrawal.amount_minor
    fee, approval = policy.fee(amount), policy.needs_approval(amount)
    against = tuple(_objection(one) for one in _against(withdrawal, policy, standing, terms, now))
    known = terms is not None and standing.account_found and not approval
    days = terms.arrival_working_days if terms is not None else 0
    return Estimate(
        amount_minor=amount,
        fee_minor=fee,
        net_minor=max(amount - fee, 0),
        currency=withdrawal.currency,
        needs_approval=approval,
        arrives_by=after_working_days(now, days, policy.day_offset, closed) if known else None,
        available_minor=standing.available_minor,
        count_left_today=max(policy.daily_count_max - standing.count_today, 0),
        sum_left_today_minor=max(policy.daily_sum_max_minor - standing.sum_today_minor, 0),
        limits_turn_over_at=next_day_starts(now, policy.day_offset),
        against=against,
    )


def _objection(refusal: Refusal) -> Objection:
    return Objection(**refusal.model_dump(), message_zh=in_chinese(refusal.code, refusal.message) or refusal.message)


def _against(
    withdrawal: Withdrawal, policy: WithdrawalPolicy, standing: Standing, terms: RailTerms | None, now: datetime
) -> Iterator[Refusal]:
    """Every reason, in the order in which the reservation looks."""
    amount, currency = withdrawal.amount_minor, withdrawal.currency
    asked = check_request(withdrawal, policy)
    if asked is not None:
        yield asked
    if standing.stop is not None:
        yield refuse(standing.stop)
    yield from _against_account(withdrawal, policy, standing, now)
    if terms is not None and standing.rail is not None and standing.account_currency == withdrawal.currency:
        obstacle = terms.obstacle(standing.rail, withdrawal.currency, None)
        if obstacle is not None:
            yield obstacle
    if standing.owed_minor > 0:
        yield refuse("receivable_outstanding", f"It owes {format_minor(standing.owed_minor, currency)}.")
    if standing.count_today >= policy.daily_count_max:
        yield refuse("daily_limit", f"{standing.count_today} were asked for today.")
    elif standing.sum_today_minor + amount > policy.daily_sum_max_minor:
        yield refuse("daily_limit", f"{format_minor(standing.sum_today_minor, currency)} were asked for today.")
    if standing.available_minor < amount:
        short = format_minor(amount - standing.available_minor, currency)
        yield refuse("insufficient_funds", f"It is short by {short}.", field="amount_minor")


def _against_account(
    withdrawal: Withdrawal, policy: WithdrawalPolicy, standing: Standing, now: datetime
) -> Iterator[Refusal]:
    if not standing.account_found:
        yield refuse("unknown_account", withdrawal.account_id, field="account_id")
        return
    if standing.account_suspended:
        yield refuse("account_suspended", withdrawal.account_id, field="account_id")
    if policy.accounts_must_be_verified and not standing.account_verified:
        yield refuse("account_unverified", withdrawal.account_id, field="account_id")
    if standing.account_currency != withdrawal.currency:
        yield refuse("wrong_currency", f"The account is in {standing.account_currency}.", field="currency")
    cooling = standing.account_cooling_until
    if cooling is not None and cooling > now:
        yield refuse("account_cooling", f"Until {clock(cooling)}.", field="account_id")


def affordable(policy: WithdrawalPolicy, standing: Standing, keep_minor: int = 0) -> int:
    """The most that may be asked for now while `keep_minor` stays: bounded by balance, maximum and the day's sum."""
    left_today = policy.daily_sum_max_minor - standing.sum_today_minor
    return max(min(standing.available_minor - keep_minor, policy.maximum_minor, left_today), 0)


def days_between(first: date, last: date) -> Iterator[date]:
    """Each day from the first to the last, both included."""
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)
