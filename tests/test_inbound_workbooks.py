"""Workbooks: cells come out as the texts of a bill, from any program. A broken or hostile file is refused."""

from __future__ import annotations

import io
import warnings
import zipfile
from contextlib import suppress
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook
from workbooks import MAIN, packed, parts_of, workbook

from core.errors import BadInput
from inbound.statements import xlsx
from inbound.statements.xlsx import rows_of
from inbound.tables import damage


def cells(*row: str) -> list[list[str]]:
    """What is read of a sheet with one row of these cells."""
    sheet = f'<sheetData><row r="1">{"".join(row)}</row></sheetData>'
    return [read for _, read in rows_of(packed(parts_of(sheet)), "bill.xlsx")]


def test_a_workbook_that_a_library_wrote_is_read() -> None:
    book, packed_book = Workbook(), io.BytesIO()
    sheet = book.active
    assert sheet is not None
    sheet.append(["id", "at", "amount", "paid"])
    sheet.append([])
    sheet.append(["`T-1", datetime.fromisoformat("2026-11-27 16:33:45"), 47.8, True])
    book.create_sheet("a second one").append(["not this"])
    book.save(packed_book)
    assert rows_of(packed_book.getvalue(), "bill.xlsx") == [
        (1, ["id", "at", "amount", "paid"]),
        (3, ["T-1", "2026-11-27 16:33:45", "47.8", "1"]),
    ]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('<c r="A1"><v>47.80</v></c>', "47.8"),
        ('<c r="A1"><v>4780</v></c>', "4780"),
        ('<c r="A1" t="str"><f>B1</f><v>T-1</v></c>', "T-1"),
        ('<c r="A1" s="1"><v>46353.690104166664</v></c>', "2026-11-27 16:33:45"),
        ('<c r="A1" t="d"><v>2026-11-27T16:33:45</v></c>', "2026-11-27 16:33:45"),
        ('<c r="A1" t="inlineStr"><is><r><t>T-</t></r><r><t>1</t></r></is></c>', "T-1"),
    ],
)
def test_a_cell_is_the_text_that_a_person_sees(cell: str, text: str) -> None:
    assert cells(cell) == [[text]]


@pytest.mark.parametrize(
    "value", ["4.2E+27", "1.23456789012345E+15", "1234567890123450000", "1.23456789012345E+18", "1E+15"]
)
def test_an_id_that_lost_digits_as_a_number_is_seen(value: str) -> None:
    ((read,),) = cells(f'<c r="A1"><v>{value}</v></c>')
    assert damage(read) is not None


def test_a_wrong_dimension_hides_no_cell() -> None:
    sheet = '<dimension ref="A1"/><sheetData><row r="1"><c r="A1"><v>1</v></c><c r="C1"><v>3</v></c></row></sheetData>'
    assert rows_of(packed(parts_of(sheet)), "bill.xlsx") == [(1, ["1", "", "3"])]


def test_nothing_is_warned_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cells('<c r="A1" s="1"><v>99999999999</v></c>') == [["#VALUE!"]]


@pytest.mark.parametrize(
    ("sheet", "said"),
    [
        ('<sheetData><row r="999999999"><c r="A999999999"><v>1</v></c></row></sheetData>', "more than 1000000 rows"),
        ('<sheetData><row r="1"><c r="A1" t="s"><v>7</v></c></row></sheetData>', "broken workbook"),
        ("<sheetData><row>", "broken workbook"),
    ],
)
def test_a_sheet_that_cannot_be_read_is_refused(sheet: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        rows_of(packed(parts_of(sheet)), "bill.xlsx")


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/workbook.xml"])
def test_entities_are_refused_in_every_part(part: str) -> None:
    bomb = f'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><sst {MAIN}><si><t>&b;</t></si></sst>'
    with pytest.raises(BadInput, match="document type"):
        rows_of(packed({**parts_of("<sheetData/>"), part: bomb}), "bill.xlsx")


def test_what_unpacks_to_too_much_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "UNPACKED_AT_MOST", 2 * 1024 * 1024)
    raw = packed({**parts_of("<sheetData/>"), "xl/media/image1.png": "0" * 3_000_000})
    assert len(raw) < 10_000
    with pytest.raises(BadInput, match="unpacks to more than 2 MB"):
        rows_of(raw, "bill.xlsx")


def test_a_part_that_declares_too_little_is_not_read_further() -> None:
    raw = packed(parts_of(f"<sheetData>{' ' * 3_000_000}</sheetData>"))
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        size = archive.getinfo("xl/worksheets/sheet1.xml").file_size
    lying = raw.replace(size.to_bytes(4, "little"), (100).to_bytes(4, "little"))
    assert lying != raw
    with pytest.raises(BadInput, match="broken workbook"):
        rows_of(lying, "bill.xlsx")


@given(st.sampled_from(sorted(parts_of(""))), st.data())
def test_a_workbook_bent_anywhere_is_read_or_refused(part: str, data: st.DataObject) -> None:
    parts = parts_of(
        '<dimension ref="A1:B1"/><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" s="1"><v>46353.5</v></c>'
        '<c r="C1" t="inlineStr"><is><t>x</t></is></c></row></sheetData>',
        ["T-1"],
    )
    text = parts[part]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        text = (
            text[:at] + data.draw(st.text('<>/="01239AZr:\x01', max_size=6)) + text[at + data.draw(st.integers(0, 9)) :]
        )
    with suppress(BadInput):
        rows_of(packed({**parts, part: text or " "}), "bill.xlsx")


@given(st.data())
def test_an_archive_bent_anywhere_is_read_or_refused(data: st.DataObject) -> None:
    raw = bytearray(workbook([["id", "amount"], ["T-1", "47.80"]]))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    with suppress(BadInput):
        rows_of(bytes(raw), "bill.xlsx")
