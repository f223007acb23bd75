"""What would speed a withdrawal up, by the reason why its money has not arrived, and why it ended, in two languages."""

from __future__ import annotations

from collections.abc import Mapping

from core.forms import in_each_language
from core.names import name_of
from core.reason_texts import REASONS
from core.reasons import in_chinese
from core.texts import Help, Language

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

ENDED: Mapping[str, Help] = {
    "no one approved it in time": Help("no one approved it in time", "逾期无人批准"),
    "called off by the {}": Help("called off by the {}", "由{}撤销"),
    "user by_hand {}": Help("two people said that it was not paid: {}", "两人核定为未付款：{}"),
}
"""Why the system ended a withdrawal, by the form of its reason."""

FAILURES: Mapping[str, Help] = {
    "payee": Help("the payee's account was refused", "收款账户被拒"),
    "quota": Help("a limit of the day was reached", "超出当日限额"),
    "ours": Help("our own account with the rail was refused", "平台在出款渠道的账户异常"),
    "risk": Help("the rail's risk control refused it", "被出款渠道风控拒绝"),
    "user": Help("the payee did not take it", "收款人未领取"),
    "unknown": Help("the rail refused it", "被出款渠道拒绝"),
}
"""Why a rail refused a payout, before its own code and words."""


def withdrawal_reason(reason: str, language: Language = "en", *, of_rail: bool = False) -> str:
    """Why a withdrawal ended, or why its account was suspended or changed. What people wrote stays as it is.

    Args:
        reason: the system's form of it, a reason code with or without its sentence, or what a person wrote.
        language: `en` or `zh`.
        of_rail: a rail refused the payout; its own words are quoted.
    """
    if (ended := _ENDED[language].said(reason, lambda part: name_of("role", part, language))) is not None:
        return ended
    code, _, message = reason.partition(": ")
    if code in REASONS:
        said = message or REASONS[code].en
        return (in_chinese(code, said) if language == "zh" else None) or said
    failure, _, words = reason.partition(" ")
    if of_rail and failure in FAILURES:
        why: str = getattr(FAILURES[failure], language)
        return f"{why}{'：' if language == 'zh' else ': '}“{words}”" if words else why
    return reason


_ENDED = in_each_language(ENDED)
