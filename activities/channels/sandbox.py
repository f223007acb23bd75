"""The stand-in payment channel's dialect."""

from __future__ import annotations

from datetime import date
from typing import Literal

from activities.channels.base import PaymentFact, RefundAnswer, RefundInstruction
from activities.http import HttpClient, Reply
from activities.statements import sandbox_statement
from core.errors import Unavailable, UnreadableAnswer
from core.fields import AmountMinor, AmountOrZero, Currency, Message, Time
from core.reconciliation.lines import Statement


class _Payment(Message):
    reference: str
    state: Literal["paid", "unpaid"]
    amount_minor: AmountMinor
    currency: Currency
    paid_at: Time
    refunded_minor: AmountOrZero


class _Refund(Message):
    key: str
    state: Literal["arrived", "processing", "refused"]
    amount_minor: AmountMinor
    currency: Currency
    reference: str
    code: str | None = None
    message: str | None = None


class _Problem(Message):
    code: str
    message: str = ""


class SandboxChannel:
    """Asks the stand-in channel, or anything that speaks its dialect."""

    def __init__(self, http: HttpClient, name: str) -> None:
        self._http = http
        self._name = name

    async def payment(self, reference: str, currency: str, claimed_minor: int) -> PaymentFact | None:
        """See `PaymentChannel.payment`."""
        asked: dict[str, str | int] = {"reference": reference, "currency": currency, "amount_minor": claimed_minor}
        asked["channel"] = self._name
        reply = await self._http.get("payments", asked)
        if reply.status == 404 and reply.read(_Problem).code == "PAYMENT_UNKNOWN":
            return None
        if reply.status == 429:
            raise Unavailable(f"{reply.source} is asked too often")
        if reply.status != 200:
            raise UnreadableAnswer(f"{reply.source} answered {reply.status}")
        payment = reply.read(_Payment)
        if payment.reference != reference:
            raise UnreadableAnswer(f"{reply.source} answered about another payment")
        if payment.state != "paid":
            return None
        return PaymentFact(
            reference=reference,
            paid_minor=payment.amount_minor,
            currency=payment.currency,
            paid_at=payment.paid_at,
            refunded_minor=payment.refunded_minor,
        )

    async def refund(self, instruction: RefundInstruction) -> RefundAnswer:
        """See `PaymentChannel.refund`."""
        try:
            reply = await self._http.post("refunds", instruction.model_dump())
            return self._answer(reply, instruction.key)
        except (Unavailable, UnreadableAnswer) as error:
            return _unknown(error)

    async def refund_status(self, key: str) -> RefundAnswer:
        """See `PaymentChannel.refund_status`."""
        try:
            reply = await self._http.get(f"refunds/{key}")
            if reply.status == 404 and reply.read(_Problem).code == "REFUND_UNKNOWN":
                return RefundAnswer(state="not_found")
            return self._answer(reply, key)
        except (Unavailable, UnreadableAnswer) as error:
            return _unknown(error)

    async def charge(self, instruction: RefundInstruction) -> RefundAnswer:
        """See `PaymentChannel.charge`."""
        try:
            reply = await self._http.post("charges", instruction.model_dump())
            return self._answer(reply, instruction.key)
        except (Unavailable, UnreadableAnswer) as error:
            return _unknown(error)

    async def charge_status(self, key: str) -> RefundAnswer:
        """See `PaymentChannel.charge_status`."""
        try:
            reply = await self._http.get(f"charges/{key}")
            if reply.status == 404 and reply.read(_Problem).code == "CHARGE_UNKNOWN":
                return RefundAnswer(state="not_found")
            return self._answer(reply, key)
        except (Unavailable, UnreadableAnswer) as error:
            return _unknown(error)

    async def statement(self, day: date) -> Statement:
        """See `TellsStatements.statement`."""
        return await sandbox_statement(self._http, day, self._name)

    def _answer(self, reply: Reply, key: str) -> RefundAnswer:
        """Only a 200 with a complete refund of this key is an answer; every other status leaves the outcome open."""
        if reply.status != 200:
            raise UnreadableAnswer(f"{reply.source} answered {reply.status} {reply.read(_Problem).code}")
        refund = reply.read(_Refund)
        if refund.key != key:
            raise UnreadableAnswer(f"{reply.source} answered about another refund")
        return RefundAnswer.model_validate(refund.model_dump(exclude={"key"}))


def _unknown(error: Exception) -> RefundAnswer:
    return RefundAnswer(state="unknown", code=type(error).__name__, message=str(error))
