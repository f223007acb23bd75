"""WeChat Pay, merchant transfer: from our balance to a person's wallet.

The person may have to accept the money: the bill waits for that at most a day. Money that has arrived stays.

Source: pay.weixin.qq.com/docs/merchant/apis/mch-trans/transfer-bill/transfer-to-user.html, and its neighbours on
queries and failure reasons.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from activities.http import Reply
from activities.rails.base import PayoutInstruction, no_answer
from activities.rails.wechatpay import CURRENCY, check_subject, missing, our_failure, refused
from activities.wechatpay.client import WechatPayClient
from activities.wechatpay.resources import TransferBill
from core.errors import Unavailable, UnreadableAnswer
from core.messages import FailureClass
from core.withdrawal.payouts import PayoutResult, RailTerms

BILLS = "/v3/fund-app/mch-transfer/transfer-bills"
NAME_FROM_MINOR = 200_000
"""From ¥2,000 the payee's name is required and compared."""
NO_NAME_BELOW_MINOR = 30
"""Below ¥0.30 WeChat Pay accepts no name."""

STATES: Mapping[str, str] = {
    "ACCEPTED": "accepted",
    "PROCESSING": "accepted",
    "WAIT_USER_CONFIRM": "accepted",
    "TRANSFERING": "accepted",
    "CANCELING": "accepted",
    "SUCCESS": "paid",
    "FAIL": "failed",
    "CANCELLED": "failed",
}
"""WeChat Pay's states of a bill, its own spelling, and ours."""

FAILURES: Mapping[str, FailureClass] = {
    "ACCOUNT_FROZEN": "payee",
    "ACCOUNT_NOT_EXIST": "payee",
    "BANK_CARD_ACCOUNT_ABNORMAL": "payee",
    "BANK_CARD_BANK_INFO_WRONG": "payee",
    "BANK_CARD_CARD_INFO_WRONG": "payee",
    "BANK_CARD_PARAM_ERROR": "payee",
    "BANK_CARD_STATUS_ABNORMAL": "payee",
    "ID_CARD_NOT_CORRECT": "payee",
    "NAME_NOT_CORRECT": "payee",
    "OPENID_INVALID": "payee",
    "PAYEE_ACCOUNT_ABNORMAL": "payee",
    "REAL_NAME_CHECK_FAIL": "payee",
    "BANK_CARD_COLLECTIONS_ABOVE_QUOTA": "quota",
    "BLOCK_B2C_USERLIMITAMOUNT_BSRULE_MONTH": "quota",
    "BLOCK_B2C_USERLIMITAMOUNT_MONTH": "quota",
    "DAY_RECEIVED_COUNT_EXCEED": "quota",
    "DAY_RECEIVED_QUOTA_EXCEED": "quota",
    "REALNAME_ACCOUNT_RECEIVED_QUOTA_EXCEED": "quota",
    "TRANSFER_QUOTA_EXCEED": "quota",
    "BUDGET_NOT_ENOUGH": "ours",
    "EXCEEDED_ESTIMATED_AMOUNT": "ours",
    "MERCHANT_NOT_CONFIRM": "ours",
    "PAYER_ACCOUNT_ABNORMAL": "ours",
    "PRODUCT_AUTH_CHECK_FAIL": "ours",
    "RECEIVE_ACCOUNT_NOT_CONFIGURE": "ours",
    "RELATED_ORDER_TRANSFER_AMOUNT_EXCEED": "ours",
    "RELATED_ORDER_TRANSFER_COUNT_EXCEED": "ours",
    "RESERVATION_INFO_NOT_MATCH": "ours",
    "RESERVATION_SCENE_NOT_MATCH": "ours",
    "RESERVATION_STATE_INVALID": "ours",
    "TRANSFER_REMARK_SET_FAIL": "ours",
    "TRANSFER_SCENE_INVALID": "ours",
    "TRANSFER_SCENE_UNAVAILABLE": "ours",
    "MCH_CANCEL": "risk",
    "MERCHANT_REJECT": "risk",
    "TRANSFER_RISK": "risk",
    "OVERDUE_CLOSE": "user",
}
"""WeChat Pay's reasons of a failed bill and what each means for us. OTHER_FAIL_REASON_TYPE says nothing and is left
out: an unlisted code decides nothing.

After a refusal by our own staff (MCH_CANCEL, MERCHANT_REJECT) a person decides again before the money is resent.
"""


class WechatPayTransfer:
    """Pays into wallets; an account's number, or else its token, is the person's openid.

    Args:
        appid: the app whose openids these are.
        scene: the transfer scene that WeChat Pay gave us, with the reports it requires: type → content.
        remark: what the person reads, at most 32 characters.
        notify_url: where the callbacks go; empty: no callbacks.
    """

    # WeChat Pay keeps a number unique to us; rely on that only as long as a bill can be queried.
    terms = RailTerms(
        dedup_window=timedelta(days=30),
        query_window=timedelta(days=30),
        success_is_final=True,
        currencies=(CURRENCY,),
        account_kinds=("wallet",),
        wallet="WeChat openid",
    )
    key_pattern = re.compile(r"[A-Za-z0-9]{1,32}")

    def __init__(
        self,
        client: WechatPayClient,
        *,
        name: str = "wechatpay_transfer",
        appid: str,
        scene: str,
        reports: Mapping[str, str] | None = None,
        remark: str = "提现",
        notify_url: str = "",
    ) -> None:
        self._client, self.name, self._appid, self._scene = client, name, appid, scene
        self._reports, self._remark, self._notify_url = dict(reports or {}), remark[:32], notify_url

    async def pay(self, instruction: PayoutInstruction) -> PayoutResult:
        """See `Rail.pay`."""
        if instruction.currency != CURRENCY:
            return our_failure("CURRENCY", f"WeChat Pay pays in {CURRENCY} only")
        if instruction.amount_minor >= NAME_FROM_MINOR and not instruction.account.holder:
            return our_failure("NAME_REQUIRED", "from 2,000.00 CNY on WeChat Pay needs the holder's name")
        try:
            reply = await self._client.post(BILLS, self._bill(instruction))
            return self._result(reply, instruction) if reply.status == 200 else refused(reply)
        except (Unavailable, UnreadableAnswer) as error:
            return no_answer(error, paying=True)

    async def query(self, instruction: PayoutInstruction) -> PayoutResult:
        """See `Rail.query`."""
        try:
            reply = await self._client.get(f"{BILLS}/out-bill-no/{instruction.key}")
            return self._result(reply, instruction) if reply.status == 200 else missing(reply)
        except (Unavailable, UnreadableAnswer) as error:
            return no_answer(error)

    def _bill(self, instruction: PayoutInstruction) -> dict[str, Any]:
        named = instruction.account.holder and instruction.amount_minor >= NO_NAME_BELOW_MINOR
        # Each encryption gives another text. WeChat Pay compares the name, so a resend is still the same request.
        name = {"user_name": self._client.platform.encrypt(instruction.account.holder or "")} if named else {}
        reports = [{"info_type": kind, "info_content": content} for kind, content in self._reports.items()]
        return {
            "appid": self._appid,
            "out_bill_no": instruction.key,
            "transfer_scene_id": self._scene,
            "openid": instruction.account.address,
            **name,
            "transfer_amount": instruction.amount_minor,
            "transfer_remark": self._remark,
            **({"notify_url": self._notify_url} if self._notify_url else {}),
            "transfer_scene_report_infos": reports,
        }

    def _result(self, reply: Reply, instruction: PayoutInstruction) -> PayoutResult:
        bill = reply.read(TransferBill)
        # If it paid another amount than instructed, the withdrawal must see that amount.
        amount_minor = None if bill.state == "SUCCESS" else bill.transfer_amount
        check_subject(instruction, reply.source, key=bill.out_bill_no, payee=bill.openid, amount_minor=amount_minor)
        return result_of_transfer(bill)


def result_of_transfer(bill: TransferBill) -> PayoutResult:
    """A bill as a result. An unknown state or reason decides nothing."""
    outcome = STATES.get(bill.state, "unknown")
    code = bill.fail_reason or bill.state
    return PayoutResult.model_validate(
        {
            "outcome": outcome,
            "amount_minor": bill.transfer_amount,
            "currency": CURRENCY,
            "failure": _failure(bill) if outcome == "failed" else None,
            "code": None if outcome == "paid" else code[:64],
            "message": bill.state if outcome != "paid" else None,
            "reference": bill.transfer_bill_no,
            "to_confirm": bill.package_info if outcome == "accepted" else None,
        }
    )


def _failure(bill: TransferBill) -> FailureClass:
    if bill.state == "CANCELLED":
        return "risk"  # we never cancel a transfer: a person did
    return FAILURES.get(bill.fail_reason or "", "unknown")
