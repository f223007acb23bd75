"""What would speed a withdrawal up, by the reason why its money has not arrived, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

from core.texts import Help

WAITING: Mapping[str, Help] = {
    "being_submitted": Help("Nothing to do; it goes on by itself.", "无需操作，系统自动处理。"),
    "awaiting_approval": Help(
        "{} more to send `approve`, neither of them the requester; silence gives the money back.",
        "还需 {} 人提交 approve，且不能是申请人；逾期无人批准则退回余额。",
    ),
    "quota": Help("It is sent when the rail's limit of the day turns over.", "等待出款通道的当日限额刷新。"),
    "awaiting_payee": Help(
        "The payee takes the money in the rail's app, to which the storefront hands `to_confirm` of the payout.",
        "请收款人在收款应用中确认收款；商城须将该笔出款的 to_confirm 交给收款应用。",
    ),
    "with_the_bank": Help("The bank's answer or callback.", "等待银行答复或回调。"),
    "outcome_unknown": Help(
        "The bank's answer to a look-up; nothing is paid a second time.",
        "出款结果未知，等待银行的查询结果；不会重复出款。",
    ),
    "in_suspense": Help(
        "If the bank did pay, two people send `resolve_unknown`.", "如银行实际已付款，请两人提交 resolve_unknown。"
    ),
}
"""Why a phase waits."""

HELD: Mapping[str, Help] = {
    "our_side": Help(
        "Put our own account with the rail right, then send `approve`; or send `reject`, and the money is given back.",
        "平台在出款通道的账户异常：处理后提交 approve，或提交 reject 退回余额。",
    ),
    "ledger_disagrees": Help(
        "Find out why the books refuse it, then send `approve` to try again.",
        "账本拒绝入账：查明原因后提交 approve 重试。",
    ),
    "merchant_frozen": Help(
        "An operator lets the merchant go with `merchant unfreeze`; it is sent then.",
        "商家已被冻结：需运营人员解冻，之后自动出款。",
    ),
    "merchant_suspended": Help(
        "An operator lets the merchant go with `merchant resume`; it is sent then.",
        "商家已被停用：需运营人员恢复，之后自动出款。",
    ),
    "payout_stuck": Help(
        "Ask the bank; then two people send `resolve_unknown` with the bank's reference.",
        "请向银行查询，再由两人凭银行凭证提交 resolve_unknown。",
    ),
    "amount_disagrees": Help(
        "Ask the bank which amount it paid; then two people send `resolve_unknown`.",
        "请向银行核实实付金额，再由两人提交 resolve_unknown。",
    ),
    "paid_after_failed": Help(
        "The bank reported a failure and then a payment: ask it which is true; then two people send `resolve_unknown`,"
        " which closes the case.",
        "银行先报失败后报成功：请核实，再由两人提交 resolve_unknown 结案。",
    ),
}
"""Why a person must act, by the name of a hold."""
