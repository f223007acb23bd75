"""The stand-in bank and payment channel as WeChat Pay: its requests, states, signatures and callbacks.

Written from WeChat Pay's side: what an adapter gets wrong about a signature, a name or a state shows here. Behind it
are the same desks, so that plans, faults and the journal of effects are the same too. Merchant transfers and
e-commerce withdraws are the bank's payouts, payments and refunds the channel's.

A payment that the channel knows under 28 digits is known here by that as its `transaction_id`; under any other
reference, by that as its `out_trade_no`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.money import MAX_AMOUNT_MINOR
from local.bank import BankAccount, BankDesk, NewPayout
from local.channel import ChannelDesk, NewRefund, PaymentQuestion
from local.journal import Store
from local.wechatpay_keys import APPID, WechatPayKeys, wechatpay_keys

PREFIX = "/wechatpay"
SCHEMA = "WECHATPAY2-SHA256-RSA2048"
NAME_FROM_MINOR = 200_000
CLOCKS_APART_S = 300
_CHINA = timezone(timedelta(hours=8))

Answer = tuple[int, dict[str, Any]]
Dress = Callable[[int, dict[str, Any]], Response]
M = TypeVar("M", bound=BaseModel)
Api = Literal["transfer", "withdraw", "refund"]
Amount = Annotated[int, Field(strict=True, ge=1, le=MAX_AMOUNT_MINOR)]
Number = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9]{1,32}$")]
Word = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=128)]

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
"""The bank's codes in WeChat Pay's words; others are passed on, so that a plan may name WeChat Pay's own."""
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
_NEVER_TAKEN = {"PAYMENT_UNKNOWN", "WRONG_CURRENCY", "MORE_THAN_PAID"}
"""Reasons for which WeChat Pay notes no refund at all."""


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Transfer(_Body):
    appid: Literal["wxstandin00000001"]
    out_bill_no: Number
    transfer_scene_id: Word
    openid: Word
    user_name: str | None = None
    transfer_amount: Amount
    transfer_remark: Annotated[str, StringConstraints(min_length=1, max_length=32)]
    transfer_scene_report_infos: list[dict[str, str]] = []


class _Withdraw(_Body):
    sub_mchid: Word
    out_request_no: Number
    amount: Amount


class _RefundAmount(_Body):
    refund: Amount
    total: Amount
    currency: str


class _Refund(_Body):
    transaction_id: str | None = None
    out_trade_no: str | None = None
    out_refund_no: Number
    reason: str = ""
    amount: _RefundAmount


class Told(_Body):
    """Which callback is wanted: of what has become of this number."""

    about: Api
    key: str


class _Refused(Exception):
    """What WeChat Pay says instead of an answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.answer: Answer = (status, {"code": code, "message": message})


class WechatPay:
    """The dialect.

    Args:
        folder: for keys, and for which number was used where.
        misbehaving: acts and answers, or does whatever a fault wants instead (`local.world.World`).
    """

    def __init__(
        self, folder: Path, bank: BankDesk, channel: ChannelDesk, misbehaving: Callable[..., Awaitable[Response]]
    ) -> None:
        self._keys: WechatPayKeys = wechatpay_keys(folder / "wechatpay")
        self._bank, self._channel, self._misbehaving = bank, channel, misbehaving
        self._bills = Store(
            folder / "wechatpay" / "bills.db",
            "CREATE TABLE IF NOT EXISTS bills (key TEXT PRIMARY KEY, api TEXT NOT NULL, payee TEXT NOT NULL)",
        )

    def close(self) -> None:
        """Give the file back."""
        self._bills.close()

    def knows(self, key: str) -> bool:
        """Whether a payout, refund or payment came this way: the sandbox's own statements are not about it."""
        return self._bills.row("SELECT 1 FROM bills WHERE key = ?", key) is not None

    def _note(self, key: str, api: str, payee: str) -> None:
        self._bills.write("INSERT OR IGNORE INTO bills VALUES (?, ?, ?)", key, api, payee)

    def routes(self) -> list[Route]:
        """Its paths, as WeChat Pay names them, below `PREFIX`."""
        bills, withdraws = f"{PREFIX}/v3/fund-app/mch-transfer/transfer-bills", f"{PREFIX}/v3/ecommerce/fund/withdraw"
        refunds, payments = f"{PREFIX}/v3/refund/domestic/refunds", f"{PREFIX}/v3/pay/transactions"
        return [
            Route(bills, self._signed(self._transfer), methods=["POST"]),
            Route(f"{bills}/out-bill-no/{{key}}", self._signed(self._transfer_status), methods=["GET"]),
            Route(withdraws, self._signed(self._withdraw), methods=["POST"]),
            Route(f"{withdraws}/out-request-no/{{key}}", self._signed(self._withdraw_status), methods=["GET"]),
            Route(refunds, self._signed(self._refund), methods=["POST"]),
            Route(f"{refunds}/{{key}}", self._signed(self._refund_status), methods=["GET"]),
            Route(f"{payments}/{{way}}/{{reference}}", self._signed(self._payment), methods=["GET"]),
            Route(f"{PREFIX}/notifications", self._notification, methods=["POST"]),
        ]

    # --- who asks --------------------------------------------------------------------------------------

    def _signed(
        self, handler: Callable[[Request, bytes], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint that only its merchant may ask."""

        async def endpoint(request: Request) -> Response:
            body = await request.body()
            try:
                self._check(request, body)
                return await handler(request, body)
            except _Refused as refused:
                return self._answer(*refused.answer)

        return endpoint

    def _check(self, request: Request, body: bytes) -> None:
        schema, _, rest = request.headers.get("authorization", "").partition(" ")
        fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        query = request.scope["query_string"].decode()
        path = request.scope["raw_path"].decode().removeprefix(PREFIX) + (f"?{query}" if query else "")
        try:
            signed = [request.method, path, fields["timestamp"], fields["nonce_str"], body.decode(), ""]
            signature = base64.b64decode(fields["signature"], validate=True)
            self._keys.merchant_public.verify(signature, "\n".join(signed).encode(), PKCS1v15(), SHA256())
            fresh = abs(time.time() - int(fields["timestamp"])) <= CLOCKS_APART_S
            known = (fields["mchid"], fields["serial_no"]) == (self._keys.mchid, self._keys.serial)
        except (InvalidSignature, KeyError, ValueError, binascii.Error):
            raise _Refused(401, "SIGN_ERROR", "签名错误") from None
        if not (schema == SCHEMA and fresh and known):
            raise _Refused(401, "SIGN_ERROR", "签名错误")

    # --- payouts ---------------------------------------------------------------------------------------

    async def _transfer(self, request: Request, body: bytes) -> Response:
        asked = _read(body, _Transfer)
        if asked.transfer_amount >= NAME_FROM_MINOR and not asked.user_name:
            raise _Refused(400, "PARAM_ERROR", "转账金额大于等于2000元，必须传入收款用户姓名")
        holder = self._opened(asked.user_name) if asked.user_name else None
        return await self._payout("transfer", asked.out_bill_no, asked.transfer_amount, asked.openid, holder)

    async def _withdraw(self, request: Request, body: bytes) -> Response:
        asked = _read(body, _Withdraw)
        return await self._payout("withdraw", asked.out_request_no, asked.amount, asked.sub_mchid, None)

    async def _payout(self, api: Api, key: str, amount_minor: int, token: str, holder: str | None) -> Response:
        account = BankAccount(token=token, holder=holder)
        given = NewPayout(key=key, amount_minor=amount_minor, currency="CNY", account=account)
        self._bank.hear(given)
        self._note(key, api, token)
        dress = self._taken if api == "withdraw" else self._transferred(new=True)
        return await self._misbehaving(
            "bank", "payout", frozenset({key, token}), lambda: self._bank.pay(given), about=token, dress=dress
        )

    async def _transfer_status(self, request: Request, body: bytes) -> Response:
        return await self._payout_status("transfer", request.path_params["key"], self._transferred(new=False))

    async def _withdraw_status(self, request: Request, body: bytes) -> Response:
        key = request.path_params["key"]
        payee = self._payee("withdraw", key)
        if payee != request.query_params.get("sub_mchid"):
            raise _Refused(404, "NOT_FOUND", "提现单不存在")
        return await self._payout_status("withdraw", key, self._withdrawn)

    async def _payout_status(self, api: Api, key: str, dress: Dress) -> Response:
        if self._payee(api, key) is None:
            raise _Refused(404, "NOT_FOUND", "记录不存在")
        return await self._misbehaving(
            "bank",
            "payout_status",
            frozenset({key, *self._bank.subjects(key)}),
            lambda: self._bank.status(key),
            lambda: self._bank.status(key, stale=True),
            about=self._bank.about(key),
            dress=dress,
        )

    def _payee(self, api: Api, key: str) -> str | None:
        row = self._bills.row("SELECT payee FROM bills WHERE key = ? AND api = ?", key, api)
        return str(row["payee"]) if row else None

    def _opened(self, sealed: str) -> str:
        """A name, decrypted with our private key."""
        try:
            padding = OAEP(mgf=MGF1(algorithm=SHA1()), algorithm=SHA1(), label=None)
            return self._keys.platform.decrypt(base64.b64decode(sealed, validate=True), padding).decode()
        except (ValueError, binascii.Error):
            raise _Refused(400, "PARAM_ERROR", "敏感信息解密失败") from None

    def _transferred(self, *, new: bool) -> Dress:
        def dress(status: int, told: dict[str, Any]) -> Response:
            if status != 200:
                return self._answer(*_problem(status, told))
            bill = self._transfer_bill(told)
            shown = {"out_bill_no", "transfer_bill_no", "create_time", "state", "fail_reason", "package_info"}
            return self._answer(200, {name: bill[name] for name in bill if not new or name in shown})

        return dress

    def _transfer_bill(self, told: dict[str, Any]) -> dict[str, Any]:
        state = _TRANSFER_STATES[told["state"]]
        code = told.get("code")
        return {
            "mch_id": self._keys.mchid,
            "out_bill_no": told["key"],
            "transfer_bill_no": _digits(told["reference"], 40),
            "appid": APPID,
            "state": state,
            "transfer_amount": told["amount_minor"],
            "transfer_remark": "提现",
            **({"fail_reason": _TRANSFER_CODES.get(code, code)} if code and state == "FAIL" else {}),
            **({"package_info": f"package-{told['key']}"} if state == "WAIT_USER_CONFIRM" else {}),
            "openid": self._bank.about(told["key"]),
            "create_time": _china(),
            "update_time": _china(),
        }

    def _taken(self, status: int, told: dict[str, Any]) -> Response:
        if status != 200:
            return self._answer(*_problem(status, told))
        withdraw = self._withdraw_bill(told)
        return self._answer(200, {name: withdraw[name] for name in ("sub_mchid", "withdraw_id", "out_request_no")})

    def _withdrawn(self, status: int, told: dict[str, Any]) -> Response:
        return self._answer(*(_problem(status, told) if status != 200 else (200, self._withdraw_bill(told))))

    def _withdraw_bill(self, told: dict[str, Any]) -> dict[str, Any]:
        code = told.get("code")
        return {
            "sub_mchid": self._bank.about(told["key"]),
            "sp_mchid": self._keys.mchid,
            "status": _WITHDRAW_STATES[told["state"]],
            "withdraw_id": _digits(told["reference"], 40),
            "out_request_no": told["key"],
            "amount": told["amount_minor"],
            "create_time": _china(),
            "update_time": _china(),
            **({"reason": _WITHDRAW_REASONS.get(code, code)} if code else {}),
            "account_type": "BASIC",
            "account_number": "1178",
            "account_bank": "招商银行",
        }

    # --- payments and refunds --------------------------------------------------------------------------

    async def _payment(self, request: Request, body: bytes) -> Response:
        way, reference = request.path_params["way"], request.path_params["reference"]
        if request.query_params.get("mchid") != self._keys.mchid:
            raise _Refused(400, "PARAM_ERROR", "商户号错误")
        if way not in {"id", "out-trade-no"}:
            raise _Refused(404, "NOT_FOUND", "无此接口")
        if way == "out-trade-no" and _is_id(reference):
            raise _Refused(404, "ORDER_NOT_EXIST", "订单不存在")
        asked = PaymentQuestion(reference=reference if way == "id" else _reference(reference))
        subjects = frozenset({reference, asked.reference})
        self._note(asked.reference, "payment", "")
        return await self._misbehaving(
            "channel", "payment", subjects, lambda: self._channel.payment(asked), dress=self._shown_payment
        )

    def _shown_payment(self, status: int, told: dict[str, Any]) -> Response:
        if status != 200:
            return self._answer(404, {"code": "ORDER_NOT_EXIST", "message": "订单不存在"})
        paid = told["state"] == "paid"
        at = datetime.fromisoformat(told["paid_at"]).astimezone(_CHINA).isoformat(timespec="seconds")
        amount = {"total": told["amount_minor"], "payer_total": told["amount_minor"], "currency": told["currency"]}
        state = "NOTPAY" if not paid else "REFUND" if told["refunded_minor"] else "SUCCESS"
        return self._answer(
            200,
            {
                "appid": APPID,
                "mchid": self._keys.mchid,
                "out_trade_no": _trade_no(told["reference"]),
                "trade_state": state,
                "trade_state_desc": state,
                **({"transaction_id": _transaction_id(told["reference"]), "success_time": at} if paid else {}),
                "amount": amount,
            },
        )

    async def _refund(self, request: Request, body: bytes) -> Response:
        asked = _read(body, _Refund)
        if (asked.transaction_id is None) == (asked.out_trade_no is None):
            raise _Refused(400, "PARAM_ERROR", "transaction_id和out_trade_no二选一")
        reference = asked.transaction_id or _reference(asked.out_trade_no or "")
        known = self._channel.payment(PaymentQuestion(reference=reference))
        if known[0] != 200:
            raise _Refused(404, "RESOURCE_NOT_EXISTS", "订单不存在")
        if known[1]["amount_minor"] != asked.amount.total:
            raise _Refused(400, "INVALID_REQUEST", "订单金额与退款请求中的订单金额不一致")
        given = NewRefund(
            key=asked.out_refund_no,
            payment_reference=reference,
            amount_minor=asked.amount.refund,
            currency=asked.amount.currency,
            reason=asked.reason,
        )
        self._note(given.key, "refund", reference)
        subjects = frozenset({given.key, reference})
        dress = self._refunded(new=True)
        return await self._misbehaving("channel", "refund", subjects, lambda: self._channel.refund(given), dress=dress)

    async def _refund_status(self, request: Request, body: bytes) -> Response:
        key = request.path_params["key"]
        return await self._misbehaving(
            "channel",
            "refund_status",
            frozenset({key, *self._channel.subjects(key)}),
            lambda: self._channel.refund_status(key),
            lambda: self._channel.refund_status(key, stale=True),
            dress=self._refunded(new=False),
        )

    def _refunded(self, *, new: bool) -> Dress:
        def dress(status: int, told: dict[str, Any]) -> Response:
            if status == 404 or (status == 200 and told.get("code") in _NEVER_TAKEN and not new):
                return self._answer(404, {"code": "RESOURCE_NOT_EXISTS", "message": "退款单不存在"})
            if status != 200:
                return self._answer(*_problem(status, told))
            if new and told.get("code") in _NEVER_TAKEN:
                return self._answer(400, {"code": "INVALID_REQUEST", "message": "订单金额或状态不支持退款"})
            if new and told.get("code") == "PAYER_ACCOUNT_CLOSED":
                return self._answer(403, {"code": "USER_ACCOUNT_ABNORMAL", "message": "用户账户注销"})
            return self._answer(200, self._refund_bill(told))

        return dress

    def _refund_bill(self, told: dict[str, Any]) -> dict[str, Any]:
        reference = next(iter(self._channel.subjects(told["key"])), "")
        status = "ABNORMAL" if told.get("code") == "ABNORMAL" else _REFUND_STATES[told["state"]]
        return {
            "refund_id": _digits(told["reference"], 29),
            "out_refund_no": told["key"],
            "transaction_id": _transaction_id(reference),
            "out_trade_no": _trade_no(reference),
            "channel": "ORIGINAL",
            "user_received_account": "支付用户零钱",
            "create_time": _china(),
            **({"success_time": _china()} if status == "SUCCESS" else {}),
            "status": status,
            "amount": {
                "refund": told["amount_minor"],
                "payer_refund": told["amount_minor"],
                "currency": told["currency"],
            },
        }

    # --- callbacks -------------------------------------------------------------------------------------

    async def _notification(self, request: Request) -> Response:
        """What WeChat Pay would send now about a number: headers and body, signed. It calls no one."""
        try:
            asked = Told.model_validate_json(await request.body())
        except ValidationError as error:
            return Response(json.dumps({"code": "MALFORMED", "message": str(error)}), 400)
        made = self.notification(asked.about, asked.key)
        if made is None:
            return Response(json.dumps({"code": "NOT_FOUND", "message": "no such number"}), 404)
        headers, body = made
        return Response(json.dumps({"headers": headers, "body": body.decode()}, ensure_ascii=False))

    def notification(self, about: Api, key: str) -> tuple[dict[str, str], bytes] | None:
        """Headers and body of the callback about a number, as it is now; None where there is none."""
        if about == "refund":
            status, told = self._channel.refund_status(key)
            kind = "refund"
        else:
            status, told = self._bank.status(key) if self._payee(about, key) else (404, {})
            kind = "mch_payment" if about == "transfer" else "mch_withdraw"
        if status != 200:
            return None
        event, resource = self._event(about, told)
        nonce = secrets.token_hex(6)
        plain = json.dumps(resource, ensure_ascii=False).encode()
        sealed = AESGCM(self._keys.apiv3_key.encode()).encrypt(nonce.encode(), plain, kind.encode())
        body = json.dumps(
            {
                "id": f"EV-{secrets.token_hex(12)}",
                "create_time": _china(),
                "resource_type": "encrypt-resource",
                "event_type": event,
                "summary": event,
                "resource": {
                    "original_type": kind,
                    "algorithm": "AEAD_AES_256_GCM",
                    "ciphertext": base64.b64encode(sealed).decode(),
                    "associated_data": kind,
                    "nonce": nonce,
                },
            },
            ensure_ascii=False,
        ).encode()
        return {"Content-Type": "application/json", **self._signature(body)}, body

    def _event(self, about: Api, told: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if about == "transfer":
            return "MCHTRANSFER.BILL.FINISHED", self._transfer_bill(told)
        if about == "withdraw":
            return "MCHWITHDRAW.CHANGE", self._withdraw_bill(told)
        refund = self._refund_bill(told)
        amount = {"total": refund["amount"]["refund"], **refund["amount"]}
        news = {**refund, "mchid": self._keys.mchid, "refund_status": refund["status"], "amount": amount}
        del news["status"], amount["currency"]
        return f"REFUND.{refund['status']}", news

    # --- answers ---------------------------------------------------------------------------------------

    def _answer(self, status: int, told: Mapping[str, Any]) -> Response:
        body = json.dumps(told, ensure_ascii=False).encode()
        return Response(body, status, self._signature(body), "application/json")

    def _signature(self, body: bytes) -> dict[str, str]:
        timestamp, nonce = str(int(time.time())), secrets.token_hex(16)
        signed = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        signature = self._keys.platform.sign(signed, PKCS1v15(), SHA256())
        return {
            "Request-ID": secrets.token_hex(16).upper(),
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Serial": self._keys.platform_serial,
            "Wechatpay-Signature": base64.b64encode(signature).decode(),
            "Wechatpay-Signature-Type": SCHEMA,
            "Wechatpay-Timestamp": timestamp,
        }


def _read(body: bytes, model: type[M]) -> M:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise _Refused(400, "PARAM_ERROR", f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _problem(status: int, told: Mapping[str, Any]) -> Answer:
    """A desk's refusal in WeChat Pay's words."""
    match status:
        case 404:
            return 404, {"code": "NOT_FOUND", "message": "记录不存在"}
        case 409:
            return 400, {"code": "INVALID_REQUEST", "message": "单号已存在但信息不一致，请查单后比较确认"}
        case 503:
            return 500, {"code": "SYSTEM_ERROR", "message": "系统异常，请稍后重试"}
    return 400, {"code": "PARAM_ERROR", "message": str(told.get("message", ""))}


def _china() -> str:
    return datetime.now(_CHINA).isoformat(timespec="seconds")


def _digits(text: str, length: int) -> str:
    """A number of WeChat Pay's own: the same for the same."""
    return str(int(hashlib.sha256(text.encode()).hexdigest(), 16))[:length].rjust(length, "1")


def _is_id(reference: str) -> bool:
    return re.fullmatch(r"\d{28}", reference) is not None


def _transaction_id(reference: str) -> str:
    return reference if _is_id(reference) else f"4200{_digits(reference, 24)}"


def _trade_no(reference: str) -> str:
    return f"T{reference}" if _is_id(reference) else reference


def _reference(trade_no: str) -> str:
    """What the channel's desk calls a payment that the storefront calls so."""
    return trade_no[1:] if trade_no.startswith("T") and _is_id(trade_no[1:]) else trade_no
