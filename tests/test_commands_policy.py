"""`policy …` on a real database: who may let a name point to another text, and what is kept of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from command_line import ask_any
from command_line import refusal as refused
from command_line import run as asked
from databases import Database
from typer.testing import CliRunner, Result

from core.policy import policy_hash
from ledger.policies import PolicyMove
from ledger.pool import open_pool
from ledger.register import Register
from starter import app

FIRST = 'name = "default"\n'
SECOND = 'name = "default"\n[withdrawal]\ncooling = "24h"\n'


@pytest.fixture(autouse=True)
def _settings(database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Commands find this test's database, as a worker's role."""
    monkeypatch.delenv("DATABASE_OWNER_URL", raising=False)
    monkeypatch.setenv("DATABASE_URL", database.worker_dsn)
    monkeypatch.setenv("DAKUAN_HOME", str(tmp_path))


def run(text: str, *more: str) -> Result:
    return CliRunner().invoke(app, ["policy", "register", "-", "--json", *more], input=text)


def ask(text: str, *more: str) -> dict[str, Any]:
    answered = run(text, *more)
    assert answered.exit_code == 0, answered.output
    return dict(json.loads(answered.stdout))


def refusal(text: str, *more: str) -> str:
    answered = run(text, *more)
    assert answered.exit_code != 0
    return str(json.loads(answered.stdout)["error"]["code"])


def moves(dsn: str) -> list[PolicyMove]:
    async def look() -> list[PolicyMove]:
        pool = await open_pool(dsn, size=1)
        try:
            return await Register(pool).policies.moves("default")
        finally:
            await pool.close()

    return asyncio.run(look())


def test_a_new_name_is_registered_by_a_workers_role_and_a_known_one_not_moved(database: Database) -> None:
    for _ in range(2):
        assert ask(FIRST) == {
            "name": "default",
            "content_hash": policy_hash(FIRST),
            "registered": True,
            "moved_from": None,
        }
    answered = run(SECOND)
    assert answered.exit_code == 2
    assert json.loads(answered.stdout)["error"]["code"] == "misconfigured"
    assert "set DATABASE_OWNER_URL" in answered.stdout
    assert [move.to_hash for move in moves(database.worker_dsn)] == [policy_hash(FIRST)]


def test_the_owner_moves_a_name_once_and_says_who_and_why(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(FIRST)
    monkeypatch.setenv("DATABASE_OWNER_URL", database.owner_dsn)
    ann = ("--by", "operator:ann", "--reason", "shorter")
    assert ask(SECOND, *ann)["moved_from"] == policy_hash(FIRST)
    assert ask(SECOND, *ann)["moved_from"] is None
    first, second = moves(database.worker_dsn)
    assert (first.role, second.role) == ("dakuan_worker", "dakuan_owner")
    assert (second.from_hash, second.to_hash) == (policy_hash(FIRST), policy_hash(SECOND))
    assert (second.who, second.why) == ("operator:ann", "shorter")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--by", "merchant:m-1"), "wrong_actor"),
        (("--by", "ann"), "malformed"),
        (("--reason", " "), "reason_missing"),
        (("--reason", "x" * 501), "malformed"),
    ],
)
def test_terms_are_an_operators_with_a_reason(database: Database, more: tuple[str, ...], code: str) -> None:
    assert refusal(FIRST, *more) == code
    assert moves(database.worker_dsn) == []


def test_a_check_registers_nothing(database: Database) -> None:
    answer = ask_any("policy", "check", "-", stdin=FIRST)
    assert (answer["problems"], answer["content_hash"]) == ([], policy_hash(FIRST))
    assert moves(database.worker_dsn) == []


def test_a_policy_that_cannot_work_is_registered_only_if_that_is_meant(database: Database) -> None:
    wrong = FIRST + '[order]\nship_within = "0s"\n'
    answered = run(wrong)
    assert answered.exit_code == 1
    assert [one["key"] for one in json.loads(answered.stdout)["problems"]] == ["order.ship_within"]
    assert moves(database.worker_dsn) == []
    assert ask(wrong, "--anyway")["registered"] is True


def test_the_list_says_who_let_a_name_point_to_what(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(FIRST)
    monkeypatch.setenv("DATABASE_OWNER_URL", database.owner_dsn)
    ask(SECOND, "--by", "operator:ann", "--reason", "shorter")
    (one,) = ask_any("policy", "list")
    assert (one["name"], one["content_hash"], one["texts"], one["open_orders"]) == (
        "default",
        policy_hash(SECOND),
        2,
        0,
    )
    assert (one["who"], one["why"], one["role"]) == ("operator:ann", "shorter", "dakuan_owner")
    assert "operator:ann" in asked("policy", "list").stdout


def test_each_value_is_shown_with_its_source_and_the_name_with_its_moves() -> None:
    ask(SECOND)
    view = ask_any("policy", "show", "default", "--only", "withdrawal.cool", "--history")
    assert view["values"] == [{"key": "withdrawal.cooling", "value": "1d", "source": "the policy"}]
    assert [move["to_hash"] for move in view["moves"]] == [policy_hash(SECOND)]
    assert ask_any("policy", "show", policy_hash(SECOND))["name"] == "default"
    assert "withdrawal.cooling" in asked("policy", "show").stdout
    assert refused("policy", "show", "nobody") == "unknown_policy"
    assert refused("policy", "show", "0" * 64) == "unknown_policy"
    assert refused("policy", "show", "--order", "A1") == "unknown_order"


def test_a_grade_is_given_by_an_operator_with_the_owners_role(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    by = ("--by", "operator:ann", "--reason", "a good year")
    assert refused("grades", "give", "m-7", "gold", *by) == "misconfigured"
    monkeypatch.setenv("DATABASE_OWNER_URL", database.owner_dsn)
    for _ in range(2):
        (one,) = ask_any("grades", "give", "m-7", "gold", *by)
        assert (one["grade"], one["who"], one["why"]) == ("gold", "ann", "a good year")
    assert [one["grade"] for one in ask_any("grades", "give", "m-7", "none", *by)] == [None, "gold"]
    assert "gold" in asked("grades", "list").stdout
    assert refused("grades", "give", "m-7", "Gold", *by) == "malformed"
    assert refused("grades", "give", "m-7", "gold", "--by", "merchant:m-7", "--reason", "me") == "wrong_actor"


def test_two_policies_are_compared_by_name_and_by_file(tmp_path: Path) -> None:
    ask(FIRST)
    file = tmp_path / "second.toml"
    file.write_text(SECOND, encoding="utf-8")
    (one,) = ask_any("policy", "diff", "default", str(file))["differences"]
    assert (one["key"], one["old"]["value"], one["new"]["value"]) == ("withdrawal.cooling", "3d", "1d")
    assert "3d (our default)" in asked("policy", "diff", "default", str(file)).stdout


def test_a_policy_is_checked_by_line_and_key_for_people_and_scripts(tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text('name = "x"\nextesion = 1\n', encoding="utf-8")
    shown = asked("policy", "check", str(file))
    assert shown.exit_code == 1
    assert "extesion" in shown.stdout


@pytest.mark.parametrize("command", [("register",), ("show",), ("diff", "default"), ("what-if",)])
def test_a_policy_that_cannot_be_read_is_answered_by_line_and_key(command: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text('name = "bad"\n[order]\nship_withn = "48h"\n\n[after_sale]\ncases_max = -1\n')
    ask(FIRST)
    answered = asked("policy", *command, str(file), *([str(tmp_path)] if command == ("what-if",) else []), "--json")
    assert answered.exit_code == 1, answered.output
    view = json.loads(answered.stdout)
    assert [(one["line"], one["key"]) for one in view["problems"]] == [
        (3, "order.ship_withn"),
        (6, "after_sale.cases_max"),
    ]
