"""The shapes of WeChat Pay's answers and of its callbacks' resources; fields that we do not use are ignored."""

from __future__ import annotations

from pydantic import Field

from core.fields import AmountMinor, Currency, Message, Time


class TransferBill(Message):
    """A merchant transfer: in the answer to an instruction (without amount), to a query, and in a callback."""

    out_bill_no: str
    transfer_bill_no: str
    state: str
    transfer_amount: AmountMinor | None = None
    fail_reason: str | None = None
    openid: str | None = None
    package_info: str | None = None


class WithdrawTaken(Message):
    """The answer to an e-commerce withdraw: it says only that it was accepted."""

    sub_mchid: str
    out_request_no: str
    withdraw_id: str


class Withdraw(Message):
    """An e-commerce withdraw, in the answer to a query and in a callback."""

    sub_mchid: str
    out_request_no: str
    withdraw_id: str
    status: str
    amount: AmountMinor
    reason: str | None = None


class PaymentAmount(Message):
    """What the buyer pays: `total` is the order's price before any discount."""

    total: AmountMinor
    currency: Currency = "CNY"


class Transaction(Message):
    """A payment, in the answer to a query."""

    out_trade_no: str
    trade_state: str
    transaction_id: str | None = None
    success_time: Time | None = None
    amount: PaymentAmount | None = None


class RefundAmount(Message):
    """The refunded amount. A callback has no currency."""

    refund: AmountMinor
    currency: Currency = "CNY"


class RefundResource(Message):
    """A refund, in the answer to an instruction and to a query.

    An e-commerce refund's first answer has no state yet.
    """

    out_refund_no: str
    refund_id: str
    amount: RefundAmount
    status: str | None = None
    out_trade_no: str | None = None
    transaction_id: str | None = None


class Complaint(Message):
    """A buyer's complaint at WeChat Pay: its number, and what happened to it."""

    complaint_id: str
    action_type: str = ""


class RefundNews(Message):
    """A refund in a callback."""

    out_refund_no: str
    refund_id: str
    refund_status: str
    amount: RefundAmount


class SealedResource(Message):
    """A callback's resource, encrypted."""

    algorithm: str
    ciphertext: str
    nonce: str
    associated_data: str = ""
    original_type: str = ""


class Notification(Message):
    """A callback."""

    id: str
    event_type: str
    resource_type: str
    resource: SealedResource = Field(repr=False)
