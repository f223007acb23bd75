"""The port to a payment channel: what a buyer paid, giving it back, and asking the buyer to pay it again.

A new one is a class with these five methods in a file beside this one. The rule for all of them: only the channel's
own clear statement is an answer. A refund whose request got no readable answer is `unknown`, for any error: a channel
may act and then fail to say so. `refund_status` decides.

A channel that offers statements also has `activities.statements.TellsStatements.statement`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

from pydantic import StringConstraints

from core.fields import AmountMinor, AmountOrZero, Currency, Message, Time

RefundState = Literal["arrived", "processing", "refused", "not_found", "unknown"]


class PaymentFact(Message):
    """A payment as its channel knows it: this much was paid.

    `number` is the channel's own, where it knows a payment by several names: orders claim it under one of them.
    """

    reference: str
    paid_minor: AmountMinor
    currency: Currency
    paid_at: Time
    refunded_minor: AmountOrZero = 0
    number: str | None = None


class RefundInstruction(Message):
    """An order to refund this much of a payment, or to charge its buyer this much again. `key` never changes: under one
    key a channel does it once.
    """

    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,32}$")]
    payment_reference: str
    amount_minor: AmountMinor
    currency: Currency
    reason: str


class RefundAnswer(Message):
    """What is known of a refund or a charge.

    `arrived`: the buyer has it, or of a charge the channel · `processing`: accepted, not there yet · `refused`: it will
    never happen under this key · `not_found`: the channel knows no such key · `unknown`: the outcome is open. `code`
    and `message` are the channel's words, `reference` its own number.
    """

    state: RefundState
    reference: str | None = None
    code: str | None = None
    message: str | None = None
    amount_minor: int | None = None
    currency: str | None = None


class PaymentChannel(Protocol):
    """Knows payments, executes refunds, and asks buyers to pay again."""

    async def payment(self, reference: str, currency: str, claimed_minor: int) -> PaymentFact | None:
        """What was paid under a reference; None if the channel says that it is unknown or not paid.

        Args:
            reference: the channel's own, as the storefront gave it.
            currency, claimed_minor: the storefront's claim; a real channel ignores it.

        Raises:
            Unavailable, UnreadableAnswer: no answer, or an unreadable one; a retry may help.
        """
        ...

    async def refund(self, instruction: RefundInstruction) -> RefundAnswer:
        """Send the instruction, also repeatedly. Never raises because of the channel: the answer is then `unknown`."""
        ...

    async def refund_status(self, key: str) -> RefundAnswer:
        """Query a refund's outcome. Never raises because of the channel: the answer is then `unknown`."""
        ...

    async def charge(self, instruction: RefundInstruction) -> RefundAnswer:
        """Ask the buyer of a payment for this amount, also repeatedly. `arrived`: the channel has the money. Never
        raises because of the channel: the answer is then `unknown`.
        """
        ...

    async def charge_status(self, key: str) -> RefundAnswer:
        """Query whether the buyer paid. Never raises because of the channel: the answer is then `unknown`."""
        ...
