"""WeChat Pay, e-commerce withdraw: from a sub-merchant's balance at WeChat Pay to its own bank account.

Success is not final: a bank may return the whole amount within seven working days (REFUND).

Source: pay.weixin.qq.com/wiki/doc/apiv3/apis/chapter7_8_2.shtml (withdraw) and chapter7_8_3.shtml (query).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import quote

from activities.http import Reply
from activities.rails.base import PayoutInstruction, no_answer
from activities.rails.wechatpay import CURRENCY, check_subject, missing, our_failure, refused
from activities.wechatpay.client import WechatPayClient
from activities.wechatpay.resources import Withdraw, WithdrawTaken
from core.errors import Unavailable, UnreadableAnswer
from core.messages import FailureClass
from core.withdrawal.payouts import PayoutResult, RailTerms

WITHDRAWS = "/v3/ecommerce/fund/withdraw"
LARGEST_MINOR = 80_000_000_000
"""¥800 million."""

STATES: Mapping[str, str] = {
    "INIT": "not_found",
    "CREATE_SUCCESS": "accepted",
    "SUCCESS": "paid",
    "FAIL": "failed",
    "REFUND": "returned",
    "CLOSE": "failed",
}
"""WeChat Pay's states and ours. INIT: it has noted the number, and moves nothing until the identical request comes
again (the funds did not suffice); `not_found` has this meaning.
"""

FAILURES: Mapping[str, FailureClass] = {
    "卡号": "payee",
    "户名": "payee",
    "销户": "payee",
    "冻结": "payee",
    "挂失": "payee",
    "账户不存在": "payee",
    "账户状态异常": "payee",
    "账户异常": "payee",
    "开户行": "payee",
    "限额": "quota",
    "余额不足": "ours",
    "风险": "risk",
    "管控": "risk",
}
"""Words in the reason of a failed withdraw, and their class. WeChat Pay has no list of codes, only a text for people:
the first of these words in it decides. A text with none of them decides nothing.
"""


class WechatPayWithdraw:
    """Pays out to sub-merchants' banks; an account's token is the sub-merchant's number, not its bank's.

    Args:
        remark, bank_memo: for us, and for the bank's statement; at most 56 and 32 characters.
        notify_url: where the callbacks go; empty: no callbacks.
    """

    terms = RailTerms(
        dedup_window=timedelta(days=6),
        query_window=timedelta(days=90),
        success_is_final=False,
        currencies=(CURRENCY,),
        account_kinds=("bank_card", "company_account"),
    )
    key_pattern = re.compile(r"[A-Za-z0-9]{1,32}")

    def __init__(
        self,
        client: WechatPayClient,
        *,
        name: str = "wechatpay_withdraw",
        remark: str = "提现",
        bank_memo: str = "",
        notify_url: str = "",
    ) -> None:
        self._client, self.name, self._remark = client, name, remark[:56]
        self._bank_memo, self._notify_url = bank_memo[:32], notify_url

    async def pay(self, instruction: PayoutInstruction) -> PayoutResult:
        """See `Rail.pay`."""
        if instruction.currency != CURRENCY:
            return our_failure("CURRENCY", f"WeChat Pay pays in {CURRENCY} only")
        if instruction.amount_minor > LARGEST_MINOR:
            return our_failure("AMOUNT_TOO_LARGE", "WeChat Pay takes at most 800,000,000.00 CNY at once")
        body = {
            "sub_mchid": instruction.account.token,
            "out_request_no": instruction.key,
            "amount": instruction.amount_minor,
            "remark": self._remark,
            **({"bank_memo": self._bank_memo} if self._bank_memo else {}),
            **({"notify_url": self._notify_url} if self._notify_url else {}),
        }
        try:
            reply = await self._client.post(WITHDRAWS, body)
            return _taken(reply, instruction) if reply.status == 200 else refused(reply)
        except (Unavailable, UnreadableAnswer) as error:
            return no_answer(error, paying=True)

    async def query(self, instruction: PayoutInstruction) -> PayoutResult:
        """See `Rail.query`."""
        about = f"{instruction.key}?sub_mchid={quote(instruction.account.token, safe='')}"
        try:
            reply = await self._client.get(f"{WITHDRAWS}/out-request-no/{about}")
            return _found(reply, instruction) if reply.status == 200 else missing(reply)
        except (Unavailable, UnreadableAnswer) as error:
            return no_answer(error)


def _taken(reply: Reply, instruction: PayoutInstruction) -> PayoutResult:
    taken = reply.read(WithdrawTaken)
    check_subject(instruction, reply.source, key=taken.out_request_no, payee=taken.sub_mchid)
    return PayoutResult(outcome="accepted", reference=taken.withdraw_id)


def _found(reply: Reply, instruction: PayoutInstruction) -> PayoutResult:
    withdraw = reply.read(Withdraw)
    # If it paid another amount than instructed, the withdrawal must see that amount.
    amount_minor = None if withdraw.status in {"SUCCESS", "REFUND"} else withdraw.amount
    payee = withdraw.sub_mchid
    check_subject(instruction, reply.source, key=withdraw.out_request_no, payee=payee, amount_minor=amount_minor)
    return result_of_withdraw(withdraw)


def result_of_withdraw(withdraw: Withdraw) -> PayoutResult:
    """A withdraw as a result. An unknown state or reason decides nothing."""
    outcome = STATES.get(withdraw.status, "unknown")
    return PayoutResult.model_validate(
        {
            "outcome": outcome,
            "amount_minor": withdraw.amount,
            "currency": CURRENCY,
            "returned_minor": withdraw.amount if outcome == "returned" else None,
            "failure": _failure(withdraw) if outcome == "failed" else None,
            "code": None if outcome == "paid" else withdraw.status[:64],
            "message": None if outcome == "paid" else (withdraw.reason or withdraw.status)[:500],
            "reference": withdraw.withdraw_id,
        }
    )


def _failure(withdraw: Withdraw) -> FailureClass:
    if withdraw.status == "CLOSE":
        return "risk"  # closed by WeChat Pay's own control
    return next((failure for words, failure in FAILURES.items() if words in (withdraw.reason or "")), "unknown")
