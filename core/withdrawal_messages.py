"""What is asked of withdrawals: their inputs, and the commands to one.

`core.messages` has those of orders, and names these too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from core.command import Actor, Command
from core.fields import (
    AmountMinor,
    AmountOrZero,
    Code,
    Currency,
    Id,
    Message,
    PolicyName,
    Reason,
    Text,
    Told,
    omitted_at,
)
from core.sender_proofs import SenderProof


class Withdrawal(Message):
    """The input of `WithdrawalWorkflow`: a merchant asks for a part of what is available.

    `policy` names its limits, `default` unless given; a merchant does not choose it. `leaving` waives the minimum, so
    that a merchant who leaves can withdraw the last cent; only an operator sets it.
    """

    withdrawal_id: Id
    merchant_id: Id
    amount_minor: AmountMinor
    currency: Currency
    account_id: Id
    requested_by: Actor
    # Left out at their defaults, so that a request from before they existed still has the same content.
    policy: PolicyName | None = omitted_at(None)
    leaving: Annotated[bool, Field(strict=True)] = omitted_at(False)
    proof: SenderProof | None = Field(default=None, exclude=True)
    """Who asks, where the policy wants that proven; not kept."""


class Resumption(Message):
    """The other input of `WithdrawalWorkflow`: go on with a withdrawal from the register after its workflow ended.

    A report about its payout that comes after the end starts it this way.
    """

    withdrawal_id: Id


class AutomaticWithdrawals(Message):
    """The input of `AutoWithdrawalWorkflow`: withdraw what is available, less `keep_minor`, if it is `minimum_minor`.

    Without `account_id` it goes to the merchant's default account of that moment.
    """

    merchant_id: Id
    currency: Currency
    account_id: Id | None = None
    keep_minor: AmountOrZero = 0
    minimum_minor: AmountMinor = 1
    policy: PolicyName | None = None


class CancelWithdrawal(Command):
    """The merchant takes the request back, before it is submitted."""

    verb: ClassVar[str] = "cancel"
    reason: Reason | None = None


class ApproveWithdrawal(Command):
    """One of two people approves a large withdrawal, or confirms that a fault on our side is fixed."""

    verb: ClassVar[str] = "approve"
    reason: Reason | None = None


class RejectWithdrawal(Command):
    """A person refuses a withdrawal. The money is given back."""

    verb: ClassVar[str] = "reject"
    reason: Reason


class ResolveUnknown(Command):
    """One of two people reports, with the bank's reference, the outcome of a payout that cannot be queried."""

    verb: ClassVar[str] = "resolve_unknown"
    outcome: Literal["paid", "failed"]
    reference: Text
    reason: Reason


class RecheckWithdrawal(Command):
    """Check again whether it may still be paid: its account may be suspended by now, or its merchant may owe money."""

    verb: ClassVar[str] = "recheck"
    reason: Reason | None = None


FailureClass = Literal["payee", "quota", "ours", "risk", "user", "unknown"]
"""Why a rail refused: the payee is bad · a limit of the day · our own account · risk control · the payee did not act.

`unknown` is a code that no table has: it decides nothing.
"""


class ReportPayout(Command):
    """A rail's callback: the outcome of the payout with this key.

    Each `event_id` counts once. `failure` is the class of the rail's `code`, from the table of the adapter that
    verified the callback; null: not classified.
    """

    verb: ClassVar[str] = "report_payout"
    event_id: Id
    key: Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9]{1,32}$")]
    outcome: Literal["paid", "failed", "returned"]
    amount_minor: AmountMinor
    currency: Currency
    failure: FailureClass | None = None
    code: Code | None = None
    message: Told | None = None


WITHDRAWAL_COMMANDS: Mapping[str, type[Command]] = {
    command.verb: command
    for command in (
        CancelWithdrawal,
        ApproveWithdrawal,
        RejectWithdrawal,
        ResolveUnknown,
        ReportPayout,
        RecheckWithdrawal,
    )
}
