"""The port to a rail: it carries payouts to a merchant's bank account or wallet.

A new one is a class with these members in a file beside this one. The rule for all of them: `failed` only if the rail
itself says, readably, that this payout will not happen. A cut connection, a timeout, a 5xx or an unreadable answer is
`unknown`: a query decides. If no connection was made, it is `not_sent` and is sent again soon.

A rail that offers statements also has `activities.statements.TellsStatements.statement`.
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
    """The account that gets the money: the rail's own token for it, its number, and what a person may see of it.

    `number` comes from the vault for this one call. It is left out of every text and JSON of this model, so it reaches
    no log and no history; a rail that needs it calls `number.get_secret_value()`. None: the account has only a token,
    or the instruction is only queried.
    """

    token: str
    kind: AccountKind | None = None
    number: SecretStr | None = Field(default=None, repr=False, exclude=True)
    bank_name: str | None = None
    bank_code: str | None = None

    @property
    def address(self) -> str:
        """The address for a rail that takes numbers and wallets directly: the number, or else the token."""
        return self.number.get_secret_value() if self.number else self.token

    last4: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,4}$")] | None = None
    holder: str | None = None


def names_payee(said: str, token: str, last4: str | None) -> bool:
    """Whether a rail's answer names this account: by its token, or by a number with our last digits, because a query
    does not open the number.
    """
    return said == token or (bool(last4) and said[-4:] == last4)


class PayoutInstruction(Message):
    """An order to pay this much. Under one key a rail pays once, within its window; a resend is identical."""

    key: str
    amount_minor: AmountMinor
    currency: Currency
    account: Payee


class Rail(Protocol):
    """Pays merchants."""

    name: str
    terms: RailTerms
    """What it guarantees about its keys and its successes."""
    key_pattern: re.Pattern[str]
    """The keys it accepts. Ours fit every rail: at most 32 letters and digits."""

    async def pay(self, instruction: PayoutInstruction) -> PayoutResult:
        """Send the instruction. Never raises because of the rail: the result is then `unknown` or `not_sent`."""
        ...

    async def query(self, instruction: PayoutInstruction) -> PayoutResult:
        """Query its outcome. Never raises because of the rail.

        `not_found`: the rail says that nothing happens under this key unless the instruction is sent again. It knows no
        such key, or waits for the identical instruction.
        """
        ...


def no_answer(error: DakuanError, *, paying: bool = False) -> PayoutResult:
    """The result of an exchange without a readable answer: `unknown`, or `not_sent` if the instruction never left us.

    Args:
        paying: an instruction should have been sent. A query that was not sent says nothing about the payout.
    """
    outcome: Literal["not_sent", "unknown"] = "not_sent" if paying and isinstance(error, NotSent) else "unknown"
    return PayoutResult(outcome=outcome, code=type(error).__name__, message=str(error)[:500])
