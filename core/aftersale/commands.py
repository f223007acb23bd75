"""What a command does to a case. Who may send it, at which stages, when it is refused, and what it makes of the case.

`check_opening` and `open_case` begin one; every other verb goes through `refusal_of` and `receive`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from core.aftersale import claim_back, stages
from core.aftersale.evidence import check_evidence, with_evidence
from core.aftersale.freight import FREIGHT, NO_WAY_BACK, check_freight, with_freight
from core.aftersale.limits import AfterSaleLimits
from core.aftersale.messages import (
    AcceptAmount,
    AcceptClaimBack,
    AddEvidence,
    AgreeAfterSale,
    Arbitrate,
    ConfirmReplacement,
    ConfirmReturn,
    ContestClaimBack,
    Escalate,
    OpenAfterSale,
    ProposeAmount,
    RefuseAfterSale,
    RefuseReturn,
    ReportReplacement,
    ReportReturn,
    WithdrawAfterSale,
)
from core.aftersale.replacements import check_replacement, send_replacement
from core.aftersale.returns import check_new_number, send_back
from core.aftersale.state import OPEN, REPLACING, AfterSaleCase, Award, CaseFacts, CaseStage, Said
from core.command import Command
from core.reasons import Refusal, refuse
from core.texts import clock

Check = Callable[[AfterSaleCase, Any, CaseFacts, datetime], Refusal | None]
Effect = Callable[[AfterSaleCase, Any, CaseFacts, datetime], AfterSaleCase]


class CaseVerb(NamedTuple):
    """One row of the table: who, at which stages, whether it may be done, and what it does."""

    roles: frozenset[str]
    stages: frozenset[CaseStage]
    check: Check
    effect: Effect


def refusal_of(case: AfterSaleCase, command: Command, facts: CaseFacts, now: datetime) -> Refusal | None:
    """Why an open case refuses the command; None where it is accepted."""
    verb = CASE_VERBS[type(command)]
    if case.claim is not None and (refusal := claim_back.check_of_claim(case, command)) is not None:
        return refusal
    if case.stage not in verb.stages:
        wanted = " or ".join(stage for stage in sorted(verb.stages))
        return refuse("wrong_case_stage", f"Case {case.case_id} is {case.stage}; {command.verb} is for {wanted}.")
    return verb.check(case, command, facts, now)


def receive(case: AfterSaleCase, command: Command, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    """The case after an accepted command. Its reason, amount and evidence are kept."""
    case = with_evidence(case, command.actor, getattr(command, "evidence", ()), now)
    text, amount = getattr(command, "reason", None), getattr(command, "amount_minor", None)
    if not isinstance(command, AddEvidence):
        said = Said(verb=command.verb, by=command.actor, at=now, text=text, amount_minor=amount)
        case = case.changed(said=(*case.said, said))
    return CASE_VERBS[type(command)].effect(case, command, facts, now)


# --- whether it may be done ------------------------------------------------------------------------------


def _always(case: AfterSaleCase, command: Any, facts: CaseFacts, now: datetime) -> Refusal | None:
    return None


def _check_reason(case: AfterSaleCase, command: Any, facts: CaseFacts, now: datetime) -> Refusal | None:
    if not command.reason:
        return refuse("reason_missing", field="reason")
    return check_evidence(case, command.actor.role, command.evidence)


def _check_agreement(case: AfterSaleCase, command: AgreeAfterSale, facts: CaseFacts, now: datetime) -> Refusal | None:
    if command.with_return and case.amount_minor is not None:
        return refuse("nothing_to_return", "The case is about an amount.", field="with_return")
    if command.with_return and not facts.delivered:
        return refuse("nothing_to_return", field="with_return")
    if command.return_freight_minor is not None and not _comes_back(case, command, facts):
        return refuse("nothing_to_return", NO_WAY_BACK, field=FREIGHT)
    return check_freight(case, command.return_freight_minor, "merchant", facts, None)


def _comes_back(case: AfterSaleCase, command: AgreeAfterSale, facts: CaseFacts) -> bool:
    """Whether the goods come back first, once the merchant agrees so."""
    wanted = case.kind != "refund_only" if command.with_return is None else command.with_return
    return wanted and facts.delivered


def _check_return_confirmed(
    case: AfterSaleCase, command: ConfirmReturn, facts: CaseFacts, now: datetime
) -> Refusal | None:
    award = case.award.amount_minor if case.award else None
    return check_freight(case, command.return_freight_minor, "merchant", facts, award)


def _check_proposal(case: AfterSaleCase, command: ProposeAmount, facts: CaseFacts, now: datetime) -> Refusal | None:
    made = sum(said.verb == ProposeAmount.verb for said in case.said)
    if made >= facts.limits.proposals_max:
        return refuse("too_many_proposals", f"At most {facts.limits.proposals_max}.")
    if command.amount_minor >= facts.scope_minor:
        hint = f"The case is about {facts.shown(facts.scope_minor)}; agree_after_sale gives all of it."
        return refuse("above_refundable", hint, field="amount_minor")
    return None


def _check_acceptance(case: AfterSaleCase, command: AcceptAmount, facts: CaseFacts, now: datetime) -> Refusal | None:
    offered = case.offer.amount_minor if case.offer else None
    if command.amount_minor != offered:
        return refuse("wrong_amount", f"{facts.shown(offered or 0)} was offered.", field="amount_minor")
    return _check_refundable(command.amount_minor, facts)


def _check_refundable(amount_minor: int, facts: CaseFacts) -> Refusal | None:
    if amount_minor <= facts.refundable_minor:
        return None
    return refuse("above_refundable", f"{facts.shown(facts.refundable_minor)} is left.", field="amount_minor")


def _check_return(case: AfterSaleCase, command: ReportReturn, facts: CaseFacts, now: datetime) -> Refusal | None:
    return check_new_number(case.parcel, command, facts.outbound, facts.limits)


def _check_more_evidence(case: AfterSaleCase, command: AddEvidence, facts: CaseFacts, now: datetime) -> Refusal | None:
    return check_evidence(case, command.actor.role, command.evidence)


def _check_objection(case: AfterSaleCase, command: ContestClaimBack, facts: CaseFacts, now: datetime) -> Refusal | None:
    return claim_back.check_objection(case, command)


def _check_decision(case: AfterSaleCase, command: Arbitrate, facts: CaseFacts, now: datetime) -> Refusal | None:
    if case.claim is not None:
        return claim_back.check_ruling(case, command, facts)
    if not command.reason:
        return refuse("reason_missing", field="reason")
    if command.after_return and not facts.delivered:
        return refuse("nothing_to_return", field="after_return")
    freight, bearer = command.return_freight_minor, command.return_freight or case.return_freight
    if freight is not None and case.parcel is None and not command.after_return:
        return refuse("nothing_to_return", NO_WAY_BACK, field=FREIGHT)
    gives_freight = freight is not None or case.return_freight_minor > 0  # the merchant may have agreed to it before
    by_platform = command.bears == "platform" or (gives_freight and bearer == "platform")
    if by_platform and not facts.earned:
        field = "bears" if command.bears == "platform" else "return_freight"
        return refuse("too_early", "Until receipt and audit are settled the merchant's money is there.", field=field)
    if command.amount_minor is not None and (refusal := _check_refundable(command.amount_minor, facts)) is not None:
        return refusal
    return check_freight(case, freight, bearer, facts, command.amount_minor)


# --- what it does ----------------------------------------------------------------------------------------


def _withdraw(case: AfterSaleCase, command: WithdrawAfterSale, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    return stages.close(case, "withdrawn", now)


def _agree(case: AfterSaleCase, command: AgreeAfterSale, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    if command.return_freight_minor is not None:
        case = with_freight(case, command.return_freight_minor, "merchant")
    if _comes_back(case, command, facts):
        return stages.await_return(case, facts.limits, now)
    return stages.fulfil(case, now)


def _refuse(case: AfterSaleCase, command: RefuseAfterSale, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    return stages.refuse(case, facts.limits, now)


def _propose(case: AfterSaleCase, command: ProposeAmount, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    return stages.propose(case, facts.limits, now)


def _accept(case: AfterSaleCase, command: AcceptAmount, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    return stages.fulfil(case, now, Award(amount_minor=command.amount_minor))


def _confirm_return(case: AfterSaleCase, command: ConfirmReturn, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    if command.return_freight_minor is not None:
        case = with_freight(case, command.return_freight_minor, "merchant")
    return stages.fulfil(case, now)


def _confirm_replacement(
    case: AfterSaleCase, command: ConfirmReplacement, facts: CaseFacts, now: datetime
) -> AfterSaleCase:
    return case.entering("exchanged", now)


def _charge(case: AfterSaleCase, command: AcceptClaimBack, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    return stages.charge(case, facts.limits, now)


def _to_arbitration(case: AfterSaleCase, command: Command, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    return stages.arbitrate(case, facts.limits, now)


def _stay(case: AfterSaleCase, command: Command, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    return case


def _decide(case: AfterSaleCase, command: Arbitrate, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    if case.claim is not None:
        return claim_back.rule(case, command, facts, now)
    case = with_freight(case, command.return_freight_minor, command.return_freight)
    if command.decision == "none":
        return stages.close(case, "arbitrated", now)
    once = case.kind == "exchange" and case.replacement is None
    exchange = once and command.decision == "all" and command.bears == "merchant"
    award = None if exchange else Award(amount_minor=command.amount_minor, bearer=command.bears)
    if command.after_return:
        return stages.await_return(case.changed(award=award), facts.limits, now)
    return stages.fulfil(case, now, award)


_BUYER = frozenset({"buyer", "operator"})
_MERCHANT = frozenset({"merchant", "operator"})
_ANSWERABLE: frozenset[CaseStage] = frozenset({"applied", "proposed"})

CASE_VERBS: Mapping[type[Command], CaseVerb] = {
    WithdrawAfterSale: CaseVerb(_BUYER, OPEN - {"disputed", "charging", *REPLACING}, _always, _withdraw),
    AgreeAfterSale: CaseVerb(_MERCHANT, _ANSWERABLE | {"refused", "arbitration"}, _check_agreement, _agree),
    RefuseAfterSale: CaseVerb(_MERCHANT, frozenset({"applied"}), _check_reason, _refuse),
    ProposeAmount: CaseVerb(_MERCHANT, _ANSWERABLE, _check_proposal, _propose),
    AcceptAmount: CaseVerb(_BUYER, frozenset({"proposed"}), _check_acceptance, _accept),
    ReportReturn: CaseVerb(_BUYER, frozenset({"awaiting_return", "returning"}), _check_return, send_back),
    ConfirmReturn: CaseVerb(
        _MERCHANT, frozenset({"returning", "inspecting"}), _check_return_confirmed, _confirm_return
    ),
    RefuseReturn: CaseVerb(_MERCHANT, frozenset({"inspecting"}), _check_reason, _to_arbitration),
    ReportReplacement: CaseVerb(
        _MERCHANT, frozenset({"replacing", "replacement_sent"}), check_replacement, send_replacement
    ),
    ConfirmReplacement: CaseVerb(
        _BUYER, frozenset({"replacement_sent", "replacement_delivered"}), _always, _confirm_replacement
    ),
    Escalate: CaseVerb(_BUYER, frozenset({"refused", "proposed", "replacement_delivered"}), _always, _to_arbitration),
    AddEvidence: CaseVerb(_BUYER | _MERCHANT, OPEN, _check_more_evidence, _stay),
    AcceptClaimBack: CaseVerb(frozenset({"buyer"}), frozenset({"claimed"}), _always, _charge),
    ContestClaimBack: CaseVerb(frozenset({"buyer"}), frozenset({"claimed"}), _check_objection, _to_arbitration),
    Arbitrate: CaseVerb(frozenset({"reviewer"}), frozenset({"arbitration"}), _check_decision, _decide),
}
"""Every verb of an open case."""
OPENERS = _BUYER


# --- how one begins --------------------------------------------------------------------------------------


def check_opening(command: OpenAfterSale, facts: CaseFacts, now: datetime) -> Refusal | None:
    """Whether such a case may be opened. The caller has checked that none is open."""
    if command.reason == "other" and not command.text:
        return refuse("reason_missing", "`other` needs a text.", field="text")
    if command.actor.role == "buyer" and facts.window_ends_at is not None and now > facts.window_ends_at:
        return refuse("after_sale_window_over", f"It ended at {clock(facts.window_ends_at)}.")
    refusal = check_evidence(None, command.actor.role, command.evidence) or _check_lines(command, facts)
    if refusal is not None:
        return refusal
    if facts.refundable_minor <= 0 or facts.scope_minor <= 0:
        return refuse("above_refundable", "Nothing of it is left to refund.")
    if command.amount_minor is not None and command.amount_minor > facts.refundable_minor:
        return refuse("above_refundable", f"{facts.shown(facts.refundable_minor)} is left.", field="amount_minor")
    return _check_kind(command, facts)


def _check_lines(command: OpenAfterSale, facts: CaseFacts) -> Refusal | None:
    for index, part in enumerate(command.lines or ()):
        field = f"lines.{index}"
        if part.line_id not in facts.known_lines:
            return refuse("unknown_line", f"Known: {', '.join(sorted(facts.known_lines))}.", field=f"{field}.line_id")
        left = facts.units.get(part.line_id, 0)
        if part.quantity > left:
            hint = f"Line {part.line_id}: {left} left, {part.quantity} asked for."
            return refuse("above_refundable", hint, field=f"{field}.quantity")
    return None


def _check_kind(command: OpenAfterSale, facts: CaseFacts) -> Refusal | None:
    """Goods that were not delivered cannot come back. After the credit a carrier must bring the new ones."""
    if command.kind == "refund_only":
        return None
    if command.kind == "exchange" and facts.credited and not facts.by_carrier:
        return refuse("already_credited", "No carrier brings new goods of this order; ask for return_and_refund.")
    wanted = {part.line_id: part.quantity for part in command.lines} if command.lines else facts.units
    if all(facts.delivered_units.get(line, 0) >= count for line, count in wanted.items() if count):
        return None
    return refuse("nothing_to_return", "Not all of it was delivered; ask for refund_only.", field="kind")


def open_case(case_id: int, command: OpenAfterSale, limits: AfterSaleLimits, now: datetime) -> AfterSaleCase:
    """A new case that waits for the merchant's answer."""
    said = Said(verb=command.verb, by=command.actor, at=now, text=command.text, amount_minor=command.amount_minor)
    case = AfterSaleCase(
        case_id=case_id,
        kind=command.kind,
        reason=command.reason,
        lines=command.lines,
        amount_minor=command.amount_minor,
        opened_by=command.actor,
        opened_at=now,
        since=now,
        due=stages.due_at("answer_by", now, limits.answer_within, limits),
        said=(said,),
        return_freight="buyer" if command.reason == "changed_mind" else "merchant",
    )
    return with_evidence(case, command.actor, command.evidence, now)
