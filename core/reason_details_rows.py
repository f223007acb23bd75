"""What is wrong with one row of a statement file, in Chinese; see `core.reason_details`."""

from __future__ import annotations

ROW_DETAILS: dict[str, str] = {
    # columns and cells
    "this column is missing": "缺少此列",
    "this column stands there twice": "此列重复",
    "no such column; there are {}": "没有此列；可用：{}",
    "{} fields, and the header has {}": "有 {} 个字段，而表头有 {} 个",
    "more cells than the header has, {}": "单元格多于表头的 {} 个",
    "more than {} rows; split it": "超过 {} 行，请拆分",
    "not CSV: {}": "不是 CSV：{}",
    "{} was rounded by a spreadsheet, and its digits are lost: format the column as text, and export it again": (
        "{} 已被表格软件四舍五入，部分数字丢失：请将该列设为文本后重新导出"
    ),
    "{} was cut to 15 digits by a spreadsheet: format the column as text, and export it again;"
    ' if it is right, write it as ="…"': (
        '{} 已被表格软件截为 15 位：请将该列设为文本后重新导出；如确属如此，请写成 ="…"'
    ),
    "{} is a spreadsheet's error, not a value": "{} 是表格软件的错误值",
    # amounts
    "{} is not an ISO 4217 code, such as CNY": "{} 不是 ISO 4217 币种代码（如 CNY）",
    "{} is not a positive number, such as 120.50": "{} 不是正数（如 120.50）",
    "{} has {} decimals; {} has more": "{} 只有 {} 位小数；{} 位数过多",
    "{} {} is more than can be moved at once": "{} {} 超过单次上限",
    "{} may be {} or {}: write all decimals": "{} 可能是 {} 或 {}：请写全小数位",
    "must be above zero": "须大于零",
    "it is more than the amount": "超过该笔金额",
    "{} is none of a channel's: {}": "{} 不是支付渠道的类型；可用：{}",
    "{} is none of a rail's: {}": "{} 不是出款通道的类型；可用：{}",
    "{} may be either day and month or month and day; export it with a day after the 12th": (
        "{} 无法分辨日与月；请导出包含 12 日以后日期的文件"
    ),
    # what a file says of itself
    "says {}, and the file has {} rows: get it again, whole and unchanged": (
        "写明 {}，而文件有 {} 行：请重新获取完整、未改动的文件"
    ),
    "ends without its summary ({}): it was cut off": "缺少结尾的汇总行（{}）：文件已被截断",
    "has no line that ends the list (列表结束): it was cut off": "缺少列表结束行：文件已被截断",
    "has no closing balance (62F, 62M): the statement was cut off": "缺少期末余额（62F、62M）：对账单已被截断",
    "is {}, and the opening balance with the entries is {}: entries are missing or doubled": (
        "为 {}，而期初余额与各笔之和为 {}：有缺失或重复"
    ),
    "is {}, and the entries sum up to {}: entries are missing or doubled": "为 {}，而各笔之和为 {}：有缺失或重复",
    "{} is no statement line": "{} 不是对账单的一行",
    "the entry has none": "该笔没有此项",
}
