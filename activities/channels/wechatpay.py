"""WeChat Pay as a payment channel: look a payment up, refund it, and see whether a buyer paid again.

A payment's reference is WeChat Pay's own number (28 digits) or the storefront's `out_trade_no`.

Source: pay.weixin.qq.com/doc/v3/merchant/4013070354 and 4013070356 (look-ups), 4013071036 (refund), 4013071041 (look-up
of a refund), 4013071031 (what its states mean).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from activities.channels.base import PaymentFact, RefundAnswer, RefundInstruction, RefundState
from activities.http import Reply
from activities.wechatpay.client import Problem, WechatPayClient
from activities.wechatpay.resources import RefundResource, Transaction
from core.errors import DakuanError, Unavailable, UnreadableAnswer

TRANSACTIONS = "/v3/pay/transactions"
REFUNDS = "/v3/refund/domestic/refunds"
PAID = frozenset({"SUCCESS", "REFUND"})
"""REFUND: paid, and at least a part was refunded since."""
UNKNOWN_PAYMENT = frozenset({"ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS", "NOT_FOUND"})
_TRANSACTION_ID = re.compile(r"\d{28}", re.ASCII)
_TRADE_NO = re.compile(r"[A-Za-z0-9_|*-]{1,32}")
"""The form of an `out_trade_no`. WeChat Pay refuses anything else as a bad parameter, instead of answering "not found".
"""

STATES: Mapping[str, RefundState] = {
    "SUCCESS": "arrived",
    "PROCESSING": "processing",
    "CLOSED": "refused",
    "ABNORMAL": "processing",
}
"""WeChat Pay's states of a refund and ours. CLOSED: the funds did not arrive within seven days, and under this number
they never will. ABNORMAL is not final: the buyer's card does not accept the money, and a person must redirect it in
WeChat Pay's console.
"""
REFUSALS = frozenset({(403, "USER_ACCOUNT_ABNORMAL"), (400, "USER_ACCOUNT_ABNORMAL")})
"""The only answers to an instruction that are a final refusal. All others leave it open: a query decides whether the
same number is sent again.
"""
CHARGES: Mapping[str, RefundState] = {
    "SUCCESS": "arrived",
    "REFUND": "arrived",
    "NOTPAY": "processing",
    "USERPAYING": "processing",
    "CLOSED": "refused",
    "REVOKED": "refused",
    "PAYERROR": "refused",
}
"""WeChat Pay's states of a payment and ours of a charge: a payment that is closed or failed never comes."""
ABNORMAL = "the buyer's card takes no money: a person must choose another way in WeChat Pay's console"


class WechatPayChannel:
    """Asks WeChat Pay.

    Args:
        notify_url: where refunds' callbacks go; empty: no callbacks.
    """

    def __init__(self, client: WechatPayClient, *, notify_url: str = "") -> None:
        self._client, self._notify_url = client, notify_url

    async def payment(self, reference: str, currency: str, claimed_minor: int) -> PaymentFact | None:
        """See `PaymentChannel.payment`."""
        paid = await self._transaction(reference)
        if paid is None or paid.trade_state not in PAID:
            return None
        if paid.amount is None or paid.success_time is None:
            raise UnreadableAnswer(f"WeChat Pay says {paid.trade_state} without amount or time")
        return PaymentFact(
            reference=reference,
            paid_minor=paid.amount.total,
            currency=paid.amount.currency,
            paid_at=paid.success_time,
            number=paid.transaction_id or None,
        )

    async def refund(self, instruction: RefundInstruction) -> RefundAnswer:
        """See `PaymentChannel.refund`. The payment is queried first, because the request must name its whole amount."""
        try:
            paid = await self._transaction(instruction.payment_reference)
            if paid is None or paid.trade_state not in PAID or paid.amount is None:
                return RefundAnswer(state="unknown", code="ORDER_NOT_EXIST", message="WeChat Pay knows no such payment")
            reply = await self._client.post(REFUNDS, self._body(instruction, paid))
            if reply.status != 200:
                return _refused(reply)
            answer = _answer(reply, instruction.key)
        except (Unavailable, UnreadableAnswer) as error:
            return _unknown(error)
        if (answer.amount_minor, answer.currency) != (instruction.amount_minor, instruction.currency):
            return _disagrees(answer)
        return answer

    async def refund_status(self, key: str) -> RefundAnswer:
        """See `PaymentChannel.refund_status`."""
        try:
            reply = await self._client.get(f"{REFUNDS}/{quote(key, safe='')}")
            if reply.status == 404 and reply.read(Problem).code in UNKNOWN_PAYMENT:
                return RefundAnswer(state="not_found")
            if reply.status != 200:
                raise UnreadableAnswer(f"{reply.source} answered {reply.status} {reply.read(Problem).code[:64]}")
            return _answer(reply, key)
        except (Unavailable, UnreadableAnswer) as error:
            return _unknown(error)

    async def charge(self, instruction: RefundInstruction) -> RefundAnswer:
        """See `PaymentChannel.charge`. WeChat Pay takes no money without its payer: the storefront lets the buyer pay
        under this key as `out_trade_no`, and here it is looked up.
        """
        answer = await self.charge_status(instruction.key)
        return answer if answer.state != "not_found" else RefundAnswer(state="processing", code="NOTPAY")

    async def charge_status(self, key: str) -> RefundAnswer:
        """See `PaymentChannel.charge_status`."""
        try:
            paid = await self._transaction(key)
        except (Unavailable, UnreadableAnswer) as error:
            return _unknown(error)
        if paid is None:
            return RefundAnswer(state="not_found")
        state = CHARGES.get(paid.trade_state, "unknown")
        if state == "arrived" and paid.amount is None:
            state = "unknown"
        return RefundAnswer(
            state=state,
            reference=paid.transaction_id or None,
            code=None if state == "arrived" else paid.trade_state[:64],
            amount_minor=paid.amount.total if paid.amount is not None else None,
            currency=paid.amount.currency if paid.amount is not None else None,
        )

    async def _transaction(self, reference: str) -> Transaction | None:
        """The payment under WeChat Pay's number or the storefront's; None if neither is known."""
        if not _TRADE_NO.fullmatch(reference):
            return None
        ways = ["id", "out-trade-no"] if _TRANSACTION_ID.fullmatch(reference) else ["out-trade-no"]
        for way in ways:
            about = f"{quote(reference, safe='')}?mchid={quote(self._client.mchid, safe='')}"
            reply = await self._client.get(f"{TRANSACTIONS}/{way}/{about}")
            if reply.status == 404 and reply.read(Problem).code in UNKNOWN_PAYMENT:
                continue
            if reply.status == 429:
                raise Unavailable(f"{reply.source} is asked too often")
            if reply.status != 200:
                raise UnreadableAnswer(f"{reply.source} answered {reply.status} {reply.read(Problem).code[:64]}")
            found = reply.read(Transaction)
            if reference != (found.transaction_id if way == "id" else found.out_trade_no):
                raise UnreadableAnswer(f"{reply.source} answered about another payment")
            return found
        return None

    def _body(self, instruction: RefundInstruction, paid: Transaction) -> dict[str, Any]:
        assert paid.amount is not None  # the caller has checked
        return {
            "out_trade_no": paid.out_trade_no,
            "out_refund_no": instruction.key,
            **({"reason": instruction.reason[:80]} if instruction.reason else {}),
            **({"notify_url": self._notify_url} if self._notify_url else {}),
            "amount": {
                "refund": instruction.amount_minor,
                "total": paid.amount.total,
                "currency": instruction.currency,
            },
        }


def _answer(reply: Reply, key: str) -> RefundAnswer:
    refund = reply.read(RefundResource)
    if refund.out_refund_no != key:
        raise UnreadableAnswer(f"{reply.source} answered about another refund")
    return answer_of_refund(
        refund.status or "PROCESSING", refund.refund_id, refund.amount.refund, refund.amount.currency
    )


def answer_of_refund(status: str, refund_id: str, amount_minor: int, currency: str) -> RefundAnswer:
    """A refund as an answer; an unknown state decides nothing."""
    state = STATES.get(status, "unknown")
    return RefundAnswer(
        state=state,
        reference=refund_id,
        code=None if status in {"SUCCESS", "PROCESSING"} else status[:64],
        message=ABNORMAL if status == "ABNORMAL" else None,
        amount_minor=amount_minor,
        currency=currency,
    )


def _refused(reply: Reply) -> RefundAnswer:
    problem = reply.read(Problem)
    state: RefundState = "refused" if (reply.status, problem.code) in REFUSALS else "unknown"
    return RefundAnswer(state=state, code=problem.code[:64], message=problem.message[:500])


def _disagrees(answer: RefundAnswer) -> RefundAnswer:
    mismatch = f"WeChat Pay speaks of {answer.amount_minor} {answer.currency} under this number"
    return answer.model_copy(update={"state": "unknown", "code": "AMOUNT_DISAGREES", "message": mismatch})


def _unknown(error: DakuanError) -> RefundAnswer:
    return RefundAnswer(state="unknown", code=type(error).__name__, message=str(error)[:500])
