"""What would speed a withdrawal up, by the reason for which its money is not there, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

from core.texts import Help

WAITING: Mapping[str, Help] = {
    "being_submitted": Help("nothing; it goes on by itself", "无需操作，系统自动处理。"),
    "awaiting_approval": Help(
        "`approve` by {} more, neither of them the requester; silence gives the money back",
        "还需 {} 人提交 approve，且不能是申请人；逾期无人批准则退回余额。",
    ),
    "quota": Help("the rail's limit of the day turns over", "等待出款通道的当日限额刷新。"),
    "awaiting_payee": Help(
        "the payee takes the money in the rail's app, to which the storefront hands `to_confirm` of the payout",
        "请收款人在收款应用中确认收款。",
    ),
    "with_the_bank": Help("the bank's answer or callback", "等待银行答复或回调。"),
    "outcome_unknown": Help("the bank's answer to a look-up", "出款结果未知，等待银行的查询结果；不会重复出款。"),
    "in_suspense": Help("`resolve_unknown` if it was paid", "如银行实际已付款，请两人提交 resolve_unknown。"),
}
"""Why a phase waits."""

HELD: Mapping[str, Help] = {
    "our_side": Help(
        "put our own account with the rail right, then `approve`; or `reject` it, and the money is given back",
        "平台在出款通道的账户异常：处理后提交 approve，或提交 reject 退回余额。",
    ),
    "ledger_disagrees": Help(
        "find out why the books refuse it, then `approve` to try again", "账本拒绝入账：查明原因后提交 approve 重试。"
    ),
    "payout_stuck": Help(
        "ask the bank; then `resolve_unknown` by two people, with the bank's reference",
        "请向银行查询，再由两人凭银行凭证提交 resolve_unknown。",
    ),
    "amount_disagrees": Help(
        "ask the bank which amount it paid; then `resolve_unknown` by two people",
        "请向银行核实实付金额，再由两人提交 resolve_unknown。",
    ),
    "paid_after_failed": Help(
        "ask the bank which is true; then `resolve_unknown` by two people closes the case",
        "银行先报失败后报成功：请核实，再由两人提交 resolve_unknown 结案。",
    ),
}
"""Why a person must act, by the name of a hold."""
