"""Files, JSON, ids: input that cannot be read is refused with a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commands import reading
from commands.reading import Subject, actor_of, documents, id_of, read_text, subject_of
from core.errors import BadInput, Refused
from core.strict_json import parse_json


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"a": 1, "a": 2}', "line 1: the key 'a' stands twice in one object"),
        ('{"a": NaN}', "line 1: NaN is not JSON"),
        ('{"a": -Infinity}', "line 1: -Infinity is not JSON"),
        ('{"a": 1e999}', "line 1: the number 1e999 is too large"),
        ('{"a": ' + "9" * 5000 + "}", "line 1: a number has 5000 digits"),
        ("[" * 200_000, "line 1: nested too deeply"),
        ('{"a": "\\ud800"}', "line 1: a string holds half a character (a lone surrogate)"),
        ('{"a": 1} x', "line 1: something follows after the JSON value"),
        ('{"a": 1,\n "b": }', "line 2, column 7: not JSON: Expecting value"),
        ('{"a": "\x01"}', "line 1, column 8: not JSON: Invalid control character at"),
        ("", "line 1, column 1: not JSON: Expecting value"),
    ],
    ids=lambda text: str(text)[:24],
)
def test_json_that_python_would_take_or_choke_on_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_json(text)
    assert str(refused.value) == sentence


def test_one_document_over_several_lines_is_one_order() -> None:
    found = documents("\n\n" + json.dumps({"order_id": "A", "lines": []}, indent=1))
    assert [(document.line, document.value) for document in found] == [(3, {"order_id": "A", "lines": []})]


def test_json_lines_are_read_line_by_line_and_a_broken_one_spoils_only_itself() -> None:
    found = documents('{"a": 1}\n\n{"a": \n{"a": 3}\n')
    assert [(document.line, document.value, document.wrong is None) for document in found] == [
        (1, {"a": 1}, True),
        (3, None, False),
        (4, {"a": 3}, True),
    ]


def test_a_broken_first_line_does_not_turn_json_lines_into_one_document() -> None:
    found = documents('{"a": 1, "a": 2}\n{"a": 3}\n')
    assert [document.value for document in found] == [None, {"a": 3}]


def test_an_array_gives_its_elements_with_their_lines() -> None:
    found = documents('[\n {"a": 1},\n {"a":\n 2}\n]')
    assert [(document.line, document.value) for document in found] == [(2, {"a": 1}), (3, {"a": 2})]


class Looked(str):
    """A text that counts the characters that are looked at."""

    __slots__ = ("at",)
    at: int

    def count(self, what: str, start: Any = 0, end: Any = None, /) -> int:
        return self[start:end].count(what)

    def __getitem__(self, part: Any) -> str:
        found = super().__getitem__(part)
        self.at += len(found)
        return found


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("escaped", [True, False])
def test_each_line_is_counted_once(indent: int | None, escaped: bool) -> None:
    """Counted from the start for each element, 3,000 elements would be read 1,500 times."""
    order = {"order_id": "A1", "title": "茶饼" * 50}
    text = Looked(json.dumps([order] * 3_000, indent=indent, ensure_ascii=escaped))
    text.at = 0
    assert len(documents(text)) == 3_000
    looked_at, length = text.at, len(text)
    assert looked_at < 2 * length


@pytest.mark.parametrize("text", ['[{"a": 1},', '[{"a": 1} {"a": 2}]', '[{"a": 1}] x', "[{}", "[,]"])
def test_a_broken_array_says_where_after_its_good_elements(text: str) -> None:
    found = documents(text)
    assert found[-1].wrong is not None
    assert all(document.wrong is None for document in found[:-1])


@pytest.mark.parametrize("text", ["", " \n\t", "[]", "[ ]"])
def test_nothing_at_all_is_said(text: str) -> None:
    with pytest.raises(BadInput, match="no order in it"):
        documents(text)


def test_a_file_in_no_known_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "orders.json"
    file.write_bytes(b'{"a": 1}\n{"b": "\xff"}')
    with pytest.raises(BadInput, match="line 2: byte 16 is not UTF-8; save it as UTF-8"):
        read_text(str(file))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gbk"])
def test_an_order_saved_by_excel_or_powershell_is_read(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "orders.json"
    file.write_bytes('{"title": "茶饼"}'.encode(encoding))
    assert parse_json(read_text(str(file))) == {"title": "茶饼"}


@pytest.mark.parametrize("name", ["missing.json", ".", "with\0nul"])
def test_a_file_that_cannot_be_opened_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_text(f"{tmp_path}/{name}")


def test_a_file_beyond_every_measure_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST_FILE", 100)
    file = tmp_path / "orders.json"
    file.write_bytes(b" " * 101)
    with pytest.raises(BadInput, match="larger than"):
        read_text(str(file))


@pytest.mark.parametrize("text", ["", "a/b", "a b", "ü", "a\n", "a" * 65, "../x"])
def test_an_id_outside_its_alphabet_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        id_of(text)
    assert refused.value.code == "malformed"


def test_a_subject_is_an_order_unless_it_says_withdrawal() -> None:
    assert subject_of("A1") == Subject("A1", is_withdrawal=False)
    assert subject_of("A1").workflow_id == "order-A1"
    assert subject_of("withdrawal-W1").workflow_id == "withdrawal-W1"
    assert subject_of("order/A1") == subject_of("A1")
    assert subject_of("withdrawal/W1") == subject_of("withdrawal-W1")
    for wrong in ("order/", "case/A1-1", "order/order/A1", "withdrawal-"):
        with pytest.raises(Refused, match="is not 1 to 64"):
            subject_of(wrong)


def test_an_actor_is_a_role_and_an_id() -> None:
    assert actor_of("merchant:m-7") == {"role": "merchant", "id": "m-7"}
    with pytest.raises(Refused, match="ROLE:ID"):
        actor_of("merchant")
