"""The command line: each command is listed without being loaded, is found by its name, and shows its help whole."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import gateway
from commands.group import load
from starter import COMMANDS, app

ROOT = Path(__file__).parents[1]
LIGHT = (
    *("balance", "orders", "notices", "policy", "migrate", "statement", "waybill"),
    *("doctor", "show", "push", "callback", "reconcile", "prove", "rescue", "advance", "deploy"),
    *("withdraw", "withdrawals", "reviews", "accounts", "schedules", "send"),
)
"""Commands whose help needs neither Temporal nor a vendor."""

run = CliRunner().invoke


def test_each_listed_sentence_begins_the_commands_own_help() -> None:
    for name, sentence in COMMANDS.items():
        help_text = " ".join((load(name).help or "").split())
        assert help_text.startswith(sentence.removesuffix(".")), name


def test_each_command_module_that_answers_to_its_name_is_listed() -> None:
    named = [
        file.stem
        for file in (ROOT / "commands").glob("*.py")
        if re.search(
            rf"^(async def {file.stem}\(|{file.stem} = plain_app)", file.read_text(encoding="utf-8"), re.MULTILINE
        )
    ]
    assert sorted(named) == sorted(name.replace("-", "_") for name in COMMANDS)


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_the_help_loads_neither_commands_nor_temporal(flag: str) -> None:
    code = (
        f"import sys; sys.argv[1:] = ['{flag}']\ntry:\n import starter; starter.app()\nfinally:\n print(*sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    *help_lines, modules = shown.stdout.splitlines()
    assert all(any(line.strip().startswith(name) for line in help_lines) for name in COMMANDS)
    loaded = set(modules.split())
    assert not loaded & {"temporalio", "asyncpg", "httpx2", "pydantic", "gateway", "wiring", "rich"}
    assert {name for name in loaded if name.startswith("commands")} == {"commands", "commands.group"}


def test_a_command_loads_neither_temporal_nor_vendors_for_its_help() -> None:
    code = f"import sys\nfor name in {LIGHT}:\n __import__(f'commands.{{name}}'); print(name, *sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name: modules for name, *modules in map(str.split, shown.stdout.splitlines())}
    assert tuple(loaded) == LIGHT
    assert {
        name: found for name in LIGHT if (found := {"temporalio", "httpx2", "activities", "rich"} & {*loaded[name]})
    } == {}


def test_a_command_that_reaches_temporal_loads_no_workflow() -> None:
    code = "import sys, commands.start, commands.show, commands.send; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = shown.stdout.split()
    assert "gateway" in loaded
    assert not [name for name in loaded if name.startswith(("workflows", "activities", "temporalio.worker"))]


@pytest.mark.parametrize("argv", [["-h"], ["show", "-h"], ["accounts", "-h"], ["accounts", "bind", "-h"]])
def test_the_short_flag_helps_at_every_level(argv: list[str]) -> None:
    shown = run(app, argv)
    assert shown.exit_code == 0
    assert "Show this message and exit." in shown.stdout


def test_the_version_is_shown() -> None:
    shown = run(app, ["--version"])
    assert (shown.exit_code, shown.stdout[:7]) == (0, "dakuan ")


def test_a_mistyped_command_is_met_with_the_likely_one() -> None:
    shown = run(app, ["shwo"])
    assert shown.exit_code == 2
    assert "Did you mean 'show'?" in shown.stderr


def test_help_shows_brackets_as_they_are_written() -> None:
    assert "`[keep]`" in run(app, ["purge", "--help"]).stdout


def test_a_shell_completes_commands_and_their_options() -> None:
    def completed(words: str) -> list[str]:
        count = len(words.split(" ")) - 1
        environment = {
            "_DAKUAN_COMPLETE": "complete_bash",
            "COMP_WORDS": f"dakuan {words}",
            "COMP_CWORD": str(count + 1),
        }
        return run(app, [], prog_name="dakuan", env=environment).stdout.split()

    assert completed("sett") == ["settlement"]
    assert "--older-than" in completed("purge --")
    assert completed("accounts susp") == ["suspend"]


def test_the_door_into_temporal_has_every_name_that_it_promises() -> None:
    assert [name for name in gateway.__all__ if not hasattr(gateway, name)] == []
    with pytest.raises(AttributeError, match="no attribute 'bogus'"):
        gateway.bogus  # noqa: B018  # the look is the test
