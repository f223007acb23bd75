"""Every link within the pages leads to a file, and to a heading in it; the list of decisions has them all."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from arrows import ROOT

DECISIONS = ROOT / "docs" / "decisions"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert [target for target in _links(page) if not _leads(page, target)] == []


def test_a_dead_link_and_a_dead_anchor_are_found() -> None:
    readme = ROOT / "README.md"
    assert _leads(readme, "docs/contract.md#actor")
    assert not _leads(readme, "docs/contract.md#no-such-heading")
    assert not _leads(readme, "docs/no-such-page.md")


def test_the_list_of_decisions_has_each_page_under_its_title() -> None:
    rows = re.findall(
        r"^\| \[(\d{4})\]\((\S+)\) \| [^|]+ \| ([^|]+) \| [^|]+ \|$", _text(DECISIONS / "README.md"), re.MULTILINE
    )
    pages = {page.name: _text(page).partition("\n")[0] for page in sorted(DECISIONS.glob("[0-9]*.md"))}
    assert [(name, f"# {number}: {title}") for number, name, title in rows] == list(pages.items())
    assert all(name.startswith(f"{number}-") for number, name, _ in rows)


@cache
def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _links(page: Path) -> list[str]:
    """The targets within the project."""
    found = re.findall(r"\]\(([^)\s]+)\)", _text(page))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def _leads(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    return file.exists() and (not anchor or file.suffix != ".md" or anchor in set(_anchors(file)))


def _anchors(page: Path) -> Iterator[str]:
    """The anchors that a reader on the web gets for the headings: in small letters, with `-` for a space."""
    seen: Counter[str] = Counter()
    outside = re.sub(r"^```.*?^```", "", _text(page), flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#+ (.+)$", outside, re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        anchor = "".join(letter for letter in words if letter.isalnum() or letter in " -_").replace(" ", "-")
        yield f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor
        seen[anchor] += 1
