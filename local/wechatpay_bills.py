"""WeChat Pay's bills: how it shows a transfer, a withdraw, a payment and a refund of the desks behind it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from local.bank import BankDesk
from local.channel import ChannelDesk
from local.wechatpay_keys import APPID, WechatPayKeys

_CHINA = timezone(timedelta(hours=8))

_TRANSFER_CODES = {
    "ACCOUNT_CLOSED": "ACCOUNT_NOT_EXIST",
    "ACCOUNT_NOT_FOUND": "ACCOUNT_NOT_EXIST",
    "NAME_MISMATCH": "NAME_NOT_CORRECT",
    "DAILY_LIMIT": "DAY_RECEIVED_QUOTA_EXCEED",
    "OUR_FUNDS": "BUDGET_NOT_ENOUGH",
    "OUR_ACCOUNT": "PAYER_ACCOUNT_ABNORMAL",
    "RISK": "TRANSFER_RISK",
    "PAYEE_OVERDUE": "OVERDUE_CLOSE",
    "PAYEE_REFUSED": "OVERDUE_CLOSE",
}
"""The bank's codes in WeChat Pay's words; unknown codes pass unchanged, so a plan may use WeChat Pay's own."""
_WITHDRAW_REASONS = {
    "ACCOUNT_CLOSED": "银行卡已销户",
    "ACCOUNT_NOT_FOUND": "卡号错误",
    "ACCOUNT_FROZEN": "账户冻结",
    "NAME_MISMATCH": "户名不符",
    "DAILY_LIMIT": "超过银行收款限额",
    "OUR_FUNDS": "余额不足",
    "RISK": "交易存在风险",
}
_TRANSFER_STATES = {"accepted": "WAIT_USER_CONFIRM", "paid": "SUCCESS", "returned": "SUCCESS", "failed": "FAIL"}
_WITHDRAW_STATES = {"accepted": "CREATE_SUCCESS", "paid": "SUCCESS", "returned": "REFUND", "failed": "FAIL"}
_REFUND_STATES = {"arrived": "SUCCESS", "processing": "PROCESSING", "refused": "CLOSED"}


class Bills:
    """The desks' payouts, payments and refunds in WeChat Pay's fields and states."""

    def __init__(self, keys: WechatPayKeys, bank: BankDesk, channel: ChannelDesk) -> None:
        self._keys, self._bank, self._channel = keys, bank, channel

    def transfer(self, payout: Mapping[str, Any]) -> dict[str, Any]:
        """A payout as a merchant transfer."""
        state = _TRANSFER_STATES[payout["state"]]
        code = payout.get("code")
        return {
            "mch_id": self._keys.mchid,
            "out_bill_no": payout["key"],
            "transfer_bill_no": _digits(payout["reference"], 40),
            "appid": APPID,
            "state": state,
            "transfer_amount": payout["amount_minor"],
            "transfer_remark": "提现",
            **({"fail_reason": _TRANSFER_CODES.get(code, code)} if code and state == "FAIL" else {}),
            **({"package_info": f"package-{payout['key']}"} if state == "WAIT_USER_CONFIRM" else {}),
            "openid": self._bank.about(payout["key"]),
            "create_time": china_time(),
            "update_time": china_time(),
        }

    def withdraw(self, payout: Mapping[str, Any]) -> dict[str, Any]:
        """A payout as an e-commerce withdraw."""
        code = payout.get("code")
        return {
            "sub_mchid": self._bank.about(payout["key"]),
            "sp_mchid": self._keys.mchid,
            "status": _WITHDRAW_STATES[payout["state"]],
            "withdraw_id": _digits(payout["reference"], 40),
            "out_request_no": payout["key"],
            "amount": payout["amount_minor"],
            "create_time": china_time(),
            "update_time": china_time(),
            **({"reason": _WITHDRAW_REASONS.get(code, code)} if code else {}),
            "account_type": "BASIC",
            "account_number": "1178",
            "account_bank": "招商银行",
        }

    def payment(self, payment: Mapping[str, Any]) -> dict[str, Any]:
        """A payment of the channel."""
        paid = payment["state"] == "paid"
        at = datetime.fromisoformat(payment["paid_at"]).astimezone(_CHINA).isoformat(timespec="seconds")
        amount = {
            "total": payment["amount_minor"],
            "payer_total": payment["amount_minor"],
            "currency": payment["currency"],
        }
        state = "NOTPAY" if not paid else "REFUND" if payment["refunded_minor"] else "SUCCESS"
        return {
            "appid": APPID,
            "mchid": self._keys.mchid,
            "out_trade_no": _trade_no(payment["reference"]),
            "trade_state": state,
            "trade_state_desc": state,
            **({"transaction_id": _transaction_id(payment["reference"]), "success_time": at} if paid else {}),
            "amount": amount,
        }

    def refund(self, refund: Mapping[str, Any]) -> dict[str, Any]:
        """A refund of the channel."""
        reference = next(iter(self._channel.subjects(refund["key"])), "")
        status = "ABNORMAL" if refund.get("code") == "ABNORMAL" else _REFUND_STATES[refund["state"]]
        return {
            "refund_id": _digits(refund["reference"], 29),
            "out_refund_no": refund["key"],
            "transaction_id": _transaction_id(reference),
            "out_trade_no": _trade_no(reference),
            "channel": "ORIGINAL",
            "user_received_account": "支付用户零钱",
            "create_time": china_time(),
            **({"success_time": china_time()} if status == "SUCCESS" else {}),
            "status": status,
            "amount": {
                "refund": refund["amount_minor"],
                "payer_refund": refund["amount_minor"],
                "currency": refund["currency"],
            },
        }


def china_time() -> str:
    """The present time in China, as WeChat Pay writes it."""
    return datetime.now(_CHINA).isoformat(timespec="seconds")


def _digits(text: str, length: int) -> str:
    """A number of WeChat Pay's own: always the same for the same text."""
    return str(int(hashlib.sha256(text.encode()).hexdigest(), 16))[:length].rjust(length, "1")


def is_transaction_id(reference: str) -> bool:
    """Whether a reference has the form of WeChat Pay's own number."""
    return re.fullmatch(r"\d{28}", reference) is not None


def _transaction_id(reference: str) -> str:
    return reference if is_transaction_id(reference) else f"4200{_digits(reference, 24)}"


def _trade_no(reference: str) -> str:
    return f"T{reference}" if is_transaction_id(reference) else reference


def channel_reference(trade_no: str) -> str:
    """The channel desk's reference of a payment with this storefront number."""
    return trade_no[1:] if trade_no.startswith("T") and is_transaction_id(trade_no[1:]) else trade_no
