"""What a withdrawal would cost, when it would arrive and what stands against it; nothing is written."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from commands.link import books
from config import load
from core.errors import Misconfigured, Refused
from core.messages import Withdrawal
from core.money import MAX_AMOUNT_MINOR, format_minor
from core.policy import parse_policy
from core.reasons import SENTENCES, Refusal
from core.texts import clock
from core.withdrawal.estimating import Estimate, days_between, estimate
from core.withdrawal.payouts import RailTerms
from screens import counted, facts, table

if TYPE_CHECKING:
    from rich.console import Console


async def estimate_now(withdrawal: Withdrawal) -> Estimate:
    """The expected result of this request now, by its policy, the register and its account's rail.

    Raises:
        Refused: `unknown_policy`, or `wrong_currency`: the policy has no limits in this currency.
        Unavailable: the database did not answer; a retry helps.
    """
    now = datetime.now(UTC)
    async with books() as register:
        stored = await register.policies.newest(withdrawal.policy)
        if stored is None:
            named = withdrawal.policy or "default"
            raise Refused("unknown_policy", f"{SENTENCES['unknown_policy']} {named}", "policy")
        policy = parse_policy(stored.text)
        limits = policy.withdrawal.in_currency(withdrawal.currency)
        if isinstance(limits, Refusal):
            raise Refused(limits.code, limits.message, limits.field)
        standing = await register.withdrawals.standing(
            withdrawal.merchant_id, withdrawal.account_id, withdrawal.currency, limits, now
        )
    closed = frozenset(day for days in policy.audit.closed_days for day in days_between(days.first, days.last))
    terms = await terms_of(standing.rail) if standing.rail is not None else None
    return estimate(withdrawal, limits, standing, terms, now, closed)


async def terms_of(rail: str) -> RailTerms | None:
    """What a rail promises; None where this machine is not set up for it."""
    from wiring.rails import open_rails  # loaded when it runs: vendors, HTTP and keys

    async with AsyncExitStack() as stack:
        try:
            rails = await open_rails(load(), stack)
        except Misconfigured:
            return None
        found = rails.get(rail) or rails.get("*")
        return found.terms if found is not None else None


def show_estimate(console: Console, found: Estimate) -> None:
    """For people: the figures, then the reasons against it, the worst first."""
    unlimited = found.sum_left_today_minor >= MAX_AMOUNT_MINOR // 2
    console.print(
        facts(
            "Estimate; nothing was asked for",
            {
                "amount": format_minor(found.amount_minor, found.currency),
                "fee": format_minor(found.fee_minor, found.currency),
                "arrives": format_minor(found.net_minor, found.currency),
                "expected by": _arrival(found),
                "available": format_minor(found.available_minor, found.currency),
                "left today": counted(found.count_left_today, "withdrawal")
                + ("" if unlimited else f", {format_minor(found.sum_left_today_minor, found.currency)}"),
                "limits turn over": clock(found.limits_turn_over_at),
            },
        )
    )
    if found.against:
        rows = [(refusal.code, refusal.message) for refusal in found.against]
        console.print(table("What stands against it", ("reason", "says"), rows))


def _arrival(found: Estimate) -> str:
    if found.needs_approval:
        return "when two people have approved it, and the rail's time after that"
    return clock(found.arrives_by) or "not known: no such account, or its rail is not set up here"
