"""MT940: well-formed statements say the same to an independent reader; what such readers lose is kept or refused."""

from __future__ import annotations

import io
from datetime import date
from decimal import Decimal

import mt940
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbound.statements.choosing import read_foreign
from inbound.tables import BadFile

HEAD = ":20:S\n:25:NL08DEUT0319809633\n:28C:1/1\n:60F:C261127EUR1000,00\n"
MARKS = {"D": "payout", "C": "funding", "RD": "return"}
references = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=16)
entries = st.tuples(
    st.dates(date(2020, 1, 1), date(2060, 12, 31)),
    st.sampled_from(sorted(MARKS)),
    st.integers(1, 10**9),
    st.sampled_from(["NTRF", "NMSC", "S103", "FCHK"]),
    references,
)


def closing(minor: int, tag: str = "62F", currency: str = "EUR") -> str:
    """The closing balance of a statement."""
    return f":{tag}:{'D' if minor < 0 else 'C'}261128{currency}{abs(minor) // 100},{abs(minor) % 100:02}\n"


@given(st.lists(entries, min_size=1, max_size=8))
def test_an_independent_reader_reads_the_same(lines: list[tuple[date, str, int, str, str]]) -> None:
    text = HEAD + "".join(
        f":61:{day:%y%m%d}{day:%m%d}{mark}{minor // 100},{minor % 100:02}{type_}{owner}//B{number}\n:86:text\n"
        for number, (day, mark, minor, type_, owner) in enumerate(lines)
    )
    text += closing(100_000 + sum(-minor if mark == "D" else minor for _, mark, minor, _, _ in lines))
    read = read_foreign("file", text.encode(), "rail")
    theirs = mt940.parse(io.StringIO(text))
    assert read is not None
    assert [
        (line.kind, Decimal(line.amount_minor) / 100, line.currency, line.key, line.reference, line.at.date())
        for line in read.lines
    ] == [
        (
            MARKS[one.data["status"]],
            abs(one.data["amount"].amount),
            one.data["amount"].currency,
            one.data["customer_reference"],
            one.data["bank_reference"],
            one.data["date"],
        )
        for one in theirs
    ]


def test_an_entry_without_a_type_is_named_and_not_replaced_by_the_next() -> None:
    text = HEAD + ":61:2611271127D120,50\n:61:2611271127D20,00NTRFk2//B2\n:61:2611271127D7,00k1a2b3//B3\n"
    text += closing(98_000)
    with pytest.raises(BadFile) as caught:
        read_foreign("file", text.encode(), "rail")
    assert [bad.row for bad in caught.value.rows] == [5, 7]


def test_a_long_reference_is_kept_whole() -> None:
    text = HEAD + ":61:2611271127D120,50NTRF12345678901234567890//B12345678901234567890123456789\n" + closing(87_950)
    read = read_foreign("file", text.encode(), "rail")
    assert read is not None
    assert (read.lines[0].key, read.lines[0].reference) == ("12345678901234567890", "B12345678901234567890123456789")


def test_envelopes_pages_and_unknown_fields_change_nothing() -> None:
    page = HEAD.replace("1/1", "A-2026/2").replace("60F", "60M").replace("EUR", "USD")
    text = f"{{1:F01}}{{4:\n{HEAD}:61:261127D1,00NTRFk1//B1\nmore\nand more\n{closing(99_900, '62M')}-}}\n"
    text += f"{{1:F01}}{{4:\n{page}"
    text += ":99Z:x\n:61:261127D2,00NTRFk2//B2\n" + closing(99_800, currency="USD") + "-}"
    read = read_foreign("file", text.encode(), "rail")
    assert read is not None
    assert [(line.amount_minor, line.currency, line.key) for line in read.lines] == [
        (100, "EUR", "k1"),
        (200, "USD", "k2"),
    ]
