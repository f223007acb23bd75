"""The table of simplified characters is what OpenCC says."""

from __future__ import annotations

from core.screening.simplified import simplified_characters
from docs.simplified import FILE, table_text


def test_the_table_of_simplified_characters_is_opencc_s() -> None:
    """The table is written from OpenCC; a newer one that differs is seen here before it changes a verdict."""
    assert FILE.read_text(encoding="utf-8").split("pairs")[1] == table_text().split("pairs")[1]
    table = simplified_characters()
    assert "槍薬銃臺菸".translate(table) == "枪药铳台烟"
