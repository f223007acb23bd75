"""`waybill`: recognition on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import WIDE
from typer.testing import CliRunner, Result

from core.audit.waybills import sandbox_number
from starter import app


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["waybill", *arguments], env=WIDE)


def test_what_was_typed_is_normalised_and_recognised() -> None:
    answer = json.loads(run("１Z5R89390357567127", "--json").stdout)
    assert (answer["normalised"], answer["answer"], answer["carriers"]) == ("1Z5R89390357567127", "possible", ["ups"])
    assert answer["changes"]


def test_a_wrong_check_digit_of_the_named_carrier_is_impossible_and_says_why() -> None:
    good = sandbox_number(7)
    wrong = good[:-1] + str((int(good[-1]) + 1) % 10)
    answer = json.loads(run(wrong, "--carrier", "sandbox", "--json").stdout)
    assert answer["answer"] == "impossible"
    assert answer["reason"]


def test_a_file_gives_one_line_a_number(tmp_path: Path) -> None:
    file = tmp_path / "numbers.txt"
    file.write_text("SF6026131434978\n\n78474409893076\n", encoding="utf-8")
    lines = run("--file", str(file), "--json").stdout.splitlines()
    assert [json.loads(line)["input"] for line in lines] == ["SF6026131434978", "78474409893076"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk"])
@pytest.mark.parametrize(("header", "delimiter"), [("快递单号", ","), ("Tracking Number", ";"), ("运单号", "\t")])
def test_a_spreadsheets_column_is_read(tmp_path: Path, encoding: str, header: str, delimiter: str) -> None:
    if encoding == "gbk" and header.isascii():
        header = "单号"
    file = tmp_path / "shipped.csv"
    rows = [("订单", header), ("A1", "SF6026131434978"), ("A2", '"=""78474409893076"""'), ("A3", "")]
    file.write_bytes("\r\n".join(delimiter.join(row) for row in rows).encode(encoding))
    for more in ((), ("--column", header)):
        lines = run("--file", str(file), "--json", *more).stdout.splitlines()
        assert [json.loads(line)["input"] for line in lines] == ["SF6026131434978", "78474409893076"]


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        ("order,number\nA1,78474409893076", (), "name one with --column; there are order, number"),
        ("order,number\nA1,78474409893076", ("--column", "waybill"), "no such column; there are order, number"),
        ("waybill\n7.84744E+13", (), "row 2, waybill: '7.84744E+13' was rounded by a spreadsheet"),
    ],
)
def test_a_column_that_is_not_there_or_is_damaged_is_named(
    tmp_path: Path, text: str, more: tuple[str, ...], said: str
) -> None:
    file = tmp_path / "shipped.csv"
    file.write_text(text, encoding="utf-8")
    result = run("--file", str(file), *more)
    assert result.exit_code == 1
    assert said in result.stderr


def test_a_number_without_its_leading_zeros_is_told_so() -> None:
    whole = json.loads(run("03071790000523483741", "--carrier", "usps", "--json").stdout)
    cut = json.loads(run("3071790000523483741", "--carrier", "usps", "--json").stdout)
    assert (whole["answer"], cut["answer"]) == ("possible", "other_carrier_likelier")
    assert "With a zero before it, which a spreadsheet takes away" in cut["reason"]


def test_an_unknown_carrier_is_refused_with_suggestions() -> None:
    result = run("12345678", "--carrier", "sff")
    assert result.exit_code == 1
    assert "sf" in result.stderr


def test_no_number_is_bad_usage() -> None:
    assert run().exit_code == 2


@pytest.mark.parametrize("junk", ["\x00", "😀" * 50, "-" * 3, "９" * 400])
def test_any_text_gets_an_answer(junk: str) -> None:
    result = run("--json", "--", junk)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["answer"] == "impossible"
