"""The list of planted bugs: each line is in the product once, and the page has each bug."""

from __future__ import annotations

import pytest
from teeth import PROJECT, Bug, bugs


@pytest.mark.parametrize("bug", bugs(), ids=lambda bug: bug.name.replace(" ", "_"))
def test_a_planted_bug_can_be_planted_and_stands_in_the_page(bug: Bug) -> None:
    assert (PROJECT / bug.file).read_text(encoding="utf-8").count(bug.old) == 1
    assert bug.old != bug.new
    assert [suite for suite in bug.suite.split() if not (PROJECT / suite).exists()] == []
    assert f"| {bug.name} (`{bug.file}`) |" in (PROJECT / "docs" / "teeth.md").read_text(encoding="utf-8")


def test_there_are_as_many_as_the_page_promises() -> None:
    assert len(bugs()) >= 20
    assert len({bug.name for bug in bugs()}) == len(bugs())
