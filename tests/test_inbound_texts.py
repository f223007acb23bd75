"""The text of a file: encodings that are recognised for certain are read, all others are refused with their line."""

from __future__ import annotations

import codecs
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from inbound.texts import decode

CHINESE = "商户订单号,金额\nT1,“茶饼”￥12.50\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "gbk", "gb18030"])
def test_what_people_save_is_read(encoding: str) -> None:
    assert decode(CHINESE.encode(encoding), "f") == CHINESE


def test_utf_16_of_the_other_byte_order_is_read() -> None:
    assert decode(codecs.BOM_UTF16_BE + CHINESE.encode("utf-16-be"), "f") == CHINESE


@pytest.mark.parametrize("text", ["Müller,Straße", "Café,1", "señor niño", "Åse Østergård", "déjà vu, où ça"])
def test_western_accents_are_not_taken_for_chinese(text: str) -> None:
    with pytest.raises(BadInput, match=r"line 1: byte .* is not UTF-8; save it as UTF-8"):
        decode(text.encode("latin-1"), "f")


def test_utf_16_without_its_mark_is_named() -> None:
    with pytest.raises(BadInput, match="UTF-16 without its mark"):
        decode("id,gross,é".encode("utf-16-le"), "f")


def test_a_mark_that_lies_is_named() -> None:
    with pytest.raises(BadInput, match="begins with the mark of UTF-16"):
        decode(codecs.BOM_UTF16_LE + b"a", "f")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_text_or_a_refusal(raw: bytes) -> None:
    with suppress(BadInput):
        assert isinstance(decode(raw, "f"), str)
