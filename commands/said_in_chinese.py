"""What commands print beside headings, in Chinese: sentences by their forms, and what stands in cells by its column."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

from commands.doctor_in_chinese import found_zh, helps_zh, looked_at_zh
from commands.proofs_in_chinese import PROOFS
from core.chart import IN_CHINESE as MOVEMENTS
from core.forms import Forms
from core.names import actor_name, name_of, names
from core.reason_details import detail_zh
from core.reconciliation.texts import HELPS_IN_CHINESE

_WHAT: Mapping[str, str] = {
    **{code: said["zh"] for code, said in names()["break_kind"].items()},
    # what was changed of a merchant
    "frozen": "冻结",
    "suspended": "暂停",
    "leaving": "清退",
    "settlement_delay": "结算周期",
    "commission_bps": "佣金",
    "auto_withdraw": "自动提现",
    # what was changed of a payout account
    "named": "登记户名",
    "bound": "绑定",
    "replaced": "更换",
    "made_default": "设为默认",
    "no_longer_default": "取消默认",
    "resumed": "恢复使用",
    "verified": "已验证",
    "resealed": "更换加密密钥",
    "dropped": "已打验证款",
    "told_wrong": "验证金额不符",
    "cooling_shortened": "缩短冷静期",
    # what runs
    "order": "订单",
    "withdrawal": "提现",
    "account drop": "打款验证",
    "payment return": "余款退回",
}
DEADLINES: Mapping[str, str] = {code: said["zh"] for code, said in names()["deadline"].items()}

_SENTENCES: Mapping[str, str] = {
    # moves of deadlines
    "Nothing was moved: this is a dry run. --apply moves them.": "试运行，未顺延任何期限；加 --apply 执行。",
    "The move moved {} that --where leaves out.": "该次顺延在 --where 以外还有 {}。",
    "To take it back: the same with --by -{} --undo {}": "如需收回：同一命令加 --by -{} --undo {}",
    # payments
    "{} of payment {} is no order's: it belongs to the buyer; `python starter.py basket {}` shows it.": (
        "支付 {1} 中有 {0} 不属于任何订单，归买家所有；见 `python starter.py basket {2}`。"
    ),
    "What no order claims can go back: python starter.py unclaimed --return {}": (
        "未被订单认领的余款可以退回：python starter.py unclaimed --return {}"
    ),
    "The output could not be written: {}. Look what was done before you try again.": (
        "输出无法写入：{}。重试前请先查看已完成的操作。"
    ),
    "Nothing was sent: this is a dry run.": "试运行，未提交任何内容。",
    # accounts, keys
    "An amount {}. `accounts verify {} --amount …` takes what it was.": (
        "打款验证{}。收到金额后请执行 `accounts verify {} --amount …`。"
    ),
    "{} and {} of webhooks sealed again; everything is sealed with the key {}.": (
        "已重新加密 {}和推送的 {}；全部以密钥 {} 加密。"
    ),
    "Nothing is withdrawn for {} in {} by schedule any more.": "不再为 {} 定时提现 {}。",
    "{} (…{}, version {}): {}": "{}（尾号 {}，版本 {}）：{}",
    "It is shown this once. The consumer verifies webhooks by it.": "仅显示这一次。接收方以此验证推送签名。",
    "It is shown this once. Send it as the header `Authorization: Bearer KEY`.": (
        "仅显示这一次。请作为请求头 `Authorization: Bearer KEY` 发送。"
    ),
    "Build {} {}.": "版本 {} {}。",
    # statements, comparisons
    "Asked. Another person withdraws load {} with the same command.": "已申请。须另一人以同一命令撤回导入 {}。",
    "Load {} is withdrawn; run `reconcile` to see what is left.": "导入 {} 已撤回；请执行 `reconcile` 查看余下差异。",
    "Load {} was withdrawn before.": "导入 {} 此前已撤回。",
    "No breaks.": "没有差异。",
    "Read as {}: {} lines{}": "按 {} 读取：{} 行{}",
    "Read as {}: {} lines": "按 {} 读取：{} 行",
    "Reported to {}: dispute {} {}": "已通知{}：争议 {} {}",
    "Reported to withdrawal {}: payout {} {}": "已通知提现 {}：出款 {} {}",
    "conflict: booked before with other figures or another rail; nothing was changed": (
        "冲突：此前已按其他金额或其他出款渠道入账，未作更改"
    ),
    "{}: {}; nothing was booked": "{}：{}；未入账",
    "{}: the channel holds {} less than this; nothing was booked": "{}：支付渠道持有的款项比此少 {}；未入账",
    "Until {} nothing moved for {}.": "{} 之前 {} 没有资金变动。",
    "Closing: {}": "期末：{}",
    "{}: covered, {} beyond client money": "{}：充足，超出客户资金 {}",
    "{}: client money is short by {}": "{}：客户资金短缺 {}",
    "  {} {} has paid out {} more than came in: fund it, or book it": (
        "  {} {} 付出比收入多 {}：请补足资金，或补记入账"
    ),
    "  {} {}: {} apart from its statements; `reconcile` says why": "  {} {}：与账单相差 {}；原因见 `reconcile`",
    # back-tests
    "{} orders, {} surprises, {} bad rows, {} orders/s": "{} 个订单，{} 个意外，{} 行错误，每秒 {} 个订单",
    "{} lives a second; {} rows could not be used.": "每秒 {} 个订单；{} 行无法使用。",
    "A reviewer is taken to need the whole review_sla (of a case decide_within), and to decide as the record says. The"
    " channel is taken to refund at once.": (
        "假定审核人员用满 review_sla（售后为 decide_within），并按记录裁定；支付渠道即时退款。"
    ),
    # the demo
    "{} of {} orders as expected, {} orders/s": "{1} 个订单中 {0} 个符合预期，每秒 {2} 个订单",
    "While the demo runs (--keep leaves it up):": "演示运行期间可访问（--keep 使其保持运行）：",
    "  {}: {}": "  {}：{}",
    "{}: it is {}; {}": "{}：当前时间 {}；{}",
    "{}: it is {}; {}, waits for {}": "{}：当前时间 {}；{}，等待{}",
    "Interrupted.": "已中断。",
    "This command was carried out before; nothing was changed.": "该命令此前已执行，未作更改。",
    "Withdrawals that wait for it ({}) could not be reached; they find out by themselves: {}": (
        "未能通知等待该账户的提现（{} 笔），其会自行发现：{}"
    ),
    "Withdrawals ({}) could not be reached; they find out by themselves: {}": (
        "未能通知提现（{} 笔），其会自行发现：{}"
    ),
    "The merchant's orders ({}) could not be reached; run this again: {}": (
        "未能通知商家的订单（{} 个），请再次执行：{}"
    ),
    "Whether each open order has its workflow was not looked at: {}": "未检查各未结订单是否有工作流：{}",
    "Read: what is open, and what moved since seal {}, up to which all was proven {}. --all reads everything.": (
        "已校验：未结的，以及封存 {} 以来有变动的；此前的已于 {} 校验。--all 校验全部。"
    ),
    "{}/{}: no statement: {}": "{}/{}：没有账单：{}",
    "rescued {} of {}": "已恢复 {} / {}",
    "Nothing was booked since the last seal.": "上次封存以来没有新的入账。",
    "Ending. The orders stay where they are: `up` goes on with them.": "正在结束。订单保持原状，`up` 会继续处理。",
    "seal {}: {} movements read": "封存 {}：已读取 {} 笔资金变动",
    "Seal {} is not the one whose head was kept: the chain was written anew, or ends before it.": (
        "封存 {} 与所存链首不符：封存链被重写，或在此之前结束。"
    ),
    # what differs from a seal
    "Seal {} is gone.": "封存 {} 已不存在。",
    "It does not follow seal {} as that one is now.": "与现有的封存 {} 不衔接。",
    "Its numbers, its blocks or its closing balances were changed.": "其编号、分块或期末余额被改动。",
    "The marks of its movements were changed, and one of the movements.": "其资金变动的标记及其中一笔资金变动被改动。",
    "A movement before movement {} is gone.": "资金变动 {} 之前有一笔已不存在。",
    "A movement up to movement {} is gone.": "截至资金变动 {} 有一笔已不存在。",
    "Movement {} was not there.": "资金变动 {} 原本不存在。",
    "Movement {} is not as it was booked.": "资金变动 {} 与入账时不符。",
    # operating
    "{}: nothing was missing": "{}：没有缺失",
    "{}: {} of closed days written": "{}：已写入 {}",
    "{} and {} more; --json lists all": "{} 另有 {} 项；--json 列出全部",
    "and {} more; --json lists all": "另有 {} 项；--json 列出全部",
    "Restarted: {}.": "已重启：{}。",
    "Restarted: nothing was lost.": "已重启：没有丢失的工作流。",
    "Nothing was restarted: this is a dry run. --apply restarts {}.": (
        "试运行，未重启任何工作流；加 --apply 将重启 {}。"
    ),
    "{} of {} decided something since then.": "{1} 个工作流中有 {0}在此之后作过决定。",
    "Set back: {}. Start the workers; then rescue --all, prove, reconcile.": (
        "已回退 {} 个。请启动 worker，然后依次执行 rescue --all、prove、reconcile。"
    ),
    "Nothing was set back: this is a dry run. --apply does it, while no worker runs.": (
        "试运行，未回退任何工作流；请在没有 worker 运行时加 --apply 执行。"
    ),
}
"""By the English form; `{}` stands for what only the case knows."""
_PLACES_OF_MONEY: Mapping[str, str] = {
    "pending": "待结算",
    "available": "可用余额",
    "deposit": "保证金",
    "reserved": "提现预留",
    "owed": "欠款",
    "frozen": "冻结",
    "proceeds": "待结算",
    "escrow": "托管款",
    "refund_payable": "应退款",
    "suspense": "待查款",
}
_PARTS: Mapping[str, str] = {
    **_PLACES_OF_MONEY,
    "has arrived at the bank": "已到银行",
    "is current": "已生效",
    "nothing was missing": "没有缺失",
    "nothing was lost": "没有丢失的工作流",
    "channel": "支付渠道",
    "rail": "出款渠道",
    "no order": "无订单",
}
_PART_FORMS = Forms(
    {
        "is on its way ({})": "在途（{}）",
        "gets {} % of the tasks": "承接 {}% 的任务",
        "order {}": "订单 {}",
        "; left out: {}": "；未计入：{}",
        "{}; events and notices go on under numbers that none had before": "{}；事件与通知改用新的编号继续",
    },
    lambda part: _PARTS.get(part, part),
)


def _part(part: str) -> str:
    """What stands within a sentence: a count of things, a place of money, or what happened to something."""
    said = _PARTS.get(part) or counted_zh(part) or _PART_FORMS.said(part) or _moneys(part)
    return said or _coded("phase", part) or _coded("deadline", part) or detail_zh(part)


def _moneys(text: str) -> str | None:
    """Places of money with their amounts: `pending 1.00 CNY, available 2.00 CNY`."""
    parts = [part.partition(" ") for part in text.split(", ")]
    if not all(place in _PLACES_OF_MONEY for place, _, _ in parts):
        return None
    return "，".join(f"{_PLACES_OF_MONEY[place]} {amount}" for place, _, amount in parts)


_FORMS = Forms(_SENTENCES, lambda part: _part(part))


_COUNTED = re.compile(r"(?:(.+): )?([0-9,]+) ([a-z ]+?)s?")
_COUNTS: Mapping[str, str] = {
    "review": "项待审核",
    "order": "个订单",
    "withdrawal": "笔提现",
    "merchant": "个商家",
    "notice": "条通知",
    "break": "项差异",
    "schedule": "个定时提现",
    "problem": "处错误",
    "endpoint": "个推送地址",
    "workflow": "个工作流",
    "more order": "个订单",
    "run": "段休息日",
    "number": "个账号",
    "secret": "个密钥",
}
"""What is counted, with the measure word."""


def counted_zh(text: str) -> str | None:
    """A count of things in Chinese, which may name a file first; None where it is none."""
    found = _COUNTED.fullmatch(text)
    if found is None or found[3] not in _COUNTS:
        return None
    return f"{found[1]}：{found[2]} {_COUNTS[found[3]]}" if found[1] else f"{found[2]} {_COUNTS[found[3]]}"


def sentence_zh(said: str) -> str:
    """A sentence that a command prints, in Chinese; as it is where it has none of these forms."""
    return _FORMS.said(said) or said


# --- cells -----------------------------------------------------------------------------------------------

_STEPS = Forms(
    {
        "check the payment, register, fund, screen": "核实支付、登记、入账、筛查",
        "what register and ledger know": "读取登记簿与账本",
        "what the register knows": "读取登记簿",
        "whose word counts": "核实表态人的权限",
        "claim the waybill, record": "占用运单号并登记",
        "release waybill claims": "释放运单号",
        "record": "登记",
        "policy": "读取规则",
        "resume": "恢复",
        "screen the goods": "筛查商品",
        "start the automatic withdrawal": "发起自动提现",
        "start the withdrawal": "发起提现",
        "reserve": "预留提现款",
        "check account and debts": "核查收款账户与欠款",
        "suspend the payout account": "停用收款账户",
        "look at {} before the deadline": "期限前查询运单 {}",
        "judge the pushed scans of {}": "审核运单 {} 的推送轨迹",
        "audit {} {}": "查询运单 {1}（{0}）",
        "refund {} through {}": "经 {1} 退款（{0}）",
        "charge case {} through {}": "经 {1} 收取售后 {0} 的补付",
        "open payout {} {}": "建立第 {0} 笔出款 {1}",
        "pay {} by {}": "经 {1} 出款 {0}",
        "send again {} by {}": "经 {1} 重发出款 {0}",
        "look {} up at {}": "向 {1} 查询出款 {0}",
        "write the drop down": "登记打款验证",
        "pay {}": "打款 {}",
        "look {} up": "查询打款 {}",
        "give {} up": "放弃打款 {}",
        "close the return": "了结退回",
        "compare {}": "核对 {}",
        "prove the books": "校验账本",
        "statements of {}": "获取 {} 的账单",
    }
)
"""What Temporal tries again, by the summary of its activity."""
_WAITS = {"waits for another person": "等待另一人"}
_YES = {"yes": "是", "no": "否", "NO": "否", "ok": "正常", "none": "无", "nothing": "无", "True": "是", "False": "否"}
_OUTCOMES = {
    **_YES,
    "moved before": "此前已顺延",
    "moved": "已执行",
    "would move": "将执行",
    "not moved": "未执行",
    "failed": "失败",
    "accepted": "已接受",
    "duplicate": "重复",
    "refused": "已拒绝",
    "asked": "已申请",
    "corrected": "已更正",
    "already": "此前已执行",
    "owed": "待退回",
    "written_off": "已核销",
    "posted": "已入账",
    "exists": "此前已入账",
    "linked": "已关联",
    "same": "未变更",
    "allow": "放行",
    "hold": "待人工",
    "refuse": "拒绝",
    "possible": "可能",
    "impossible": "不可能",
    "unknown": "未知",
    "a day is left, so a part of the move stays": "须留足一天，部分顺延保留",
}
_STATES = {
    **_YES,
    **_WAITS,
    "in order": "正常",
    "frozen": "已冻结",
    "suspended": "已暂停",
    "leaving": "清退中",
    "running": "运行中",
    "paused": "已暂停",
    "ready": "可用",
    "arrived": "已到账",
    "returned": "已退回",
    "paid": "已付款",
    "failed": "失败",
    "unknown": "结果未知",
    "refused": "已拒绝",
    "claimed": "已被认领",
    "enabled": "已启用",
    "disabled": "已停用",
}
_KINDS = {"bank_card": "银行卡", "company_account": "对公账户", "wallet": "钱包", "iban": "IBAN"}
_COOLS = Forms({"cools off until {}": "冷静期至 {}"})
_ARRIVES = {"when two people have approved it, and the rail's time after that": "两人批准后，另加出款渠道时间"}
_LEGAL = {"not known: `accounts merchant` sets it": "未登记：请用 `accounts merchant` 设置"}
_PLACES: Mapping[str, str] = {"our default": "默认值", "the policy": "该规则", "none": "无"}
_SOURCES = Forms({"{} ({})": "{}（{}）", "{}": "{}"}, lambda part: _PLACES.get(part, part))
_ASIDE = Forms(
    {
        "held in all": "持有合计",
        "owed in all": "应付合计",
        "held: {} {}": "持有：{} {}",
        "owed: {}": "应付：{}",
        "withdrawn by {}": "已由 {} 撤回",
        "asked by {}": "{} 已申请撤回",
    },
    lambda part: _PARTS.get(part, part),
)
"""What stands in a column without a heading."""
_FIGURES: Mapping[str, str] = {
    "orders": "订单",
    "credited": "已入商家账",
    "cancelled": "已取消",
    "refunded": "已退款",
    "still waiting": "仍在等待",
    "confirmed by timeout": "逾期自动确认",
    "a person looked": "人工审核",
    "false holds": "误扣",
    "false refunds": "误退",
    "after-sale cases": "售后",
    "days waited for a refund, median": "退款等待天数（中位数）",
    "days waited for a refund, 90 %": "退款等待天数（九成）",
    "days held, mean": "托管天数（平均）",
    "days held, median": "托管天数（中位数）",
    "days held, 90 %": "托管天数（九成）",
    "days held, 99 %": "托管天数（99%）",
}
"""What a comparison of two policies counts."""
_TYPES = {**MOVEMENTS, "opening": "期初", "closing": "期末"}


def _in(table: Mapping[str, str]) -> Callable[[str], str | None]:
    return table.get


def _coded(section: str, code: str) -> str | None:
    """A code's name, also of several; a time or a part that is no code stays."""
    named = names()[section]
    if code in named:
        return named[code]["zh"]
    first, space, rest = code.partition(" ")
    rest = rest.removeprefix("at ")
    return f"{named[first]['zh']}{space}{rest}" if first in named else None


def _several(table: Mapping[str, str], text: str) -> str | None:
    """Words of a table, one after the other, as `not moved: why`."""
    parts = re.split(r"(: |, )", text)
    return "".join({": ": "：", ", ": "、"}.get(part, table.get(part, part)) for part in parts)


def _activity(text: str) -> str | None:
    """An activity by its summary; of a posting by the kind of its movement."""
    name, _, summary = text.partition(": ")
    kind, space, subject = (summary or name).removeprefix("post ").partition(" ")
    if kind in MOVEMENTS:
        return f"{MOVEMENTS[kind]}{'（' + subject + '）' if space else ''}"
    return _STEPS.said(summary or name)


def _reason(code: str) -> str | None:
    return next((names()[one][code]["zh"] for one in ("break_reason", "hold") if code in names()[one]), None)


def _actor(who: str) -> str | None:
    role = who.replace(":", " ").partition(" ")[0]
    return actor_name(who, "zh") if role in names()["role"] else None


CELLS: Mapping[str, Callable[[str], str | None]] = {
    "phase": partial(_coded, "phase"),
    "audit": partial(_coded, "audit"),
    "receipt": partial(_coded, "receipt"),
    "waits for": partial(_coded, "deadline"),
    "next_deadline": partial(_coded, "deadline"),
    "stage": partial(_coded, "stage"),
    "notice": partial(_coded, "notice"),
    "kind": _in(_KINDS),
    "state": lambda text: _COOLS.said(text) or _several(_STATES, text),
    "outcome": partial(_several, _OUTCOMES),
    "answer": partial(_several, _OUTCOMES),
    "what it says": _in(PROOFS),
    "arrives": _in(_ARRIVES),
    "expected by": _in(_ARRIVES),
    "legal name": _in(_LEGAL),
    "old": lambda text: _SOURCES.said(text),
    "new": lambda text: _SOURCES.said(text),
    "source": _in(_PLACES),
    "done by": _in(_WAITS),
    "": lambda text: _YES.get(text) or _ASIDE.said(text),
    "changed": _moneys,
    "figure": _in(_FIGURES),
    "type": lambda text: _TYPES.get(text),
    "left today": counted_zh,
    "activity": _activity,
    "reason": _reason,
    "what": lambda text: _WHAT.get(text) or looked_at_zh(text),
    "found": found_zh,
    "what to do": lambda text: helps_zh(text) or HELPS_IN_CHINESE.get(text),
    "recipient": lambda text: name_of("role", text, "zh"),
    "value": lambda text: _YES.get(text) if text in {"yes", "no", "none"} else None,
    "what is wrong": detail_zh,
    "what differs": _FORMS.said,
    "last failure": detail_zh,
    **dict.fromkeys(("holds", "default", "as sealed", "verified", "ended", "done", "repeated"), _in(_YES)),
    **dict.fromkeys(
        ("auto_withdraw", "grade", "not reached", "called for debts", "after-sale", "ours", "theirs"), _in(_YES)
    ),
    **dict.fromkeys(("by", "given by", "noted by", "who"), _actor),
}
"""By the English heading of a column or a fact: what stands there in Chinese; None: it stays as it is."""
