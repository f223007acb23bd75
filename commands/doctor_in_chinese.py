"""What `doctor` names, finds and advises, in Chinese, by the English forms."""

from __future__ import annotations

from collections.abc import Mapping

from core.forms import Forms
from core.reason_details import detail_zh

LOOKED_AT: Mapping[str, str] = {
    "settings": "设置",
    "account keys": "账号密钥",
    "codec": "负载加密",
    "signing key": "签名密钥",
    "temporal": "Temporal",
    "search attributes": "搜索属性",
    "worker": "工作进程",
    "workflows whose task fails": "任务失败的工作流",
    "time skipping": "时间跳转",
    "restored sides": "恢复后的一致性",
    "seals": "账本封存",
    "cluster": "数据库集群",
    "database": "数据库",
    "database owner": "数据库所有者",
    "read replica": "只读副本",
    "keys of sealed numbers": "账号加密密钥",
    "time zone": "时区",
    "address": "地址",
    "tracking providers": "物流服务商",
    "accounts with rails": "渠道账户",
    "payment channel": "支付渠道",
    "bank": "银行",
    "provider {}": "物流服务商 {}",
    "account {}": "渠道账户 {}",
}
FOUND: Mapping[str, str] = {
    # settings
    "the environment": "环境变量",
    "the local stack under {}": "本地环境（{}）",
    "{}, the newest is {}": "{} 个，最新为 {}",
    "off: payloads in Temporal are plain": "未启用：Temporal 中的负载为明文",
    "on: {} seals, {} open": "已启用：以 {} 加密，{} 个可解密",
    "on: {} seals, {} open, {} gone": "已启用：以 {} 加密，{} 个可解密，{} 个已停用",
    "speaks for {}, ended {}": "代表 {}，已于 {} 到期",
    "speaks for {}, ends {}": "代表 {}，{} 到期",
    # Temporal
    "server {} at {}, namespace {}": "服务器 {}（{}），命名空间 {}",
    "all {} present, with their types": "{} 个齐备，类型正确",
    "task queue {} is polled by {}": "任务队列 {} 由 {} 轮询",
    "task queue {} is polled by {}, build {} is current": "任务队列 {} 由 {} 轮询，当前版本 {}",
    "task queue {} is polled by {}, build {} is current, build {} gets a share": (
        "任务队列 {} 由 {} 轮询，当前版本 {}，版本 {} 承接一部分"
    ),
    "none; a single UnhandledCommand in a history is the service's own retry, and harmless": (
        "没有；历史中单次 UnhandledCommand 为服务自身重试，无碍"
    ),
    "allowed": "可用",
    # PostgreSQL
    "{} on PostgreSQL {}, {} migrations": "{}，PostgreSQL {}，{} 次迁移",
    "{} on PostgreSQL {}, {} migrations, policies {}": "{}，PostgreSQL {}，{} 次迁移，规则 {}",
    "{} on PostgreSQL {}; {}": "{}，PostgreSQL {}；{}",
    "{} is not set": "未设置 {}",
    "numbers or secrets are sealed with {}, and DAKUAN_ACCOUNT_KEYS has no such key": (
        "有账号或密钥以 {} 加密，而 DAKUAN_ACCOUNT_KEYS 中没有此密钥"
    ),
    "DATABASE_READ_URL leads to another cluster than DATABASE_URL: it is not used": (
        "DATABASE_READ_URL 与 DATABASE_URL 不是同一集群：不予使用"
    ),
    "DATABASE_READ_URL leads to a server that takes writes, not to a replica": (
        "DATABASE_READ_URL 指向可写服务器，而非副本"
    ),
    "the replica is {} s behind: the primary answers": "副本落后 {} 秒：由主库应答",
    "the replica has replayed nothing yet: the primary answers": "副本尚未回放任何内容：由主库应答",
    "a standby of the primary, {} s behind": "主库的备库，落后 {} 秒",
    "{} asks for {}, which is not kept": "{} 要求 {}，未予支持",
    "the server's is {}; our sessions use UTC, and days in the books are UTC days": (
        "服务器时区为 {}；会话使用 UTC，账本按 UTC 日计"
    ),
    "it was made by another build: its {} are not this version's": "由另一版本建立：其 {} 与本版本不符",
    "it is newer than this version: {}": "比本版本新：{}",
    "it is read-only, not the primary": "只读，不是主库",
    "it is encoded in {}, not UTF8": "编码为 {}，不是 UTF8",
    "it is empty": "为空",
    "lacks {}": "缺少 {}",
    "it may change the books past their functions": "可绕过函数改动账本",
    "it may not use {} and {} more": "无权使用 {} 等 {} 项",
    "it may not use {}": "无权使用 {}",
    "no policy `default`": "没有规则 `default`",
    # both sides
    "the database is behind Temporal, for {}: was it restored to an earlier moment?": (
        "数据库落后于 Temporal（{}）：是否恢复到了较早时刻？"
    ),
    "Temporal is behind the database, for {}: was it restored, or lost?": (
        "Temporal 落后于数据库（{}）：是否经过恢复或已丢失？"
    ),
    "database and Temporal agree on {} of the newest {} orders and withdrawals; of those that moved within {} s it is"
    " too early to say: ask again then": (
        "最新 {1} 笔订单与提现中，数据库与 Temporal 有 {0} 笔一致；{2} 秒内有变动的暂不能判断，请稍后再查"
    ),
    "database and Temporal agree on the newest {} orders and withdrawals": (
        "最新 {} 笔订单与提现，数据库与 Temporal 一致"
    ),
    "the database lacks seal {}, which Temporal remembers ({}): it was restored to before": (
        "数据库缺少 Temporal 记得的封存 {}（{}）：数据库被恢复到此前"
    ),
    "seal {} is another than Temporal remembers: the chain was written anew, or the books are others": (
        "封存 {} 与 Temporal 所记不同：封存链被重写，或账本已换"
    ),
    "seal {} is the one that Temporal remembers": "封存 {} 与 Temporal 所记一致",
    "PostgreSQL is on another timeline than at the last daily comparison: a standby was promoted, or a backup"
    " restored": ("PostgreSQL 的时间线与上次每日对账时不同：备库已提升，或由备份恢复"),
    "PostgreSQL is another server than at the last daily comparison: its data were moved or restored": (
        "PostgreSQL 与上次每日对账时不是同一服务器：数据已迁移或恢复"
    ),
    # providers, rails, channels
    "{} answers, our account is accepted": "{} 有应答，账户有效",
    "{} answers; whether our account is accepted is unknown{}": "{} 有应答，账户是否有效未知{}",
    "{} answers; whether our account is accepted is unknown": "{} 有应答，账户是否有效未知",
    "{} refuses our account": "{} 拒绝我方账户",
    "{} refuses our account ({})": "{} 拒绝我方账户（{}）",
    "{} gives no answer of use": "{} 的应答无法使用",
    "{} gives no answer of use ({})": "{} 的应答无法使用（{}）",
    "{} answers ({})": "{} 有应答（{}）",
    "{} answers, and both sides' signatures are right; for {}": "{} 有应答，双方签名正确；用于 {}",
    "{} answers, and nothing that can be believed": "{} 有应答，但无法验证",
    "{} answers, and nothing that can be believed ({})": "{} 有应答，但无法验证（{}）",
    "{} does not answer": "{} 没有应答",
    "{} does not answer ({})": "{} 没有应答（{}）",
    "{} does not answer: {}": "{} 没有应答：{}",
}
HELPS: Mapping[str, str] = {
    "start it": "请启动",
    "do what it says": "请按提示处理",
    "set {}, or run `python starter.py up`": "请设置 {}，或运行 `python starter.py up`",
    "set DAKUAN_ACCOUNT_KEYS; without it no account number can be bound, nor paid to": (
        "请设置 DAKUAN_ACCOUNT_KEYS；否则无法绑定账号，也无法付款"
    ),
    "where histories must not be readable: `keys codec FILE`, and DAKUAN_CODEC_KEYS for every process": (
        "如历史不得明文可读：执行 `keys codec FILE`，并为各进程设置 DAKUAN_CODEC_KEYS"
    ),
    "`keys certify` a new one, put it in the place of the old, and start the process anew": (
        "以 `keys certify` 签发新密钥，替换旧密钥并重启进程"
    ),
    "start it, or set TEMPORAL_ADDRESS; `starter.py up` brings one": (
        "请启动，或设置 TEMPORAL_ADDRESS；`starter.py up` 自带一个"
    ),
    "look at the server's log": "请查看服务器日志",
    "a worker registers them when it starts, where there is room": "工作进程启动时登记，须有空位",
    "run the code that they began with; they then go on by themselves": "请运行其开始时的版本，之后会自行继续",
    "only demonstrations and tests need it": "仅演示与测试需要",
    "set DAKUAN_CARRIERS or DAKUAN_CARRIER_URL, or run `python starter.py up`": (
        "请设置 DAKUAN_CARRIERS 或 DAKUAN_CARRIER_URL，或运行 `python starter.py up`"
    ),
    "check its key and customer in the file of DAKUAN_CARRIERS": "请核对 DAKUAN_CARRIERS 文件中的 key 与 customer",
    "look at its address and at the provider's own status": "请检查地址与服务商的运行状态",
    "look at the file of DAKUAN_RAILS": "请检查 DAKUAN_RAILS 文件",
    "look at its url in the file of DAKUAN_RAILS": "请检查 DAKUAN_RAILS 文件中的网址",
    "check its mchid, serial and private_key in the file of DAKUAN_RAILS": (
        "请核对 DAKUAN_RAILS 文件中的 mchid、serial 与 private_key"
    ),
    "check its platform_keys in the file of DAKUAN_RAILS, and this machine's clock": (
        "请核对 DAKUAN_RAILS 文件中的 platform_keys 及本机时钟"
    ),
    "add the key to DAKUAN_ACCOUNT_KEYS: without it nothing is paid or sent there": (
        "请将密钥加入 DAKUAN_ACCOUNT_KEYS：否则无法付款或推送"
    ),
    "start it, or unset DATABASE_READ_URL: the primary answers": "请启动，或取消 DATABASE_READ_URL：由主库应答",
    "name a replica made from this server, or unset it": "请填写由本服务器建立的副本，或取消设置",
    "name a replica, or unset it: it takes no load off": "请填写副本，或取消设置：否则不能分担负载",
    "look at its replication": "请检查复制状态",
    "name the primary in {}, or all servers: postgresql://user@a,b/dakuan": (
        "请在 {} 中填写主库或全部服务器：postgresql://user@a,b/dakuan"
    ),
    "start it, or set {}": "请启动，或设置 {}",
    "write {} as it says": "请按提示填写 {}",
    "{} with DATABASE_OWNER_URL makes the role; then an administrator gives it a password": (
        "以 DATABASE_OWNER_URL 执行 {} 建立角色，再由管理员设置密码"
    ),
    "make it: `createdb -E UTF8 -T template0 NAME`, owned by the role of DATABASE_OWNER_URL": (
        "请建立：`createdb -E UTF8 -T template0 NAME`，归 DATABASE_OWNER_URL 的角色所有"
    ),
    "run {} with DATABASE_OWNER_URL": "请以 DATABASE_OWNER_URL 执行 {}",
    "look at user, password and parameters in {}": "请检查 {} 中的用户、密码与参数",
    "set DATABASE_OWNER_URL to the owner's address, then run {}": "请将 DATABASE_OWNER_URL 设为所有者地址，再执行 {}",
    "run {}, which grants it": "请执行 {} 授权",
    "run {}": "请执行 {}",
    "promote it, or name the primary": "请提升为主库，或填写主库",
    "make another: `createdb -E UTF8 -T template0 NAME`": "请另建：`createdb -E UTF8 -T template0 NAME`",
    "run the build that made it, or make another database: this version cannot upgrade it": (
        "请运行建立它的版本，或另建数据库：本版本无法升级"
    ),
    "run the version that applied them": "请运行执行过这些迁移的版本",
    "give DATABASE_URL a role of its own, such as the one that `migrate` makes": (
        "请为 DATABASE_URL 使用单独的角色，例如 `migrate` 建立的角色"
    ),
    "a worker registers it when it starts: `python worker.py`": "工作进程启动时登记：`python worker.py`",
    "nothing, unless other programs read the books": "无须处理，除非其他程序读取账本",
    "use sslmode=verify-full with sslrootcert=, which protects at least as well": (
        "请用 sslmode=verify-full 与 sslrootcert=，保护不低于此"
    ),
    "follow `After a restore` in docs/operating.md, from `verify-chain` to `rescue --restored-to TIME`": (
        "请按 docs/operating.md 的 `After a restore` 处理，从 `verify-chain` 到 `rescue --restored-to TIME`"
    ),
    "`rescue --all` names what is lost, `rescue --all --apply` goes on with it": (
        "`rescue --all` 列出丢失的，`rescue --all --apply` 使其继续"
    ),
    "`verify-chain --heads FILE` with the heads that were kept elsewhere": (
        "请以另存的链首执行 `verify-chain --heads FILE`"
    ),
    "nothing, if the rows above are well": "以上各行正常则无须处理",
}
_LOOKED_AT, _FOUND, _HELPS = Forms(LOOKED_AT), Forms(FOUND, lambda part: found_zh(part)), Forms(HELPS)


def looked_at_zh(name: str) -> str | None:
    """What was looked at; None where it is nothing of `doctor`'s."""
    return _LOOKED_AT.said(name)


def found_zh(text: str) -> str:
    """What was found; an error in its own words."""
    return _FOUND.said(text) or detail_zh(text)


def helps_zh(text: str) -> str | None:
    """What to do about it; None where it is nothing of `doctor`'s."""
    return _HELPS.said(text)
