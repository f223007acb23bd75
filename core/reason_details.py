"""What stands behind the sentence of a refusal, in Chinese: the details that the core gives, by their English form.

`{}` stands for what only the case knows. A code among it is said by its name; what people or providers wrote stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from core.forms import Forms
from core.reason_details_commands import COMMAND_DETAILS
from core.reason_details_fields import FIELD_DETAILS
from core.reason_details_http import HTTP_DETAILS
from core.reason_details_rows import ROW_DETAILS
from core.reason_details_settings import SETTING_DETAILS
from core.texts import spelled_zh

DETAILS: dict[str, str] = {
    # any command
    "It is {}.": "当前状态：{}。",
    "{} is for the {}.": "{} 由{}提交。",
    "The {} of this order is another.": "该订单的{}是另一方。",
    "The order's record would be too large.": "订单记录将过大。",
    "It cannot be read: {}.": "无法读取：{}。",
    "The policy asks a proof of every {}.": "规则要求每位{}提供身份证明。",
    "Its root is not one that the policy names.": "其根密钥不在规则之列。",
    "Its key speaks for {}.": "其密钥代表 {}。",
    "Its key ended {}.": "其密钥已于 {} 失效。",
    "The root did not sign it.": "未经根密钥签名。",
    "It was signed after its key ended, or in the future.": "签名时间晚于密钥有效期，或在未来。",
    "Its signature is of another command, sender or workflow.": "签名属于其他命令、操作人或工作流。",
    "{} is no cursor; take `next` of an answer, unchanged.": "{} 不是有效的游标，请原样使用答复中的 next。",
    "It has {} bytes, at most {} are taken: send it in parts.": "内容有 {} 字节，最多 {} 字节：请分次提交。",
    "The workflow {} was ended: {}.": "工作流 {} 已被终止：{}。",
    "No workflow {} runs.": "没有正在运行的工作流 {}。",
    "where: {} is not KEY=VALUE with one of {}": "条件 {} 须为“键=值”，键可为 {}",
    "where: {} stands twice": "条件 {} 重复",
    "where: no {} is called {}; there is {}": "条件 {} 没有取值 {}；可用：{}",
    "where: {} is two letters, such as CN, not {}": "条件 {} 须为两位大写字母的国家代码，不能是 {}",
    "{}: {} never comes.": "{}：{} 永远不会到来。",
    "{}: {} is no time zone, such as {}.": "{}：没有时区 {}，格式如 {}。",
    # orders
    "Another order with the id {} exists.": "订单号为 {}。",
    "The workflow of order {} has completed.": "订单 {} 的工作流已结束。",
    "Its workflow's id is {}.": "其工作流编号为 {}。",
    "It lies in the future.": "该时间在未来。",
    "It lies in the past.": "该时间已过。",
    "It is older than {}.": "距今超过 {}。",
    "A parcel needs at least one line, or null for all.": "包裹至少含一个商品行；留空表示全部。",
    "Parcel {}.": "包裹 {}。",
    "Known: {}.": "已有：{}。",
    "Line {}: {} left, {} reported.": "商品行 {}：剩余 {} 件，申报 {} 件。",
    "Line {}: {} left, {} given up.": "商品行 {}：剩余 {} 件，放弃 {} 件。",
    "Line {}: {} left, {} asked for.": "商品行 {}：剩余 {} 件，申请 {} 件。",
    "{} of line {} are left.": "剩余 {} 件（商品行 {}）。",
    "At most {} lines over all parcels; one without `lines` takes all that is left.": (
        "所有包裹合计最多 {} 行；不填商品行的包裹含全部剩余商品。"
    ),
    "It is empty.": "单号为空。",
    "It has characters that no number has: {}.": "含有单号中不会出现的字符：{}。",
    "It has {} characters; numbers have {} to {}.": "共 {} 位，单号应为 {} 至 {} 位。",
    "It has hardly any digits.": "几乎不含数字。",
    "It has no form that {} uses.": "不符合{}的任何单号格式。",
    "It has the form of a number of {}, but its check digit is wrong.": "符合{}的单号格式，但校验位错误。",
    "`other` needs a carrier_name.": "其他快递须填写快递公司名称。",
    "Use `other` with a carrier_name.": "请选择其他快递并填写快递公司名称。",
    "Did you mean {}?": "是否指 {}？",
    "Did you mean {}? Else use `other` with a carrier_name.": "是否指 {}？如不是，请选择其他快递并填写快递公司名称。",
    "Its delivery mode is {}.": "配送方式为{}。",
    "Its goods are not screened yet.": "商品尚未审核。",
    "Call the order off instead.": "请改为取消订单。",
    "Its money is being moved; ask again.": "款项正在处理，请稍后再试。",
    "Its money is not booked yet; ask again.": "款项尚未入账，请稍后再试。",
    "What was won back is not booked yet; ask again.": "追回的款项尚未入账，请稍后再试。",
    "Its scope is {}; it is lifted as a whole.": "其限制范围为{}，须整项解除。",
    "Its review is not set; a lifted hold has none.": "该项暂扣未设复核时间，解除后亦不再复核。",
    "Its review is {}; a lifted hold has none.": "其复核时间为 {}，解除后不再复核。",
    "Scope `payout` stops the settlement.": "限制范围“结算与提现”可阻止结算。",
    "Withdraw it first: withdraw_after_sale.": "请先撤销：withdraw_after_sale。",
    "To have a rejection looked at again: appeal_audit.": "如需复核驳回，请提交 appeal_audit。",
    "The receipt clock stands.": "收货计时已暂停。",
    "The receipt clock starts when the last parcel is delivered.": "最后一个包裹签收后才开始收货计时。",
    "It can be extended from {}.": "自 {} 起可以延长。",
    "It was to be shipped by {}.": "发货期限为 {}。",
    "After {}, until {}.": "须在 {} 之后，至 {} 为止。",
    "It has no {} now.": "目前没有{}。",
    "Together it would be {}.": "累计将达 {}。",
    "It was moved by {} together.": "累计顺延了 {}。",
    "It would be {}, and a day must be left.": "收回后将为 {}，而至少须留一天。",
    "It would be {}, and without a move it is {}.": "收回后将为 {}，而未顺延时为 {}。",
    "At most {}.": "最多 {}。",
    "Nothing of it is left.": "已无可退金额。",
    "{} is left.": "剩余 {}。",
    "It is {} more.": "超出 {}。",
    "Until receipt and audit are settled the merchant's money is there.": "收货与审核完结之前，商家款项尚在担保中。",
    "The payment channel decides about it first.": "须先由支付渠道裁定。",
    # chargebacks and claims
    "The order was paid through another channel.": "该订单通过其他支付渠道支付。",
    "The channel disputes {} already.": "支付渠道已就 {} 发起拒付。",
    "The channel disputes its money; nothing is ended before the channel decides.": (
        "款项处于拒付中；支付渠道裁定之前不能终止。"
    ),
    "The buyer is asked to pay for the goods; ask again once the channel has answered.": (
        "正在请买家补付货款；渠道答复后再试。"
    ),
    "The channel can take {} of this order.": "支付渠道对该订单最多可扣 {}。",
    "The channel can take {} of the orders of this payment; report that much.": (
        "支付渠道对该笔付款的订单最多可扣 {}；请按此金额上报。"
    ),
    "The order goes on: what the buyer keeps is settled with it.": "订单仍在进行，买家留下的商品随订单结算。",
    "Neither the order nor a claim was paid with it.": "订单和追回款都不是用该笔付款支付的。",
    "{} can be claimed.": "可追回 {}。",
    "{} is claimed.": "追回金额为 {}。",
    # cases
    "Case {} is {}.": "售后 {} 的状态：{}。",
    "Case {} is {}; {} is for {}.": "售后 {} 的状态：{}；{} 适用于：{}。",
    "Case {} claims money back from the buyer.": "售后 {} 是向买家追回货款。",
    "The platform opened it; the buyer sends contest_claim_back.": "由平台发起；买家请提交 contest_claim_back。",
    "The buyer keeps the goods and pays for them.": "买家保留商品并付款。",
    "Nothing is borne: the buyer pays, or does not.": "不涉及承担方：买家或付款，或不付款。",
    "The case is about an amount.": "该售后只涉及金额。",
    "The case is about {}; agree_after_sale gives all of it.": "该售后金额为 {}；提交 agree_after_sale 可全额退款。",
    "{} was offered.": "商家提出的金额为 {}。",
    "`other` needs a text.": "选择其他原因时须说明情况。",
    "It ended at {}.": "已于 {} 结束。",
    "Nothing of it is left to refund.": "已无可退金额。",
    "Not all of it was delivered; ask for refund_only.": "商品未全部签收，请申请仅退款。",
    "No carrier brings new goods of this order; ask for return_and_refund.": (
        "该订单没有快递可寄换货商品，请申请退货退款。"
    ),
    "What was sent as data cannot come back.": "虚拟商品无法退回。",
    "At most {} pieces a side.": "每方最多 {} 件。",
    "At most {} bytes a side; give references instead of texts.": "每方最多 {} 字节；请以链接代替长文。",
    "The buyer bears it; name merchant or platform in return_freight.": (
        "运费由买家承担；如由商家或平台承担，请填写承担方。"
    ),
    "At most {} more for this order.": "该订单最多还可 {}。",
    "Freight of a way back needs goods that come back.": "须有退货才有退货运费。",
    "Beside the case's own refund {} is left, and a channel sends back no more than was paid.": (
        "除该售后退款外剩余 {}，支付渠道退款不超过实付金额。"
    ),
    "The parcel on its way keeps its number.": "运输中的包裹不能更换单号。",
    "At most {} numbers.": "最多 {} 个单号。",
    # payments
    "{}: the event has no id there.": "{}：事件在此处没有编号。",
    '{}: must be an amount as text, such as "135.80".': '{}：须为文本形式的金额，如 "135.80"。',
    "Two people must agree on the return {}.": "退款 {} 须经两人同意。",
    "No such channel; known: {}.": "没有此支付渠道；可用：{}。",
    "The payment is in {}.": "该笔支付的币种为 {}。",
    "{} was paid.": "实付 {}。",
    # withdrawals and accounts
    "There is none.": "未填写账号。",
    "Its check digit is wrong: a digit is mistyped, or two are swapped.": "校验位错误：有一位输错，或有两位颠倒。",
    "It has {} characters; no account number has more than {}.": "共 {} 个字符，账号最多 {} 个字符。",
    "The same digit throughout is no card number.": "全为同一数字，不是银行卡号。",
    "The same digit throughout is no account number.": "全为同一数字，不是账号。",
    "A wallet is a WeChat openid (28 characters from o) or an Alipay user id (16 digits from 2088).": (
        "钱包账号为微信 openid（以 o 开头共 28 位）或支付宝用户号（以 2088 开头共 16 位数字）。"
    ),
    "Its check digits are wrong: a character is mistyped or missing, or two are swapped.": (
        "校验位错误：有字符输错或缺失，或有两位颠倒。"
    ),
    "No country's IBANs begin with {}.": "没有以 {} 开头的 IBAN。",
    "IBANs that begin with {} have another form; this one has {} characters.": (
        "以 {} 开头的 IBAN 格式不同；该账号有 {} 个字符。"
    ),
    "{} of its characters are not digits, spaces or dashes.": "有 {} 个字符不是数字、空格或连字符。",
    "It has {} digits; {} has {} to {}.": "共 {} 位数字；{}应为 {} 至 {} 位。",
    "{}:{} may not do this to the account, only {}.": "{}:{} 不能对该账户执行此操作，仅限：{}。",
    "Delete it first: `schedules delete {}`.": "请先删除：`schedules delete {}`。",
    "It is another merchant's withdrawal.": "这是其他商家的提现。",
    "Their access has ended, or they have another role now.": "其登录权限已终止，或角色已变更。",
    "No one approves their own request.": "申请人不能批准自己的申请。",
    "This person approved it already.": "此人已批准过。",
    "Two people said so already.": "已有两人确认。",
    "It can be resolved from {}.": "自 {} 起可以核定。",
    "{} were asked for today.": "今日已申请 {}。",
    "It is short by {}.": "尚差 {}。",
    "The account is in {}.": "收款账户的币种为 {}。",
    "Until {}.": "至 {}。",
    "It owes {}.": "欠款 {}。",
    "Orders claim this payment under the reference {}.": "订单须以编号 {} 引用该笔支付。",
    "It turns over at the policy's midnight.": "额度按规则所定的零点重新计算。",
    "A merchant does not choose the policy.": "商家不能选择规则。",
    "Only an operator says that a merchant leaves.": "只有运营人员可声明商家清退。",
    "Allowed: {}.": "允许：{}。",
    "At least {}.": "至少 {}。",
    "The payout is on the rail {}.": "该笔出款走 {} 渠道。",
    "The payout is in {}.": "该笔出款的币种为 {}。",
    "The payout is {}.": "该笔出款为 {}。",
    "The rail {} pays in {} only, not in {}.": "出款渠道 {} 仅支持 {}，不支持 {}。",
    "The rail {} pays to {} only, not to {}.": "出款渠道 {} 仅可付至 {}，不可付至 {}。",
    "The rail {} pays to a {}, and this is a {}.": "出款渠道 {} 付至 {}，而此账号为 {}。",
    "The schedule withdraws at least {}.": "自动提现每次至少 {}。",
    "There is no default account in {}.": "没有币种为 {} 的默认收款账户。",
    "No rail {} is set up.": "未配置出款渠道 {}。",
    "No rail {} is set up, only {}.": "未配置出款渠道 {}，仅有 {}。",
    "Bind {} first.": "请先绑定 {}。",
    "{} is another merchant's; choose another id.": "{} 属于其他商家，请另选编号。",
    "{} is in version {}; replace it.": "{} 已有第 {} 版，请用更换。",
    "Tries left: {}.": "还可尝试 {} 次。",
    "The policy has no limits in {}, only in {}; it needs [withdrawal.limits.{}].": (
        "规则没有 {} 的额度，仅有 {}；须有 [withdrawal.limits.{}]。"
    ),
    "Give its name or its code.": "请填写名称或代码。",
    "An operator sets it with `accounts merchant`.": "由运营人员以 accounts merchant 设置。",
    "The merchant is {}.": "商家户名为 {}。",
    "The merchant is frozen.": "商家已被冻结。",
    # the console's own
    "Another reviewer has claimed it.": "已被其他审核员认领。",
    "This sign-in was not begun here.": "此次登录并非由此发起。",
    "The provider of identities did not sign you in.": "身份提供方未完成登录。",
    "You are not known here; an operator may add you.": "尚未登记您的账号，可请运营人员添加。",
    "This sign-in took too long; begin again.": "登录超时，请重新开始。",
    "The provider's answer is not valid.": "身份提供方的答复无效。",
    "The provider did not ask you to sign in again.": "身份提供方没有要求重新登录。",
    "No such person may sign in.": "此人不能登录。",
    "This person's access has ended.": "此人的权限已终止。",
}
NAMES: Mapping[str, str] = {
    "credit": "入账与结算",
    "payout": "结算与提现",
    "all": "全部",
    "merchant": "商家",
    "buyer": "买家",
    "operator": "运营人员",
    "reviewer": "审核人员",
    "carrier": "快递公司",
    "channel": "支付渠道",
    "rail": "出款渠道",
    "system": "系统",
    "storefront": "商城",
    "order": "订单",
    "a card number": "银行卡号",
    "a company account": "对公账号",
    "withdrawal": "提现",
    "opening": "创建中",
    "screening_held": "商品审核中",
    "awaiting_shipment": "待发货",
    "shipped": "已发货",
    "credited": "已入账",
    "settled": "已结算",
    "cancelled": "已取消",
    "refunded": "已退款",
    "refunding": "退款中",
    "applied": "已申请",
    "proposed": "待买家答复",
    "refused": "已拒绝",
    "awaiting_return": "待寄回",
    "returning": "退货中",
    "inspecting": "验货中",
    "arbitration": "平台仲裁",
    "disputed": "拒付中",
    "claimed": "待买家补付",
    "charging": "收款中",
    "closed": "已关闭",
    "exchanged": "已换货",
    "won": "胜诉",
    "lost": "败诉",
    "replacing": "待换货",
    "replacement_sent": "换货运输中",
    "replacement_delivered": "换货已送达",
    "paid_back": "已补付",
    "unpaid": "未补付",
    "requested": "已申请",
    "in_approval": "待批准",
    "approved": "已批准",
    "submitting": "提交中",
    "submitted": "银行处理中",
    "unknown": "结果未知",
    "in_suspense": "待查",
    "paid": "已付款",
    "final": "已完成",
    "returned": "已退回",
    "failed": "失败",
    "rejected": "已驳回",
    "express": "快递",
    "pickup": "自提",
    "local": "同城配送",
    "virtual": "虚拟商品",
    "ship_by": "发货期限",
    "pickup_by": "揽收期限",
    "receipt_by": "收货期限",
    "undelivered_by": "送达期限",
}
"""Codes that stand in details."""


def detail_zh(detail: str) -> str:
    """A detail in Chinese; as it is, where it has none of these forms."""
    return (
        _VALUES.said(detail)
        or _FORMS.said(detail)
        or _fields_zh(detail)
        or field_zh(detail)
        or _OF_COMMANDS.said(detail)
        or detail
    )


def _fields_zh(detail: str) -> str | None:
    """What is wrong with each of several fields: `path: what; path: what`."""
    found = []
    for part in detail.split("; "):
        path, _, what = part.partition(": ")
        if (said := field_zh(what)) is None:
            return None
        found.append(f"{path}：{said}")
    return "；".join(found)


def field_zh(detail: str) -> str | None:
    """What is wrong with one field, in Chinese; None where it has none of these forms."""
    return _FIELDS.said(detail)


def _named(part: str) -> str:
    """Codes by their names, several of them in a Chinese row; a length of time in Chinese units."""
    codes = re.split(r", | or ", part)
    if all(code in NAMES for code in codes):
        return "、".join(NAMES[code] for code in codes)
    return spelled_zh(part) or _carriers_zh().get(part, part)


@cache
def _carriers_zh() -> Mapping[str, str]:
    from core.audit.waybills import CARRIERS  # whose table is read by what refuses

    return {carrier.name: carrier.name_zh for carrier in CARRIERS.carriers}


_ONE_OF = "{}: must be one of {}."
_FORMS = Forms(DETAILS | HTTP_DETAILS, _named)
_VALUES = Forms({_ONE_OF: HTTP_DETAILS[_ONE_OF]})
"""What goes into a request stays as the request has it."""


def _within(part: str) -> str:
    """A detail within another; one that is longer than any of ours is a sender's, and may hold itself without end."""
    return detail_zh(part) if len(part) <= LONGEST_WITHIN else part


LONGEST_WITHIN = 1_000
_OF_COMMANDS = Forms(COMMAND_DETAILS | SETTING_DETAILS, _within)
"""One of these may stand within another: `No worker polls … Nothing was sent.` What is to be typed stays as it is."""
_FIELDS = Forms({**FIELD_DETAILS, **ROW_DETAILS}, _named)
