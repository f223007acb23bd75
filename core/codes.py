"""What a code of the contract means, in English and in Chinese: one look-up for all kinds of codes.

The command line, the HTTP gateway, the console and the page `docs/codes.md` say the same of a code, from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache

from pydantic import BaseModel, ConfigDict

from core.aftersale.texts import STAGES
from core.audit.explain import advice, explained, title
from core.likeness import misspelt, nearest
from core.names import name_of, names
from core.order.texts import HELD, WAITING
from core.reason_texts import HTTP_REASONS, REASONS
from core.reconciliation.texts import HELPS, HELPS_BY_KIND
from core.texts import Help, Language
from core.withdrawal.texts import HELD as WITHDRAWAL_HELD
from core.withdrawal.texts import WAITING as WITHDRAWAL_WAITING

KINDS_OF_CODES: Mapping[str, Help] = {
    "refusal": Help("why something is refused", "拒绝原因"),
    "hold": Help("why money has not arrived", "款项未到账的原因"),
    "finding": Help("a finding of the audit", "审核发现"),
    "break": Help("a break of the reconciliation", "对账差异"),
    "case_stage": Help("a stage of an after-sale case", "售后阶段"),
    "case_kind": Help("a kind of after-sale case", "售后类型"),
    "case_reason": Help("why a case was opened", "售后原因"),
    "deadline": Help("a deadline", "期限"),
    "phase": Help("a phase of an order or a withdrawal", "订单或提现的状态"),
    "refund_status": Help("a status of a refund", "退款状态"),
    "verb": Help("a command", "命令"),
    "journal": Help("a note of the journal", "日志记录"),
    "notice": Help("a notice", "通知"),
}
"""What a kind of code is about, in the order in which the page shows them."""


class Meaning(BaseModel):
    """What one code means within one kind of codes. What is not known is null."""

    model_config = ConfigDict(frozen=True)

    kind: str
    """One of KINDS_OF_CODES."""
    code: str
    name: str | None = None
    name_zh: str | None = None
    says: str | None = None
    """A sentence on what it means."""
    says_zh: str | None = None
    helps: str | None = None
    """What can be done, and by whom."""
    helps_zh: str | None = None

    def in_words(self, language: Language, *fields: str) -> str:
        """These of `name`, `says` and `helps` that are known, in one language."""
        known = (getattr(self, field if language == "en" else f"{field}_zh") for field in fields)
        return (". " if language == "en" else "。").join(filter(None, known))


def meanings_of(code: str) -> tuple[Meaning, ...]:
    """What a code means, within each kind of codes that has it; none for an unknown one.

    A break of some kinds of movement (`extra/payment`) stands with the break (`extra`).
    """
    return tuple(one for one in meanings() if code in (one.code, one.code.partition("/")[0]))


def likely(code: str) -> list[str]:
    """Three known codes that are written alike, the likeliest first."""
    return nearest(code, sorted({one.code for one in meanings()}))


def likely_holds(name: str) -> list[str]:
    """The holds of ours whose name this one misspells; none for a name of ours, or one that is like none.

    An operator names a hold freely (`place_hold`): a name that is like none may be right.
    """
    return misspelt(name, names()["hold"])


@cache
def meanings() -> tuple[Meaning, ...]:
    """All of them, by kind and code."""
    order = [*KINDS_OF_CODES]
    return tuple(sorted(_all(), key=lambda one: (order.index(one.kind), one.code)))


def _all() -> Iterator[Meaning]:
    for code, said in {**REASONS, **HTTP_REASONS}.items():
        yield _meaning("refusal", code, says=said)
    for code, named in names()["hold"].items():
        yield _meaning("hold", code, Help(**named), helps=_what_helps(code))
    for rule in explained():
        yield _meaning("finding", rule, _titled(rule), helps=_advice(rule))
    for reason, helps in HELPS.items():
        yield _meaning("break", reason, _named("break_reason", reason), helps=helps)
    for (reason, kind), helps in HELPS_BY_KIND.items():
        what, why = _named("break_kind", kind), _named("break_reason", reason)
        yield _meaning("break", f"{reason}/{kind}", Help(f"{what.en}: {why.en}", f"{what.zh}：{why.zh}"), helps=helps)
    for stage, said in STAGES.items():
        yield _meaning("case_stage", stage, _named("case_stage", stage), says=_of_any_kind(said))
    for section in KINDS_OF_CODES.keys() & names().keys() - {"hold", "case_stage"}:
        for code in names()[section]:
            yield _meaning(section, code, _named(section, code))


def _what_helps(hold: str) -> Help | None:
    """What moves money on that waits for this reason; a case says it by its stage."""
    of_case = next((said for stage, said in STAGES.items() if hold == f"after_sale_{stage}"), None)
    if of_case is not None:
        return _of_any_kind(of_case)
    found = next((table[hold] for table in (HELD, WAITING, WITHDRAWAL_HELD, WITHDRAWAL_WAITING) if hold in table), None)
    if found is None and hold.startswith("refund_"):
        found = WAITING["refund_by_people" if hold in {"refund_stuck", "refund_failed"} else "refund"]
    return Help(*(said.replace("{}", "1–2") for said in found)) if found is not None else None


def _titled(rule: str) -> Help:
    return _both(lambda language: title(rule, language))


def _advice(rule: str) -> Help | None:
    helps = _both(lambda language: advice(rule, "fail", language))
    return helps if helps.en else None


def _of_any_kind(said: Help) -> Help:
    """The sentence of a stage for every kind of case."""
    return Help(said.en.replace("{kind}", "money back or other goods"), said.zh.replace("{kind}", "售后"))


def _both(said: Callable[[Language], str]) -> Help:
    return Help(said("en"), said("zh"))


def _named(section: str, code: str) -> Help:
    return _both(lambda language: name_of(section, code, language))


def _meaning(
    kind: str, code: str, name: Help | None = None, says: Help | None = None, helps: Help | None = None
) -> Meaning:
    texts = {"name": name, "says": says, "helps": helps}
    english = {field: text.en for field, text in texts.items() if text is not None}
    return Meaning(kind=kind, code=code, **english, **{f"{field}_zh": text.zh for field, text in texts.items() if text})
