"""Alipay's bills (GBK, comment lines that begin with #): business details (业务明细) and account details (账务明细).

Source: opendocs.alipay.com/open/204 (bill download), whose examples show the columns. Amounts are yuan, times China's.
"""

from __future__ import annotations

import re

from core.reconciliation.lines import Kind, Scope
from inbound.statements.base import Collector, Row, Source, StatementRead, dispute_in, is_negative, stamp


def _named(row: Row, *names: str) -> str:
    """A cell by the beginning of its column's name: a unit follows in brackets of either width."""
    return next((cell for name in names for column, cell in row.cells.items() if column.startswith(name) and cell), "")


def _check_end(source: Source, collector: Collector) -> None:
    """A list that is opened by a comment line is closed by one; a bill that was cut off is not taken as whole."""
    comments = [(line, cells[0]) for line, cells in source.table if cells and cells[0].startswith("#")]
    marks = [one for one in comments if "列表" in one[1]]
    if marks and "结束" not in marks[-1][1]:
        collector.bad(marks[-1][0], "(whole)", "has no line that ends the list (列表结束): it was cut off")


class AlipayBusiness:
    """Business details: each payment and refund with the merchant's own numbers."""

    name = "Alipay business details"
    scopes: tuple[Scope, ...] = ("channel",)

    def recognises(self, source: Source) -> bool:
        """See `StatementReader.recognises`."""
        return source.header("支付宝交易号", "商户订单号", "业务类型") is not None

    def read(self, source: Source, scope: Scope) -> StatementRead:
        """See `StatementReader.read`."""
        collector = Collector(source, self.name)
        _check_end(source, collector)
        for row in source.rows("支付宝交易号", "商户订单号", "业务类型"):
            business, trade = row.cells["业务类型"], row.cells["支付宝交易号"]
            refund = _named(row, "退款批次号", "退款请求号")
            common = {
                "amount": _named(row, "订单金额"),
                "currency": "CNY",
                "at": stamp(row.first("完成时间", "创建时间")),
                "reference": trade,
            }
            if "退款" in business or is_negative(common["amount"]):
                collector.take(row.line, "refund", line_id=_id("refund", trade, refund), key=refund, **common)
            elif "交易" in business:
                collector.take(
                    row.line, "payment", line_id=_id("payment", trade), key=row.cells["商户订单号"], **common
                )
            else:
                collector.leave_out(business)
        return collector.done()


class AlipayAccount:
    """Account details: the changes of the balance. Refunds have no number of their own here, so they are left out: the
    business details have it. A dispute's key is Alipay's number, its reference the payment's; one that is booked as
    "other" is known by its remark.
    """

    name = "Alipay account details"
    scopes: tuple[Scope, ...] = ("channel", "rail")

    def recognises(self, source: Source) -> bool:
        """See `StatementReader.recognises`."""
        return source.header("账务流水号", "业务类型", "发生时间") is not None

    def read(self, source: Source, scope: Scope) -> StatementRead:
        """See `StatementReader.read`."""
        collector = Collector(source, self.name)
        _check_end(source, collector)
        for row in source.rows("账务流水号", "业务类型", "发生时间"):
            business = row.cells["业务类型"]
            came, went = _amount(_named(row, "收入金额")), _amount(_named(row, "支出金额"))
            words = f"{business} {row.first('备注')}" if business in _OTHER else business
            disputed = dispute_in(words, went=bool(went)) if scope == "channel" else None
            kind = disputed or _account_kind(business, scope, went=bool(went))
            if kind is None:
                collector.leave_out(business)
                continue
            collector.take(
                row.line,
                kind,
                line_id=row.cells["账务流水号"],
                key=row.first(*("业务流水号", "账务流水号") if disputed else ("商户订单号", "业务流水号")),
                reference=row.first("商户订单号" if disputed else "业务流水号"),
                amount=went or came,
                currency="CNY",
                at=stamp(row.cells["发生时间"]),
            )
        return collector.done()


_OTHER = ("其它", "其他")
_ACCOUNT: tuple[tuple[Scope, str, bool, Kind], ...] = (
    ("channel", "在线支付|交易付款|收款", False, "payment"),
    ("channel", "提现|结算", True, "settlement"),
    ("rail", "转账|代发|单笔付款", True, "payout"),
    ("rail", "退票|退回|转账退款", False, "return"),
    ("rail", "充值", False, "funding"),
)
"""Scope, words of the kind of business, whether money went out, and our kind."""


def _account_kind(business: str, scope: Scope, *, went: bool) -> Kind | None:
    fits = (kind for at, words, out, kind in _ACCOUNT if (at, out) == (scope, went) and re.search(words, business))
    return next(fits, None)


def _amount(text: str) -> str:
    """An amount, "" if it is zero: one of the two columns is 0.00 or empty."""
    amount = text.strip().lstrip("+-").strip()
    return amount if amount.strip("0.,") else ""


def _id(*parts: str) -> str:
    return ":".join(part for part in parts if part)
