"""What a journal notes beside a command: the sentences of the system, in English and in Chinese.

A journal keeps them as short English lines, in which deadlines, holds and times are codes. What people wrote stays as
it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime

from core.answers import JournalEntry
from core.durations import parse_duration
from core.forms import in_each_language
from core.names import name_of, names
from core.reasons import in_chinese
from core.texts import Help, Language, clock, listed, spell

NOTES: Mapping[str, Help] = {
    "{}: not so any more.": Help("{}: not so any more.", "{}：已不成立。"),
    "Cancelling a workflow cancels no order: send cancel_order.": Help(
        "Cancelling a workflow cancels no order: send cancel_order.", "取消工作流不会取消订单，请提交 cancel_order。"
    ),
    "Cancelling a workflow calls no withdrawal off: send cancel.": Help(
        "Cancelling a workflow calls no withdrawal off: send cancel.", "取消工作流不会取消提现，请提交 cancel。"
    ),
    "It stood in the books before this arrived.": Help("It stood in the books before this arrived.", "此前已入账。"),
    "withdrawal {}": Help("withdrawal {}", "提现 {}"),
    "{} for parcel {}": Help("{} for parcel {}", "{}（包裹 {}）"),
    "{}: {} → {}, outage": Help("{}: {} → {}, as our service was down", "{}：{} → {}（系统中断）"),
    "{}: {} → {}, case {} is open": Help("{}: {} → {}, case {} is open", "{}：{} → {}，售后 {} 处理中"),
    "{}: {} → {}, no case is open": Help("{}: {} → {}, no case is open", "{}：{} → {}，无处理中的售后"),
    "{}: {} → {}, the order's clocks stood as long as they may": Help(
        "{}: {} → {}, the clocks stood as long as they may", "{}：{} → {}，暂停已达上限"
    ),
    "case-{}": Help("case {}", "售后 {}"),
}
"""What the system notes, by its form in the journal."""
OF_COMMANDS: Mapping[str, Help] = {
    "receipt_by moved from {} to {}": Help("moved from {} to {}", "由 {} 改为 {}"),
    "receipt_by moved from {} to {}: {}": Help("moved from {} to {}: {}", "由 {} 改为 {}：{}"),
}
"""What stands beside a command that moves the time of the automatic receipt."""
MOVED: Mapping[str, Help] = {
    "{} moved by {}: {}": Help("{} moved by {}: {}", "{}顺延 {}：{}"),
    "{} taken back by {}: {}": Help("{} taken back by {}: {}", "{}收回顺延 {}：{}"),
}
"""What stands beside `shift_deadline`."""
PAUSED = Help("paused", "暂停")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")


def note_of(entry: JournalEntry, language: Language, when: Callable[[datetime], str] = clock) -> str:
    """What a journal says of an entry: why it was refused, or what was noted with it.

    Args:
        entry: a line of a journal.
        language: `en` or `zh`.
        when: how the reader sees a time.
    """
    said = entry.message or ""
    if entry.code is not None and language == "zh" and (chinese := in_chinese(entry.code, said)) is not None:
        return chinese
    if entry.verb == "open_after_sale" and said in names()["case_reason"]:
        return name_of("case_reason", said, language)
    table = _NOTES if entry.actor is None else _MOVED if entry.verb == "shift_deadline" else _OF_COMMANDS
    return table[language].said(said, lambda part: _named(part, language, when)) or said


def _named(part: str, language: Language, when: Callable[[datetime], str]) -> str:
    """Deadlines and holds by their names, a time as the reader sees it, a length in words; all else as it is."""
    if part == PAUSED.en:
        return PAUSED.zh if language == "zh" else PAUSED.en
    for section in ("deadline", "hold"):
        if all(one in names()[section] for one in part.split(", ")):
            return listed((f"“{name_of(section, one, language)}”" for one in part.split(", ")), language)
    if _TIME.match(part):
        return when(datetime.fromisoformat(part.replace(" UTC", "+00:00")))
    try:
        return spell(parse_duration(part), language)
    except ValueError:
        return part


_NOTES, _OF_COMMANDS, _MOVED = map(in_each_language, (NOTES, OF_COMMANDS, MOVED))
