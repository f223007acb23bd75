"""`policy holidays`: a country's public holidays as the closed days of a policy."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import pytest
from command_line import ask_any, refusal, run

from core.policy import parse_policy
from core.policy_checking import check_policy

POLICY = 'name = "x"\n[order]\nship_within = "3d"\n[[rules]]\ncategory = "a"\ncommission_bps = 5\n'
CHINA = ("CN", "2027", "--utc-offset", "8h")


def closed(text: str) -> set[date]:
    days = parse_policy(text).audit.closed_days
    return {date.fromordinal(n) for one in days for n in range(one.first.toordinal(), one.last.toordinal() + 1)}


def test_holidays_are_printed_as_tables_that_a_policy_can_hold() -> None:
    shown = run("policy", "holidays", *CHINA).stdout
    assert date(2027, 2, 6) in closed(f'name = "x"\n{shown}')
    assert "Spring Festival" in shown
    assert all(one["utc_offset"] == "8h" for one in tomllib.loads(shown)["audit"]["closed_days"])


def test_written_into_a_policy_twice_they_stand_there_once(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(POLICY, encoding="utf-8")
    first = ask_any("policy", "holidays", *CHINA, "--into", str(file))
    once = file.read_text(encoding="utf-8")
    assert ask_any("policy", "holidays", *CHINA, "--into", str(file)) == first
    assert file.read_text(encoding="utf-8") == once
    assert once.startswith(POLICY)
    assert check_policy(once) == []
    assert {date(2027, 10, 1), date(2027, 5, 1)} <= closed(once)
    ask_any("policy", "holidays", "CN", "2028", "--utc-offset", "8h", "--into", str(file))
    assert {date(2027, 10, 1), date(2028, 10, 1)} <= closed(file.read_text(encoding="utf-8"))


def test_days_that_the_policy_has_are_left_out_and_what_is_left_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    own = '[[audit.closed_days]]\ncountry = "CN"\nfirst = 2027-10-02\nlast = 2027-10-02\n'
    file.write_text(POLICY + own, encoding="utf-8")
    ask_any("policy", "holidays", *CHINA, "--into", str(file))
    days = parse_policy(file.read_text(encoding="utf-8")).audit.closed_days
    covering = [one for one in days if one.first <= date(2027, 10, 2) <= one.last]
    assert len(covering) == 1
    assert any(one.last == date(2027, 10, 1) for one in days)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("XX", "2027"), "bad_input"),
        (("CN", "2027", "--utc-offset", "east"), "malformed"),
        (("CN", "2027", "--into", "missing.toml"), "bad_input"),
    ],
)
def test_what_cannot_be_written_is_refused(arguments: tuple[str, ...], code: str) -> None:
    assert refusal("policy", "holidays", *arguments) == code


def test_a_file_that_would_be_no_policy_any_more_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    inline = 'name = "x"\n[audit]\nclosed_days = []\n'
    file.write_text(inline, encoding="utf-8")
    assert refusal("policy", "holidays", *CHINA, "--into", str(file)) == "bad_input"
    assert file.read_text(encoding="utf-8") == inline
