"""The stand-in bank's dialect."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Literal

from activities.http import HttpClient, Reply
from activities.rails.base import PayoutInstruction, no_answer
from activities.statements import sandbox_statement
from core.errors import Unavailable, UnreadableAnswer
from core.fields import AmountMinor, AmountOrZero, Currency, Message
from core.messages import FailureClass
from core.reconciliation.lines import Statement
from core.withdrawal.payouts import PayoutResult, RailTerms

FAILURES: dict[str, FailureClass] = {
    "ACCOUNT_NOT_FOUND": "payee",
    "ACCOUNT_CLOSED": "payee",
    "ACCOUNT_FROZEN": "payee",
    "NAME_MISMATCH": "payee",
    "DAILY_LIMIT": "quota",
    "OUR_FUNDS": "ours",
    "OUR_ACCOUNT": "ours",
    "MALFORMED": "ours",
    "RISK": "risk",
    "PAYEE_OVERDUE": "user",
    "PAYEE_REFUSED": "user",
}
"""The bank's codes and what each means for us; an unknown code decides nothing."""


class _Payout(Message):
    key: str
    state: Literal["accepted", "paid", "failed", "returned"]
    amount_minor: AmountMinor
    currency: Currency
    reference: str
    returned_minor: AmountOrZero = 0
    code: str | None = None
    message: str | None = None


class _Problem(Message):
    code: str
    message: str = ""


class SandboxRail:
    """Asks the stand-in bank, or anything that speaks its dialect."""

    name = "sandbox"
    # As strict as the strictest rail in the documents' table, so that what works here works there.
    terms = RailTerms(dedup_window=timedelta(days=6), query_window=timedelta(days=90), success_is_final=False)
    key_pattern = re.compile(r"[A-Za-z0-9]{1,32}")

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def pay(self, instruction: PayoutInstruction) -> PayoutResult:
        """See `Rail.pay`."""
        try:
            reply = await self._http.post("payouts", instruction.model_dump())
            # The bank says that it could not read the instruction and did nothing.
            if reply.status == 400 and (problem := reply.read(_Problem)).code == "MALFORMED":
                return PayoutResult(outcome="failed", failure="ours", code=problem.code, message=problem.message)
            return _result(reply, instruction.key)
        except (Unavailable, UnreadableAnswer) as error:
            return no_answer(error, paying=True)

    async def query(self, instruction: PayoutInstruction) -> PayoutResult:
        """See `Rail.query`."""
        try:
            reply = await self._http.get(f"payouts/{instruction.key}")
            if reply.status == 404 and reply.read(_Problem).code == "PAYOUT_UNKNOWN":
                return PayoutResult(outcome="not_found")
            return _result(reply, instruction.key)
        except (Unavailable, UnreadableAnswer) as error:
            return no_answer(error)

    async def statement(self, day: date) -> Statement:
        """See `TellsStatements.statement`."""
        return await sandbox_statement(self._http, day)


def _result(reply: Reply, key: str) -> PayoutResult:
    """The result of a complete, readable answer about this key.

    409: the key was used for another instruction. It does not say what became of that one.
    """
    if reply.status != 200:
        raise UnreadableAnswer(f"{reply.source} answered {reply.status} {reply.read(_Problem).code}")
    payout = reply.read(_Payout)
    if payout.key != key:
        raise UnreadableAnswer(f"{reply.source} answered about another payout")
    return PayoutResult(
        outcome=payout.state,
        amount_minor=payout.amount_minor,
        currency=payout.currency,
        returned_minor=payout.returned_minor or None,
        failure=FAILURES.get(payout.code or "", "unknown") if payout.state == "failed" else None,
        code=payout.code,
        message=payout.message,
        reference=payout.reference,
    )
