"""What one of two people said of an outcome, while the second is awaited: for holds and journals."""

from __future__ import annotations

from collections.abc import Mapping

from core.texts import Help

_OUTCOMES: Mapping[str, Help] = {
    "arrived": Help("arrived", "已到账"),
    "paid": Help("paid", "已付款"),
    "failed": Help("failed", "失败"),
}


def awaiting_second(person: str, outcome: str, reference: str | None = None) -> Help:
    """The first person's word, and what the second must say to settle it."""
    said = _OUTCOMES[outcome]
    with_reference = Help(f" with the reference {reference}", f"，凭证 {reference}") if reference else Help("", "")
    return Help(
        f" {person} said `{outcome}`{with_reference.en}: another person who says the same settles it.",
        f"{person} 已报告{said.zh}{with_reference.zh}；须另一人提交相同内容。",
    )


def disagreement(person: str, outcome: str, reference: str | None = None) -> str:
    """The line of the journal where the second person said otherwise, so that both may vote again."""
    with_reference = f" with the reference {reference}" if reference else ""
    return f"{person} had said {outcome}{with_reference}: nothing is settled"
