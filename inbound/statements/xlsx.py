"""The cells of a workbook's first sheet: as much of ECMA-376 as a bill needs, read with the standard library.

A workbook is a ZIP archive of XML. Both can be made to unpack to anything, so that sizes are limited and a document
type is refused.
"""

from __future__ import annotations

import io
import re
import zipfile
from datetime import datetime, timedelta
from xml.etree import ElementTree

from core.errors import BadInput
from inbound.tables import ROWS_AT_MOST, plain

LARGEST_PART = 256 * 1024 * 1024
"""Bytes that one part may unpack to."""
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_SHEET = re.compile(r"xl/worksheets/sheet\d+\.xml")
_COLUMN = re.compile(r"[A-Z]{1,3}")
_DATES = frozenset({14, 15, 16, 17, 22})
"""Number formats of ECMA-376 that are dates."""
_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001  # a spreadsheet's times have no zone; the reader of the bill knows it


def is_xlsx(raw: bytes) -> bool:
    """Whether these are the bytes of a ZIP archive, as every workbook is."""
    return raw.startswith(b"PK\x03\x04")


def rows_of(raw: bytes, name: str) -> list[tuple[int, list[str]]]:
    """The rows of the first sheet with their numbers, as texts.

    Raises:
        BadInput: it is no workbook, too large, or broken.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            parts = {info.filename: info for info in archive.infolist()}
            sheets = sorted(part for part in parts if _SHEET.fullmatch(part))
            if not sheets:
                raise BadInput(f"{name} is a ZIP archive and no workbook: give the file that lies in it")
            strings = _strings(_part(archive, parts, "xl/sharedStrings.xml", name))
            dates = _date_styles(_part(archive, parts, "xl/styles.xml", name))
            sheet = _part(archive, parts, sheets[0], name)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise BadInput(f"{name} is a broken workbook: {error}") from None
    if sheet is None:
        return []
    rows: list[tuple[int, list[str]]] = []
    for row in sheet.iter(f"{_MAIN}row"):
        cells = _cells(row, strings, dates)
        if any(cells):
            rows.append((_number(row.get("r"), len(rows) + 1), cells))
        if len(rows) > ROWS_AT_MOST:
            raise BadInput(f"{name} has more than {ROWS_AT_MOST} rows; split it")
    return rows


def _part(
    archive: zipfile.ZipFile, parts: dict[str, zipfile.ZipInfo], part: str, name: str
) -> ElementTree.Element | None:
    info = parts.get(part)
    if info is None:
        return None
    with archive.open(info) as stream:
        raw = stream.read(LARGEST_PART + 1)
    if len(raw) > LARGEST_PART:
        raise BadInput(f"{name} unpacks to more than {LARGEST_PART // 1024**2} MB")
    return parse_xml(raw, name)


def parse_xml(raw: bytes, name: str) -> ElementTree.Element:
    """An XML document without a document type, whose entities could unpack to anything.

    Raises:
        BadInput: it is none.
    """
    plain_raw = raw.replace(b"\0", b"").upper()  # UTF-16 has a zero in each of these letters
    if b"<!DOCTYPE" in plain_raw or b"<!ENTITY" in plain_raw:
        raise BadInput(f"{name} has an XML document type, which no statement needs")
    try:
        return ElementTree.fromstring(raw)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise BadInput(f"{name} is broken XML: {error}") from None


def _strings(part: ElementTree.Element | None) -> list[str]:
    if part is None:
        return []
    return ["".join(text.text or "" for text in item.iter(f"{_MAIN}t")) for item in part.iter(f"{_MAIN}si")]


def _date_styles(part: ElementTree.Element | None) -> frozenset[int]:
    """The styles whose cells are dates."""
    if part is None:
        return frozenset()
    own = {
        _number(one.get("numFmtId"), -1)
        for one in part.iter(f"{_MAIN}numFmt")
        if re.search(r"[yd]", (one.get("formatCode") or "").lower())
    }
    styles = part.find(f"{_MAIN}cellXfs")
    formats = [_number(style.get("numFmtId"), 0) for style in styles] if styles is not None else []
    return frozenset(index for index, format_ in enumerate(formats) if format_ in _DATES or format_ in own)


def _cells(row: ElementTree.Element, strings: list[str], dates: frozenset[int]) -> list[str]:
    cells: list[str] = []
    for cell in row.iter(f"{_MAIN}c"):
        found = _COLUMN.match(cell.get("r") or "")
        column = _column(found[0]) if found else len(cells)
        if column > 1000:
            continue
        cells += [""] * (column - len(cells))
        cells.append(plain(_text(cell, strings, dates)))
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _text(cell: ElementTree.Element, strings: list[str], dates: frozenset[int]) -> str:
    if cell.get("t") == "inlineStr":
        return "".join(text.text or "" for text in cell.iter(f"{_MAIN}t"))
    value = cell.findtext(f"{_MAIN}v") or ""
    if cell.get("t") == "s":
        index = _number(value, -1)
        return strings[index] if 0 <= index < len(strings) else ""
    if cell.get("t") is None and value and _number(cell.get("s"), -1) in dates:
        return _date(value)
    return value


def _date(days: str) -> str:
    try:
        at = _EPOCH + timedelta(seconds=round(float(days) * 86_400))
    except (ValueError, OverflowError):
        return days
    return at.strftime("%Y-%m-%d %H:%M:%S")


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _number(text: str | None, instead: int) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else instead
