"""The screen of a run in Chinese."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from commands.headings import in_words_of
from commands.said_in_chinese import sentence_zh
from screens import Shown


class ChineseScreen(Console):
    """All tables have Chinese headings on it, and sentences of ours are Chinese."""

    def print(self, *shown: Any, **more: Any) -> None:
        """As Rich's."""
        super().print(*map(_in_chinese, shown), **more)


def _in_chinese(shown: Any) -> Any:
    if isinstance(shown, Shown):
        return in_words_of("zh", shown)
    return sentence_zh(shown) if isinstance(shown, str) else shown
