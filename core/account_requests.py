"""Changes of payout accounts as a merchant's system sends them. A number comes in, and only its last four go out."""

from __future__ import annotations

from pydantic import Field, SecretStr

from core.fields import AmountMinor, Currency, Id, Message, Reason, Text
from core.payout_accounts import LONGEST_TYPED, AccountKind


class AccountNumberGiven(Message):
    """A number, or what its rail calls it and the last four digits of a number that only the rail knows."""

    number: SecretStr | None = Field(default=None, max_length=LONGEST_TYPED)
    token: Text | None = None
    last4: str | None = Field(default=None, pattern="^[A-Za-z0-9]{4}$")
    bank: Text | None = None
    bank_code: Text | None = None
    rail: Id | None = None


class BindAccount(AccountNumberGiven):
    """Bind a payout account. It is held under the merchant's legal name, and gets no money before it has cooled off."""

    account_id: Id
    kind: AccountKind = "bank_card"
    currency: Currency
    holder: Text
    is_default: bool = True
    reason: Reason = "bound by its merchant"


class ReplaceAccount(AccountNumberGiven):
    """Give an account another number. It cools off again; waiting withdrawals keep the number they were asked for."""

    kind: AccountKind | None = None
    holder: Text | None = None
    reason: Reason


class StopAccount(Message):
    """Stop all money to an account until an operator resumes it."""

    reason: Reason


class VerifyAccount(Message):
    """Say which amount arrived after an operator sent one. A wrong one costs a try."""

    amount_minor: AmountMinor
    reason: Reason = "told the amount"
