"""The details that the HTTP gateway gives with a reason, in Chinese; see `core.reason_details`."""

from __future__ import annotations

HTTP_DETAILS: dict[str, str] = {
    # who asks
    "The key {} lacks the scope {}.": "密钥 {} 没有权限 {}。",
    "This key speaks for merchant {} alone.": "此密钥仅代表商家 {}。",
    "actor: say for whom, such as {}.": "actor：请说明代表谁，例如 {}。",
    "A storefront speaks for a merchant or a buyer only.": "店铺只能代表商家或买家。",
    "Only a storefront starts orders: it is the one that saw the payment.": "只有店铺可以创建订单：付款由店铺确认。",
    "Ask from Temporal's Web UI (DAKUAN_TEMPORAL_UI), or with an API key.": (
        "请从 Temporal 网页（DAKUAN_TEMPORAL_UI）访问，或使用 API 密钥。"
    ),
    "Sign in at the console first, in this browser.": "请先在此浏览器登录控制台。",
    "Payloads are for operators.": "负载仅供运营人员查看。",
    "A merchant's key opens no payloads: they are everyone's.": "商家密钥不能打开负载：其中含所有商家的数据。",
    # headers
    "The setting DAKUAN_HTTP_HOSTS names the hosts that are served.": "可用的主机名由设置 DAKUAN_HTTP_HOSTS 给出。",
    "{}: {} is not served; {} is.": "{}：不提供 {}，请用 {}。",
    "Send Content-Length or Transfer-Encoding, not both.": "Content-Length 与 Transfer-Encoding 只能用其一。",
    "{}: is the header Idempotency-Key; leave it out.": "{}：由请求头 Idempotency-Key 给出，请勿填写。",
    # bodies
    "A body has at most {} bytes.": "请求内容最多 {} 字节。",
    "A form has at most {} bytes.": "表单最多 {} 字节。",
    "A body arrives within {} seconds.": "请求内容须在 {} 秒内送达。",
    "The body starts with a byte order mark: send UTF-8 without one.": "内容带有字节顺序标记，请去掉。",
    "The body must be one JSON object.": "内容须为一个 JSON 对象。",
    "The body is not UTF-8.": "内容不是 UTF-8。",
    "The connection ended within the body.": "内容未传完，连接已中断。",
    "The form has characters that no text of ours has.": "表单含不可用的字符。",
    "Send JSON in UTF-8 as Content-Type: application/json.": "请以 Content-Type: application/json 发送 UTF-8。",
    "Send the body as it is, without Content-Encoding.": "请勿压缩内容，也勿带 Content-Encoding。",
    "Send an object with the list `payloads`, as Temporal's tools do.": (
        "请与 Temporal 工具一样，发送含列表 payloads 的对象。"
    ),
    "Send at most {} payloads and marks at once.": "一次最多发送 {} 个负载及标记。",
    # addresses
    "{}: is not a query parameter; known are {}.": "{}：不是可用的查询参数；可用：{}。",
    "{}: is not a query parameter; there are none.": "{}：不是可用的查询参数；此处没有查询参数。",
    "{}: is given more than once.": "{}：重复给出。",
    "{}: {} is not a whole number from {} to {}.": "{}：{} 不是 {} 至 {} 的整数。",
    "{}: {} is not 1 to 100 of A-Z a-z 0-9 _ / -": "{}：{} 不是 1 至 100 个字符（限 A-Z a-z 0-9 _ / -）",
    "{}: must be 1 to {} printable characters.": "{}：须为 1 至 {} 个可见字符。",
    "month: {} is not a month such as 2026-12.": "month：{} 不是月份，格式如 2026-12。",
    "merchant: {} is not 1 to 64 of A-Z a-z 0-9 _ -": "merchant：{} 不是 1 至 64 个字符（限 A-Z a-z 0-9 _ -）",
    "{}: is not for the sender to say.": "{}：不能由发送方填写。",
    "cursor: is not the next_cursor of a statement of these days; leave it out for the first page.": (
        "cursor：不是这段日期对账单的 next_cursor；取第一页时请省略。"
    ),
    "cursor: is not the next_cursor of a list; leave it out for the first page.": (
        "cursor：不是列表给出的 next_cursor；首页请勿填写。"
    ),
    "types: at most {} at a time.": "types：一次最多 {} 个。",
    "to: must be from 0 to {} days after from.": "to：须在 from 当日至其后 {} 天之间。",
    "merchant_id: say whose money it is.": "merchant_id：请填写是哪个商家的资金。",
    "withdrawal_id: {} is the address of another question.": "withdrawal_id：{} 是另一接口的地址。",
    "{}: {} is not a positive number, such as 120.50.": "{}：{} 不是正数，格式如 120.50。",
    "{}: {} has {} decimals; {} has more.": "{}：{} 有 {} 位小数，{} 的小数位更多。",
    "{}: {} {} is more than can be moved at once.": "{}：{} {} 超过单笔上限。",
    "{}: must be above zero.": "{}：须大于零。",
    "currency: {} is not an ISO 4217 code, such as CNY.": "currency：{} 不是 ISO 4217 币种代码，如 CNY。",
    "{}: must be one of {}.": "{}：须为 {} 之一。",
    "types: {} is no type of event.": "types：没有事件类型 {}。",
    "types: {} is no type of event. Did you mean {}?": "types：没有事件类型 {}；是否指 {}？",
    # where webhooks go
    "url: has a login in it; a webhook is proven by its signature.": "url：不得含登录信息；webhook 由签名证明。",
    "url: has a fragment (#…), which is never sent.": "url：不得含片段（#…），它不会被发送。",
    "url: must begin with https://.": "url：须以 https:// 开头。",
    "url: has the port {}; allowed are {}.": "url：不能用端口 {}；可用：{}。",
    "url: must be printable ASCII without spaces, at most {} characters; write names in punycode.": (
        "url：须为不含空格的可见 ASCII 字符，最多 {} 个；域名请用 punycode。"
    ),
    "url: is not an address such as https://shop.example/webhooks.": (
        "url：不是网址，格式如 https://shop.example/webhooks。"
    ),
    "url: names a machine that is not public.": "url：所指主机不是公网主机。",
    "url: must have a full name, such as shop.example.": "url：须为完整域名，如 shop.example。",
    "url: has a name with an empty part, or one of more than {} characters.": (
        "url：域名中有一段为空，或超过 {} 个字符。"
    ),
    "url: leads to {}, which is not a public address.": "url：指向 {}，不是公网地址。",
    "url: leads to {}, which is this machine.": "url：指向 {}，即本机。",
    # JSON
    "line {}: something follows after the JSON value": "第 {} 行：JSON 值之后还有内容",
    "line {}, column {}: not JSON: {}": "第 {} 行第 {} 列：不是 JSON：{}",
    "line {}: nested too deeply": "第 {} 行：嵌套过深",
    "line {}: a string holds half a character (a lone surrogate)": "第 {} 行：文本含半个字符（孤立的代理项）",
    "line {}: the key {} stands twice in one object": "第 {} 行：同一对象中字段 {} 出现两次",
    "line {}: a number has {} digits": "第 {} 行：有一个 {} 位的数字",
    "line {}: the number {} is too large": "第 {} 行：数字 {} 过大",
    "line {}: {} is not JSON": "第 {} 行：{} 不是 JSON",
    # what is not there, or cannot be
    "{} is taken: choose another id.": "{} 已被占用，请换一个编号。",
    "The order has no such parcel.": "该订单没有此包裹。",
    "The file of DAKUAN_PAYMENT_EVENTS has no such channel.": "DAKUAN_PAYMENT_EVENTS 的文件中没有此渠道。",
    "No codec is set here: payloads are plain.": "此处未设置编解码：负载未加密。",
    "The namespace {} is not ours.": "命名空间 {} 不属于本系统。",
    "There are {} endpoints: remove one first.": "已有 {} 个接收端，请先删除一个。",
    "At most {} commands an hour to one {}.": "每小时最多 {} 个命令（同一{}）。",
    "At most {} writes a second.": "每秒最多 {} 次写入。",
    "At most {} reads a second.": "每秒最多 {} 次读取。",
    "At most {} a second from one address.": "同一地址每秒最多 {} 次。",
    "Too many wrong keys came from this address.": "此地址发来的错误密钥过多。",
    "At most {} {} of one sender, and {} at a time.": "每个发送方最多 {} 个（{}），合计最多 {} 个。",
    "At most {} secrets sign at a time.": "同时签名的密钥最多 {} 个。",
    "At most 6 challenges a minute.": "每分钟最多验证 6 次。",
    "The endpoint did not echo the challenge: {}.": "接收端未返回验证内容：{}。",
    "The endpoint never echoed a challenge: set its state to active.": "接收端未通过验证：请将状态设为 active。",
    "Give one of event, subject and since.": "请填写 event、subject、since 之一。",
    "The stream has no such event.": "没有该事件。",
    "The stream has no event of this subject.": "没有该对象的事件。",
}
