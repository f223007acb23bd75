"""The platform's decisions about a merchant: frozen, suspended, leaving, and terms that differ from the policy's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from core.durations import Duration
from core.fields import Message, omitted_at
from core.parts import Part

MERCHANT_FROZEN = "merchant_frozen"
"""The hold, and the reason code, of a merchant whose money does not move."""
MERCHANT_SUSPENDED = "merchant_suspended"
"""The hold, and the reason code, of a merchant that gets no new order and no payout."""
MERCHANT_STOPS: frozenset[str] = frozenset({MERCHANT_FROZEN, MERCHANT_SUSPENDED})

Stop = Literal["frozen", "suspended", "leaving"]
"""What an operator may decide about a merchant, and undo."""

BpsOrNone = Annotated[int, Field(strict=True, ge=0, le=10_000)] | None


class MerchantTerms(Part):
    """A merchant's own terms. None: the policy's. An order keeps the terms at its payment."""

    settlement_delay: Duration | None = omitted_at(None)
    commission_bps: BpsOrNone = omitted_at(None)
    auto_withdraw: bool | None = omitted_at(None)


class MerchantStanding(Message):
    """The decisions about a merchant that hold now."""

    grade: str | None = None
    frozen: bool = False
    suspended: bool = False
    leaving: bool = False
    terms: MerchantTerms = MerchantTerms()

    @property
    def stop(self) -> str | None:
        """The reason code for which it gets no new order and no payout; None where there is none."""
        if self.frozen:
            return MERCHANT_FROZEN
        return MERCHANT_SUSPENDED if self.suspended else None
