"""What a carrier's text may keep: places and events, not the names and numbers of couriers and receivers.

Facts of the formats come from published answers of tracking providers. Too much masked costs a word in a text that
nobody judges by; too little keeps a stranger's name for ever.
"""

from __future__ import annotations

import re
import unicodedata

MASK = "***"
LONGEST_TEXT = 500

_NAME = r"[\u4e00-\u9fff·]{2,4}"
_PEOPLE = (
    r"快递员|派件员|派送员|投递员|配送员|揽投员|揽件员|揽收员|收件员|取件员|业务员|快递小哥|小哥|司机|骑手|客户经理|联系人"
    r"|收件人|收货人|签收人|代收人|寄件人|发件人"
)
_NO_NAME = r"(?!已|正|将|会|在|为|本人|家人|他人|门卫|前台|物业|电话|手机)"
_NAME_ENDS = r"(?=[\]】)）」,，。;；、:：\s]|$|正在|为您|已)"
_WORD = r"[^\W\d_][\w.'’-]*"
_RULES = (
    # Mobile numbers, also with a country code, blanks or dashes between the groups, or cut short by the provider.
    (re.compile(r"(?<![0-9A-Za-z])(?:\+?86[- ]?)?1[3-9][0-9][- ]?[0-9]{4}[- ]?[0-9]{4}(?![0-9A-Za-z])"), MASK),
    (re.compile(r"(?<![0-9A-Za-z])1[3-9][0-9]{0,9}\*+[0-9]{0,8}"), MASK),
    # Landlines with an area code; the carriers' hotlines (5 digits, 400, 800) belong to nobody.
    (re.compile(r"(?<![0-9A-Za-z])0[0-9]{2,3}[- ]?(?:[0-9]{7,8}|[0-9]{1,7}\*+)(?![0-9])"), MASK),
    (re.compile(r"(?<![0-9A-Za-z])\+[0-9][0-9 ()-]{6,18}[0-9]"), MASK),
    # 【张婷,1388…】 once the number is masked.
    (re.compile(rf"([\[【(（「]){_NAME}(?=[,，、:：\s]*\*\*\*)"), rf"\1{MASK}"),
    # The name after the word for what the person does, bracketed or up to the next mark.
    (re.compile(rf"((?:{_PEOPLE})(?:是|为)?[:：]?\s*[\[【(（「]?){_NO_NAME}{_NAME}{_NAME_ENDS}"), rf"\1{MASK}"),
    # 【威海】的【王奕凯】正在派件: a bracket that delivers is a person.
    (re.compile(rf"[【\[]{_NAME}[】\]](?=\s*(?:正在|为您|已)?\s*(?:派件|派送|投递|配送))"), f"【{MASK}】"),
    # "Signed for by: J SMITH", in the words of Western carriers.
    (
        re.compile(rf"(?i)((?:signed(?: for)? by|received by|courier|driver)\s*[:：]?\s*){_WORD}(?: {_WORD}){{0,3}}"),
        rf"\1{MASK}",
    ),
)


def mask(text: str) -> str:
    """A scan's text without people: phones and names masked, control characters gone, 500 characters at most."""
    text = "".join(c for c in text if unicodedata.category(c) not in {"Cc", "Cs", "Cf", "Cn"})[: 4 * LONGEST_TEXT]
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return text[:LONGEST_TEXT]
