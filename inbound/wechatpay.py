"""WeChat Pay's callbacks: the end of a transfer, each change of a withdraw, and the end of a refund.

Source: pay.weixin.qq.com/doc/v3/partner/4013049135 (withdraw: MCHWITHDRAW.CHANGE), merchant/4013071196 (refund), and
the chapter on the callback of a merchant transfer (MCHTRANSFER.BILL.FINISHED).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from activities.channels.wechatpay import answer_of_refund
from activities.rails.wechatpay_transfer import result_of_transfer
from activities.rails.wechatpay_withdraw import result_of_withdraw
from activities.wechatpay.resources import Complaint, Notification, RefundNews, TransferBill, Withdraw
from activities.wechatpay.signing import PlatformKeys, decrypt_resource
from core.errors import UnreadableAnswer
from core.withdrawal.payouts import PayoutResult
from inbound.callbacks import Disputed, Heard, Unfollowed, read_body

TRANSFER = "MCHTRANSFER.BILL.FINISHED"
WITHDRAW = "MCHWITHDRAW.CHANGE"
REFUND = "REFUND."
"""Followed by the state."""
COMPLAINT = "COMPLAINT."
"""Followed by what happened to it. A complaint takes no money: people answer it at WeChat Pay."""
ALGORITHM = "AEAD_AES_256_GCM"
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NUMBER = re.compile(r"[A-Za-z0-9_|*@-]{1,64}")
"""The form that WeChat Pay demands of a merchant's own number."""


class WechatPayCallbacks:
    """Reads the callbacks of one account.

    Args:
        transfers, withdraws: names of the rails that this account serves.
    """

    headers: tuple[str, ...] = (
        "wechatpay-signature",
        "wechatpay-timestamp",
        "wechatpay-nonce",
        "wechatpay-serial",
        "wechatpay-signature-type",
        "request-id",
        "content-type",
    )

    def __init__(
        self,
        name: str,
        platform: PlatformKeys,
        apiv3_key: str,
        *,
        transfers: Sequence[str] = (),
        withdraws: Sequence[str] = (),
    ) -> None:
        self.name, self._platform, self._apiv3_key = name, platform, apiv3_key
        self._transfers, self._withdraws = tuple(transfers), tuple(withdraws)

    def why_not(self, body: bytes, headers: Mapping[str, str]) -> str | None:
        """See `CallbackReader.why_not`."""
        return self._platform.why_not(headers, body)

    def acknowledge(self, now: datetime, *, taken: bool, why: str = "") -> bytes:
        """See `CallbackReader.acknowledge`."""
        said = {"code": "SUCCESS", "message": "成功"} if taken else {"code": "FAIL", "message": why or "失败"}
        return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()

    def read(self, body: bytes) -> Heard | Disputed | Unfollowed:
        """See `CallbackReader.read`. WeChat Pay sends all events of an account, including payments, to one address."""
        news = read_body(body, Notification, "the callback")
        followed = news.event_type in (TRANSFER, WITHDRAW) or news.event_type.startswith((REFUND, COMPLAINT))
        if not followed:
            return Unfollowed(about=news.event_type[:64])
        if news.resource_type != "encrypt-resource" or news.resource.algorithm != ALGORITHM:
            raise UnreadableAnswer(f"the callback {news.event_type[:64]} is encrypted in a way that we do not know")
        sealed = news.resource
        plain = decrypt_resource(self._apiv3_key, sealed.nonce, sealed.associated_data, sealed.ciphertext)
        if news.event_type.startswith(COMPLAINT):
            return _complaint(read_body(plain, Complaint, "the complaint"))
        if news.event_type == TRANSFER:
            return self._transfer(read_body(plain, TransferBill, "the transfer"))
        if news.event_type == WITHDRAW:
            return self._withdraw(read_body(plain, Withdraw, "the withdraw"))
        return _refund(read_body(plain, RefundNews, "the refund"))

    def _transfer(self, bill: TransferBill) -> Heard:
        if bill.transfer_amount is None:
            raise UnreadableAnswer("the transfer: transfer_amount is missing")
        key, result = bill.out_bill_no, result_of_transfer(bill)
        event_id = _event_id(key, bill.state)
        rails, payee = self._transfers, bill.openid
        return Heard(about="payout", rails=rails, key=key, event_id=event_id, payee=payee, result=result)

    def _withdraw(self, withdraw: Withdraw) -> Heard:
        key, result = withdraw.out_request_no, result_of_withdraw(withdraw)
        event_id = _event_id(key, withdraw.status)
        rails, payee = self._withdraws, withdraw.sub_mchid
        return Heard(about="payout", rails=rails, key=key, event_id=event_id, payee=payee, result=result)


def _complaint(news: Complaint) -> Unfollowed:
    facts = {"provider": "wechatpay", "complaint": news.complaint_id[:64], "action": news.action_type[:64]}
    event_id = hashlib.sha256(f"{news.complaint_id}/{news.action_type}".encode()).hexdigest()
    about = f"complaint {news.complaint_id} {news.action_type}"[:120]
    return Unfollowed(about=about, event_id=event_id, complaint=facts)


def _refund(news: RefundNews) -> Heard:
    answer = answer_of_refund(news.refund_status, news.refund_id, news.amount.refund, news.amount.currency)
    outcome = {"arrived": "paid", "refused": "failed", "unknown": "unknown"}.get(answer.state, "accepted")
    fields = {"amount_minor": answer.amount_minor, "currency": answer.currency, "code": news.refund_status[:64]}
    result = PayoutResult.model_validate({"outcome": outcome, "reference": answer.reference, **fields})
    event_id = _event_id(news.out_refund_no, news.refund_status)
    return Heard(about="refund", key=news.out_refund_no, event_id=event_id, result=result)


def _event_id(key: str, state: str) -> str:
    """It identifies the event, not the callback: a number reaches each state once, and WeChat Pay may repeat the news.

    Raises:
        UnreadableAnswer: it cannot be a merchant's number.
    """
    if not _NUMBER.fullmatch(key):
        raise UnreadableAnswer("the callback is about no number that a merchant may give")
    event_id = f"{key}-{state}"
    return event_id if _ID.fullmatch(event_id) else hashlib.sha256(event_id.encode()).hexdigest()
