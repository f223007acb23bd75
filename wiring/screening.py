"""The screening rules of the settings, ready for titles."""

from __future__ import annotations

from pathlib import Path

from config import Settings
from core.errors import Misconfigured
from core.screening.matching import Screener
from core.screening.rules import ScreeningRules, parse_rules
from core.screening.simplified import simplified_characters


def screener_in(settings: Settings) -> Screener:
    """The screening rules, ready for titles.

    Raises:
        Misconfigured: the file cannot be read; the sentence names it.
    """
    return Screener(rules_in(settings.screening), simplified_characters())


def rules_in(file: Path) -> ScreeningRules:
    """The rules of a file.

    Raises:
        Misconfigured: it cannot be read; the sentence names it.
    """
    try:
        return parse_rules(file.read_text(encoding="utf-8"))
    except (Misconfigured, OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{file}: {error}") from None
