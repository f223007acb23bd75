"""What a program says of its settings, the database and the local stack, in Chinese; see `core.reason_details`.

Names of settings and programs stay as they are typed.
"""

from __future__ import annotations

SETTING_DETAILS: dict[str, str] = {
    # settings
    "{} is not set, and no local stack is up under {}: set it, or run `python starter.py up`": (
        "未设置 {}，{} 下也没有运行中的本地环境：请设置，或运行 `python starter.py up`"
    ),
    "DAKUAN_CODEC_KEYS is not set, and {}, which is open, was sealed: set it to the file that the"
    " other processes have": ("未设置 DAKUAN_CODEC_KEYS，而进行中的 {} 已加密：请设为其他进程所用的文件"),
    "The key {} sealed a payload of {} and is not here: give this process the newest file of DAKUAN_CODEC_KEYS": (
        "密钥 {} 加密了 {} 的负载，但此处没有：请为该进程提供最新的 DAKUAN_CODEC_KEYS 文件"
    ),
    "{} cannot be used: {}. Set DAKUAN_HOME to a folder that you may write.": (
        "{} 无法使用：{}。请将 DAKUAN_HOME 设为可写的文件夹。"
    ),
    "DAKUAN_LOG: {} is not json; leave it out for lines of text": ("DAKUAN_LOG：{} 不是 json；如需文本日志请勿设置"),
    "DAKUAN_METRICS: {}: {}": "DAKUAN_METRICS：{}：{}",
    "DAKUAN_SIGNING_KEY: {} is not a file that `keys certify` wrote": (
        "DAKUAN_SIGNING_KEY：{} 不是 `keys certify` 生成的文件"
    ),
    "DAKUAN_SIGNING_KEY: {}: {}": "DAKUAN_SIGNING_KEY：{}：{}",
    "DAKUAN_OTLP is set, and {} is not installed: `pip install dakuan[otel]`, or unset it": (
        "已设置 DAKUAN_OTLP，但未安装 {}：请运行 `pip install dakuan[otel]`，或取消该设置"
    ),
    "{} is set and {} is not: set both, or neither to use the local stack that is up": (
        "已设置 {} 而未设置 {}：请两者都设，或都不设以使用本地环境"
    ),
    "{} is set, and the local stack that is up has neither TLS nor keys: set TEMPORAL_ADDRESS and DATABASE_URL to"
    " what it"
    " is for, or unset {}": (
        "已设置 {}，而本地环境没有 TLS 和密钥：请将 TEMPORAL_ADDRESS 与 DATABASE_URL 设为其所属服务，或取消 {}"
    ),
    "{} is not an address such as {}": "{} 不是有效地址，格式如 {}",
    "{}: there is no folder {}": "{}：没有文件夹 {}",
    "{}: there is no file {}": "{}：没有文件 {}",
    "TEMPORAL_…: the settings of Temporal cannot be read: {}": "TEMPORAL_…：无法读取 Temporal 的设置：{}",
    "{} cannot be read ({}): delete it, and start the stack again": "{} 无法读取（{}）：请删除后重新启动本地环境",
    "DAKUAN_PEPPER is not set: 32 bytes in base64; `openssl rand -base64 32` makes it": (
        "未设置 DAKUAN_PEPPER：须为 32 字节的 base64；可用 `openssl rand -base64 32` 生成"
    ),
    "{} is not 32 bytes in base64; `openssl rand -base64 32` makes it": (
        "{} 不是 32 字节的 base64；可用 `openssl rand -base64 32` 生成"
    ),
    "{} has {} entries: the newest, and at most the one before it": "{} 有 {} 项：只能有最新一项及其前一项",
    "{} is plain http:// to {}, so that anyone on the way reads and changes what is sent: use https://, or allow it by"
    " name: {}": ("{} 以明文 http:// 连接 {}，途中任何人都能读取和更改内容：请用 https://，或按名称允许：{}"),
    "DAKUAN_ACCOUNT_KEYS: entry {} is not ID:KEY with an id of its own and 32 bytes in base64; {} makes a key": (
        "DAKUAN_ACCOUNT_KEYS：第 {} 项不是“编号:密钥”（编号不得重复，密钥为 32 字节的 base64）；可用 {} 生成密钥"
    ),
    "DAKUAN_ACCOUNT_KEYS is not set, and account numbers are never stored unsealed: set it to ID:KEY, where KEY is 32"
    " random bytes in base64 (openssl rand -base64 32)": (
        "未设置 DAKUAN_ACCOUNT_KEYS，账号从不以明文保存：请设为“编号:密钥”，密钥为 32 字节随机数的 base64"
        "（openssl rand -base64 32）"
    ),
    "{}: line {} of {} is not ID:KEY; {}": "{}：第 {} 行（{}）不是“编号:密钥”；{}",
    "{}: {} has no key; {}": "{}：{} 中没有密钥；{}",
    "{}: {} is not MOST,EACH, two whole numbers up to {} of which the second is not above the first, such as"
    " 1000,200": ("{}：{} 不是“总数,每址”两个整数（最多 {}，后者不大于前者），如 1000,200"),
    "{}: {} is no name of a host, such as pay.example": "{}：{} 不是主机名，格式如 pay.example",
    "{}: {} is not IP:PORT, such as 127.0.0.1:9464": "{}：{} 不是“IP:端口”，如 127.0.0.1:9464",
    "DAKUAN_WEBHOOK_PORTS is not PORT,PORT… such as 443,8443": "DAKUAN_WEBHOOK_PORTS 不是“端口,端口…”，如 443,8443",
    "DAKUAN_WEBHOOK_NETWORKS is not NETWORK,NETWORK… such as 10.8.0.0/16: {}": (
        "DAKUAN_WEBHOOK_NETWORKS 不是“网段,网段…”（如 10.8.0.0/16）：{}"
    ),
    "{} is set and {} is not: the console needs all of {}": "已设置 {} 而未设置 {}：控制台须有 {}",
    "{} has a path: give the gateway's own address, such as https://pay.example": (
        "{} 含有路径：请填写网关自己的地址，如 https://pay.example"
    ),
    "{} is plain http://, over which anyone on the way could sign in: use https://": (
        "{} 为明文 http://，途中任何人都能登录：请用 https://"
    ),
    "DAKUAN_CARRIERS: {}: {}": "DAKUAN_CARRIERS：{}：{}",
    "DAKUAN_RAILS: {}: {}": "DAKUAN_RAILS：{}：{}",
    "DAKUAN_RAILS: account of merchant {}: {}": "DAKUAN_RAILS：商户 {} 的账户：{}",
    "DAKUAN_PAYMENT_EVENTS: {}: {}": "DAKUAN_PAYMENT_EVENTS：{}：{}",
    # carriers, rails
    "carriers: there is no carrier {}": "carriers：没有快递公司 {}",
    "{}: there is no provider {}": "{}：没有查询服务 {}",
    "{}: say its kind: {}": "{}：请指明 kind：{}",
    "{} is missing": "缺少 {}",
    "{} is missing: what comes to the callback could not be verified": "缺少 {}：回调内容将无法验证",
    "{}: only {} is asked to push number by number": "{}：只有 {} 逐单订阅推送",
    "{}: {} is not set": "{}：未设置 {}",
    "{}: there is no account {}": "{}：没有账户 {}",
    "{}.apiv3_key: must be of {} bytes": "{}.apiv3_key：须为 {} 字节",
    "{}: an account has this name already, and callbacks name either": "{}：已有同名账户，而回调以名称区分二者",
    "{}: its account is that of {}, and a payment would count once for each: give all orders one channel, or name"
    " another"
    " account": "{}：与 {} 为同一账户，一笔支付将分别计一次：请让订单只用一个渠道，或指定其他账户",
    "{}: {} is a path of the stand-ins, and none are up": "{}：{} 是沙箱的路径，而沙箱未启动",
    # the database
    "PostgreSQL does not answer at {}: {}": "PostgreSQL 在 {} 没有应答：{}",
    "PostgreSQL at {} refuses the connection: {}": "PostgreSQL（{}）拒绝连接：{}",
    "PostgreSQL at {} does not speak TLS, and the address wants it: set its sslmode= to prefer, or"
    " let the server have a"
    " certificate": "PostgreSQL（{}）不支持 TLS，而地址要求 TLS：请将 sslmode= 设为 prefer，或为服务器配置证书",
    "PostgreSQL at {} is read-only, not the primary. A retry helps once it is promoted, or name all servers in the"
    " address: postgresql://user@a,b/dakuan": (
        "PostgreSQL（{}）只读，不是主库。提升为主库后重试，或在地址中列出全部服务器：postgresql://user@a,b/dakuan"
    ),
    "PostgreSQL is read-only here: not the primary, or not any more. Its sessions are given up, and"
    " the next try connects"
    " again": "PostgreSQL 只读：不是或不再是主库。会话已放弃，下次重试将重新连接",
    "PostgreSQL at {} is not what the address asks for by target_session_attrs={}. Dakuan writes:"
    " remove the parameter": ("PostgreSQL（{}）不符合地址中的 target_session_attrs={}。系统需要写入：请去掉该参数"),
    "PostgreSQL: {}: run `python starter.py migrate`, which grants it": (
        "PostgreSQL：{}：请运行 `python starter.py migrate` 授权"
    ),
    "PostgreSQL: {}: {}": "PostgreSQL：{}：{}",
    "The database lacks {} migrations, {} first: run `python starter.py migrate` with DATABASE_OWNER_URL": (
        "数据库缺少 {} 个迁移，首个为 {}：请以 DATABASE_OWNER_URL 运行 `python starter.py migrate`"
    ),
    "The database is encoded in {}, and Dakuan needs {}: make another one with {}, and name it in the address": (
        "数据库编码为 {}，须为 {}：请以 {} 另建，并写入地址"
    ),
    "The replica cannot answer it: {}. The same again asks the primary.": "副本无法应答：{}。重试将改问主库。",
    "PostgreSQL: {}": "PostgreSQL：{}",
    "it is of another cluster ({}) than DATABASE_URL ({})": "它属于另一集群（{}），而 DATABASE_URL 属于 {}",
    "the database's address names the file {} as {}=, which is not there": "数据库地址指定的文件 {}（{}=）不存在",
    "the owner may not create roles: let an administrator run {}": ("所有者不能创建角色：请管理员运行 {}"),
    "{} owns the tables and cannot be the worker's role, which must not change them": (
        "{} 拥有数据表，不能作为工作进程的角色：后者不得更改数据表"
    ),
    "account {} is being changed by others": "账户 {} 正被他人更改",
    "others post {} all the time": "{} 持续被他人入账",
    "{} is sealed with the key {}, which DAKUAN_ACCOUNT_KEYS does not have": (
        "{} 以密钥 {} 加密，而 DAKUAN_ACCOUNT_KEYS 中没有此密钥"
    ),
    "{} does not open with the key {}: another key has this id, or the row was altered": (
        "{} 无法以密钥 {} 解密：该编号属于另一密钥，或数据被改动"
    ),
    "order {} is not registered: another database?": "订单 {} 未登记：是否为另一数据库？",
    "the pooler at {} (PgBouncer or alike) refuses the session: {}. Remove such parameters from the address, or"
    " have the"
    " pooler ignore them": "连接池（{}，如 PgBouncer）拒绝会话：{}。请从地址中去掉这类参数，或让连接池忽略它们",
    # what providers, channels and rails answer, and what is not set up for them
    "the register has no drop with the key {}: another database?": "登记簿中没有打款验证 {}：是否为另一数据库？",
    "the register has no payout with the key {}: another database?": "登记簿中没有出款 {}：是否为另一数据库？",
    "no rail {} is configured, and drop {} is on it": "未配置出款渠道 {}，而打款验证 {} 经其办理",
    "no rail {} is configured, and payout {} is on it": "未配置出款渠道 {}，而出款 {} 经其办理",
    "no channel {} is set up, and a payment was made by it": "未配置支付渠道 {}，而有支付经其完成",
    "no policy `default` is registered: is DAKUAN_POLICIES the folder of the policies?": (
        "未登记规则 `default`：DAKUAN_POLICIES 是否为规则所在的文件夹？"
    ),
    "the merchant's private key is no RSA key of 2,048 bits": "商户私钥不是 2048 位的 RSA 密钥",
    "the platform key {} is no RSA key": "平台公钥 {} 不是 RSA 密钥",
    "WeChat Pay has no platform key: nothing that it says could be believed": ("没有微信支付平台公钥：无法验证其应答"),
    "{} is asked too often": "对 {} 的查询过于频繁",
    "{} answered {}": "{} 应答 {}",
    "{} at {} cannot be reached: {}": "{}（{}）无法连接：{}",
    "{} did not answer within {} s": "{} 在 {} 秒内没有应答",
    "{} at {} did not answer: {}": "{}（{}）没有应答：{}",
    # the local stack
    "a local stack is up under {} already: use it, or end it first": (
        "{} 下已有运行中的本地环境：请直接使用，或先结束它"
    ),
    "{} did not start: {}": "{} 未能启动：{}",
    "{} was not started": "{} 尚未启动",
    "no port from {} to {} is free": "{} 至 {} 之间没有空闲端口",
    "PostgreSQL's {} failed: {}": "PostgreSQL 的 {} 失败：{}",
    "the stand-ins do not answer at {}: {}": "沙箱在 {} 没有应答：{}",
    "the local PostgreSQL is not installed: install dakuan with its extra `local`": (
        "未安装本地 PostgreSQL：请安装 dakuan 及其附加项 `local`"
    ),
    "the local Temporal is not installed: install dakuan with its extra `local`": (
        "未安装本地 Temporal：请安装 dakuan 及其附加项 `local`"
    ),
    "PostgreSQL does not run as root, and there is no user {}: run this as another user": (
        "PostgreSQL 不能以 root 运行，也没有用户 {}：请以其他用户运行"
    ),
}
