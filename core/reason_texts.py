"""Every reason why something is refused, in English and in Chinese: the one file of these sentences.

A code is a part of the contract: it is the type of the application error that a refused update raises, and stands in
the journal of a refused signal and in a problem of the HTTP gateway. Codes are added, never renamed.
"""

from __future__ import annotations

from collections.abc import Mapping

from core.texts import Help

REASONS: Mapping[str, Help] = {
    # opening
    "invalid_order": Help("The order is not well formed.", "订单内容不符合要求。"),
    "malformed": Help("The message cannot be read.", "内容无法识别。"),
    "unknown_verb": Help("There is no command of this name.", "没有这个命令。"),
    "wrong_actor": Help("This actor may not do this.", "该操作人无权执行此操作。"),
    "unproven": Help("It is not proven that this actor sends it.", "未能证明是该操作人发出的。"),
    "order_over": Help("The order is over.", "订单已结束。"),
    "command_id_used_with_different_content": Help(
        "This command id stands for another command already; nothing was done.",
        "该命令编号已用于其他内容；本次未作任何处理。",
    ),
    "too_many_commands": Help("The order has received as many commands as it may.", "该订单收到的命令数已达上限。"),
    "order_exists_with_different_content": Help("Another order with this id exists.", "该订单号已存在，且内容不同。"),
    "order_already_open": Help(
        "This order was opened before and its money has moved; rescue it if its workflow is lost.",
        "该订单已开立且资金已变动；若其工作流丢失，请用 rescue 恢复。",
    ),
    "payment_not_found": Help(
        "The payment channel does not know this payment, or it is not paid.", "支付渠道查不到该笔支付，或尚未支付成功。"
    ),
    "payment_over_claimed": Help(
        "The orders of this payment claim more than was paid.", "该笔支付对应的订单金额之和超过实付金额。"
    ),
    "not_running": Help("No such order or withdrawal runs.", "没有正在进行的该订单或提现。"),
    "unknown_order": Help("No such order is registered.", "没有登记该订单。"),
    "payment_time": Help("The payment lies in the future or too far in the past.", "支付时间在未来，或距今过久。"),
    "unknown_policy": Help("No policy of this name is registered.", "没有登记该名称的规则。"),
    "still_running": Help("Its workflow runs.", "其工作流仍在运行。"),
    "worker_polls": Help(
        "A worker polls, or did within the last minute: stop all workers and try again in a minute.",
        "仍有工作进程在轮询，或一分钟内轮询过：请停止全部工作进程，一分钟后重试。",
    ),
    "cursor_not_in_stream": Help(
        "No event stands at this place: the stream was set back, as by a restore; read it again.",
        "该位置没有事件：事件流已被回退（例如恢复备份），请重新读取。",
    ),
    "internal_error": Help("This is a defect of Dakuan.", "这是系统缺陷。"),
    # shipping
    "already_shipped": Help("This was shipped already.", "已经发货。"),
    "already_moving": Help("A carrier has physically received a parcel of this order.", "快递公司已揽收该订单的包裹。"),
    "nothing_left_to_ship": Help("Everything in this order is shipped.", "该订单已全部发货。"),
    "unknown_line": Help("The order has no such line.", "该订单没有这一商品行。"),
    "quantity_too_large": Help("More was reported than is left to ship.", "申报数量超过待发数量。"),
    "unknown_carrier": Help("The carrier is not in the table.", "不支持该快递公司。"),
    "impossible_waybill": Help("No waybill of this carrier can have this number.", "该快递公司不可能有这样的运单号。"),
    "waybill_in_use": Help(
        "This merchant already used the number for another buyer or address.",
        "该商家已将此运单号用于其他买家或其他地址。",
    ),
    "not_released": Help("The order is not released for shipment.", "该订单尚未放行，暂不能发货。"),
    "delay_pending": Help("A later date waits for the buyer's answer already.", "已有一项延期发货申请在等待买家答复。"),
    "too_many_delays": Help(
        "The merchant asked for a later date as often as it may.", "商家申请延期发货的次数已达上限。"
    ),
    "impossible_date": Help("The date cannot be asked for.", "不能申请该日期。"),
    "no_delay_request": Help("No later date waits for an answer.", "没有等待答复的延期发货申请。"),
    "wrong_delivery_mode": Help("The order is not delivered in this way.", "该订单不是这种配送方式。"),
    "evidence_used": Help("This evidence stands for other goods already.", "该凭证已用于其他商品。"),
    "no_handover_code": Help("The order has no code.", "该订单没有收货码。"),
    "handover_tries_used_up": Help("The code was wrong as often as it may be.", "收货码输错次数已达上限。"),
    "parcel_exists": Help("The order has a parcel of this id.", "该订单已有此编号的包裹。"),
    "too_many_parcels": Help("The order has as many parcels as it may.", "该订单的包裹数已达上限。"),
    "unknown_parcel": Help("The order has no such parcel.", "该订单没有此包裹。"),
    "parcel_required": Help("Several parcels are meant; say which.", "涉及多个包裹，请指明是哪一个。"),
    "too_many_corrections": Help("The waybill was corrected as often as it may be.", "运单号更正次数已达上限。"),
    "same_waybill": Help("The parcel has this carrier and number already.", "该包裹已是此快递公司和运单号。"),
    "parcel_approved": Help("The parcel's audit is approved.", "该包裹已通过审核。"),
    # receipt
    "nothing_shipped": Help("Nothing was shipped yet.", "尚未发货。"),
    "not_fully_shipped": Help("A part of the order was not shipped yet.", "订单尚有部分商品未发货。"),
    "already_confirmed": Help("Receipt was confirmed already.", "已确认收货。"),
    "case_open": Help("An after-sale case is open.", "有售后正在处理。"),
    "too_early": Help("It is too early for this.", "时间未到，暂不能操作。"),
    "too_late": Help("It is too late for this.", "已过期限，不能操作。"),
    "too_many_extensions": Help("The receipt deadline was extended as often as it may be.", "延长收货的次数已达上限。"),
    # people
    "not_in_review": Help("Nothing is in review.", "没有等待审核的内容。"),
    "not_rejected": Help("The audit is not rejected.", "审核并未被驳回。"),
    "appeal_used": Help("The appeal was used already.", "申诉机会已用完。"),
    "reason_missing": Help("A reason must be given.", "请填写理由。"),
    "not_held": Help("The order is not held for screening.", "该订单未因商品筛查被暂扣。"),
    "already_credited": Help("The order was credited already.", "该订单已入账。"),
    "no_such_deadline": Help("No such deadline runs.", "没有正在计时的该期限。"),
    "shifted_too_far": Help("The deadline was moved as far as it may be.", "该期限已延至上限。"),
    "not_taken_back": Help("The move of the deadline cannot be taken back so far.", "该期限的顺延不能收回这么多。"),
    "no_such_hold": Help("There is no such hold.", "没有该项暂扣。"),
    "hold_exists": Help("A hold of this name exists.", "已有同名的暂扣。"),
    "needs_other_person": Help("Another person must do this.", "须由另一人操作。"),
    "no_such_refund": Help("No refund with this cause waits for a decision.", "没有该原因的退款在等待处理。"),
    # after-sale
    "no_open_case": Help("No after-sale case is open.", "没有正在处理的售后。"),
    "too_many_cases": Help("The order had as many after-sale cases as it may.", "该订单的售后次数已达上限。"),
    "after_sale_window_over": Help("The time for an after-sale case is over.", "已过售后期。"),
    "wrong_case_stage": Help("The case is not at a stage for this.", "售后当前阶段不能执行此操作。"),
    "above_refundable": Help("This is more than may still be refunded.", "超过可退金额。"),
    "above_return_freight": Help("This is more than may be given for a way back.", "超过可补偿的退货运费。"),
    "nothing_to_return": Help("Nothing was delivered that could come back.", "没有已送达、可退回的商品。"),
    "outbound_number": Help(
        "This is the number of a parcel to the buyer; the way back has one of its own.",
        "这是发给买家的运单号；退货须另用运单号。",
    ),
    "too_many_proposals": Help("As many amounts were proposed as may be.", "协商金额的提议次数已达上限。"),
    "unknown_chargeback": Help(
        "No chargeback of this reference was reported for this order.", "该订单没有此编号的拒付。"
    ),
    "chargeback_exists_with_different_content": Help(
        "A chargeback of this reference was reported with other amounts.", "此编号的拒付已上报，且金额不同。"
    ),
    "nothing_to_claim": Help(
        "This is more than can be claimed back: what went back for goods that the buyer has.",
        "超过可追回金额：仅限买家已收货商品的已退款项。",
    ),
    "several_orders": Help(
        "Several orders were paid with this payment; say which.", "该笔支付对应多个订单，请指明是哪一个。"
    ),
    "too_much_evidence": Help("This side has given as much evidence as it may.", "该方提交的凭证已达上限。"),
    # withdrawal
    "insufficient_funds": Help("The available balance is too small.", "可用余额不足。"),
    "below_minimum": Help("The amount is below the minimum.", "金额低于下限。"),
    "above_maximum": Help("The amount is above the maximum.", "金额超过上限。"),
    "daily_limit": Help("The day's count or sum of withdrawals is used up.", "当日提现次数或金额已用完。"),
    "unknown_account": Help("The merchant has no such payout account.", "该商家没有此收款账户。"),
    "account_cooling": Help(
        "The payout account is new or changed and cools off.", "收款账户为新绑定或刚变更，仍在冷静期内。"
    ),
    "account_suspended": Help("The payout account is suspended.", "收款账户已停用。"),
    "account_unverified": Help(
        "The payout account is not yet verified as the merchant's.", "尚未核实该收款账户属于此商家。"
    ),
    "rail_cannot_pay": Help("The rail cannot pay to this account.", "该出款通道不能付款到此账户。"),
    "account_exists": Help("A payout account has this id already.", "此收款账户编号已被使用。"),
    "account_number_invalid": Help("The account number cannot be right.", "账号有误。"),
    "bank_missing": Help("The account's bank is missing.", "缺少开户银行。"),
    "holder_mismatch": Help("The account's holder is not called as the merchant is.", "户名与商家名称不一致。"),
    "merchant_unnamed": Help("The merchant's name is not registered.", "尚未登记商家名称。"),
    "not_suspended": Help("The payout account is not suspended.", "收款账户并未停用。"),
    "already_verified": Help("The payout account is verified.", "收款账户已核实。"),
    "drop_under_way": Help("An amount is on its way to the account.", "验证款正在打入该账户。"),
    "drops_used_up": Help("As many amounts were sent to the account as may be.", "向该账户打验证款的次数已达上限。"),
    "drop_failed": Help("The amount could not be sent to the account.", "验证款未能打入该账户。"),
    "no_drop": Help("No amount was sent to the account as it is now.", "账户变更后尚未打过验证款。"),
    "drop_expired": Help("The amount was sent too long ago.", "验证款打款时间过久，已失效。"),
    "drop_tries_used_up": Help("A wrong amount was given too often.", "验证金额填错次数已达上限。"),
    "wrong_drop_amount": Help("This is not the amount that was sent.", "与打款金额不符。"),
    "wrong_currency": Help("The currency does not fit.", "币种不符。"),
    "already_submitted": Help("The payout was submitted to the bank.", "出款已提交银行。"),
    "not_in_approval": Help("The withdrawal does not wait for approval.", "该提现不在待审批状态。"),
    "not_unknown": Help("The payout's outcome is not unknown.", "该出款的结果并非未知。"),
    "withdrawal_over": Help("The withdrawal is over.", "提现已结束。"),
    "nothing_available": Help("Nothing is available to withdraw.", "没有可提现余额。"),
    "schedule_exists": Help(
        "The merchant's automatic withdrawals are scheduled already, otherwise.", "该商家已设有不同的自动提现计划。"
    ),
    "unknown_schedule": Help("No automatic withdrawals of this merchant are scheduled.", "该商家没有自动提现计划。"),
    "unknown_withdrawal": Help("No such withdrawal is registered.", "没有登记该提现。"),
    "unknown_payout": Help("The withdrawal has no payout with this key.", "该提现没有此编号的出款。"),
    "unknown_load": Help("No statement was loaded under this number.", "没有此编号的已导入账单。"),
    "unknown_channel": Help("No order and no setting knows this payment channel.", "没有订单或设置用到该支付渠道。"),
    "unknown_rail": Help("No payout, account or setting knows this rail.", "没有出款、账户或设置用到该出款通道。"),
    "wrong_amount": Help("The amount is not the payout's.", "与出款金额不符。"),
    "event_exists_with_different_content": Help(
        "Another event with this id was counted.", "已有此编号的事件，且内容不同。"
    ),
    "above_receivable": Help("This is more than the merchant owes.", "超过商家所欠金额。"),
    "debt_disputed": Help(
        "What this debt came from may still come back: the channel may give it back, or refuse a refund of the order.",
        "这笔欠款所涉的款项仍可能退回：支付渠道可能退还，或拒绝该订单的退款。",
    ),
    "receipt_exists_with_different_content": Help(
        "This id stands for another amount or merchant already.", "该编号已用于其他金额或商家。"
    ),
    "unknown_payment": Help("No order names this payment.", "没有订单使用该笔支付。"),
    "nothing_unclaimed": Help(
        "Orders claim all of this payment, or the rest has gone back.", "该笔支付已被订单全部认领，或余款已退回。"
    ),
    "rest_claimed": Help(
        "An order has claimed a part of it meanwhile; ask again.", "其间已有订单认领其中一部分，请重新申请。"
    ),
    "return_exists_with_different_content": Help(
        "This id stands for another payment already.", "该编号已用于其他支付。"
    ),
    "unknown_movement": Help("No movement was posted under this reference.", "没有此编号的记账。"),
    "not_correctable": Help(
        "Another record answers for this movement, or it corrects a correction.",
        "该笔记账由其他记录负责，或其本身就是更正。",
    ),
    "no_such_leg": Help("The movement has no such leg.", "该笔记账没有此分录。"),
    "above_movement": Help("This is more than is left of what the movement moved.", "超过该笔记账剩余的金额。"),
    "correction_below_zero": Help("The money is not there any more.", "这笔钱已不在账上。"),
    "correction_exists_with_different_content": Help(
        "This id stands for another correction already.", "该编号已用于其他更正。"
    ),
    "receivable_outstanding": Help("The merchant owes money.", "商家有欠款。"),
    "merchant_frozen": Help("The merchant is frozen.", "商家已被冻结。"),
    "merchant_suspended": Help("The merchant is suspended.", "商家已被停用。"),
    "merchant_leaving": Help("The merchant leaves, and takes no new order.", "商家正在退出，不再接受新订单。"),
    "deposit_kept": Help("The deposit is not given back yet.", "保证金暂不退还。"),
    "withdrawal_exists_with_different_content": Help(
        "Another withdrawal with this id exists.", "该提现编号已存在，且内容不同。"
    ),
}
"""The codes of workflows, of the register and of commands."""

HTTP_REASONS: Mapping[str, Help] = {
    "unauthorized": Help("The API key is missing, not known, or has ended.", "未提供 API 密钥，或密钥无效、已失效。"),
    "forged_form": Help(
        "This form was not ours, or it is older than the sign-in.", "该表单不是由本站发出，或早于本次登录。"
    ),
    "missing_scope": Help("The API key has no scope for this.", "该 API 密钥没有此项权限。"),
    "not_found": Help("There is nothing at this address.", "该地址没有内容。"),
    "method_not_allowed": Help("This address does not take this method.", "该地址不接受此请求方法。"),
    "idempotency_key_missing": Help(
        "A changing request needs the header Idempotency-Key: 1 to 64 of A-Z a-z 0-9 _ -.",
        "变更请求须带请求头 Idempotency-Key：1 至 64 个字符，限 A-Z a-z 0-9 _ -。",
    ),
    "idempotency_key_malformed": Help(
        "The header Idempotency-Key is not 1 to 64 of A-Z a-z 0-9 _ -, given once.",
        "请求头 Idempotency-Key 须只出现一次，为 1 至 64 个字符，限 A-Z a-z 0-9 _ -。",
    ),
    "under_way": Help("The same request is being carried out.", "相同的请求正在处理。"),
    "unreadable": Help("The body cannot be read.", "请求内容无法读取。"),
    "too_slow": Help("The body took too long to arrive.", "请求内容传输超时。"),
    "challenge_failed": Help("The endpoint did not echo the challenge.", "接收端未返回验证内容。"),
    "workflow_unnamed": Help(
        "A payload is sealed for one workflow: name it in X-Workflow-Id, or send it with starter.py.",
        "负载只能为某一个工作流加密：请用请求头 X-Workflow-Id 指明，或改用 starter.py 发送。",
    ),
    "too_many_endpoints": Help("There are as many endpoints as there may be.", "接收端数量已达上限。"),
    "too_large": Help("The body is too large.", "请求内容过大。"),
    "unsupported_media_type": Help("The body has a form that is not taken here.", "不接受该内容格式。"),
    "unknown_host": Help(
        "This gateway does not answer under the name in the header Host.", "本网关不以请求头 Host 中的名称提供服务。"
    ),
    "unknown_version": Help("This version of the interface is not served.", "不提供该接口版本。"),
    "too_many_requests": Help("This sender asks more often than it may.", "请求过于频繁。"),
    "unavailable": Help("Something that is needed does not answer.", "所需服务暂无响应。"),
}
"""The codes of the HTTP gateway itself."""
