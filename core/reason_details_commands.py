"""What a command says of its options, its files and Temporal, in Chinese; see `core.reason_details`.

Names of options, programs and fields stay as they are typed.
"""

from __future__ import annotations

COMMAND_DETAILS: dict[str, str] = {
    # who, which, how long
    "undo: {} moved no order": "undo：{} 未顺延过任何订单",
    "undo: {} moved {}, not {}": "undo：{} 顺延的是 {}，不是 {}",
    "where: say which orders, such as merchant=m-1": "where：请指明订单范围，例如 merchant=m-1",
    "by: less than nothing, such as -3d, goes with --undo ID, and only with it": (
        "by：负的时长（如 -3d）须与 --undo ID 同用，且 --undo 仅用于此"
    ),
    "--as {} is not ROLE:ID, such as merchant:m-7": "--as {} 须为“角色:编号”，如 merchant:m-7",
    "--as {} is not ROLE:ID, such as operator:o-1": "--as {} 须为“角色:编号”，如 operator:o-1",
    "by: say who does it with --by ROLE:ID, such as operator:ann": "by：请以 --by 指明操作人，如 operator:ann",
    "{}:{} may not do this, only an operator.": "{}:{} 无权执行，仅限运营人员。",
    "{}:{} may not do this, only operator or reviewer.": "{}:{} 无权执行，仅限运营人员或审核人员。",
    "{} may not do this to a policy, only an operator.": "{} 无权更改规则，仅限运营人员。",
    "{} by an operator or reviewer.": "{}，仅限运营人员或审核人员。",
    "A basket is refunded": "退还合并支付",
    "A movement is corrected": "更正账目",
    "A load is withdrawn": "撤回导入",
    "A debt is given up": "核销欠款",
    "A rest is given back": "退回余款",
    # instead of a correction
    "refund_order gives a buyer money back; a hold stops what is still to move.": (
        "退款请用 refund_order；扣留可阻止尚未转移的款项。"
    ),
    "A correction of a correction is final.": "对更正的更正为最终结果。",
    "A payout is put right by what its rail reports, or by resolve_unknown.": (
        "出款以通道上报结果或 resolve_unknown 更正。"
    ),
    "--reason: say in 1 to {} characters why": "--reason：请以 1 至 {} 个字符说明原因",
    "{}: {} is not 1 to 64 of A-Z a-z 0-9 _ -": "{}：{} 不是 1 至 64 个字符（限 A-Z a-z 0-9 _ -）",
    "grade: {} is not 1 to 40 of a-z 0-9 _ -": "grade：{} 不是 1 至 40 个字符（限 a-z 0-9 _ -）",
    "--lang: {} is not a language we speak; en or zh": "--lang：不支持语言 {}，请用 en 或 zh",
    "--to: it lies before --from": "--to：早于 --from",
    "until: {} has passed": "until：{} 已过",
    "What was typed is not UTF-8.": "输入内容不是 UTF-8。",
    "This is a defect of Dakuan: {}": "详情：{}",
    "There is no command {} of an order. Known: {}.": "订单没有命令 {}。可用：{}。",
    "There is no command {} of a withdrawal. Known: {}.": "提现没有命令 {}。可用：{}。",
    "The body and the option disagree about {}.": "内容与选项所给的 {} 不一致。",
    # options that exclude each other
    "Give either --every 1d or --cron '0 9 * * MON'.": "请给出 --every 1d 或 --cron '0 9 * * MON' 之一。",
    "every: must be a minute at least": "every：至少一分钟",
    "timezone: goes with --cron; an interval has none": "timezone：须与 --cron 同用；固定间隔没有时区",
    "Give either an ID, --all or --restored-to.": "请给出编号、--all 或 --restored-to 之一。",
    "apply: goes with --all; one ID is restarted without it.": "apply：须与 --all 同用；单个编号无需此选项。",
    "while_polling: goes with --restored-to.": "while_polling：须与 --restored-to 同用。",
    "Or give --while-polling. It is {}.": "或使用 --while-polling。正在轮询：{}。",
    "--won or --lost, not both": "--won 与 --lost 只能用其一",
    "--amount reports a chargeback, --won or --lost its end: give one of them": (
        "--amount 上报拒付，--won 或 --lost 上报结果：请给出其一"
    ),
    "seal-with: goes without --drop": "seal-with：不能与 --drop 同用",
    "terms: give one of {}": "terms：请给出其一：{}",
    # orders, withdrawals, payments
    "--line {} is not LINE:UNITS, such as 1:2": "--line {} 须为“商品行:件数”，如 1:2",
    "--leg {} is not N:AMOUNT, such as 1:12.50": "--leg {} 须为“序号:金额”，如 1:12.50",
    "Leg {} is short by {}.": "分录 {} 尚差 {}。",
    "{} is short by {}. Nothing was posted.": "{} 尚差 {}。未入账。",
    "It has 1 to {}, not {}.": "分录为 1 至 {}，没有 {}。",
    "Order {} is closed and its money is where it belongs.": "订单 {} 已关闭，款项已归位。",
    "The register has no penny drop {}.": "没有登记验证款 {}。",
    "There is nothing to rescue of order {}.": "订单 {} 无需恢复。",
    "There is nothing to rescue of withdrawal {}.": "提现 {} 无需恢复。",
    "The workflow of order {} has ended: its clock stands still.": "订单 {} 的工作流已结束，时间不再推进。",
    "The workflow of withdrawal {} has ended: its clock stands still.": "提现 {} 的工作流已结束，时间不再推进。",
    "{} is not of this basket": "{} 不属于该笔合并支付",
    "Several channels know this payment: {}. Say which with --channel.": (
        "有多个渠道知道该笔支付：{}。请以 --channel 指明。"
    ),
    "{}; known: {}": "{}；可用：{}",
    "{} looks at {} {} already.": "{} 已在审核 {} {}。",
    "{} is not yours to give back.": "{} 不是您认领的，不能放弃。",
    "Orders of the merchant are open.": "商家尚有未完结的订单。",
    "From {} on.": "自 {} 起可以。",
    "commission_bps: {} is not 0 to 10000 basis points": "commission_bps：{} 不是 0 至 10000 个基点",
    "carrier: {} is not in the table; did you mean: {}": "carrier：不支持快递公司 {}；是否指：{}",
    "none like it": "没有相近的",
    "none": "无",
    # accounts
    "last4: the last four come from the number; leave --last4 away": "last4：末四位取自账号，请去掉 --last4",
    "last4: give the number instead, or with --token what the rail calls it": (
        "last4：请改为提供账号，或以 --token 提供通道的标识"
    ),
    "last4: must be the last four digits or letters, and no more": "last4：须恰为末四位数字或字母",
    "number: either --number or --number-file": "number：--number 与 --number-file 只能用其一",
    "number: give it on standard input or with --number-file FILE": (
        "number：请从标准输入提供，或使用 --number-file 文件"
    ),
    "number_file: {} cannot be read: {}": "number_file：{} 无法读取：{}",
    # keys, people, endpoints, licences
    "key: {} is not the visible part of a key; `keys list` has them": ("key：{} 不是密钥的可见部分；见 `keys list`"),
    "key: {} was replaced by {}: rotate that one": "key：{} 已由 {} 取代，请轮换后者",
    "key: {} ends {}: give the new one --days of its own": "key：{} 于 {} 到期，请以 --days 给新密钥自己的期限",
    "scope: {} is not one of {}": "scope：{} 不在可选值之列：{}",
    "endpoint: {} is not known; `endpoints list` has them": "endpoint：没有推送地址 {}；见 `endpoints list`",
    "endpoint: {}": "endpoint：{}",
    "person: {} is not known; `people list` has them": "person：没有登记 {}；见 `people list`",
    "person: {} was never here; without --again they are added": "person：{} 从未添加过；添加时请去掉 --again",
    "subject: {} is {}; one person has one id, also when they come back": (
        "subject：{} 已是 {}；一人一个编号，重新启用时亦然"
    ),
    "person: {} is {}; say the id as it is": "person：{} 即 {}；请按登记的写法填写编号",
    "subject: {} is {}, not {}; `people link` gives them another, and no one else this id": (
        "subject：{} 登录用的是 {}，不是 {}；本人更换登录身份请先用 `people link`，编号不得转给他人"
    ),
    "subject: {} is or was another person's; a subject is one person's for ever": (
        "subject：{} 属于或曾属于另一人；登录身份用过后不再给他人"
    ),
    "person: the access of {} ended at {}; --again lets them come back": (
        "person：{} 已于 {} 停用；如需重新启用，请用 --again"
    ),
    "role: {} was {}; no one changes between a merchant and the platform under one id": (
        "role：{} 曾为 {}；同一编号不得在商家与平台之间变更"
    ),
    "person: {} is here as {}; `people end` comes first": "person：{} 现为 {}；请先执行 `people end`",
    "--role: {} is not one of {}": "--role：{} 不在可选值之列：{}",
    "--merchant: staff of a merchant need one, and no one else has one": "--merchant：商家员工必填，其他人不填",
    "DAKUAN_OIDC_ISSUER is not set: people sign in at a provider of identities": (
        "未设置 DAKUAN_OIDC_ISSUER：人员须由身份提供方登录"
    ),
    "licence: no rule asks for {}; known: {}": "licence：没有规则要求 {}；可用：{}",
    "licence: {} has no licence {}": "licence：{} 没有许可 {}",
    "for: system proves nothing; name the role of a sender": "for：system 不作证明，请填写发送方的角色",
    "--secret: is not whsec_ and at least 24 bytes in base64": "--secret：须为 whsec_ 加至少 24 字节的 base64",
    "drop: {} seals; seal with another first": "drop：{} 正用于加密，请先改用另一密钥",
    "{}: {} is not one of {}": "{}：{} 不在可选值之列：{}",
    # policies, codes
    "code: {} is no code of the contract; did you mean: {}": "code：没有代码 {}；是否指：{}",
    "code: {} is no code of the contract; `explain` alone lists all": "code：没有代码 {}；`explain` 列出全部",
    "country: {} is none that the package holidays knows, such as CN or BR": (
        "country：没有 {} 的节假日数据，格式如 CN 或 BR"
    ),
    "country: no holiday of {} is known in these years": "country：这些年份没有 {} 的节假日数据",
    "--against: there is no {}; say with which policy to compare": "--against：没有 {}；请指明与哪个规则比较",
    "The policy {} points to another text, and only the database's owner moves it: set DATABASE_OWNER_URL": (
        "规则 {} 指向另一内容，只有数据库所有者可以更改：请设置 DATABASE_OWNER_URL"
    ),
    "policy: withdrawal.proofs: proofs have a table of their own, [proofs]": (
        "policy：withdrawal.proofs：身份证明须写在 [proofs] 中"
    ),
    "policy: not TOML: {}": "policy：不是 TOML：{}",
    "policy: {}": "policy：{}",
    # files
    "{} is larger than {} MB; split it": "{} 超过 {} MB，请拆分",
    "{} is larger than {} MB": "{} 超过 {} MB",
    "{} cannot be read: {}": "{} 无法读取：{}",
    "{} cannot be written: {}": "{} 无法写入：{}",
    "{} cannot be used: {}": "{} 无法使用：{}",
    "the report {} cannot be written: {}": "报告 {} 无法写入：{}",
    "{}, line {}: byte {} is not UTF-8; save it as UTF-8 (in Excel: CSV UTF-8)": (
        "{} 第 {} 行：字节 {} 不是 UTF-8；请另存为 UTF-8（Excel 中选“CSV UTF-8”）"
    ),
    "{}, line {}: byte {} is not UTF-8; it seems to be UTF-16 without its mark; save it as UTF-8"
    " (in Excel: CSV UTF-8)": (
        "{} 第 {} 行：字节 {} 不是 UTF-8，似为无标记的 UTF-16；请另存为 UTF-8（Excel 中选“CSV UTF-8”）"
    ),
    "{} begins with the mark of {} and is not {}; save it as UTF-8 (in Excel: CSV UTF-8)": (
        "{} 以 {} 标记开头，但不是 {}；请另存为 UTF-8（Excel 中选“CSV UTF-8”）"
    ),
    "{}: there is no order in it: it is empty": "{}：没有订单，内容为空",
    "there is no order in it: it is empty": "没有订单，内容为空",
    "there is no order in it: the array is empty": "没有订单，数组为空",
    "a comma or ] is missing here": "此处缺少逗号或 ]",
    "something follows after the array": "数组之后还有内容",
    "file: {} does not exist": "file：{} 不存在",
    "file: {} exists; a key is never written over": "file：{} 已存在，密钥从不覆盖",
    "file: {}: {}": "file：{}：{}",
    "root: {} is not a root key; `keys root FILE` makes one": "root：{} 不是根密钥；可用 `keys root FILE` 生成",
    "heads: {} cannot be read: {}": "heads：{} 无法读取：{}",
    "heads: {} cannot be written: {}": "heads：{} 无法写入：{}",
    "heads: {} holds no head; `seal --heads` adds one": "heads：{} 中没有链首；`seal --heads` 可添加",
    "heads: line {} of {} is not NUMBER:HASH": "heads：第 {} 行（{}）不是“编号:哈希”",
    "heads: {} keeps {}, and seal {} is now {}: the chain was written anew. Nothing was added; `verify-chain --heads`"
    " names what differs": (
        "heads：{} 记有 {}，而封存 {} 现为 {}：链已被改写。未添加任何内容；`verify-chain --heads` 指出差异"
    ),
    "--header: {} is not NAME:VALUE": "--header：{} 须为“名称:值”",
    "--headers: a line is not NAME: VALUE": "--headers：有一行不是“名称: 值”",
    "--headers: every value of the JSON object must be a string": "--headers：JSON 对象的每个值须为文本",
    "--headers: it is neither lines of NAME: VALUE nor a JSON object: {}": (
        "--headers：既不是“名称: 值”各一行，也不是 JSON 对象：{}"
    ),
    "--older-than: {} is less than {}d": "--older-than：{} 少于 {} 天",
    # exports of orders, statements
    "mapping {}: say under [columns] or [values] what is {}": "mapping {}：请在 [columns] 或 [values] 中说明 {}",
    "mapping {}: {}": "mapping {}：{}",
    "status: it is not paid but {}": "status：尚未支付，而是 {}",
    "line_quantity: {} is no whole number": "line_quantity：{} 不是整数",
    'paid_at: {} names no zone: say `offset` in the mapping, such as "+08:00"': (
        'paid_at：{} 没有时区：请在 mapping 中写明 `offset`，如 "+08:00"'
    ),
    "delivery_mode: column {} has {}; it must be {} or empty": "delivery_mode：列 {} 为 {}；须为 {} 或留空",
    "delivery_mode: [values] has {}; it must be {} or empty": "delivery_mode：[values] 为 {}；须为 {} 或留空",
    "delivery_mode: column {} has {}; it must be {} or empty; the mapping's [modes] knows {}": (
        "delivery_mode：列 {} 为 {}；须为 {} 或留空；mapping 的 [modes] 有 {}"
    ),
    "delivery_mode: [values] has {}; it must be {} or empty; the mapping's [modes] knows {}": (
        "delivery_mode：[values] 为 {}；须为 {} 或留空；mapping 的 [modes] 有 {}"
    ),
    "kind: {} is none of a channel's: {}": "kind：{} 不是支付渠道的类型；可用：{}",
    "kind: {} is none of a rail's: {}": "kind：{} 不是出款通道的类型；可用：{}",
    "net: gross less fee is {}, not {}": "net：总额减手续费为 {}，不是 {}",
    "{} offers no statements over its API: give its settlements with --file": (
        "{} 不能通过接口提供结算单：请以 --file 提供"
    ),
    "line_id: {}: given otherwise before, or twice in this statement; a line is never changed, a correction is a"
    " further line under an id of its own": (
        "line_id：{}：此前内容不同，或在此账单中重复；账单行从不更改，更正须用新编号另加一行"
    ),
    "{} has an XML document type, which no statement needs": "{} 含 XML 文档类型声明，对账单无需此项",
    "{} is broken XML: {}": "{} 的 XML 已损坏：{}",
    "FrToDt: {} to {} is no time": "FrToDt：{} 至 {} 不是时间",
    "{} is of the kind {}, a statement of a channel: give --channel": (
        "{} 的格式为 {}，属于支付渠道的对账单：请用 --channel"
    ),
    "{} is of the kind {}, a statement of a rail: give --rail": "{} 的格式为 {}，属于出款通道的对账单：请用 --rail",
    "{} is a workbook in which no header of a statement is found; known: {}": (
        "{} 是工作簿，但未找到对账单表头；可用：{}"
    ),
    "{} is a ZIP archive and no workbook: give the file that lies in it": "{} 是压缩包而非工作簿：请提供其中的文件",
    "{} unpacks to more than {} MB": "{} 解压后超过 {} MB",
    "{} has more than {} rows; split it": "{} 超过 {} 行，请拆分",
    # Temporal
    "No worker polls task queue {}: start one with `python worker.py`.": (
        "没有工作进程轮询任务队列 {}：请以 `python worker.py` 启动。"
    ),
    "Build {} of deployment {} polls and is not current, so it gets no task: {}.": (
        "构建 {}（部署 {}）在轮询但不是当前版本，得不到任务：{}。"
    ),
    "Build {} of deployment {} is current and no worker of it polls (builds that do: {}): start one, or make another"
    " current with {}.": (
        "当前构建 {}（部署 {}）没有工作进程轮询（正在轮询的构建：{}）：请启动，或以 {} 改用其他构建。"
    ),
    "{} Nothing was sent.": "{}未发送任何内容。",
    "{} Nothing was moved.": "{}未延后任何期限。",
    "{} Nothing was restarted.": "{}未重启任何工作流。",
    "{} It said: {}": "{}返回信息：{}",
    "{} Send {} again.": "{}请重新发送 {}。",
    "{}. Start it, set TEMPORAL_ADDRESS, or run `python starter.py up`": (
        "{}。请启动它、设置 TEMPORAL_ADDRESS，或运行 `python starter.py up`"
    ),
    "Temporal did not answer: {}": "Temporal 没有应答：{}",
    "Temporal does not answer at {}: {}": "Temporal 在 {} 没有应答：{}",
    "Temporal at {}: the server wants TLS: set TEMPORAL_TLS=true.": (
        "Temporal（{}）：服务器要求 TLS：请设置 TEMPORAL_TLS=true。"
    ),
    "Temporal at {}: {}.": "Temporal（{}）：{}。",
    "the server does not speak TLS, and the settings want it: unset TEMPORAL_TLS and TEMPORAL_API_KEY (an API key turns"
    " TLS on), or name the server's TLS port": (
        "服务器不支持 TLS，而设置要求 TLS：请取消 TEMPORAL_TLS 与 TEMPORAL_API_KEY"
        "（设置 API 密钥即启用 TLS），或改用服务器的 TLS 端口"
    ),
    "the server refuses our TLS certificate, or wants one: set TEMPORAL_TLS_CLIENT_CERT_PATH and"
    " TEMPORAL_TLS_CLIENT_KEY_PATH": (
        "服务器拒绝或要求客户端证书：请设置 TEMPORAL_TLS_CLIENT_CERT_PATH 与 TEMPORAL_TLS_CLIENT_KEY_PATH"
    ),
    "the server's certificate is for another name than the address has: set TEMPORAL_TLS_SERVER_NAME": (
        "服务器证书的名称与地址不符：请设置 TEMPORAL_TLS_SERVER_NAME"
    ),
    "the server's TLS certificate is not trusted: set TEMPORAL_TLS_SERVER_CA_CERT_PATH to its authority's": (
        "不信任服务器的 TLS 证书：请将 TEMPORAL_TLS_SERVER_CA_CERT_PATH 设为其签发机构的证书"
    ),
    "our TLS certificate or key cannot be read: look at TEMPORAL_TLS_CLIENT_CERT_PATH and"
    " TEMPORAL_TLS_CLIENT_KEY_PATH": (
        "客户端证书或密钥无法读取：请检查 TEMPORAL_TLS_CLIENT_CERT_PATH 与 TEMPORAL_TLS_CLIENT_KEY_PATH"
    ),
    "the server refuses our key: look at TEMPORAL_API_KEY and TEMPORAL_NAMESPACE": (
        "服务器拒绝密钥：请检查 TEMPORAL_API_KEY 与 TEMPORAL_NAMESPACE"
    ),
    "Temporal has no namespace {}: set TEMPORAL_NAMESPACE": "Temporal 没有命名空间 {}：请设置 TEMPORAL_NAMESPACE",
    "Temporal does not take build {} of {}: {}": "Temporal 不接受构建 {}（{}）：{}",
    "Temporal does not let us register search attributes in {} ({}). Have an administrator add them: {}.": (
        "Temporal 不允许在 {} 中登记搜索属性（{}）。请管理员添加：{}。"
    ),
    "{}: remove some of the others, or use a namespace of its own.": "{}：请删除其他属性，或使用单独的命名空间。",
    "the namespace {} has room for {} more {} attributes, Dakuan needs {}": (
        "命名空间 {} 还可容纳 {} 个 {} 属性，而系统需要 {} 个"
    ),
    "Search attributes of namespace {} clash: {}.": "命名空间 {} 的搜索属性冲突：{}。",
    "This Temporal does not let time be skipped ({}). The local stack does: starter.py up.": (
        "该 Temporal 不允许跳过时间（{}）。本地环境可以：starter.py up。"
    ),
    "no worker of build {} of deployment {} polls (builds that do: {}), and its tasks would wait:"
    " start one first, {}": ("构建 {}（部署 {}）没有工作进程轮询（正在轮询的构建：{}），其任务将停滞：请先启动，{}"),
    "{} is started, and opens once a worker takes it; look with `show`. {}": (
        "{} 已启动，待工作进程接手后开立；可用 `show` 查看。{}"
    ),
    "{} is started and still opening ({}). It goes on by itself; look with `show`.": (
        "{} 已启动，仍在开立（{}）。系统会自动继续；可用 `show` 查看。"
    ),
    "{} did not answer within {} s: is a worker running? The command may still be applied; sent again under its command"
    " id {} it counts once.": (
        "{} 在 {} 秒内没有应答：工作进程是否在运行？命令仍可能生效；以命令编号 {} 重发只计一次。"
    ),
    "{} cannot answer: its workflow task fails. `python starter.py doctor` says why; the same again helps once that is"
    " mended.": "{} 无法应答：其工作流任务失败。`python starter.py doctor` 说明原因；修复后重试即可。",
    "{} cannot answer: {}": "{} 无法应答：{}",
    "{} of the local stack has ended by itself, so `up` ends too. Its log is {}. Start `up` again: everything goes on"
    " where it was": "本地环境的 {} 已自行结束，`up` 随之结束。日志：{}。请再次启动 `up`，一切从中断处继续",
}
