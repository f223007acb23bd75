"""What people read of a case, in English and in Chinese: its stage, and what would move it on."""

from __future__ import annotations

from collections.abc import Mapping

from core.aftersale.state import CaseStage, Side
from core.texts import Help

STAGES: Mapping[CaseStage, Help] = {
    "applied": Help(
        "The buyer asks for {kind}. The merchant sends agree_after_sale, refuse_after_sale or propose_amount;"
        " silence agrees.",
        "买家申请{kind}。请商家提交 agree_after_sale、refuse_after_sale 或 propose_amount；逾期未答视为同意。",
    ),
    "proposed": Help(
        "The merchant offers a smaller amount. The buyer sends accept_amount or escalate; silence closes the case.",
        "商家提出较小金额。请买家提交 accept_amount 或 escalate；逾期未答则关闭。",
    ),
    "refused": Help(
        "The merchant refused. The buyer sends escalate; silence closes the case.",
        "商家已拒绝。买家可提交 escalate 申请平台介入；逾期未答则关闭。",
    ),
    "awaiting_return": Help(
        "The goods come back. The buyer sends report_return; silence closes the case.",
        "请买家寄回商品并提交 report_return；逾期未寄则关闭。",
    ),
    "returning": Help(
        "The goods are on their way back; the carrier's scans move the case.",
        "退货运输中，等待快递公司更新轨迹。",
    ),
    "inspecting": Help(
        "The goods came back. The merchant sends confirm_return or refuse_return; silence confirms.",
        "退货已送达。请商家提交 confirm_return 或 refuse_return；逾期未答视为确认。",
    ),
    "arbitration": Help(
        "Both sides send add_evidence; a reviewer sends arbitrate.",
        "双方可提交 add_evidence 举证；等待审核人员提交 arbitrate 裁决。",
    ),
    "replacing": Help(
        "The merchant sends new goods and report_replacement; silence gives the money back.",
        "入账后换货：请商家寄出新商品并提交 report_replacement；逾期未寄则退款。",
    ),
    "replacement_sent": Help(
        "The new goods are on their way; the carrier's scans move the case.",
        "换货商品运输中，等待快递公司更新轨迹。",
    ),
    "replacement_delivered": Help(
        "The new goods were delivered. The buyer sends confirm_replacement or escalate; silence confirms.",
        "换货商品已送达。请买家提交 confirm_replacement，或提交 escalate 申请平台介入；逾期未答视为确认。",
    ),
    "exchanged": Help(
        "The goods are exchanged. Before the credit the merchant sends report_shipment for new ones.",
        "已换货。入账前请商家寄出新商品并提交 report_shipment。",
    ),
    "refunding": Help("The refund was decided.", "退款已决定。"),
    "refunded": Help("The buyer has the refund.", "退款已到账。"),
    "disputed": Help(
        "The payment channel took the money back. Both sides send add_evidence; the channel decides, and its answer"
        " comes with report_chargeback.",
        "支付渠道已扣回款项（拒付）。双方可提交 add_evidence 举证；渠道裁定后以 report_chargeback 告知结果。",
    ),
    "won": Help("The channel decided for the merchant, and gives the money back.", "拒付胜诉：支付渠道退回款项。"),
    "lost": Help("The channel decided for the buyer: the money stays taken back.", "拒付败诉：款项不再退回。"),
    "claimed": Help(
        "The buyer got the goods and the money, and is asked to pay. The buyer sends accept_claim_back or"
        " contest_claim_back; silence agrees.",
        "买家已收货且已退款，需补付货款。请买家提交 accept_claim_back 或 contest_claim_back；逾期未答视为同意。",
    ),
    "charging": Help(
        "The payment channel is asked for the buyer's money; its answer moves the case.",
        "已通过支付渠道向买家收款，等待渠道结果。",
    ),
    "paid_back": Help("The buyer paid for the goods, and the merchant has the money.", "买家已补付货款，款项归商家。"),
    "unpaid": Help("The payment channel did not get the buyer's money.", "支付渠道未能收回货款。"),
    "closed": Help("The case ended without a refund.", "售后已关闭，未退款。"),
}
"""What each stage means, and who acts."""

KINDS: Mapping[str, Help] = {
    "refund_only": Help("a refund", "退款"),
    "return_and_refund": Help("a return and a refund", "退货退款"),
    "exchange": Help("an exchange", "换货"),
    "chargeback": Help("a chargeback", "拒付"),
    "claim_back": Help("a claim against the buyer", "追回货款"),
}

ACTORS: Mapping[CaseStage, str] = {
    "applied": "merchant",
    "proposed": "buyer",
    "refused": "buyer",
    "awaiting_return": "buyer",
    "returning": "carrier",
    "inspecting": "merchant",
    "arbitration": "reviewer",
    "replacing": "merchant",
    "replacement_sent": "carrier",
    "replacement_delivered": "buyer",
    "disputed": "channel",
    "claimed": "buyer",
    "charging": "channel",
}
"""Who can move an open case on, by its stage."""

_OF_CHANNEL: tuple[CaseStage, ...] = ("disputed", "won", "lost", "claimed", "charging", "paid_back", "unpaid")
_BOTH: tuple[Side, ...] = ("buyer", "merchant")
CASE_NOTICES: Mapping[str, tuple[Side, ...]] = {
    **{f"after_sale_{stage}": _BOTH for stage in STAGES if stage not in {"arbitration", "refunded", *_OF_CHANNEL}},
    **{f"after_sale_{stage}": (*_BOTH, "operator") for stage in _OF_CHANNEL},
    "after_sale_arbitration": (*_BOTH, "reviewer"),
    "after_sale_decide": ("reviewer",),
    "arbitration_late": ("reviewer",),
    "arbitration_overdue": ("operator",),
    "chargeback_heard": ("operator",),
    "chargeback_overdue": ("operator",),
    "claim_stuck": ("operator",),
}
"""The notices of a case, and who gets each. The refund itself sends the notice of its arrival."""

REMINDED: Mapping[CaseStage, Side] = {
    "applied": "merchant",
    "proposed": "buyer",
    "refused": "buyer",
    "awaiting_return": "buyer",
    "inspecting": "merchant",
    "replacing": "merchant",
    "replacement_delivered": "buyer",
    "disputed": "merchant",
    "claimed": "buyer",
}
"""Who is reminded before a stage ends."""
