"""Findings in sentences, English and Chinese: what was seen, what was expected, what the merchant can do.

The sentences stand in `sentences.toml`, one entry a rule and variant; they are written from a finding's evidence only
when a person reads them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any, Literal

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")

_ENTRIES: dict[str, dict[str, dict[str, str]]] = tomllib.loads(
    resources.files("core.audit").joinpath("sentences.toml").read_text(encoding="utf-8")
)
_OUTCOMES = {
    "pass": {"en": "nothing is wrong.", "zh": "未发现问题。"},
    "unknown": {"en": "not enough is known to judge.", "zh": "信息不足，无法判断。"},
    "fail": {"en": "something is wrong.", "zh": "发现异常。"},
}


class _Evidence(dict[str, str]):
    """What a sentence may name; what is not known is a question mark, never an exception."""

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
        return f"{title}: {_OUTCOMES.get(outcome, _OUTCOMES['unknown'])[language]}"
    return entry[language].format_map(_Evidence({key: _written(value) for key, value in evidence.items()}))


def advice(rule: str, outcome: str, language: Language = "en") -> str:
    """What the merchant can do about a failure; "" where there is nothing to do."""
    if outcome != "fail":
        return ""
    return _ENTRIES.get(rule, {}).get("advice", {}).get(language, "")


def title(rule: str) -> str:
    """A rule's name for people."""
    return _ENTRIES.get(rule, {}).get("title", {}).get("en", rule)


def _written(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    text = str(value)
    # RFC 3339 times: the minute is fine enough for a sentence.
    if len(text) >= 20 and text[4:5] == text[7:8] == "-" and text[10:11] == "T":
        return f"{text[:10]} {text[11:16]}{'Z' if text.endswith(('Z', '+00:00')) else text[-6:]}"
    return text
