"""Tables on narrow screens: columns go, rows become paragraphs, and no id or amount is ever broken."""

from __future__ import annotations

import io
import os
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

import screens
from screens import Cell, Listing, Shown, facts, table, width_of, wrap

ORDER = "demo-late-credit-0001"
AMOUNT = "1,234,547.80 CNY"


def lines_of(shown: Shown, width: int) -> list[str]:
    """What a screen of this width shows."""
    text = io.StringIO()
    Console(file=text, width=width, markup=False, emoji=False, highlight=False).print(shown)
    return text.getvalue().splitlines()


def orders(*more: str) -> Listing:
    columns = ("order", "merchant", "total", "phase", "waits for", "refunded", "opened")
    row = (ORDER, "m-7", AMOUNT, "awaiting_shipment", "ship_by 2026-11-24 16:00 UTC", "", "2026-11-22 16:00 UTC")
    return table("1 order", columns, [row], numbers=("total", "refunded"), spare=("opened", *more))


def test_facts_have_lists_in_a_row() -> None:
    console = screens.screen()
    with console.capture() as shown:
        console.print(facts("key", {"scopes": ["a:read", "b:write"], "none": []}))
    assert shown.get().splitlines() == ["key", " scopes  a:read, b:write", ""]


def test_a_wide_screen_shows_every_column_in_one_line_a_row() -> None:
    title, header, rule, row, end = lines_of(orders(), 240)
    assert (title, end) == ("1 order", "")
    assert header.split() == ["order", "merchant", "total", "phase", "waits", "for", "refunded", "opened"]
    assert set(rule) == {"─", " "}
    assert row.startswith(f"{ORDER}  m-7       {AMOUNT}  awaiting_shipment  ship_by 2026-11-24 16:00 UTC")


def test_empty_columns_go_first_then_spare_ones_and_it_says_so() -> None:
    assert not any("refunded" in line for line in lines_of(orders(), 120))
    narrow = lines_of(orders(), 90)
    assert not any("2026-11-22" in line for line in narrow)
    assert narrow[-2] == "Not shown in 90 columns: opened."
    assert any(AMOUNT in line for line in narrow)


def test_where_columns_do_not_fit_a_row_becomes_a_paragraph() -> None:
    assert lines_of(orders(), 60) == [
        "1 order",
        ORDER,
        f"  merchant: m-7 · total: {AMOUNT}",
        "  phase: awaiting_shipment",
        "  waits for: ship_by 2026-11-24 16:00 UTC",
        "  opened: 2026-11-22 16:00 UTC",
        "",
    ]


def test_long_texts_wrap_between_words_and_chinese_anywhere_but_before_a_mark() -> None:
    assert wrap("the carrier has no record", 12) == ["the carrier", "has no", "record"]
    assert wrap("包裹运输中，尚未签收。", 10) == ["包裹运输", "中，尚未签", "收。"]
    assert wrap("运单号 SF6026131434978 不可能", 20) == ["运单号", "SF6026131434978 不可", "能"]
    assert wrap("x" * 25, 10) == ["x" * 10, "x" * 10, "x" * 5]
    assert wrap("", 5) == [""]
    assert width_of("包e\u0301x") == 4


def test_cells_of_several_lines_stand_below_each_other_and_rows_apart() -> None:
    grid = table(
        "Proofs", ("proof", "holds", "evidence"), [("a", Cell(("NO",), "red"), Cell(("x", "y"))), ("b", "yes", "")]
    )
    assert lines_of(grid, 80) == [
        "Proofs",
        "proof  holds  evidence",
        "─────  ─────  ────────",
        "a      NO     x",
        "              y",
        "",
        "b      yes",
        "",
    ]


def test_facts_leave_out_what_is_empty_and_wrap_their_values() -> None:
    shown = lines_of(facts("Order A1", {"merchant": "m-1", "nothing": None, "why": "one two three"}), 20)
    assert shown == ["Order A1", " merchant  m-1", " why       one two", "           three", ""]


words = st.text(st.sampled_from("ab1-_/包裹，。“” "), max_size=60)


@settings(max_examples=100)
@given(st.lists(st.tuples(words, words, words), max_size=4), st.integers(20, 120))
def test_no_line_is_wider_than_the_screen_and_no_letter_is_lost(rows: list[tuple[str, str, str]], width: int) -> None:
    grid = table("rows", ("first", "second", "third"), rows, numbers=("third",))
    shown = lines_of(grid, width)
    assert all(width_of(line) <= width for line in shown), shown
    letters = sorted(letter for row in rows for cell in row for letter in cell if letter in "1包/")
    assert sorted(letter for line in shown for letter in line if letter in "1包/") == letters


def test_the_width_is_what_columns_or_a_terminal_says_and_80_where_neither_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "101")
    assert screens.screen().width == 101
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setattr(shutil, "get_terminal_size", lambda fallback: os.terminal_size(fallback))
    monkeypatch.setattr(os, "get_terminal_size", lambda number: os.terminal_size((133, 20)))
    assert screens.screen().width == 133, "a pager has the terminal that stderr has"

    def none(number: int) -> os.terminal_size:
        raise OSError

    monkeypatch.setattr(os, "get_terminal_size", none)
    assert screens.screen().width == 80
