"""The port to a payment channel: what a buyer paid, and giving it back.

A new one is a class with these three methods in a file beside this one. The rule for all of them: only the channel's
own clear word is an answer. A refund whose request got no readable answer is `unknown`, whatever the error looked
like, since a channel may act and then fail to say so; `refund_status` decides.

One that tells statements has `activities.statements.TellsStatements.statement`, too.
"""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

from pydantic import StringConstraints

from core.fields import AmountMinor, AmountOrZero, Currency, Message, Time

RefundState = Literal["arrived", "processing", "refused", "not_found", "unknown"]


class PaymentFact(Message):
    """A payment as its channel knows it: this much was paid."""

    reference: str
    paid_minor: AmountMinor
    currency: Currency
    paid_at: Time
    refunded_minor: AmountOrZero = 0


class RefundInstruction(Message):
    """Give this much of a payment back. `key` never changes: under one key a channel refunds once."""

    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,32}$")]
    payment_reference: str
    amount_minor: AmountMinor
    currency: Currency
    reason: str


class RefundAnswer(Message):
    """What is known of a refund.

    `arrived`: the buyer has it · `processing`: accepted, not there yet · `refused`: it will never happen under this
    key · `not_found`: the channel knows no such key · `unknown`: no one can say. `code` and `message` are the
    channel's words, `reference` its own number.
    """

    state: RefundState
    reference: str | None = None
    code: str | None = None
    message: str | None = None
    amount_minor: int | None = None
    currency: str | None = None


class PaymentChannel(Protocol):
    """Knows payments and executes refunds."""

    async def payment(self, reference: str, currency: str, claimed_minor: int) -> PaymentFact | None:
        """What was paid under a reference; None where the channel says that it is unknown or not paid.

        Args:
            reference: the channel's own, as the storefront gave it.
            currency, claimed_minor: what the storefront says; a real channel answers without looking at them.

        Raises:
            Unavailable, UnreadableAnswer: no answer, or nonsense; a retry may help.
        """
        ...

    async def refund(self, instruction: RefundInstruction) -> RefundAnswer:
        """Send the instruction, or the same one again. Never raises for what the channel does: that is `unknown`."""
        ...

    async def refund_status(self, key: str) -> RefundAnswer:
        """What became of it. Never raises for what the channel does: that is `unknown`."""
        ...
