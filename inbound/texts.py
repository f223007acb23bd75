"""The text of a file as people save it: UTF-8 with or without a byte order mark, UTF-16, or China's GBK.

Excel and PowerShell write UTF-16 and byte order marks by themselves, and Chinese exports are often GBK. A wrong guess
would change a name or a title: bytes that are not certainly one of these are refused, with the line and the remedy.
"""

from __future__ import annotations

import codecs
import re

from core.errors import BadInput

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like UTF-16's, so it is checked first
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef·—‘’“”…×÷￥]")
_SURE = 0.9
"""The share of a file's other characters that must be common Chinese: Western accents read as GBK become rare
characters.
"""
_CURE = "save it as UTF-8 (in Excel: CSV UTF-8)"


def decode(raw: bytes, name: str) -> str:
    """The text of these bytes, without a byte order mark.

    Args:
        name: of the file, for messages.

    Raises:
        BadInput: their encoding cannot be determined for certain.
    """
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return _marked(raw, encoding, name)
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        if (chinese := _chinese(raw)) is not None:
            return chinese
        line = raw.count(b"\n", 0, error.start) + 1
        byte = f"{name}, line {line}: byte {error.start} is not UTF-8"
        hint = "; it seems to be UTF-16 without its mark" if raw[:200].count(0) > len(raw[:200]) // 4 else ""
        raise BadInput(f"{byte}{hint}; {_CURE}") from None


def _marked(raw: bytes, encoding: str, name: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        said = encoding.removesuffix("-sig").upper()
        raise BadInput(f"{name} begins with the mark of {said} and is not {said}; {_CURE}") from None


def _chinese(raw: bytes) -> str | None:
    """The text, if it can only be GBK (read as GB 18030, which contains it)."""
    try:
        text = raw.decode("gb18030")
    except UnicodeDecodeError:
        return None
    foreign = [character for character in text if character > "\x7f"]
    everyday = sum(1 for character in foreign if _CHINESE.match(character) and _in_gb2312(character))
    return text if everyday >= _SURE * len(foreign) else None


def _in_gb2312(character: str) -> bool:
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True
