"""WeChat Pay, e-commerce withdraw: from a sub-merchant's balance at WeChat Pay to its own bank account.

Success is not the end: a bank may send the money back within seven working days (REFUND), whole.

Source: pay.weixin.qq.com/wiki/doc/apiv3/apis/chapter7_8_2.shtml (withdraw) and chapter7_8_3.shtml (look-up).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import quote

from activities.http import Reply
from activities.rails.base import PayoutInstruction, no_answer
from activities.rails.wechatpay import CURRENCY, missing, only_about, ours, refused
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
"""WeChat Pay's states and ours. INIT: it has noted the number and moves nothing until the identical request comes again
(its funds did not suffice), which is what `not_found` means here."""

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
"""What a failed withdraw's reason says, in words that stand in it. WeChat Pay gives no list of codes but a text for
people, so that the first of these that is found tells its class; a text with none of them decides nothing."""


class WechatPayWithdraw:
    """Pays out to sub-merchants' banks; an account's token is the sub-merchant's number, whatever its bank's may be.

    Args:
        remark, bank_memo: ours, and what the bank shows; at most 56 and 32 characters.
        notify_url: where the callbacks go; none where it is empty.
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
            return ours("CURRENCY", f"WeChat Pay pays in {CURRENCY} only")
        if instruction.amount_minor > LARGEST_MINOR:
            return ours("AMOUNT_TOO_LARGE", "WeChat Pay takes at most 800,000,000.00 CNY at once")
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
    only_about(instruction, reply.source, key=taken.out_request_no, payee=taken.sub_mchid)
    return PayoutResult(outcome="accepted", reference=taken.withdraw_id)


def _found(reply: Reply, instruction: PayoutInstruction) -> PayoutResult:
    withdraw = reply.read(Withdraw)
    # Where it paid another amount than it was told to, the withdrawal must hear of it.
    amount_minor = None if withdraw.status in {"SUCCESS", "REFUND"} else withdraw.amount
    payee = withdraw.sub_mchid
    only_about(instruction, reply.source, key=withdraw.out_request_no, payee=payee, amount_minor=amount_minor)
    return result_of_withdraw(withdraw)


def result_of_withdraw(withdraw: Withdraw) -> PayoutResult:
    """A withdraw as a result. A state or a reason that is in no table decides nothing."""
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
