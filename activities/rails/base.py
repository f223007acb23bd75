"""The port to a rail: what carries a payout to a merchant's bank account or wallet.

A new one is a class with these members in a file beside this one. The rule for all of them: `failed` only where the
rail itself says, readably, that this payout will not happen. A cut connection, a timeout, a 5xx, an answer that
cannot be read: `unknown`, and a look-up decides. A connection that was never made: `not_sent`, and it is sent soon.

One that tells statements has `activities.statements.TellsStatements.statement`, too.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Protocol

from pydantic import Field, SecretStr, StringConstraints

from core.errors import DakuanError, NotSent
from core.fields import AmountMinor, Currency, Message
from core.payout_accounts import AccountKind
from core.withdrawal.payouts import PayoutResult, RailTerms


class Payee(Message):
    """Where the money goes: the rail's own token for the account, its number, and what a person may see of it.

    `number` comes out of the vault for this one call. It stands in no text and no JSON that is made of this, so that it
    reaches no log and no history; a rail that needs it asks for `number.get_secret_value()`. None: the account has no
    number that we know, only the token; or the instruction is only looked up.
    """

    token: str
    kind: AccountKind | None = None
    number: SecretStr | None = Field(default=None, repr=False, exclude=True)
    bank_name: str | None = None
    bank_code: str | None = None

    @property
    def address(self) -> str:
        """What is paid to by a rail that takes numbers and wallets as they are: the number, or else the token."""
        return self.number.get_secret_value() if self.number else self.token

    last4: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,4}$")] | None = None
    holder: str | None = None


def names_payee(said: str, token: str, last4: str | None) -> bool:
    """Whether a rail speaks of this account: by its token, or by a number that ends as ours, which a look-up has not
    opened.
    """
    return said == token or (bool(last4) and said[-4:] == last4)


class PayoutInstruction(Message):
    """Pay this much. Under one key a rail pays once, within its window; a resend is the identical instruction."""

    key: str
    amount_minor: AmountMinor
    currency: Currency
    account: Payee


class Rail(Protocol):
    """Pays merchants."""

    name: str
    terms: RailTerms
    """What it promises about its keys and its successes."""
    key_pattern: re.Pattern[str]
    """The keys it takes. Ours fit every rail: at most 32 letters and digits."""

    async def pay(self, instruction: PayoutInstruction) -> PayoutResult:
        """Send the instruction. Never raises for what the rail does: that is `unknown`, or `not_sent`."""
        ...

    async def query(self, instruction: PayoutInstruction) -> PayoutResult:
        """What became of it. Never raises, as `pay`.

        `not_found` is the rail's word that nothing happens under this key unless it is told again: it knows no such
        key, or has it noted and waits for the identical instruction.
        """
        ...


def no_answer(error: DakuanError, *, paying: bool = False) -> PayoutResult:
    """What an exchange without a readable answer says: `unknown`, or `not_sent` of an instruction that never left us.

    Args:
        paying: an instruction was to be sent. A look-up that was not sent says nothing about the payout.
    """
    outcome: Literal["not_sent", "unknown"] = "not_sent" if paying and isinstance(error, NotSent) else "unknown"
    return PayoutResult(outcome=outcome, code=type(error).__name__, message=str(error)[:500])
