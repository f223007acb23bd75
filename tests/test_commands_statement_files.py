"""Statement files: good ones are read, and every bad row is named with its number and field."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.statement_files import read_statement
from core.errors import BadInput
from inbound.tables import BadFile

HEADER = "line_id,kind,key,amount,currency,at"
AT = "2026-11-20T00:00:00Z"


def a_file(folder: Path, *rows: str, header: str = HEADER) -> str:
    file = folder / "statement.csv"
    file.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return str(file)


def test_a_good_file_is_read_in_any_order_of_columns(tmp_path: Path) -> None:
    file = a_file(
        tmp_path,
        'CNY,"1,234.50",L1,settlement,S1,2026-11-20T08:00:00+08:00,7.41,bank 4711',
        "",
        "JPY,120,L2,payment,,2026-11-20T00:00:00Z,,",
        header="Currency, amount,line_id,kind,key,at,fee,reference",
    )
    first, second = read_statement(file, "channel").lines
    assert (first.amount_minor, first.fee_minor, first.key, first.reference) == (123_450, 741, "S1", "bank 4711")
    assert first.at.isoformat() == "2026-11-20T00:00:00+00:00"
    assert (second.amount_minor, second.key, second.reference) == (120, None, None)


@pytest.mark.parametrize(
    ("row", "field", "why"),
    [
        (f"L1,payout,k,1.234,CNY,{AT}", "amount", "decimals"),
        (f"L1,payout,k,1.5,JPY,{AT}", "amount", "decimals"),
        (f"L1,payout,k,-1,CNY,{AT}", "amount", "not a positive number"),
        (f"L1,payout,k,0,CNY,{AT}", "amount", "above zero"),
        (f"L1,payout,k,99999999999999999999,CNY,{AT}", "amount", "more than can be moved"),
        (f"L1,payout,k,1,XXQ,{AT}", "currency", "ISO 4217"),
        ("L1,payout,k,1,CNY,2026-11-20", "at", "RFC 3339"),
        ("L1,payout,k,1,CNY,yesterday", "at", "RFC 3339"),
        ("L1,payout,k,1,CNY,9999-12-31T23:59:59Z", "at", "between"),
        (f"L1,refund,k,1,CNY,{AT}", "kind", "none of a rail's"),
        (f",payout,k,1,CNY,{AT}", "line_id", "1 to 250 characters of A-Z"),
        (f"L1,payout,{'k' * 256},1,CNY,{AT}", "key", "1 to 255 printable characters"),
        ("L1,payout,k,1,CNY", "(whole)", "5 fields"),
        (f'L1,payout,"k,1,CNY,{AT}', "(whole)", "not CSV"),
    ],
)
def test_a_bad_row_is_told_with_its_number_and_field(tmp_path: Path, row: str, field: str, why: str) -> None:
    with pytest.raises(BadFile) as caught:
        read_statement(a_file(tmp_path, f"L0,payout,k0,1,CNY,{AT}", row), "rail")
    (bad,) = caught.value.rows
    assert (bad.row, bad.field, why in bad.message) == (3, field, True), bad


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("line_id,kind,key,amount,at", "currency"),
        (HEADER + ",colour", "colour"),
        (HEADER + ",key", "key"),
        ("", "line_id"),
    ],
)
def test_a_bad_header_is_told(tmp_path: Path, header: str, field: str) -> None:
    with pytest.raises(BadFile) as caught:
        read_statement(a_file(tmp_path, header=header), "rail")
    assert (caught.value.rows[0].row, caught.value.rows[0].field) == (1, field)


@pytest.mark.parametrize(
    ("delimiter", "amount", "minor"),
    [
        (";", "1.234,50", 123_450),
        (";", "12,5", 1_250),
        (";", "12.50", 1_250),
        (";", "1234", 123_400),
        ("\t", "1.234.567,89", 123_456_789),
        ("\t", "1,234.50", 123_450),
        (",", '"1,234.50"', 123_450),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk"])
def test_what_spreadsheets_save_is_read(tmp_path: Path, delimiter: str, amount: str, minor: int, encoding: str) -> None:
    row = delimiter.join(("L1", "payout", '"=""007"""', amount, "CNY", AT, "招商银行"))
    file = tmp_path / "statement.csv"
    header = delimiter.join((*HEADER.split(","), "reference"))
    file.write_bytes(f"{header}\r\n{row}\r\n".encode(encoding))
    (line,) = read_statement(str(file), "rail").lines
    assert (line.amount_minor, line.key, line.reference) == (minor, "007", "招商银行")


@pytest.mark.parametrize("amount", ["1.234", "1,234"])
def test_an_amount_that_may_be_a_thousand_times_as_much_is_refused(tmp_path: Path, amount: str) -> None:
    file = a_file(tmp_path, f"L1;payout;k;{amount};KWD;{AT}", header=HEADER.replace(",", ";"))
    with pytest.raises(BadFile, match=r"may be 1234 or 1\.234"):
        read_statement(file, "rail")


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("4.2E+27", "rounded by a spreadsheet"),
        ("1.23e+12", "rounded by a spreadsheet"),
        ("4200001234567890000", "cut to 15 digits"),
        ("#REF!", "spreadsheet's error"),
        ("########", "spreadsheet's error"),
    ],
)
@pytest.mark.parametrize("field", ["line_id", "key", "reference"])
def test_an_id_that_a_spreadsheet_damaged_is_named(tmp_path: Path, field: str, cell: str, why: str) -> None:
    row = {"line_id": "L1", "kind": "payout", "key": "k", "amount": "1", "currency": "CNY", "at": AT, "reference": "r"}
    file = a_file(tmp_path, ",".join({**row, field: cell}.values()), header=",".join(row))
    with pytest.raises(BadFile) as caught:
        read_statement(file, "rail")
    (bad,) = caught.value.rows
    assert (bad.field, why in bad.message) == (field, True), bad


def test_an_id_that_is_marked_as_text_is_taken(tmp_path: Path) -> None:
    file = a_file(tmp_path, f'L1,payout,"=""4200001234567890000""",1,CNY,{AT}')
    assert read_statement(file, "rail").lines[0].key == "4200001234567890000"


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: f"{HEADER}\n{text}".encode())))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.csv"
    file.write_bytes(raw)
    with suppress(BadInput):
        assert all(line.amount_minor > 0 for line in read_statement(str(file), "rail").lines)
