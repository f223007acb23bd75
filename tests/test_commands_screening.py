"""`screening check|try` and `licences …` by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import ask, ask_any, refusal, run
from databases import Database

from core.screening.rules import parse_rules

BAD = 'version = "1"\ncolour = 1\n[[rules]]\nid = "a"\nname = "A"\nverdict = "hold"\n'


def test_the_rules_in_use_are_right_and_told_by_their_edition() -> None:
    answer = ask("screening", "check")
    assert answer["problems"] == []
    assert answer["edition"] == parse_rules(Path(answer["file"]).read_text(encoding="utf-8")).edition


def test_what_is_wrong_with_a_file_is_told_by_line_and_key(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(BAD, encoding="utf-8")
    answered = run("screening", "check", str(file), "--json")
    assert answered.exit_code == 1
    (problem,) = json.loads(answered.stdout)["problems"]
    assert (problem["line"], problem["key"]) == (2, "colour")
    assert "colour" in run("screening", "check", str(file)).stdout
    assert run("screening", "check", "-", stdin=BAD).exit_code == 1
    assert refusal("screening", "check", str(tmp_path / "none.toml")) == "bad_input"


def test_a_title_is_tried_with_rule_word_and_excuse() -> None:
    gun, wipes, cake, spirit = ask("screening", "try", "槍 支", "酒精湿巾", "酥饼", "75%酒精")["titles"]
    assert (gun["outcome"], gun["hits"][0]["rule"], gun["hits"][0]["word"]) == ("refuse", "firearms", "枪支")
    assert (wipes["outcome"], wipes["hits"][0]["excused_by"]) == ("allow", "酒精湿巾")
    assert (cake["outcome"], cake["hits"]) == ("allow", [])
    assert (spirit["outcome"], spirit["hits"][0]["licence"]) == ("refuse", "hazardous_chemicals")
    licensed = ask("screening", "try", "75%酒精", "--licence", "hazardous_chemicals")["titles"]
    assert [one["outcome"] for one in licensed] == ["allow"]
    declared = ask("screening", "try", "酥饼", "--category", "wildlife.x")["titles"]
    assert [one["outcome"] for one in declared] == ["refuse"]
    shown = run("screening", "try", "槍 支", "手枪模型").stdout
    assert "its merchant may appeal" in shown
    assert "the title says 模型" in shown
    assert refusal("screening", "try", "x", "--licence", "driving") == "malformed"


@pytest.fixture
def _books(database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", database.worker_dsn)
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:9")
    monkeypatch.setenv("DAKUAN_HOME", str(tmp_path))


BY = ("--by", "operator:ann", "--reason", "the certificate was seen")


@pytest.mark.usefixtures("_books")
def test_a_licence_is_noted_listed_and_withdrawn() -> None:
    (noted,) = ask_any("licences", "note", "m-7", "liquor", "--number", "JY1", "--until", "2190-03-31", *BY)
    assert (noted["licence"], noted["number"], noted["who"]) == ("liquor", "JY1", "ann")
    assert "JY1" in run("licences", "list").stdout
    assert ask_any("licences", "withdraw", "m-7", "liquor", *BY) == []
    assert refusal("licences", "withdraw", "m-7", "liquor", *BY) == "malformed"


@pytest.mark.usefixtures("_books")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("m 7", "liquor", "--number", "1", *BY), "malformed"),
        (("m-7", "driving", "--number", "1", *BY), "malformed"),
        (("m-7", "liquor", "--number", " ", *BY), "malformed"),
        (("m-7", "liquor", "--number", "1", "--until", "soon", *BY), "malformed"),
        (("m-7", "liquor", "--number", "1", "--until", "2190-02-31", *BY), "malformed"),
        (("m-7", "liquor", "--number", "1", "--until", "2020-02-28", *BY), "malformed"),
        (("m-7", "liquor", "--number", "1", "--by", "operator:ann"), "reason_missing"),
        (("m-7", "liquor", "--number", "1", "--reason", "x"), "malformed"),
        (("m-7", "liquor", "--number", "1", "--by", "merchant:m-7", "--reason", "mine"), "wrong_actor"),
    ],
)
def test_what_cannot_be_noted_is_refused_with_its_field(arguments: tuple[str, ...], code: str) -> None:
    assert refusal("licences", "note", *arguments) == code
