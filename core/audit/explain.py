"""Findings in sentences, English and Chinese: what was seen, what was expected, what the merchant can do.

The sentences stand in `sentences.toml`, one entry a rule and variant; they are written from a finding's evidence only
when a person reads them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import timedelta
from importlib import resources
from typing import Any

from core.texts import LANGUAGES, Language, clock, listed, spell

__all__ = ["LANGUAGES", "Language", "advice", "sentence"]

_TABLES: dict[str, Any] = tomllib.loads(
    resources.files("core.audit").joinpath("sentences.toml").read_text(encoding="utf-8")
)
_WORDS: dict[str, dict[str, dict[str, str]]] = _TABLES.pop("words")
_ENTRIES: dict[str, dict[str, dict[str, str]]] = _TABLES
_OUTCOMES = {
    "pass": {"en": "nothing is wrong.", "zh": "未发现问题。"},
    "unknown": {"en": "not enough is known to judge.", "zh": "信息不足，无法判断。"},
    "fail": {"en": "something is wrong.", "zh": "发现异常。"},
}


class _Evidence(dict[str, str]):
    """The values that a sentence may name. An unknown one becomes a question mark, never an exception."""

    def __missing__(self, key: str) -> str:
        return "?"


def sentence(rule: str, outcome: str, evidence: Mapping[str, Any], language: Language = "en") -> str:
    """One sentence on what was seen and what was expected. Total: an unknown rule gets a plain sentence.

    Args:
        rule: a rule's name, or a reason of a verdict such as `no_new_scan`.
        outcome: pass, fail or unknown.
        evidence: the finding's; texts from carriers appear as they are.
        language: `en` or `zh`.
    """
    entries = _ENTRIES.get(rule, {})
    variant = str(evidence.get("what", ""))
    entry = entries.get(f"{outcome}_{variant}") or entries.get(outcome)
    if entry is None:
        title = entries.get("title", {}).get(language, rule)
        return f"{title}{': ' if language == 'en' else '：'}{_OUTCOMES.get(outcome, _OUTCOMES['unknown'])[language]}"
    return entry[language].format_map(
        _Evidence({key: _written(key, value, language) for key, value in evidence.items()})
    )


def advice(rule: str, outcome: str, language: Language = "en") -> str:
    """What the merchant can do about a failure; "" where there is nothing to do."""
    if outcome != "fail":
        return ""
    return _ENTRIES.get(rule, {}).get("advice", {}).get(language, "")


def explained() -> tuple[str, ...]:
    """Every rule and every reason of a verdict that has sentences."""
    return tuple(_ENTRIES)


def title(rule: str, language: Language = "en") -> str:
    """What people call a rule. Total: an unknown rule is its own title."""
    return _ENTRIES.get(rule, {}).get("title", {}).get(language, rule.replace("_", " "))


def _written(key: str, value: Any, language: Language) -> str:
    """One part of the evidence: hours (`…_h`) as a length of time, times to the minute, our own words translated."""
    if isinstance(value, list | tuple):
        return listed((_written(key, item, language) for item in value), language)
    if key.endswith("_h") and isinstance(value, int | float):
        return spell(timedelta(hours=value), language)
    text = str(value)
    if key.endswith("_at") or key in {"at", "since"}:
        return _moment(text)
    word = _WORDS.get(key, {}).get(text or "nothing")
    return word[language] if word is not None else text


def _moment(text: str) -> str:
    try:
        return clock(text)
    except ValueError:
        return text
