"""The limits of withdrawals: amounts, approval, fee, and how long an uncertain payout is looked for.

Every number is configuration; `policies/default.toml` says where each comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from core.durations import Duration
from core.fields import AmountMinor, AmountOrZero, Currency, Message, omitted_at
from core.messages import Withdrawal
from core.money import MAX_AMOUNT_MINOR, share_bps
from core.reasons import Refusal, refuse
from core.sender_proofs import NO_NEEDS, ProofNeeds

Bps = Annotated[int, Field(strict=True, ge=0, le=10_000)]
Count = Annotated[int, Field(strict=True, ge=0, le=100_000)]


class CurrencyLimits(Message):
    """The amounts of one currency, in its minor units. Missing ones are the policy's own."""

    minimum_minor: AmountMinor | None = None
    maximum_minor: AmountMinor | None = None
    daily_sum_max_minor: AmountMinor | None = None
    approval_above_minor: AmountOrZero | None = None
    fee_minor: AmountOrZero | None = None


class WithdrawalPolicy(Message):
    """The limits of a withdrawal, from its request until it is no longer watched.

    Amounts are minor units of `amounts_in`, and each other currency has its own in `limits`: 5,000,000 is 50,000.00 in
    CNY and about 200 dollars in VND. Without `amounts_in` they hold for every currency as they are. `currencies` empty
    allows every currency.
    """

    amounts_in: Currency | None = omitted_at(None)
    limits: Mapping[Currency, CurrencyLimits] = omitted_at({})
    minimum_minor: AmountMinor = 100
    maximum_minor: AmountMinor = 5_000_000
    daily_count_max: Count = 10
    daily_sum_max_minor: AmountMinor = MAX_AMOUNT_MINOR
    day_offset: Duration = timedelta(hours=8)
    """Where the business day begins, ahead of UTC: counts, sums and quotas turn over at its midnight."""
    currencies: tuple[Currency, ...] = ()
    cooling: Duration = timedelta(hours=72)
    """How long after it was bound or changed a payout account gets no money."""
    accounts_must_be_verified: bool = False
    proofs: ProofNeeds = omitted_at(NO_NEEDS)
    """The policy's own table `[proofs]`."""
    drop_valid: Duration = timedelta(days=7)
    """How long after a small amount was sent to an account the merchant may say how much it was."""
    drop_tries: Annotated[int, Field(strict=True, ge=1, le=20)] = 3
    drops_max: Annotated[int, Field(strict=True, ge=1, le=20)] = 3
    """Amounts that are sent to one version of an account."""
    fee_minor: AmountOrZero = 0
    fee_bps: Bps = 0

    approval_above_minor: AmountOrZero = 2_000_000
    """Larger amounts wait for two people, neither of them the requester."""
    approval_sla: Duration = timedelta(hours=24)
    outage_limit: Duration = omitted_at(timedelta(hours=1))
    outage_grace: Duration = omitted_at(timedelta(hours=24))
    """After an outage of ours, how long an approval may still take."""

    standing_every: Duration = timedelta(hours=6)
    """While it waits to be submitted: how often its account's suspension and its merchant's debt are checked."""

    send_within: Duration = timedelta(hours=1)
    """An instruction that is not sent within this time is marked unsent, and a new one is made."""
    attempts_max: Annotated[int, Field(strict=True, ge=1, le=50)] = 5
    query_after: tuple[Duration, ...] = (timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1))
    query_every: Duration = timedelta(days=1)
    query_until: Duration = timedelta(days=30)
    not_found_apart: Duration = timedelta(minutes=3)
    """Two "not found" answers closer together than this count as one: a look-up may be stale."""
    person_after: Duration = timedelta(days=3)
    resolve_margin: Duration = timedelta(hours=24)
    suspense_for: Duration = timedelta(days=5)

    return_watch_working_days: Annotated[int, Field(strict=True, ge=0, le=60)] = 7
    commands_max: Count = 200
    callbacks_max: Count = 2000

    def in_currency(self, currency: str) -> WithdrawalPolicy | Refusal:
        """The policy with the amounts of one currency folded in; `wrong_currency` where it has none for that."""
        own = self.limits.get(currency)
        if own is None and self.amounts_in not in (None, currency):
            known = ", ".join(sorted({*self.limits, *filter(None, [self.amounts_in])}))
            text = f"The policy has no limits in {currency}, only in {known}; it needs [withdrawal.limits.{currency}]."
            return refuse("wrong_currency", text, field="currency")
        amounts = own.model_dump(exclude_none=True) if own is not None else {}
        return self.model_copy(update={**amounts, "amounts_in": None, "limits": {}})

    def fee(self, amount_minor: int) -> int:
        """The fee of a withdrawal of this amount, minor units: the fixed part and the rate, rounded down."""
        return self.fee_minor + share_bps(amount_minor, self.fee_bps)

    def least(self, withdrawal: Withdrawal) -> int:
        """The smallest amount that may be requested, minor units. A merchant who leaves may withdraw the last cent."""
        return 1 if withdrawal.leaving else self.minimum_minor

    def needs_approval(self, amount_minor: int) -> bool:
        """Whether two people must approve this amount."""
        return amount_minor > self.approval_above_minor
