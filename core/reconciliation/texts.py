"""What to do about a break, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

from core.reconciliation.lines import Break, Kind, Reason
from core.texts import Help, Language

HELPS: Mapping[Reason, Help] = {
    "missing": Help(
        "ask whether it was executed, with the key; nothing is booked back before they say in writing",
        "凭键值向对方询问是否已执行；对方书面答复前不作冲回",
    ),
    "extra": Help("ask who ordered it, and have it reversed", "询问由谁发起，并请对方冲正"),
    "amount": Help(
        "ask which amount moved, and have the difference corrected under the same key",
        "询问实际金额，并请对方以同一键值更正差额",
    ),
    "currency": Help(
        "ask what moved; have it reversed and sent again in the right currency",
        "询问实际币种；请对方冲正后以正确币种重新办理",
    ),
    "duplicate": Help(
        "have the surplus reversed; until then the rail or channel holds less than the books say",
        "请对方冲正多出的款项；在此之前，该渠道的实存少于账面",
    ),
    "late": Help(
        "report a withdrawal's with --apply, or wait for the callback; a look-up brings it too",
        "提现可以 --apply 上报，或等待回调；查询也会得到结果",
    ),
    "returned": Help(
        "report it with --apply: the merchant is credited again and the account suspended",
        "以 --apply 上报：款项退回商家余额，收款账户停用",
    ),
    "paid_after_failed": Help(
        "report it with --apply: the withdrawal then waits for two people; claim the money back from payee or bank",
        "以 --apply 上报：提现随后等待两人核定；并向收款人或银行追回款项",
    ),
    "stuck": Help("ask what became of it; then two people resolve it", "询问结果，再由两人核定"),
}
HELPS_BY_KIND: Mapping[tuple[Reason, Kind], Help] = {
    ("extra", "payment"): Help(
        "a buyer paid and no order claims it: start the order, or refund the payment",
        "买家已付款但没有订单对应：请创建订单，或退还该笔付款",
    ),
    ("extra", "settlement"): Help("book it: starter.py settlement", "请以 starter.py settlement 入账"),
    ("extra", "funding"): Help(
        "find out whose money it is: starter.py settlement books a channel's, starter.py receivable --paid-in what a"
        " merchant paid",
        "查明款项归属：渠道结算款以 starter.py settlement 入账，商家补缴款以 starter.py receivable --paid-in 入账",
    ),
    ("missing", "settlement"): Help(
        "the channel does not know this settlement: ask before it is relied on",
        "支付渠道没有这笔结算：核实之前请勿作为依据",
    ),
    ("extra", "chargeback"): Help(
        "the channel took a payment back: report it with --apply, or starter.py chargeback",
        "支付渠道已扣回款项：以 --apply 或 starter.py chargeback 上报",
    ),
    ("extra", "chargeback_won"): Help(
        "the channel gave it back: report it with --apply, or starter.py chargeback --won",
        "支付渠道已退回款项：以 --apply 或 starter.py chargeback --won 上报",
    ),
    ("extra", "chargeback_fee"): Help(
        "its chargeback was reported without the fee: report it with --apply, or starter.py chargeback with the amount"
        " and --fee",
        "拒付上报时未含手续费：以 --apply 上报，或以 starter.py chargeback 连同金额和 --fee 补报",
    ),
    ("missing", "chargeback"): Help(
        "it was reported and their statement lacks it: ask whether they took the money",
        "拒付已上报而对方账单没有：请询问款项是否已扣",
    ),
    ("missing", "chargeback_fee"): Help(
        "their statement lacks the fee: ask whether they took it", "对方账单没有这笔手续费：请询问是否已扣"
    ),
    ("missing", "chargeback_won"): Help(
        "it was reported as won and the money is not there: ask when it comes",
        "拒付已报胜诉而款项未到：请询问到账时间",
    ),
    ("missing", "payment"): Help(
        "the channel reported a payment that its statement lacks: hold what it paid for, and ask",
        "支付渠道曾确认而账单没有这笔付款：请扣留相关款项并询问",
    ),
    ("late", "refund"): Help(
        "the channel is asked again by itself; where people must decide, lift_hold asks it at once, or two people send"
        " resolve_refund",
        "系统会再次查询支付渠道；如需人工核定，以 lift_hold 立即查询，或由两人提交 resolve_refund",
    ),
    ("late", "payment"): Help(
        "the channel is asked again by itself whether the buyer paid; where people must decide, two send"
        " resolve_refund",
        "系统会再次向支付渠道查询买家是否已补付；如需人工核定，由两人提交 resolve_refund",
    ),
    ("paid_after_failed", "refund"): Help(
        "the channel sent what it had refused: the buyer has it twice; claim it back from the channel or the buyer",
        "支付渠道已拒绝的退款仍被付出，买家获得两次：请向渠道或买家追回款项",
    ),
    ("stuck", "funding"): Help(
        "the rail does not have what the channel settled: ask both where it is",
        "出款渠道未收到这笔结算款：请向双方查询去向",
    ),
    ("stuck", "deadline"): Help(
        "its workflow does not go on: is a worker up? starter.py rescue, or start it again",
        "其工作流没有继续：请检查 worker 是否运行；以 starter.py rescue 恢复，或重新启动",
    ),
}
OF_THE_BOOKS = Help(
    "the register and the ledger are written together: this is a defect or a hand at the database",
    "登记与账本同时写入：这是系统缺陷，或有人直接改动了数据库",
)
HELPS_IN_CHINESE: Mapping[str, str] = {
    said.en: said.zh for said in (*HELPS.values(), *HELPS_BY_KIND.values(), OF_THE_BOOKS)
}


def helps(found: Break, language: Language = "en") -> str:
    """What to do about a break that was found. One of an earlier version keeps the English words it was found with."""
    return found.helps if language == "en" else HELPS_IN_CHINESE.get(found.helps, found.helps)
