"""The headings of tables in Chinese, for commands with `--lang`: titles, columns and notes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.texts import Language
from screens import Shown, Words

if TYPE_CHECKING:
    from rich.console import Console

CHINESE: Mapping[str, str] = {
    # titles
    "Why the money is not there": "款项未到账的原因",
    "Parcels": "包裹",
    "Findings": "审核发现",
    "Late scans": "迟到的轨迹",
    "Refunds": "退款",
    "After-sale cases": "售后",
    "Payouts": "出款",
    "Tried again": "正在重试",
    "Journal": "日志",
    "Accounts": "账户",
    "Movements": "资金变动",
    "What a code means": "代码说明",
    "Orders": "订单",
    # an order, a withdrawal
    "merchant": "商家",
    "buyer": "买家",
    "total": "总额",
    "phase": "阶段",
    "audit": "审核",
    "receipt": "收货",
    "after-sale": "售后",
    "waits for": "等待",
    "next_deadline": "下一期限",
    "next deadline": "下一期限",
    "workflow": "工作流",
    "policy": "规则",
    "amount": "金额",
    "fee": "手续费",
    "arrives": "到账",
    "came back": "退回",
    "account": "账户",
    "asked by": "申请人",
    "approved by": "批准人",
    "state": "状态",
    "because": "原因",
    # columns
    "reason": "原因",
    "since": "起始时间",
    "expected by": "预计时间",
    "who can act": "可处理人",
    "how much": "金额",
    "what helps": "如何处理",
    "code": "代码",
    "what it means": "含义",
    "parcel": "包裹",
    "carrier": "快递公司",
    "waybill": "运单号",
    "picked up": "揽收",
    "delivered": "签收",
    "rules": "规则",
    "rule": "规则",
    "what was found": "发现",
    "at": "时间",
    "what": "内容",
    "known at": "获知时间",
    "cause": "事由",
    "status": "状态",
    "reference": "编号",
    "case": "编号",
    "id": "编号",
    "kind": "类型",
    "about": "范围",
    "stage": "阶段",
    "until": "截止",
    "way back": "退货运单",
    "new goods": "换货运单",
    "said last": "最新陈述",
    "no": "序号",
    "rail": "出款渠道",
    "key": "键值",
    "outcome": "结果",
    "why": "原因",
    "activity": "操作",
    "attempt": "次数",
    "next": "下次",
    "last failure": "最近失败",
    "by": "来源",
    "verb": "命令",
    "actor": "操作人",
    "balance": "余额",
    "from": "转出",
    "to": "转入",
    "order": "订单",
    "waiting since": "等待起始",
    "due": "截止",
    "reviewer": "审核人",
    "after": "间隔",
    "place": "地点",
    "what it says": "内容描述",
    "withdrawal": "提现",
    "held by": "扣留",
    "refunded": "已退款",
    "opened": "下单时间",
    "requested by": "申请人",
    "requested": "申请时间",
    # the answer to a command
    "command_id": "命令编号",
    "order_id": "订单",
}
"""By the English heading."""
_TITLES: tuple[tuple[str, str], ...] = (
    (r"Order (\S+)", r"订单 \1"),
    (r"Withdrawal (\S+)", r"提现 \1"),
    (r"(\d+) reviews?", r"\1 项待审核"),
    (r"(\d+) orders?", r"\1 个订单"),
    (r"(\d+) withdrawals?", r"\1 笔提现"),
    (r"What the carriers say of parcel (\S+) \((.*)\)", r"快递公司关于包裹 \1 的轨迹（\2）"),
    (r"What the carriers say of parcel (\S+) of (\S+) \((.*)\)", r"快递公司关于订单 \2 包裹 \1 的轨迹（\3）"),
)
"""Titles that name something."""


def print_in(console: Console, shown: Shown, language: Language) -> None:
    """Print a table with its headings in this language."""
    console.print(shown.in_words(_WORDS) if language == "zh" else shown)


def in_chinese(heading: str) -> str:
    """A heading in Chinese; unchanged where there is no translation."""
    if heading in CHINESE:
        return CHINESE[heading]
    for pattern, chinese in _TITLES:
        if (matched := re.fullmatch(pattern, heading)) is not None:
            return matched.expand(chinese)
    return heading


_WORDS = Words(in_chinese, "无", "{width} 列内未显示：{columns}。", "、", "：")
