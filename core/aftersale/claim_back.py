"""Claiming back: the buyer got the goods although the money had gone back, and is asked for it again.

An operator opens such a case. The buyer agrees, by word or by silence, and the channel is asked for the money; or the
buyer objects, and two reviewers decide. `core.order.claiming` says how much it may be, and whose the money is.
"""

from __future__ import annotations

from datetime import datetime

from core.aftersale import stages
from core.aftersale.evidence import check_evidence
from core.aftersale.limits import AfterSaleLimits
from core.aftersale.messages import (
    AcceptClaimBack,
    AddEvidence,
    Arbitrate,
    ContestClaimBack,
    OpenClaimBack,
    WithdrawAfterSale,
)
from core.aftersale.state import AfterSaleCase, CaseFacts, ClaimBack, Ruling, Said
from core.command import Command, same_person
from core.reasons import Refusal, refuse

_OF_CLAIMS = (AcceptClaimBack, AddEvidence, Arbitrate, ContestClaimBack, WithdrawAfterSale)


def open_claim(
    case_id: int, command: OpenClaimBack, amount_minor: int, limits: AfterSaleLimits, now: datetime
) -> AfterSaleCase:
    """A new case that waits for the buyer's answer."""
    said = Said(verb=command.verb, by=command.actor, at=now, text=command.reason, amount_minor=amount_minor)
    case = AfterSaleCase(
        case_id=case_id,
        kind="claim_back",
        reason="claim_back",
        amount_minor=amount_minor,
        opened_by=command.actor,
        opened_at=now,
        since=now,
        said=(said,),
        return_freight="merchant",
        claim=ClaimBack(),
    )
    return stages.claim(case, limits, now)


def check_of_claim(case: AfterSaleCase, command: Command) -> Refusal | None:
    """Whether the command is one for a case that claims money back."""
    if not isinstance(command, _OF_CLAIMS):
        return refuse("wrong_case_stage", f"Case {case.case_id} claims money back from the buyer.")
    if isinstance(command, WithdrawAfterSale) and command.actor.role != "operator":
        return refuse("wrong_actor", "The platform opened it; the buyer sends contest_claim_back.", field="actor.role")
    return None


def check_objection(case: AfterSaleCase, command: ContestClaimBack) -> Refusal | None:
    """Whether the buyer says why."""
    if not command.reason:
        return refuse("reason_missing", field="reason")
    return check_evidence(case, command.actor.role, command.evidence)


def check_ruling(case: AfterSaleCase, command: Arbitrate, facts: CaseFacts) -> Refusal | None:
    """Whether it can be decided so, and this person has not decided so before."""
    if not command.reason:
        return refuse("reason_missing", field="reason")
    if command.after_return or command.return_freight is not None or command.return_freight_minor is not None:
        return refuse("nothing_to_return", "The buyer keeps the goods and pays for them.", field="after_return")
    if command.bears != "merchant":
        return refuse("nothing_to_claim", "Nothing is borne: the buyer pays, or does not.", field="bears")
    amount = ruled_minor(case, command)
    claimed = case.amount_minor or 0
    if amount is not None and amount > claimed:
        return refuse("nothing_to_claim", f"{facts.shown(claimed)} is claimed.", field="amount_minor")
    first = case.claim.ruling if case.claim is not None else None
    if first is not None and first.amount_minor == amount and same_person(first.by, command.actor.id):
        return refuse("needs_other_person", field="actor.id")
    return None


def ruled_minor(case: AfterSaleCase, command: Arbitrate) -> int | None:
    """What the buyer is to pay by this decision; None: nothing."""
    if command.decision == "none":
        return None
    return command.amount_minor if command.decision == "part" else case.amount_minor


def rule(case: AfterSaleCase, command: Arbitrate, facts: CaseFacts, now: datetime) -> AfterSaleCase:
    """The second of two reviewers who decide the same does it. A different decision replaces the first."""
    assert case.claim is not None
    first, amount = case.claim.ruling, ruled_minor(case, command)
    if first is None or first.amount_minor != amount or same_person(first.by, command.actor.id):
        ruling = Ruling(by=command.actor.id, amount_minor=amount)
        return case.changed(claim=case.claim.changed(ruling=ruling))
    case = case.changed(claim=case.claim.changed(ruling=None, ruled_by=(first.by, command.actor.id)))
    if amount is None:
        return stages.close(case, "arbitrated", now)
    return stages.charge(case.changed(amount_minor=amount), facts.limits, now)
