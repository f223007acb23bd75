"""`--lang zh`: the headings of every table that such a command shows are Chinese, too."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from chinese import english_in
from rich.console import Console

from commands.headings import CHINESE, in_chinese, print_in
from core.texts import Language
from screens import Shown, facts, table

COMMANDS = Path(__file__).parents[1] / "commands"
SPEAKING = ("views.py", "traces.py", "reviews.py", "show.py", "orders.py", "withdrawals.py")
"""The files whose tables are shown in Chinese, too."""


def _headings() -> Iterator[str]:
    """Every text that stands as a title or a column in these files."""
    for name in SPEAKING:
        for node in ast.walk(ast.parse((COMMANDS / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"table", "facts"}:
                yield from _texts(node.args[0])
                if node.func.id == "table":
                    yield from _texts(node.args[1])
                elif isinstance(node.args[1], ast.Dict):
                    for key in node.args[1].keys:
                        yield from _texts(key)
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in {"COLUMNS", "columns"}:
                yield from _texts(node.value)


def _texts(node: ast.AST | None) -> Iterator[str]:
    if isinstance(node, ast.Tuple):
        for element in node.elts:
            yield from _texts(element)
    elif isinstance(node, ast.Constant):
        yield str(node.value)


def test_every_heading_of_a_command_that_speaks_chinese_has_a_chinese_one() -> None:
    found = set(_headings())
    assert len(found) > 60
    assert found - set(CHINESE) == set()
    assert [chinese for chinese in CHINESE.values() if english_in(chinese)] == []


@pytest.mark.parametrize(
    ("title", "chinese"),
    [
        ("Order A-1", "订单 A-1"),
        ("Withdrawal w-1", "提现 w-1"),
        ("1 review", "1 项待审核"),
        ("What the carriers say of parcel p1 (not asked yet)", "快递公司关于包裹 p1 的轨迹（尚未查询）"),
        (
            "What the carriers say of parcel p1 of A1 (sandbox polled 2026-11-22 16:00 UTC: found)",
            "快递公司关于订单 A1 包裹 p1 的轨迹（sandbox 查询于 2026-11-22 16:00 UTC: 有轨迹）",
        ),
        ("another", "another"),
    ],
)
def test_a_title_that_names_something_is_chinese_around_it(title: str, chinese: str) -> None:
    assert in_chinese(title) == chinese


def _shown(shown: Shown, language: Language, width: int) -> list[str]:
    text = io.StringIO()
    print_in(Console(file=text, width=width, markup=False), shown, language)
    return text.getvalue().splitlines()


def test_what_a_table_says_of_itself_follows_the_language() -> None:
    journal = table("Journal", ("no", "verb", "why"), [("7", "cancel_order", "too late " * 4)], spare=("why",))
    assert _shown(journal, "en", 240)[1].split() == ["no", "verb", "why"]
    title, header, *_ = _shown(journal, "zh", 240)
    assert (title, header.split()) == ("日志", ["序号", "命令", "原因"])
    assert "30 列内未显示：原因。" in _shown(journal, "zh", 30)
    assert _shown(table("Parcels", ("parcel",), []), "zh", 80)[-2] == "无"
    assert "  原因：too late" in _shown(journal, "zh", 16)
    assert _shown(facts("Order A1", {"merchant": "m-7"}), "zh", 80)[:2] == ["订单 A1", " 商家  m-7"]


def test_numbers_stay_to_the_right_under_their_chinese_heading() -> None:
    rows = [("a", "1.00 CNY"), ("b", "1,000.00 CNY")]
    lines = _shown(table("Accounts", ("account", "balance"), rows, numbers=("balance",)), "zh", 80)
    assert lines[3] == "a         1.00 CNY"
