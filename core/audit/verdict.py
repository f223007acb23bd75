"""The verdict on a parcel's logistics information: approved, rejected, for a person, or pending.

`audit` is pure: the order's facts, the parcel's, the traces of all providers and pushes, a policy and the time go in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from core.audit.absence import CarrierWord, Doubt, carrier_word, doubts
from core.audit.case import Case, lay_out
from core.audit.explain import Language, advice, sentence
from core.audit.facts import Milestones, NoTrace, OrderFacts, ParcelFacts, Rival, remember
from core.audit.findings import Finding
from core.audit.policy import AuditPolicy, next_look
from core.audit.rules import RULE_SET, judge_rules
from core.audit.trace import Trace, merge
from core.texts import joined

__all__ = [
    "RULE_SET",
    "Milestones",
    "NoTrace",
    "OrderFacts",
    "ParcelFacts",
    "Rival",
    "Verdict",
    "audit",
    "merge",
    "next_look",
    "remember",
]

VerdictOutcome = Literal["approved", "rejected", "needs_review", "pending"]


def _is_empty(value: object) -> bool:
    return not value


TimeOrNone = Annotated[datetime | None, Field(exclude_if=_is_empty)]
"""JSON leaves it out where there is none: most parcels never have it, and the verdict is in every state."""


@dataclass(slots=True, frozen=True)
class Verdict:
    """The audit's verdict at one time, and everything it rests on.

    `reasons` are the rules that decided, or why it waits (`no_scan_yet`, `not_picked_up`, `not_delivered`) or why its
    time is up (`no_new_scan`, `carrier_silent`). `findings` count, `shadow` ones do not. `carrier` is the one whose
    trace it is. The milestones are scans that can be this order's; `returned_at` stands only while the parcel is on its
    way back or was refused, and not again with the buyer. `carrier_says` is what a default may rely on, `doubts` why it
    says nothing about the parcel, and `no_trace` the history of such answers for the next look.
    """

    outcome: VerdictOutcome
    reasons: tuple[str, ...]
    findings: tuple[Finding, ...]
    carrier: str
    policy: str
    rule_set: str
    judged_at: datetime
    carrier_answered: bool
    shadow: tuple[Finding, ...] = field(default=())
    look_again_at: TimeOrNone = None
    label_at: TimeOrNone = None
    first_physical_at: datetime | None = None
    last_scan_at: datetime | None = None
    delivered_at: datetime | None = None
    returned_at: TimeOrNone = None
    refused_at: TimeOrNone = None
    carrier_says: CarrierWord = "nothing"
    doubts: Annotated[tuple[Doubt, ...], Field(exclude_if=_is_empty)] = ()
    no_trace: Annotated[tuple[NoTrace, ...], Field(exclude_if=_is_empty)] = ()

    @property
    def milestones(self) -> Milestones:
        """What the next look gets as `ParcelFacts.known`."""
        return Milestones(
            label_at=self.label_at,
            first_physical_at=self.first_physical_at,
            last_scan_at=self.last_scan_at,
            delivered_at=self.delivered_at,
            returned_at=self.returned_at,
            refused_at=self.refused_at,
        )

    def sentences(self, language: Language = "en") -> tuple[str, ...]:
        """One sentence for every reason, with what the merchant can do: for people, in English or Chinese."""
        failed = {finding.rule: finding for finding in self.findings if finding.outcome == "fail"}
        written = []
        for reason in self.reasons:
            finding = failed.get(reason)
            outcome = finding.outcome if finding is not None else "fail"
            said = sentence(reason, outcome, finding.evidence if finding is not None else {}, language)
            written.append(joined((said, advice(reason, outcome, language)), language))
        return tuple(written)


def audit(
    order: OrderFacts,
    parcel: ParcelFacts,
    traces: Sequence[Trace],
    policy: AuditPolicy,
    now: datetime,
    *,
    services: bool = True,
) -> Verdict:
    """Judge one parcel. Total for any scans.

    Answers that say nothing about the parcel only make another provider's "no trace" doubtful.

    Args:
        order: what was paid for, from where to where, and whether the buyer confirmed in person.
        parcel: what the merchant claimed, who else claims it, and what earlier looks brought.
        traces: every trace there is, of all providers and pushes; order and repetition do not matter.
        policy: the thresholds, overrides included; they are folded in here.
        now: aware; the time of the look.
        services: with the findings of service rules and trials, by which nothing is decided.
    """
    if policy.overrides:
        policy = policy.for_route(
            merchant_id=order.merchant_id,
            categories=order.categories,
            carrier=parcel.carrier,
            origin=(order.ship_from.country, order.ship_from.province),
            destination=(order.ship_to.country, order.ship_to.province),
        )
    case = lay_out(order, parcel, traces, policy, now)
    findings, shadow = judge_rules(case, services=services)
    outcome, reasons = _decide(case, findings)
    own, back, known = case.own, case.back, parcel.known
    verdict = Verdict(
        outcome=outcome,
        reasons=reasons,
        findings=tuple(findings),
        carrier=case.carrier,
        policy=policy.name,
        rule_set=RULE_SET,
        judged_at=now,
        carrier_answered=case.answered,
        shadow=tuple(shadow),
        look_again_at=now + next_look(parcel.looks, policy, moving=bool(own), subscribed=parcel.subscribed)
        if outcome == "pending"
        else None,
        label_at=case.label.at if case.label is not None else None,
        first_physical_at=own[0].at if own else None,
        last_scan_at=case.run[-1].at if case.run else None,
        delivered_at=case.delivered.at if case.delivered is not None else None,
        returned_at=back.at if back is not None else None,
        refused_at=back.at if back is not None and back.stage == "refused" else None,
        carrier_says=carrier_word(case),
        doubts=doubts(case),
        no_trace=() if case.run else remember(parcel.no_trace, case.traces),
    )
    return replace(verdict, **dict(known)) if known is not None and not case.run else verdict


def _decide(case: Case, findings: list[Finding]) -> tuple[VerdictOutcome, tuple[str, ...]]:
    failed = [finding for finding in findings if finding.outcome == "fail" and finding.weight != "none"]
    if failed:
        fatal = tuple(finding.rule for finding in failed if finding.weight == "fatal")
        if fatal:
            return "rejected", fatal
        strong = any(finding.weight == "strong" for finding in failed)
        if strong or _weak_count(failed, findings) > 1:
            return "needs_review", tuple(finding.rule for finding in failed)
    if case.delivered is not None and case.back is None:
        return "approved", ()
    if case.order.buyer_confirmed_in_person and case.own:
        return "approved", ()
    return _wait(case)


def _weak_count(failed: list[Finding], findings: list[Finding]) -> int:
    """Weak findings by cause, less one where the buyer's own phone digits fit."""
    causes = {finding.cause or finding.rule for finding in failed if finding.weight == "weak"}
    confirmed = any(finding.weight == "confirms" and finding.outcome == "pass" for finding in findings)
    return len(causes) - confirmed


def _wait(case: Case) -> tuple[VerdictOutcome, tuple[str, ...]]:
    """Wait while the trace may still grow, at most for the policy's horizon."""
    since, known = case.parcel.uploaded_at, case.parcel.known
    if case.own:
        since = max(since, case.own[-1].at)
    elif known is not None and known.last_scan_at is not None and not case.run:
        since = max(since, min(known.last_scan_at, case.now))
    if case.waited(since, case.now) >= case.policy.horizon:
        return "needs_review", ("no_new_scan" if case.answered else "carrier_silent",)
    if case.own or (known is not None and known.first_physical_at is not None and not case.run):
        return "pending", ("not_delivered",)
    return "pending", ("not_picked_up" if case.run else "no_scan_yet",)
