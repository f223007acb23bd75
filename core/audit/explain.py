"""Findings in sentences, English and Chinese: what was seen, what was expected, what the merchant can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Language = Literal["en", "zh"]


def sentence(rule: str, outcome: str, evidence: Mapping[str, Any], language: Language = "en") -> str:
    """One sentence on what was seen and what was expected. Total: an unknown rule gets a plain sentence."""
    return f"{rule}: {outcome}"


def advice(rule: str, outcome: str, language: Language = "en") -> str:
    """What the merchant can do; "" where there is nothing to do."""
    return ""
