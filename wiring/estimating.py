"""What a withdrawal would cost, when it would arrive and what stands against it; nothing is written."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import UTC, datetime

from config import Settings
from core.errors import Misconfigured, Refused
from core.messages import Withdrawal
from core.policy import parse_policy
from core.reasons import SENTENCES, Refusal
from core.withdrawal.estimating import Estimate, days_between, estimate
from core.withdrawal.payouts import RailTerms
from ledger.register import Register
from wiring.rails import open_rails


async def estimate_now(settings: Settings, register: Register, withdrawal: Withdrawal) -> Estimate:
    """What would become of this request now, by its policy, the register and its account's rail.

    Raises:
        Refused: `unknown_policy`, or `wrong_currency`: the policy has no limits in this currency.
        Unavailable: the database did not answer; a retry helps.
    """
    now = datetime.now(UTC)
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
    terms = await terms_of(settings, standing.rail) if standing.rail is not None else None
    return estimate(withdrawal, limits, standing, terms, now, closed)


async def terms_of(settings: Settings, rail: str) -> RailTerms | None:
    """What a rail promises; None where this machine is not set up for it."""
    async with AsyncExitStack() as stack:
        try:
            rails = await open_rails(settings, stack)
        except Misconfigured:
            return None
        found = rails.of(rail)
        return found.terms if found is not None else None
