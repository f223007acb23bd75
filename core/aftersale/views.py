"""What others see of a case: why its order's money waits, and the notices of each stage."""

from __future__ import annotations

from core.aftersale.state import AfterSaleCase
from core.aftersale.texts import ACTORS, KINDS, STAGES
from core.answers import HoldView
from core.texts import Help


def text_of(case: AfterSaleCase) -> Help:
    """The case's stage, in both languages."""
    helps, kind = STAGES[case.stage], KINDS[case.kind]
    return Help(helps.en.format(kind=kind.en), helps.zh.format(kind=kind.zh))


def hold_of(case: AfterSaleCase) -> HoldView:
    """Why the order's money waits for this case."""
    text = text_of(case)
    return HoldView(
        reason=hold_reason(case),
        amount_minor=case.amount_minor if case.claim is not None else None,
        since=case.since,
        expected_release=case.due.at if case.due else None,
        who_can_act=ACTORS.get(case.stage, "system"),
        what_helps=f"Case {case.case_id}: {text.en}",
        what_helps_zh=f"售后 {case.case_id}：{text.zh}",
    )


def hold_reason(case: AfterSaleCase) -> str:
    """Its short name for lists and search attributes."""
    return f"after_sale_{case.stage}"


CASE_FACTS = (
    "case",
    "kind",
    "reason",
    "text",
    "text_zh",
    "until",
    "said",
    "amount_minor",
    "return_freight_minor",
    "because",
)
"""The facts of a notice about a case. A missing fact is left out."""


def facts_for_notice(case: AfterSaleCase) -> dict[str, str]:
    """The facts of a notice about the case."""
    text, last = text_of(case), case.said[-1] if case.said else None
    facts = {
        "case": str(case.case_id),
        "kind": case.kind,
        "reason": case.reason,
        "text": text.en,
        "text_zh": text.zh,
        "until": case.due.at.isoformat() if case.due else "",
        "said": (last.text or "") if last else "",
        "amount_minor": str(last.amount_minor) if last and last.amount_minor is not None else "",
        "return_freight_minor": str(case.return_freight_minor or ""),
        "because": case.closed_as or "",
    }
    return {name: fact for name, fact in facts.items() if fact}
