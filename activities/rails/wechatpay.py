"""What both rails of WeChat Pay have in common: which refusals are certain, and how an answer becomes a result.

WeChat Pay asks for one thing above all: whatever an instruction is answered, unless a look-up says that it failed, no
other number may be used for the same money. So a refusal counts as "nothing happened" only where it is made before a
bill can exist; all others, and every code that is not in a table, are unknown, and a look-up decides.
"""

from __future__ import annotations

from collections.abc import Mapping

from activities.http import Reply
from activities.rails.base import PayoutInstruction, names_payee
from activities.wechatpay.client import Problem
from core.errors import UnreadableAnswer
from core.messages import FailureClass
from core.withdrawal.payouts import PayoutResult

CURRENCY = "CNY"
"""The only one; WeChat Pay's amounts of payouts name none."""

REFUSALS: Mapping[tuple[int, str], FailureClass] = {
    (400, "PARAM_ERROR"): "ours",
    (401, "SIGN_ERROR"): "ours",
    (403, "NO_AUTH"): "ours",
    (404, "APPID_MCHID_NOT_MATCH"): "ours",
    (400, "APPID_MCHID_NOT_MATCH"): "ours",
    (400, "MCH_NOT_EXISTS"): "ours",
}
"""Status and code of an answer to an instruction after which there certainly is no bill.

Not here, though they look alike: INVALID_REQUEST (also said where the number exists with other content), NOT_ENOUGH
(the bill may exist and be paid when it is sent again), ALREADY_EXISTS, FREQUENCY_LIMITED, and everything from 500 on.
"""
OPEN_REFUSALS: Mapping[str, str] = {
    "ALREADY_EXISTS": "the number is taken: look it up",
    "INVALID_REQUEST": "against the rules, or the number exists with other content: look it up",
    "NOT_ENOUGH": "our funds do not suffice; the same number goes again once they do",
    "FREQUENCY_LIMITED": "too many requests; the same number goes again later",
    "SYSTEM_ERROR": "nobody knows; the same number goes again",
}
"""Codes that leave an instruction open, and what WeChat Pay asks for; so does every code that is in no table."""
UNKNOWN_BILL = frozenset({"NOT_FOUND", "RESOURCE_NOT_EXISTS", "ORDER_NOT_EXIST"})


def refused(reply: Reply) -> PayoutResult:
    """What an answer other than 200 to an instruction says."""
    problem = reply.read(Problem)
    failure = REFUSALS.get((reply.status, problem.code))
    told = OPEN_REFUSALS.get(problem.code, "")
    return PayoutResult(
        outcome="failed" if failure else "unknown",
        failure=failure,
        code=problem.code[:64],
        message=": ".join(filter(None, (problem.message, told)))[:500],
    )


def missing(reply: Reply) -> PayoutResult:
    """What an answer other than 200 to a look-up says: only that there is no such bill is an answer."""
    problem = reply.read(Problem)
    if reply.status == 404 and problem.code in UNKNOWN_BILL:
        return PayoutResult(outcome="not_found", code=problem.code)
    raise UnreadableAnswer(f"{reply.source} answered {reply.status} {problem.code[:64]}: {problem.message[:200]}")


def ours(code: str, message: str) -> PayoutResult:
    """Nothing was sent, since WeChat Pay would refuse it."""
    return PayoutResult(outcome="failed", failure="ours", code=code, message=message)


def only_about(
    instruction: PayoutInstruction, source: str, *, key: str, payee: str | None = None, amount_minor: int | None = None
) -> None:
    """Pass where what an answer says of itself is what was asked; None says nothing.

    Raises:
        UnreadableAnswer: it is about something else, and says nothing of this payout.
    """
    account = instruction.account
    if key != instruction.key:
        raise UnreadableAnswer(f"{source} answered about another number")
    if payee is not None and payee != account.address and not names_payee(payee, account.token, account.last4):
        raise UnreadableAnswer(f"{source} answered about another payee")
    if amount_minor not in (None, instruction.amount_minor):
        raise UnreadableAnswer(f"{source} answered about another amount")
