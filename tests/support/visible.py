"""The texts of a page that people see or hear, without ids and names of commands."""

from __future__ import annotations

from html.parser import HTMLParser

HEARD = ("placeholder", "aria-label", "title", "alt")
"""Attributes that are read to people."""
EMPTY = frozenset({"input", "br", "link", "meta", "img", "hr", "circle", "line", "path", "rect", "polyline", "use"})
"""Elements that have no end."""


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, bool]] = []
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.found.update(said for name in HEARD if (said := known.get(name)))
        if tag not in EMPTY:
            named = tag in {"script", "style", "code"} or "id" in (known.get("class") or "").split()
            self.open.append((tag, named or any(inside for _, inside in self.open)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.update(said for name, said in attrs if name in HEARD and said)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            continue

    def handle_data(self, data: str) -> None:
        if data.strip() and not (self.open and self.open[-1][1]):
            self.found.add(" ".join(data.split()))


def visible_texts(page: str) -> set[str]:
    """Each text of a page once. What stands in <code>, and what is marked as an id, is no text."""
    parser = _Texts()
    parser.feed(page)
    return parser.found
