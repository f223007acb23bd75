"""What a carrier's text may keep: places and events, not the names and numbers of couriers and receivers.

The formats are taken from published answers of tracking providers. Masking too much costs a word in a text that no rule
reads. Masking too little stores a stranger's name permanently.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import phonenumbers
from stdnum.cn import ric

MASK = "***"
LONGEST_TEXT = 500

_NAME = r"[\u4e00-\u9fff·]{2,4}"
_PEOPLE = (
    r"快递员|派件员|派送员|投递员|配送员|揽投员|揽件员|揽收员|收件员|取件员|业务员|快递小哥|小哥|司机|骑手|客户经理|联系人"
    r"|收件人|收货人|签收人|代收人|寄件人|发件人"
)
_NO_NAME = r"(?!已|正|将|会|在|为|本人|家人|他人|门卫|前台|物业|电话|手机)"
_NAME_ENDS = r"(?=[\]】)）」,，。;；、:：\s]|$|正在|为您|已)"
_SURNAMES = frozenset(
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任"
    "姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文庞樊兰殷施陶洪翟安颜倪严牛温芦季俞章鲁"
    "葛伍韦申尤毕聂丛焦向柳邢骆岳齐梅庄辛管祝左涂谷祁时舒耿牟卜詹关苗凌费纪靳盛童欧甄项曲成游阳裴席卫查屈鲍位覃霍翁隋植甘景薄"
    "单包司柏宁柯阮桂闵解强柴华车冉房边辜吉饶刁瞿戚丘古米池滕晋苑邬臧畅宫苟全褚廉简娄盖符奚木穆党燕郎邸冀谈姬屠连郜晏栾郁商"
    "蒙计喻揭窦迟敖糜鄢冷卓花仇艾蓝都巩稽井练仲乐虞卞封竺冼原官衣楚佟栗匡宗应巫鞠桑荆谌银扬明沙伏岑习胥保蔺肖闫付"
    "張劉陳楊趙黃吳孫馬羅鄭謝韓馮蕭鄧許呂蘇盧蔣賈葉閻鍾範譚鄒陸顧龍萬錢湯喬賀賴龔龐蘭顏嚴溫蘆魯韋畢聶叢駱齊莊時關費紀歐項陽"
    "衛單寧閔華車邊饒晉鄔暢宮簡婁蓋黨談連欒計竇遲藍鞏練樂應銀揚習藺"
)
"""The surnames of about 99 in a hundred people."""
_SURNAMES_OF_TWO = frozenset(
    (
        "欧阳",
        "上官",
        "司马",
        "诸葛",
        "东方",
        "皇甫",
        "尉迟",
        "公孙",
        "慕容",
        "令狐",
        "司徒",
        "夏侯",
        "端木",
        "歐陽",
        "司馬",
        "諸葛",
    )
)
_NO_PERSON = (
    *(
        "公司",
        "网点",
        "站点",
        "中心",
        "客服",
        "热线",
        "电话",
        "手机",
        "号码",
        "方式",
        "快递",
        "速递",
        "前台",
        "门卫",
        "物业",
    ),
    *("網點", "電話", "手機", "號碼", "熱線", "本人", "家人"),
    *"部站店点厅处局所仓库区市县镇路街号楼室點廳處區縣鎮號樓",
)
"""Endings of words that do not name a person."""
_HAN = re.compile(r"[\u4e00-\u9fff·]+")
_BEFORE = re.compile(
    r"(先生|女士|小姐|师傅|老师|師傅|老師)?\s*[,，、:：;；(（\[【/-]?\s*"
    r"(?:(?:联系|聯繫)?(?:电话|電話|手机|手機|号码|號碼|方式|[Tt]el|TEL|[Pp]hone|[Pp]h)\.?)?\s*[:：]?\s*[(（\[【]?\*\*\*"
)
_BEHIND = re.compile(
    rf"(\*\*\*\s*[,，、:：;；(（\[【-]?\s*)[{''.join(sorted(_SURNAMES))}][\u4e00-\u9fff·]{{1,2}}(?![\u4e00-\u9fff])"
)
"""A name behind a number: 138… 张三, 138…(李四)."""
_CARD = re.compile(r"(?<![0-9A-Za-z])[1-9][0-9]{16}[0-9Xx](?![0-9A-Za-z])")
"""The form of a Chinese identity number; its place, day of birth and check digit decide."""
_FOREIGN = re.compile(
    r"(?<![0-9A-Za-z.:/-])"
    r"\(?(?:0[0-9]{1,4}\)?[- ][0-9]{2,4}[- ]?[0-9]{2,4}(?:[- ][0-9]{2,4})?|[5-9][0-9]{3}[- ][0-9]{4})"
    r"(?![0-9A-Za-z:/-])"
)
"""What a phone number without its country code may look like: in groups, as no waybill is written."""
_COUNTRIES = ("JP", "KR", "TW", "HK", "SG", "MY", "TH", "PH", "GB", "FR", "AU")
"""Whose numbers differ from other numbers by length and beginning. In other countries almost any would do."""


def _without_card(found: re.Match[str]) -> str:
    return MASK if ric.is_valid(found[0].upper()) else found[0]


def _without_phone(found: re.Match[str]) -> str:
    return MASK if any(_is_phone(found[0], country) for country in _COUNTRIES) else found[0]


def _is_phone(text: str, country: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text, country))
    except phonenumbers.NumberParseException:
        return False


_WORD = r"[^\W\d_][\w.'’-]*"
_RULES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (_CARD, _without_card),
    # Mobile numbers, also with a country code, blanks or dashes between the groups, or cut short by the provider.
    (re.compile(r"(?<![0-9A-Za-z])(?:\+?86[- ]?)?1[3-9][0-9][- ]?[0-9]{4}[- ]?[0-9]{4}(?![0-9A-Za-z])"), MASK),
    (re.compile(r"(?<![0-9A-Za-z])1[3-9][0-9]{0,9}\*+[0-9]{0,8}"), MASK),
    # Landlines with an area code; the carriers' hotlines (5 digits, 400, 800) belong to no person.
    (re.compile(r"(?<![0-9A-Za-z])0[0-9]{2,3}[- ]?(?:[0-9]{7,8}|[0-9]{1,7}\*+)(?![0-9])"), MASK),
    (re.compile(r"(?<![0-9A-Za-z])\+[0-9][0-9 ()-]{6,18}[0-9]"), MASK),
    # (555) 123-4567, as it is written in North America; 800 and its like belong to firms.
    (
        re.compile(
            r"(?<![0-9A-Za-z])\(?(?!400|8(?:00|88|77|66|55))[2-9][0-9]{2}\)?[-. ][0-9]{3}[-. ][0-9]{4}(?![0-9])"
        ),
        MASK,
    ),
    (_FOREIGN, _without_phone),
    # A number of an identity card, a passport or a permit, by the word before it.
    (
        re.compile(
            r"(?i)((?:身份[证證]|[证證]件|[护護]照|通行[证證]|passport|\bid(?: card)?)"
            r"(?:[号號][码碼]?| ?no\.?| ?number)?\s*[:：]?\s*[\[【(（]?)"
            r"(?=[A-Z0-9*]*[0-9])[A-Z0-9*]{6,18}(?![0-9A-Za-z])"
        ),
        rf"\1{MASK}",
    ),
    # John Smith, *** once the number is masked.
    (re.compile(r"\b[A-Z][\w.'’-]*(?: [A-Z][\w.'’-]*){1,2}(?=[\s,:(\[-]{1,3}(?:tel|phone|ph)?[.:]?\s?\*\*\*)"), MASK),
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
    if not text.isprintable():  # most texts have nothing to drop, and are not gone through
        text = "".join(c for c in text if unicodedata.category(c) not in {"Cc", "Cs", "Cf", "Cn"})
    text = text[: 4 * LONGEST_TEXT]
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    if MASK in text:
        text = _BEHIND.sub(rf"\1{MASK}", _without_names_before_numbers(text))
    return text[:LONGEST_TEXT]


def mask_scans(body: Mapping[str, Any]) -> dict[str, Any]:
    """A `report_scan` as decoded JSON, the words of its scans masked: what is sent stays in a history.

    A body that cannot be read is passed on unchanged; the order refuses it.
    """
    scans = body.get("scans")
    if not isinstance(scans, list | tuple):
        return dict(body)
    return {**body, "scans": [_masked_scan(scan) if isinstance(scan, Mapping) else scan for scan in scans]}


def _masked_scan(scan: Mapping[str, Any]) -> dict[str, Any]:
    words = {name: mask(text) for name in ("city", "text") if isinstance(text := scan.get(name), str)}
    return {**scan, **words}


def _without_names_before_numbers(text: str) -> str:
    """A text without the names that stand before a masked number: 张三***, 李四 电话：***, (王小明,***)."""
    parts, end = [], 0
    for found in _BEFORE.finditer(text):
        before = text[max(end, found.start() - 4) : found.start()]
        name = _name_at_the_end(before)
        if not name and found[1] and before[-1:] in _SURNAMES:
            name = before[-1:]  # 王女士
        if name:
            parts += [text[end : found.start() - len(name)], MASK]
            end = found.start()
    return "".join((*parts, text[end:]))


def _name_at_the_end(text: str) -> str:
    """The name that a text ends with; "" where it ends with none, such as 西湖公司."""
    for length in (3, 2, 4):
        name = text[-length:]
        if len(name) < length or not _HAN.fullmatch(name) or name.endswith(_NO_PERSON):
            continue
        two = name[:2] in _SURNAMES_OF_TWO and length > 2
        if two or (name[0] in _SURNAMES and length < 4):
            return name
    return ""
