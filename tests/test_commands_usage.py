"""`--lang zh`: a wrong option or argument is said in Chinese, by its name and its limit, as a refusal is."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from arrows import ROOT
from typer.testing import CliRunner

from commands.usage import USAGE, in_chinese
from core.reason_details import field_zh
from starter import app


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("orders --limit 0", "'--limit' 的值无效：不得小于 1。"),
        ("orders --limit x", "'--limit' 的值无效：须为整数。"),
        ("orders --phase sold", "'--phase' 的值无效：'sold' 不在可选值之列：'opening', 'screening_held', …。"),
        ("statement m-1 --from 2026-02-30", "'--from' 的值无效：须为存在的日期，如 2026-12-01。"),
        ("statement m-1 --to 9999-12-31", "'--to' 的值无效：年份须在 1970 至 2199 之间。"),
        ("reconcile --to 1.12.2026", "'--to' 的值无效：须为存在的日期，如 2026-12-01。"),
        ("rescue --restored-to 2026-02-30T00:00:00Z", "'--restored-to' 的值无效：须为存在的日期和时刻。"),
        (
            "rescue --restored-to 2026-11-28T09:30:00",
            "'--restored-to' 的值无效：须为带时区的 RFC 3339 时间，如 2026-11-22T16:00:00+08:00。",
        ),
        ("keys create shop --days 1.5", "'--days' 的值无效：须为整数。"),
        ("show", "缺少参数 'ID'。"),
        ("show --colour", "没有选项 --colour。"),
        ("show A1 --json=3", "选项 '--json' 不带值。"),
        ("show A1 --lang", "选项 '--lang' 须带值。"),
        ("policy chekc", "没有命令 'chekc'。是否指 'check'？"),
        ("orders a b", "多余的参数：a b。"),
        ("reviews --claim A1", "用法有误：请指明审核人员：--as REVIEWER。"),
        ("waybill --column x", "用法有误：--column 须与 --file 同用。"),
    ],
)
def test_a_wrong_option_is_named_in_chinese(arguments: str, said: str) -> None:
    result = CliRunner().invoke(app, ["--lang", "zh", *arguments.split()])
    assert result.exit_code == 2
    expected, dots, _ = f"错误：{said}".partition("…")
    found = result.stderr.splitlines()[-1]
    assert found.startswith(expected) if dots else found == expected


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("orders --limit 0", "'--limit': must be at least 1"),
        ("orders --limit x", "'--limit': must be a whole number"),
        ("orders --phase sold", "'--phase': 'sold' is not one of 'opening', …"),
        ("statement m-1 --from 2026-02-30", "'--from': must be a day that exists, such as 2026-12-01"),
        ("statement m-1 --to 9999-12-31", "'--to': must lie between 1970 and 2199"),
        ("rescue --restored-to 2026-02-30T00:00:00Z", "'--restored-to': must be a day and a time of day that exist"),
    ],
)
def test_a_wrong_option_is_said_plainly_in_english(arguments: str, said: str) -> None:
    result = CliRunner().invoke(app, arguments.split())
    assert result.exit_code == 2
    assert f"Error: Invalid value for {said.partition('…')[0]}" in " ".join(result.stderr.split())


def test_the_language_of_the_command_itself_counts_too() -> None:
    result = CliRunner().invoke(app, ["show", "--lang", "zh", "--colour"])
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (2, "错误：没有选项 --colour。")


def test_without_it_the_parser_speaks_as_before_and_a_group_shows_its_help() -> None:
    assert "Error: No such option: --colour" in CliRunner().invoke(app, ["show", "--colour"]).stderr
    for before in ([], ["--lang", "zh"]):
        assert "Usage:" in CliRunner().invoke(app, [*before, "keys"]).output


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({"LC_ALL": "", "LC_MESSAGES": "", "LANG": ""}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "", "LANG": "C.UTF-8"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "", "LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_TW", "LANG": "de_DE.UTF-8"}, "zh"),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
    ],
)
def test_the_language_is_that_of_the_terminal(environ: dict[str, str], language: str) -> None:
    said = CliRunner().invoke(app, ["show", "--colour"], env=environ).stderr
    assert ("错误" in said) == (language == "zh")


def test_a_chinese_terminal_is_spoken_to_in_chinese_unless_told_otherwise() -> None:
    def said(*arguments: str) -> str:
        environment = {"LC_ALL": "zh_CN.UTF-8"}
        return CliRunner().invoke(app, list(arguments), env=environment).stderr.splitlines()[-1]

    assert said("show", "--colour") == "错误：没有选项 --colour。"
    assert said("--colour") == "错误：没有选项 --colour。"
    assert said("ordrs").startswith("错误：")
    assert said("--lang", "fr", "orders").startswith("错误：")
    assert said("orders", "--merchant", "m 7").startswith("malformed (merchant): 内容无法识别。")
    assert said("--lang", "en", "show", "--colour") == "Error: No such option: --colour"
    assert said("show", "A 1", "--lang", "en").startswith("malformed (id): id: ")


def _bad_parameters() -> Iterator[str]:
    for file in sorted((ROOT / "commands").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "BadParameter":
                yield from (str(one.value) for one in node.args if isinstance(one, ast.Constant))


def test_every_sentence_of_ours_about_usage_is_said_in_chinese() -> None:
    found = set(_bad_parameters())
    assert len(found) > 10
    assert sorted(one for one in found - USAGE.keys() if field_zh(one) is None) == []


@pytest.mark.parametrize(("english", "chinese"), USAGE.items())
def test_a_sentence_puts_the_same_in(english: str, chinese: str) -> None:
    values = [f"x{number}" for number in range(english.count("{}"))]
    assert in_chinese(english.format(*values)) == chinese.format(*values)
