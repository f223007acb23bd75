"""A wrong option or argument, said plainly, and in Chinese with `--lang zh`: the parser speaks English alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import typer
from pydantic import ValidationError

from commands.group import LANGUAGE
from core.field_faults import said_plainly
from core.forms import Forms
from core.reason_details import field_zh

_USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]
"""What the parser raises for each of them, by a name that typer does not export."""
USAGE: dict[str, str] = {
    # the parser's
    "Missing command.": "缺少命令。",
    "Missing argument {}.": "缺少参数 {}。",
    "Missing option {}.": "缺少选项 {}。",
    "Missing option {}. {}": "缺少选项 {}。{}",
    "No such command {}.": "没有命令 {}。",
    "No such command {}. Did you mean {}?": "没有命令 {}。是否指 {}？",
    "No such option: {}": "没有选项 {}。",
    "No such option: {} (Possible options: {})": "没有选项 {}。可用：{}。",
    "Got unexpected extra argument(s) ({})": "多余的参数：{}。",
    "Option {} does not take a value.": "选项 {} 不带值。",
    "Option {} requires an argument.": "选项 {} 须带值。",
    "Option {} requires {} arguments.": "选项 {} 须带 {} 个值。",
    "Invalid value for {}: {}": "{} 的值无效：{}。",
    "Invalid value: {}": "用法有误：{}。",
    "{} is not one of {}.": "{} 不在可选值之列：{}",
    "Path {} does not exist.": "路径 {} 不存在",
    "File {} does not exist.": "文件 {} 不存在",
    "Directory {} does not exist.": "目录 {} 不存在",
    "File {} is a directory.": "文件 {} 是目录",
    "File {} is not readable.": "文件 {} 不可读",
    # our own
    "--column needs --file": "--column 须与 --file 同用",
    "give a number, or --file": "请给出单号，或 --file",
    "--statement needs --rail or --channel: say whose it is": "--statement 须指明 --rail 或 --channel",
    "either --schedule or --unschedule": "--schedule 与 --unschedule 只能用其一",
    "either --rail or --channel": "--rail 与 --channel 只能用其一",
    "--leg needs --id: under which id, so that it counts once": "--leg 须带编号 --id，以免重复记账",
    "say who you are: --as REVIEWER": "请指明审核人员：--as REVIEWER",
    "either --claim or --release": "--claim 与 --release 只能用其一",
    "--to lies before --from": "--to 早于 --from",
    "either --csv or --json": "--csv 与 --json 只能用其一",
    "--paid-in or --write-off, not both": "--paid-in 与 --write-off 只能用其一",
    "--id: under which id, so that it counts once": "请给出编号 --id，以免重复记账",
    "--channel or --rail: where the money came": "请指明收款处：--channel 或 --rail",
    "{} needs --as ROLE:ID: who says so": "{} 须指明操作人：--as ROLE:ID",
    "say MERCHANT AMOUNT, or AMOUNT --grade GRADE": "请给出 MERCHANT AMOUNT，或 AMOUNT --grade GRADE",
}


def is_wrong(error: Exception) -> bool:
    """Whether something was wrong with options or arguments. A group that is called alone only shows its help."""
    return isinstance(error, _USAGE_ERROR) and type(error).__name__ != "NoArgsIsHelpError"


def say_plainly(error: Any) -> None:
    """Put our words in place of pydantic's, by which the parser reads the values of options."""
    if isinstance(error.__cause__, ValidationError):
        error.message = said_plainly(error.__cause__.errors()[0])


def wants_chinese(arguments: Sequence[str]) -> bool:
    """Whether these ask for Chinese, before or after a command's name, or the terminal does and they say nothing.

    They are looked at as they are: where one is wrong, none of them is read.
    """
    said = {two[1] for two in pairwise(arguments) if two[0] == "--lang"}
    said |= {one.removeprefix("--lang=") for one in arguments if one.startswith("--lang=")}
    return "zh" in said or ("en" not in said and LANGUAGE.get() == "zh")


def show_in_chinese(error: Any) -> None:
    """Print on stderr how the command is called, and what was wrong."""
    if error.ctx is not None:
        usage = error.ctx.get_usage().replace("Usage: ", "用法：", 1)
        typer.echo(f"{usage}\n“{error.ctx.command_path} {error.ctx.help_option_names[0]}” 显示帮助。\n", err=True)
    typer.echo(f"错误：{in_chinese(error.format_message())}", err=True)


def in_chinese(message: str) -> str:
    """The parser's message; what has no Chinese form stays."""
    return _FORMS.said(message) or message


def _inner(part: str) -> str:
    return _FORMS.said(part) or field_zh(part) or part


_FORMS = Forms(USAGE, _inner)
