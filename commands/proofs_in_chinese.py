"""What `prove` proves, in Chinese, by the English sentence."""

from __future__ import annotations

from collections.abc import Mapping

PROOFS: Mapping[str, str] = {
    "Each stored balance is the sum of its transfers, and not below zero.": "每个账户余额等于其分录之和，且不为负。",
    "What was funded was credited or refunded, or is still held; nothing is held after the credit or the end.": (
        "入账的款项已入商家账或已退款，或仍在托管；入商家账或结束后不再托管。"
    ),
    "A settled order has no proceeds left.": "已结算的订单没有剩余的待结算款。",
    "What is reserved is the amount of each withdrawal that is not closed or in suspense, and nothing else.": (
        "提现预留恰为未了结且不在待查中的各笔提现之额。"
    ),
    "A withdrawal goes to suspense whole, and leaves it once, whole, when it is closed.": (
        "提现整笔转入待查，了结时一次整笔转出。"
    ),
    "An order's refunded figure is what its refunds and chargebacks moved, at most what was paid; once it is closed"
    " they arrived.": "订单的已退款额等于其退款与拒付之额，不超过实付；订单关闭时均已到账。",
    "Nothing is owed for a refund any more once it has arrived.": "退款到账后不再有应退余额。",
    "An order is credited once at most, and only with an approved audit and a confirmed receipt.": (
        "订单至多入商家账一次，且须审核通过并确认收货。"
    ),
    "The register says funded, credited, settled or refunded exactly where the books do.": (
        "登记簿的入账、入商家账、结算与退款与账本一致。"
    ),
    "An order gives back at most the commission and the discount that it took, no line gives more than was paid, and"
    " the platform gives no more discount than the order names.": (
        "订单退回的佣金与优惠不超过所收，各行不超过实付，平台优惠不超过订单所列。"
    ),
    "Each movement moves money, but the credit and the settlement of an order with nothing left.": (
        "每笔资金变动都有金额，仅余额为零的订单的入账与结算除外。"
    ),
    "The parts of a payment that orders claim, and what went back of it, never sum to more than was paid.": (
        "各订单认领的支付款与已退回之和不超过实付。"
    ),
    "A withdrawal is closed once, with what was sent; at most what was paid comes back, at most the fee that was taken"
    " is given back; what is over is closed.": (
        "提现按实际出款了结一次；退汇不超过实付，退还手续费不超过所收；已结束的均已了结。"
    ),
    "In each currency, assets are liabilities and net income.": "每个币种的资产等于负债加净收益。",
    "No merchant has available money while owing.": "有欠款的商家没有可用余额。",
    "Money is frozen only for an order that says so in the register, which is open then.": (
        "冻结款仅属于登记簿中载明冻结且未结的订单。"
    ),
    "What was won back is the reverse of the chargeback that it is linked to, place by place.": (
        "拒付胜诉的返还是所关联拒付的逐笔冲回。"
    ),
    "Channels keep no more of an order by chargebacks than was paid for it, and cover no more refunds than they"
    " took above what was left.": "渠道因拒付扣留的款项不超过订单实付，由此抵付的退款不超过其超出余额扣走的部分。",
    "Buyers paid again what the register says, and no more of an order than had gone back to them.": (
        "买家补付之额与登记簿一致，且不超过曾退还之额。"
    ),
    "No money is held for an order that is closed or that the register does not know.": (
        "已关闭或未登记的订单没有托管款。"
    ),
    "Each movement has legs of one kind, between its own subject's accounts, in its currency.": (
        "每笔资金变动的分录同属一类、同一币种，且在自身账户之间。"
    ),
    "What goes back of a payment is two people's, stands in the books, and is owed until it is closed.": (
        "余款退回须经两人，已入账，了结前为应退。"
    ),
    "No debt was written off that a channel, or a refund that it refused, could still give back.": (
        "未核销支付渠道或其拒绝的退款仍可能返还的欠款。"
    ),
    "Each correction is two people's, is linked to a movement, and takes back no more than that moved; that of a"
    " correction is final.": "每笔更正须经两人、关联一笔资金变动且不超过其金额；更正的更正为终局。",
    "Each policy's name points to the text that it was last moved to, and no move is missing.": (
        "每个规则名指向其最近一次变更的文本，变更记录完整。"
    ),
    "No withdrawal was asked for before the account that it goes to had cooled off.": (
        "提现均在收款账户冷静期满后申请。"
    ),
    "Nothing of a frozen merchant was credited, settled, released, given back of its deposit, made available by a buyer"
    " who paid again, or set aside for a payout.": (
        "被冻结商家的款项未入账、结算、释放、退还保证金、因补付可用，或为出款预留。"
    ),
    "No settlement made money available to a merchant whose deposit was not full.": (
        "保证金未缴足的商家未因结算获得可用余额。"
    ),
    "Merchants are shown the transfers that changed what they have, as the books have them.": (
        "向商家展示的流水与账本一致。"
    ),
    "What a merchant had after each day is the sum of the merchant's transfers.": "商家每日余额等于其流水之和。",
    "The last event of each order and withdrawal says what the register says of it.": (
        "每个订单与提现的最新事件与登记簿一致。"
    ),
    "The events of each subject are numbered without gaps, up to its last number.": "每个对象的事件编号连续无缺。",
    "Where a statement is loaded, what both sides have of a payout, refund or settlement is the same money, and each"
    " load's sum is that of its lines.": "已导入账单处，双方的出款、退款与结算金额一致，各次导入的合计等于各行之和。",
    "Each open order and withdrawal has a workflow that runs.": "每个未结订单与提现都有运行中的工作流。",
    "No workflow's task fails again and again.": "没有反复失败的工作流任务。",
}
