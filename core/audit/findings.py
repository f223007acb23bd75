"""What a rule found: passed, failed or unknown, with its weight and the evidence it used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from core.audit.explain import advice, sentence
from core.audit.policy import SERVICE_RULES, TRUTH_RULES, Weight

Outcome = Literal["pass", "fail", "unknown"]
Cause = Literal[
    "", "number", "claim", "trace", "clock", "destination", "contact", "origin", "movement", "weight", "carrier"
]
"""What weak findings may share: two of one cause count once."""


@dataclass(slots=True, frozen=True)
class Finding:
    """One rule's outcome.

    `evidence` holds what the rule used, as JSON knows it: numbers, texts, RFC 3339 times. `trial` names the tried
    threshold where this finding is a shadow's.

    JSON leaves out what has its default: most findings are passes with nothing to show, and each state has them all.
    """

    rule: str
    outcome: Outcome
    weight: Annotated[Weight, Field(exclude_if=lambda weight: weight == "none")] = "none"
    cause: Annotated[Cause, Field(exclude_if=lambda cause: not cause)] = ""
    evidence: Annotated[dict[str, Any], Field(exclude_if=lambda evidence: not evidence)] = field(default_factory=dict)
    trial: Annotated[str | None, Field(exclude_if=lambda trial: trial is None)] = None

    @property
    def message(self) -> str:
        """One sentence: what was seen and what was expected."""
        return sentence(self.rule, self.outcome, self.evidence, "en")

    @property
    def message_zh(self) -> str:
        """The same in Chinese."""
        return sentence(self.rule, self.outcome, self.evidence, "zh")

    @property
    def advice(self) -> str:
        """What the merchant can do about it; "" where there is nothing to do."""
        return advice(self.rule, self.outcome, "en")

    @property
    def advice_zh(self) -> str:
        """The same in Chinese."""
        return advice(self.rule, self.outcome, "zh")


PASS: Mapping[str, Finding] = {rule: Finding(rule, "pass") for rule in (*TRUTH_RULES, *SERVICE_RULES)}
"""A pass with nothing to show, by rule: made once, since most findings of most verdicts are one of these."""

UNKNOWN: Mapping[str, Finding] = {rule: Finding(rule, "unknown") for rule in (*TRUTH_RULES, *SERVICE_RULES)}
"""Nothing known and nothing to show, by rule."""
