"""WeChat Pay's bills: trade bills (交易账单) and fund-flow bills (资金账单), as CSV with backticks or as a workbook.

Source: WeChat Pay's pages on the two bills (columns and examples). Each file ends with a summary of two rows, whose
header begins with 总交易单数 or 资金流水总笔数. Amounts are yuan, times China's.
"""

from __future__ import annotations

from collections.abc import Iterator

from core.reconciliation.lines import Kind, Scope
from inbound.statements.base import Collector, Row, Source, StatementRead, dispute_in, stamp

_SUMMARIES = ("总交易单数", "资金流水总笔数")
_ORDER = ("商户订单号",)
_WECHAT = ("微信订单号", "微信支付订单号")
_DISPUTE = ("微信支付业务单号", "资金流水单号")
_CURRENCIES = {"": "CNY", "人民币": "CNY"}


class WechatPayTrades:
    """Trade bills: payments and refunds. A payment's key is the storefront's number; its reference is WeChat Pay's."""

    name = "WeChat Pay trade bill"
    scopes: tuple[Scope, ...] = ("channel",)

    def recognises(self, source: Source) -> bool:
        """See `StatementReader.recognises`."""
        return source.header("交易时间", "商户订单号", "交易状态") is not None

    def read(self, source: Source, scope: Scope) -> StatementRead:
        """See `StatementReader.read`."""
        collector = Collector(source, self.name)
        for row in _above_the_summary(source.rows("交易时间", "商户订单号", "交易状态"), collector):
            self._take(row, collector)
        return collector.done()

    def _take(self, row: Row, collector: Collector) -> None:
        state = row.cells["交易状态"]
        currency = _currency(row.first("货币种类"))
        if state == "SUCCESS":
            collector.take(
                row.line,
                "payment",
                line_id=f"payment:{row.first(*_WECHAT)}",
                key=row.first(*_ORDER),
                reference=row.first(*_WECHAT),
                amount=row.first("订单金额", "总金额", "应结订单金额"),
                currency=currency,
                at=stamp(row.cells["交易时间"]),
            )
        elif state == "REFUND" and row.first("退款状态") in ("", "SUCCESS"):
            collector.take(
                row.line,
                "refund",
                line_id=f"refund:{row.first('微信退款单号')}",
                key=row.first("商户退款单号"),
                reference=row.first("微信退款单号"),
                amount=row.first("申请退款金额", "退款金额"),
                currency=currency,
                at=stamp(row.first("退款成功时间", "退款申请时间", "交易时间")),
            )
        else:
            collector.leave_out(" ".join(filter(None, (state, row.first("退款状态")))))


class WechatPayFunds:
    """Fund-flow bills: all changes of an account's balance. Rows that are not a payment, refund, settlement, dispute or
    payout (fees, frozen money) are left out and counted. A dispute's key is WeChat Pay's number, its reference the
    payment's.
    """

    name = "WeChat Pay fund-flow bill"
    scopes: tuple[Scope, ...] = ("channel", "rail")

    def recognises(self, source: Source) -> bool:
        """See `StatementReader.recognises`."""
        return source.header("记账时间", "资金流水单号", "收支类型") is not None

    def read(self, source: Source, scope: Scope) -> StatementRead:
        """See `StatementReader.read`."""
        collector = Collector(source, self.name)
        for row in _above_the_summary(source.rows("记账时间", "资金流水单号", "收支类型"), collector):
            about = " ".join(filter(None, (row.first("业务类型"), row.first("业务名称"), row.cells["收支类型"])))
            disputed = _dispute(row) if scope == "channel" else None
            kind = disputed or _kind(row.first("业务类型", "业务名称"), row.cells["收支类型"], scope)
            if kind is None:
                collector.leave_out(about)
                continue
            collector.take(
                row.line,
                kind,
                line_id=row.cells["资金流水单号"],
                key=row.first(*_DISPUTE if disputed else ("业务凭证号", "微信支付业务单号")),
                reference=row.first("业务凭证号" if disputed else "微信支付业务单号"),
                amount=row.first("收支金额(元)", "收支金额（元）"),
                currency="CNY",
                at=stamp(row.cells["记账时间"]),
            )
        return collector.done()


def _above_the_summary(rows: Iterator[Row], collector: Collector) -> Iterator[Row]:
    """The rows of a bill. Its summary counts them, so that a bill that was cut off or lost rows is not taken as whole:
    a dispute in a lost row would be found by no one.
    """
    seen, last = 0, 0
    for row in rows:
        last, first = row.line, next(iter(row.cells.values()), "")
        if first.startswith(_SUMMARIES):
            total = next(rows, None)
            stated = next(iter(total.cells.values()), "") if total is not None else ""
            collector.check_count(row.line, first, stated, seen)
            return
        if any(row.cells.values()):
            seen += 1
            yield row
    collector.bad(last, "(whole)", f"ends without its summary ({' or '.join(_SUMMARIES)}): it was cut off")


_KINDS: dict[tuple[Scope, str], tuple[tuple[str, Kind], ...]] = {
    ("channel", "收入"): (("交易", "payment"), ("收款", "payment")),
    ("channel", "支出"): (("退款", "refund"), ("提现", "settlement"), ("结算", "settlement")),
    ("rail", "支出"): (("转账", "payout"), ("企业付款", "payout"), ("付款到", "payout")),
    ("rail", "收入"): (
        ("退票", "return"),
        ("退回", "return"),
        ("转账退款", "return"),
        ("充值", "funding"),
        ("结算", "funding"),
    ),
}
"""Words of the kind of business, by scope and direction; the first match decides."""


def _kind(business: str, direction: str, scope: Scope) -> Kind | None:
    return next((kind for word, kind in _KINDS.get((scope, direction), ()) if word in business), None)


def _dispute(row: Row) -> Kind | None:
    direction = row.cells["收支类型"]
    words = row.first("业务类型") + row.first("业务名称")
    return dispute_in(words, went=direction == "支出") if direction in ("支出", "收入") else None


def _currency(code: str) -> str:
    return _CURRENCIES.get(code, code)
