"""What would speed up an order's money, by the reason why it has not arrived, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.audit.explain import sentence
from core.chart import IN_CHINESE
from core.forms import Forms, in_each_language
from core.intake import INTAKE_SIGNALS, signals_zh
from core.merchants import MERCHANT_FROZEN, MERCHANT_SUSPENDED
from core.names import name_of
from core.order.holds import (
    ARBITRATION_OVERDUE,
    CHARGEBACK_OVERDUE,
    CLAIM_STUCK,
    LATE_SCAN,
    LEDGER_DISAGREES,
    REFUND_STUCK,
    REVIEW_OVERDUE,
)
from core.order.state import ScreeningHit
from core.states import Hold
from core.texts import Help, Language, listed

WAITING: Mapping[str, Help] = {
    "screening": Help("A reviewer sends decide_screening.", "等待审核人员提交 decide_screening。"),
    "screening_refused": Help(
        "A rule refuses the goods; the merchant may send appeal_screening, and a person looks.",
        "商品被规则拒绝；商家可提交 appeal_screening 请求人工审核。",
    ),
    "shipment": Help(
        "The merchant ships what is left and sends report_shipment.", "请商家寄出剩余商品并提交 report_shipment。"
    ),
    "refund_request": Help(
        "A second person sends the same refund_order; else nothing moves.",
        "等待另一位工作人员提交相同的 refund_order；否则不退款。",
    ),
    "audit_collecting": Help(
        "The carrier's next scans are waited for; report_scan makes the audit look at once.",
        "等待快递公司更新轨迹；report_scan 可使审核立即查看。",
    ),
    "collection": Help(
        "The buyer collects it, and the merchant sends confirm_handover with the buyer's code.",
        "等待买家自提；商家以买家的取货码提交 confirm_handover。",
    ),
    "courier": Help(
        "The courier delivers it: confirm_handover with the buyer's code, a scan, or confirm_receipt proves it.",
        "等待同城配送；以收货码提交 confirm_handover、配送扫描或 confirm_receipt 均可证明送达。",
    ),
    "audit_in_review": Help("A reviewer sends decide_audit.", "等待审核人员提交 decide_audit。"),
    "audit_rejected": Help(
        "The merchant sends correct_waybill, or appeal_audit with a statement.",
        "请商家以 correct_waybill 更正单号，或以 appeal_audit 说明理由申诉。",
    ),
    "receipt": Help(
        "The buyer sends confirm_receipt; silence confirms only after the carrier delivered.",
        "等待买家提交 confirm_receipt；快递签收后买家逾期未确认则自动确认。",
    ),
    "settlement": Help(
        "It becomes available when the settlement delay and the after-sale window end.",
        "结算期与售后期结束后即可提现。",
    ),
    "refund": Help("The payment channel says that the buyer has it.", "等待支付渠道确认退款到账。"),
    "refund_by_people": Help("Two people send resolve_refund.", "需两人提交 resolve_refund。"),
}
"""Why an order waits."""

HELD: Mapping[str, Help] = {
    REVIEW_OVERDUE: Help(
        "A reviewer sends decide_audit; lift_hold gives the reviewers their time again.",
        "需审核人员提交 decide_audit；lift_hold 可重新给予审核时间。",
    ),
    REFUND_STUCK: Help(
        "Two people send resolve_refund; lift_hold asks the channel again.",
        "需两人提交 resolve_refund；lift_hold 将再次查询支付渠道。",
    ),
    ARBITRATION_OVERDUE: Help(
        "A reviewer sends arbitrate; lift_hold gives the reviewers their time again.",
        "需审核人员提交 arbitrate 裁决；lift_hold 可重新给予审核时间。",
    ),
    CHARGEBACK_OVERDUE: Help(
        "An operator asks the channel and sends its answer with report_chargeback; lift_hold gives it time again.",
        "需运营人员向支付渠道查询，并以 report_chargeback 告知结果；lift_hold 可重新给予等待时间。",
    ),
    CLAIM_STUCK: Help(
        "Two people send resolve_refund; lift_hold gives the channel time again.",
        "需两人提交 resolve_refund；lift_hold 可重新给予支付渠道时间。",
    ),
    LATE_SCAN: Help(
        "An operator settles it with both sides, for example with refund_order or open_claim_back, and then sends"
        " lift_hold.",
        "需运营人员与双方核实处理（例如提交 refund_order 或 open_claim_back），然后以 lift_hold 解除。",
    ),
    INTAKE_SIGNALS: Help(
        "An operator looks at the order and sends lift_hold, or refund_order.",
        "需运营人员核查订单，然后以 lift_hold 解除，或提交 refund_order。",
    ),
    MERCHANT_FROZEN: Help("An operator lets the merchant go with `merchant unfreeze`.", "需运营人员解冻商家。"),
    MERCHANT_SUSPENDED: Help(
        "An operator lets the merchant go with `merchant resume`, or lifts the hold with lift_hold.",
        "需运营人员恢复商家，或以 lift_hold 解除。",
    ),
    LEDGER_DISAGREES: Help(
        "An operator finds out why; lift_hold tries the posting again.",
        "需运营人员查明原因；lift_hold 将再次尝试记账。",
    ),
}
"""Why a person must act, by the name of our own hold."""

COVERED_IF_LOST = Help(
    "Wait for the end of case {}: lost, the buyer has the refund by the chargeback; won, two people send"
    " resolve_refund, or lift_hold asks the channel again.",
    "请等待售后 {}（拒付）的结果：败诉则买家已由拒付得到该退款；胜诉则由两人提交 resolve_refund，"
    "或以 lift_hold 再次查询支付渠道。",
)
"""What helps a refund that failed while a chargeback about the same money is not decided: paid by hand, it may be paid
twice."""

REFUND_OPEN = Help("its outcome is not known", "结果未知")
REFUND_REFUSED = Help("the channel refused it", "被支付渠道拒绝")
REFUND_DENIED = Help("two people said that it failed", "经两人核定为失败")
"""Why people must resolve a refund."""

LATE: Mapping[str, Help] = {
    "delivered": Help("the goods arrived after the buyer's money went back", "退款后商品仍被签收"),
    "came_back": Help("the goods are with the merchant, who has or gets the money", "商品已退回商家，而货款归商家"),
    "coming_back": Help(
        "the goods are on their way back to the merchant, who has or gets the money", "商品正在退回商家，而货款归商家"
    ),
    "moving": Help("the goods are on their way although no one waits for them", "商品仍在运输途中"),
}
"""Where the goods are, by a late scan."""

REFUNDED: Mapping[str, str] = {
    "no carrier picked it up": "快递未揽收",
    "never delivered": "未送达",
    "refused at its delivery": "派送时被拒收",
    "sent back to its sender": "退回途中",
    "returned to its sender": "已退回寄件人",
    "its shipment was called off": "寄件已取消",
    "logistics information rejected": "物流信息审核驳回",
    "not shipped in time": "未按时发货",
    "the buyer did not collect it": "买家未按时自提",
    "the merchant cannot ship: {}": "商家无法发货：{}",
    "prohibited goods: {}": "禁售商品：{}",
    "chargeback": "拒付",
    "chargeback {}": "拒付（{}）",
    "claim_back": "追回货款",
    "shipped late: parcel {} was picked up after {}": "延迟发货：包裹 {} 揽收于 {} 之后",
    "the order had ended when the dispute was won": "拒付胜诉时订单已结束",
}
"""Why the system itself gives money back, in Chinese, by the form of the refund's reason; `{}` is what people wrote."""
OF_CASES: Mapping[str, Help] = {
    "after-sale case {}: {}": Help("after-sale case {}: {}", "售后 {}：{}"),
    "after-sale case {}: the way back": Help("after-sale case {}: the way back", "售后 {}：退货运费"),
}
"""Why a case gives money back; the reason is a word of a closed list."""

OUTCOMES: Mapping[str, str] = {"conflict": "与已有记账内容不符", "insufficient_funds": "账户余额不足"}
"""Why the ledger refuses one, in Chinese."""


MERCHANT_HELD: Mapping[str, Help] = {
    MERCHANT_FROZEN: Help("the merchant is frozen", "商家已被冻结"),
    MERCHANT_SUSPENDED: Help("the merchant is suspended", "商家已被停用"),
}
"""Why an order of a stopped merchant waits."""


def refund_reason(reason: str, language: Language = "en", hits: Sequence[ScreeningHit] = ()) -> str:
    """Why a refund was decided. What people wrote stays as it is.

    Args:
        reason: the refund's.
        language: `en` or `zh`.
        hits: the rules of the screening that matched, which have names in both languages.
    """
    if hits and language == "zh" and reason.startswith("prohibited goods: "):
        return f"禁售商品：{listed((_hit(hit, language) for hit in hits), language)}"
    of_case = _OF_CASES[language].said(reason, lambda part: name_of("case_reason", part, language))
    return of_case or (_REFUNDED.said(reason) if language == "zh" else None) or reason


_REFUNDED = Forms(REFUNDED)
_OF_CASES = in_each_language(OF_CASES)


def screening_sentence(hits: Sequence[ScreeningHit], language: Language = "en") -> str:
    """Why a person must look at the goods: the rules that matched, and on which lines."""
    if not hits:
        return sentence("screening", "fail", {"what": "unnamed"}, language)
    named = listed((_hit(hit, language) for hit in hits), language)
    if language == "zh":
        return sentence("screening", "fail", {"rules": f"筛查规则{named}"}, language)
    noun = "the screening rule" if len(hits) == 1 else "the screening rules"
    return sentence("screening", "fail", {"rules": f"{noun} {named}"}, language)


def _hit(hit: ScreeningHit, language: Language) -> str:
    lines = listed(hit.lines, language)
    if language == "zh":
        return f"“{hit.rule_zh or hit.rule}”" + (f"（第 {lines} 行）" if lines else "")
    noun = "line" if len(hit.lines) == 1 else "lines"
    return f"“{hit.rule}”" + (f" ({noun} {lines})" if lines else "")


LIFT = Help("An operator lifts it with lift_hold.", "需运营人员以 lift_hold 解除。")
"""A hold that a person placed."""


def refund_why(facts: Mapping[str, str]) -> Help:
    """Why people must resolve a refund.

    Args:
        facts: `message`, the channel's words of refusal, which may be empty; `denied_by`, where people said that it
            failed; neither while its outcome is open.
    """
    if "message" not in facts:
        return REFUND_DENIED if "denied_by" in facts else REFUND_OPEN
    said = facts["message"]
    return Help(said or REFUND_REFUSED.en, REFUND_REFUSED.zh + (f"：“{said}”" if said else ""))


def cause_zh(hold: Hold) -> str:
    """Why a hold stands, in Chinese. What a person or a provider wrote is quoted as it is."""
    if hold.name == REVIEW_OVERDUE:
        return f"包裹 {hold.subject} 等待人工审核。"
    if hold.name in {ARBITRATION_OVERDUE, CHARGEBACK_OVERDUE}:
        who = "审核人员裁决" if hold.name == ARBITRATION_OVERDUE else "支付渠道裁定拒付"
        return f"售后 {hold.subject.removeprefix('case-')} 逾期等待{who}。"
    if hold.name == CLAIM_STUCK:
        return f"售后 {hold.subject.removeprefix('case-')}：买家是否已补付货款尚不明确。"
    if hold.name == LATE_SCAN and hold.facts:
        return f"包裹 {hold.subject}：{LATE[hold.facts['what']].zh}。"
    if hold.name == REFUND_STUCK:
        return f"退款 {hold.subject} {refund_why(hold.facts).zh}。"
    if hold.name == INTAKE_SIGNALS and hold.facts:
        return f"疑似异常交易：{signals_zh(hold)}。"
    if hold.name in MERCHANT_HELD:
        return f"{MERCHANT_HELD[hold.name].zh}。"
    if hold.name == LEDGER_DISAGREES and hold.facts:
        kind = IN_CHINESE.get(hold.facts["movement"], hold.facts["movement"])
        outcome = OUTCOMES.get(hold.facts["outcome"], hold.facts["outcome"])
        return f"账本拒绝该笔记账（{kind}）：{outcome}。"
    return f"原因：“{hold.reason}”。"
