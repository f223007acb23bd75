"""What both rails of WeChat Pay share: which refusals are certain, and how an answer becomes a result.

WeChat Pay's main rule: after any answer to an instruction, no other number may be used for the same money unless a
query says that it failed. So a refusal counts as "nothing happened" only if it comes before a bill can exist. All other
refusals and every unlisted code are unknown: a query decides.
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
"""The only currency; WeChat Pay's payout amounts name none."""

REFUSALS: Mapping[tuple[int, str], FailureClass] = {
    (400, "PARAM_ERROR"): "ours",
    (401, "SIGN_ERROR"): "ours",
    (403, "NO_AUTH"): "ours",
    (404, "APPID_MCHID_NOT_MATCH"): "ours",
    (400, "APPID_MCHID_NOT_MATCH"): "ours",
    (400, "MCH_NOT_EXISTS"): "ours",
}
"""Status and code of an answer to an instruction after which there certainly is no bill.

These are left out although they look similar: INVALID_REQUEST (also for a number that exists with other content),
NOT_ENOUGH (the bill may exist and be paid after a resend), ALREADY_EXISTS, FREQUENCY_LIMITED, and every status from
500.
"""
OPEN_REFUSALS: Mapping[str, str] = {
    "ALREADY_EXISTS": "the number is taken: look it up",
    "INVALID_REQUEST": "against the rules, or the number exists with other content: look it up",
    "NOT_ENOUGH": "our funds do not suffice; the same number goes again once they do",
    "FREQUENCY_LIMITED": "too many requests; the same number goes again later",
    "SYSTEM_ERROR": "unknown; the same number goes again",
}
"""Codes that leave an instruction open, and what WeChat Pay demands. Every unlisted code leaves it open, too."""
UNKNOWN_BILL = frozenset({"NOT_FOUND", "RESOURCE_NOT_EXISTS", "ORDER_NOT_EXIST"})


def refused(reply: Reply) -> PayoutResult:
    """The result of an answer other than 200 to an instruction."""
    problem = reply.read(Problem)
    failure = REFUSALS.get((reply.status, problem.code))
    advice = OPEN_REFUSALS.get(problem.code, "")
    return PayoutResult(
        outcome="failed" if failure else "unknown",
        failure=failure,
        code=problem.code[:64],
        message=": ".join(filter(None, (problem.message, advice)))[:500],
    )


def missing(reply: Reply) -> PayoutResult:
    """The result of an answer other than 200 to a query: only "no such bill" is an answer."""
    problem = reply.read(Problem)
    if reply.status == 404 and problem.code in UNKNOWN_BILL:
        return PayoutResult(outcome="not_found", code=problem.code)
    raise UnreadableAnswer(f"{reply.source} answered {reply.status} {problem.code[:64]}: {problem.message[:200]}")


def our_failure(code: str, message: str) -> PayoutResult:
    """Nothing was sent, because WeChat Pay would refuse it."""
    return PayoutResult(outcome="failed", failure="ours", code=code, message=message)


def check_subject(
    instruction: PayoutInstruction, source: str, *, key: str, payee: str | None = None, amount_minor: int | None = None
) -> None:
    """Check that an answer is about what was asked; a None field is not compared.

    Raises:
        UnreadableAnswer: it is about something else, and says nothing about this payout.
    """
    account = instruction.account
    if key != instruction.key:
        raise UnreadableAnswer(f"{source} answered about another number")
    if payee is not None and payee != account.address and not names_payee(payee, account.token, account.last4):
        raise UnreadableAnswer(f"{source} answered about another payee")
    if amount_minor not in (None, instruction.amount_minor):
        raise UnreadableAnswer(f"{source} answered about another amount")
