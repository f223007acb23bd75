"""One look-up says what every code of the contract means, in both languages."""

from __future__ import annotations

import pytest
from command_line import ask_any, run

from core.codes import KINDS_OF_CODES, likely, meanings, meanings_of
from core.names import name_of, names
from core.texts import Help


def test_what_is_said_in_one_language_is_said_in_the_other() -> None:
    for one in meanings():
        assert one.in_words("en", "name", "says", "helps"), one
        for field in ("name", "says", "helps"):
            english, chinese = getattr(one, field), getattr(one, f"{field}_zh")
            assert (english is None) == (chinese is None), one
            assert "{" not in f"{english}{chinese}", one


def test_each_code_stands_once_within_its_kind() -> None:
    found = [(one.kind, one.code) for one in meanings()]
    assert len(found) == len({*found})
    assert {kind for kind, _ in found} == KINDS_OF_CODES.keys()


def test_every_hold_says_what_helps() -> None:
    assert [one.code for one in meanings() if one.kind == "hold" and not one.helps] == []


@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        ("too_early", ["refusal"]),
        ("late_scan", ["hold", "notice"]),
        ("merchant_frozen", ["refusal", "hold", "notice"]),
        ("destination_matches", ["finding"]),
        ("missing", ["break", *["break"] * 5]),
        ("applied", ["case_stage"]),
        ("ship_by", ["deadline"]),
        ("nothing_like_this", []),
    ],
)
def test_a_code_has_all_its_meanings(code: str, kinds: list[str]) -> None:
    assert [one.kind for one in meanings_of(code)] == kinds


def test_a_mistyped_code_finds_its_neighbours() -> None:
    assert likely("late_scn")[0] == "late_scan"
    assert likely("zzzzzz") == []


def test_a_code_without_a_name_is_shown_without_its_underscores() -> None:
    assert name_of("hold", "odd_buyer", "zh") == "odd buyer"
    assert all({*said} == {*Help._fields} for section in names().values() for said in section.values())


def test_the_command_line_explains_a_code_and_names_its_neighbours() -> None:
    (hold, _) = ask_any("explain", "late_scan")
    assert (hold["kind"], hold["name_zh"]) == ("hold", "迟到轨迹")
    assert "款项未到账的原因" in run("explain", "late_scan", "--lang", "zh").output
    assert "款项未到账的原因" in run("--lang", "zh", "explain", "late_scan").output
    assert "款项未到账的原因" not in run("--lang", "zh", "explain", "late_scan", "--lang", "en").output
    assert len(ask_any("explain")) == len(meanings())
    wrong = run("explain", "late_scn")
    assert wrong.exit_code == 1
    assert "did you mean: late_scan" in wrong.output
