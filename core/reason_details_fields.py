"""What is wrong with one field, in Chinese: what the models of messages say, and what pydantic says of a type.

`{}` stands for what only the case knows; see `core.reason_details`.
"""

from __future__ import annotations

FIELD_DETAILS: dict[str, str] = {
    # texts
    "Field required": "必填",
    "String should have at least {} character": "至少 {} 个字符",
    "String should have at least {} characters": "至少 {} 个字符",
    "String should have at most {} character": "最多 {} 个字符",
    "String should have at most {} characters": "最多 {} 个字符",
    "String should match pattern '^[A-Za-z0-9_-]{{1,64}}$'": "须为 1 至 64 个字母、数字、_ 或 -",
    "String should match pattern '^[A-Za-z0-9_-]{{1,100}}$'": "须为 1 至 100 个字母、数字、_ 或 -",
    "String should match pattern '^[a-z0-9_-]{{1,64}}$'": "须为 1 至 64 个小写字母、数字、_ 或 -",
    "String should match pattern '^[a-f0-9]{{64}}$'": "须为 64 位十六进制的 SHA-256",
    "String should match pattern '{}'": "须符合格式 {}",
    "Input should be a valid string": "须为文本",
    "contains the control character U+{}": "含有控制字符 U+{}",
    "must be the name of a region, and holds what looks like a phone number": "须为地区名称，不得含有疑似电话号码",
    # numbers and amounts
    "Input should be a valid integer": "须为整数",
    "Input should be a valid integer, got a number with a fractional part": "须为整数，不能带小数",
    "Input should be a valid integer, unable to parse string as an integer": "须为整数",
    "Input should be a valid number": "须为数字",
    "Input should be a valid number, unable to parse string as a number": "须为数字",
    "Unable to parse input string as an integer, exceeded maximum size": "数字过大",
    "Input should be greater than or equal to {}": "不得小于 {}",
    "Input should be less than or equal to {}": "不得大于 {}",
    "Input should be greater than {}": "须大于 {}",
    "Input should be less than {}": "须小于 {}",
    "must be an ISO 4217 code, such as CNY": "须为 ISO 4217 币种代码，如 CNY",
    # choices, times, lists, objects
    "Input should be {}": "可选值：{}",
    "Input should be a valid boolean": "须为 true 或 false",
    "must be an RFC 3339 time with an offset, such as {}": "须为带时区的 RFC 3339 时间，如 {}",
    "must lie between {} and {}": "年份须在 {} 至 {} 之间",
    "must be a duration such as 90s, 30m, 48h or 3d, not {}": "须为时长，如 90s、30m、48h、3d，不能是 {}",
    "must be a duration with its unit, such as 90s, 30m, 48h or 3d": "须为带单位的时长，如 90s、30m、48h、3d",
    "must be between 0s and 3650d": "须在 0s 至 3650d 之间",
    "must be whole milliseconds": "须为整毫秒",
    "must be a list": "须为列表",
    "must be an object": "须为对象",
    "Tuple should have at least {} item after validation, not {}": "至少 {} 项，现有 {} 项",
    "Tuple should have at least {} items after validation, not {}": "至少 {} 项，现有 {} 项",
    "Tuple should have at most {} item after validation, not {}": "最多 {} 项，现有 {} 项",
    "Tuple should have at most {} items after validation, not {}": "最多 {} 项，现有 {} 项",
    "unknown key": "没有此字段",
    "unknown key; did you mean {}?": "没有此字段；是否指 {}？",
    "unknown key; known: {}": "没有此字段；可用：{}",
    "is made by the gateway, which knows the sender": "由网关填写，请勿提供",
    # orders
    "an order that the buyer collects needs the hash of the buyer's code": "自提订单须有买家取货码的哈希",
    "nothing is handed over by code where delivery_mode is {}": "配送方式为{}时没有取货码",
    "two lines have the same line_id": "有两行的 line_id 相同",
    "the goods, {}, are more than can be moved at once": "商品金额 {} 超过单次上限",
    "{} is more than the goods, {}": "{} 超过商品金额 {}",
    "goods {} + freight {} - discount {} is {}, not {}": "商品 {} + 运费 {} - 优惠 {} 应为 {}，而不是 {}",
    "{} does not cover total_minor {}": "{} 不足订单总额 {}",
    # refunds and cases
    "a refund is of lines or of an amount, not of both": "按商品行或按金额退款，只能选一种",
    "it goes with lines; an amount above all goods is freight": "仅可与商品行同填；超过商品金额的部分即为运费",
    "a line stands there twice": "有商品行重复",
    "a text or a reference must be given": "请填写说明或链接",
    "a case is about lines or about an amount, not both": "售后按商品行或按金额，只能选一种",
    "an amount goes with refund_only; goods that come back are lines": "金额仅用于仅退款；退货请填商品行",
    "a part has an amount, all and none have none": "部分退款须填金额；全部或不退则不填",
    "nothing comes back for nothing": "不退款则无须退货",
    "freight goes back with a refund; give a part": "运费随退款一并给付，请选择部分退款",
    "the buyer bears the way back, and gets nothing for it": "退货运费由买家承担时没有补偿",
    "one that is opened has an amount, its end has none": "发起拒付须填金额；结果不填",
    "fee and due date come as it is opened": "手续费与举证期限仅在发起时填写",
    # proofs
    "a key of one actor names the role, too; else a merchant's key signs as an operator": "限定操作人的密钥须写明角色",
    "without a root key no proof can be believed": "没有根密钥则无法验证任何证明",
}
