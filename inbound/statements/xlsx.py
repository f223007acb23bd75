"""The cells of a workbook's first sheet as texts, read with openpyxl.

A workbook is a ZIP archive of XML. Both can be built to unpack without limit. So the unpacked size is checked before a
part is opened, and openpyxl refuses entities because defusedxml is installed.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from defusedxml.common import DefusedXmlException
from openpyxl import load_workbook

from core.errors import BadInput
from inbound.tables import ROWS_AT_MOST, plain

UNPACKED_AT_MOST = 256 * 1024 * 1024
"""Bytes that all parts may unpack to."""
COLUMNS_AT_MOST = 1000
"""Cells to the right are in no header and are left out."""
_EXACT_BELOW = 10**15
"""A spreadsheet keeps fifteen digits of a number."""


def is_xlsx(raw: bytes) -> bool:
    """Whether these are the bytes of a ZIP archive, as every workbook is."""
    return raw.startswith(b"PK\x03\x04")


def rows_of(raw: bytes, name: str) -> list[tuple[int, list[str]]]:
    """The rows of the first sheet with their numbers, as texts.

    Raises:
        BadInput: it is not a workbook, is too large, or is broken.
    """
    rows: list[tuple[int, list[str]]] = []
    try:
        _check_archive(raw, name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions that openpyxl does not know
            for number, values in enumerate(_values(raw), 1):
                if number > ROWS_AT_MOST:
                    raise BadInput(f"{name} has more than {ROWS_AT_MOST} rows; split it")
                if cells := _cells(values):
                    rows.append((number, cells))
    except BadInput:
        raise
    except Exception as error:  # openpyxl raises nearly any type of error for a broken part
        raise BadInput(f"{name} {_why(error)}") from None
    return rows


def _why(error: Exception) -> str:
    cause = error.__cause__ or error.__context__ or error  # some of openpyxl's messages ask to contact its authors
    if isinstance(cause, DefusedXmlException):
        return "has an XML document type, which no statement needs"
    return f"is a broken workbook: {(str(cause).splitlines() or [type(cause).__name__])[0][:200]}"


def _check_archive(raw: bytes, name: str) -> None:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        parts = archive.infolist()
    if not any(part.filename.startswith("xl/") for part in parts):
        raise BadInput(f"{name} is a ZIP archive and no workbook: give the file that lies in it")
    # zipfile reads no more of a part than its declared size, so checking the declared sizes is enough.
    if sum(part.file_size for part in parts) > UNPACKED_AT_MOST:
        raise BadInput(f"{name} unpacks to more than {UNPACKED_AT_MOST // 1024**2} MB")


def _values(raw: bytes) -> Iterator[tuple[object, ...]]:
    """The values of each row of the first sheet, including empty rows."""
    book = load_workbook(io.BytesIO(raw), read_only=True, data_only=True, keep_links=False)
    try:
        for sheet in book.worksheets[:1]:
            sheet.reset_dimensions()  # exporters write wrong dimensions, which would hide cells
            yield from sheet.iter_rows(values_only=True)
    finally:
        book.close()


def _cells(values: tuple[object, ...]) -> list[str]:
    cells = [plain(_text(value)) for value in values[:COLUMNS_AT_MOST]]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(int(value))
        case float() if abs(value) >= _EXACT_BELOW:
            return f"{value:.14e}"  # so that an id that lost digits is recognised as damaged
        case datetime():
            return _second(value).strftime("%Y-%m-%d %H:%M:%S")
        case date():
            return f"{value.isoformat()} 00:00:00"
        case _:
            return str(value)


def _second(at: datetime) -> datetime:
    """The nearest whole second: a workbook stores a time of day as a binary fraction, which is seldom exact."""
    return (at + timedelta(microseconds=500_000)).replace(microsecond=0)
