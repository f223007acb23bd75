"""What would show sooner whether a penny drop arrived, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

from core.texts import Help

WAITING: Mapping[str, Help] = {
    "being_submitted": Help("Nothing to do; it goes on by itself.", "无需操作，系统自动处理。"),
    "with_the_bank": Help(
        "The bank's answer; or the amount, where the payee sees it.",
        "等待银行答复；收款人已看到到账时，可直接填写金额验证。",
    ),
    "outcome_unknown": Help(
        "The bank's answer to a look-up; or the amount, where the payee sees it.",
        "出款结果未知，等待银行的查询结果，不会重复出款；收款人已看到到账时，可直接填写金额验证。",
    ),
}
"""Why a phase waits."""
