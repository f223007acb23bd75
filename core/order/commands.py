"""What a command does to an order. Total: every command is accepted, a duplicate, or refused with a reason."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from core.aftersale.commands import CASE_VERBS, OPENERS
from core.aftersale.messages import Arbitrate, OpenAfterSale, OpenClaimBack, ReportChargeback
from core.answers import Answer
from core.durations import format_duration
from core.handover_messages import ConfirmHandover, ReportDelivery, ReportReady
from core.ids import order_workflow_id
from core.inbox import Channel
from core.messages import (
    AppealAudit,
    AppealScreening,
    CancelOrder,
    Command,
    ConfirmReceipt,
    CorrectWaybill,
    DecideAudit,
    DecideScreening,
    ExtendReceipt,
    LiftHold,
    PlaceHold,
    ReportScan,
    ReportShipment,
    ResolveRefund,
    ShiftDeadline,
)
from core.order import (
    auditing,
    cases,
    chargebacks,
    claiming,
    granting,
    handover,
    holding,
    promising,
    receiving,
    shifting,
    shipping,
)
from core.order.cases import follow_cases
from core.order.claiming import stuck_claim
from core.order.deadlines import next_deadline
from core.order.receiving import follow_deliveries
from core.order.shipping import Claim
from core.order.state import OrderState
from core.order.voting import said_by, without_words_of
from core.order.weighing import is_full, shortened
from core.promise_messages import AnswerDelay, DeclineShipment, RequestDelay
from core.proving import unproven_command
from core.reasons import Refusal, refuse
from core.refund_messages import RefundOrder
from core.texts import clock
from core.verbs import Check, Verb, wrong_role
from core.votes import disagreement, left_sender, words_dropped

STAFF: frozenset[str] = frozenset({"reviewer", "operator"})
"""People of the platform, whose commands are counted apart from the parties'."""


def _timeless(check: Callable[[OrderState, Any], Refusal | None]) -> Check:
    return lambda state, command, now: check(state, command)


def _confirm(state: OrderState, command: ConfirmReceipt, now: datetime) -> OrderState:
    """The buyer's word also proves what no carrier was asked about."""
    return handover.follow_confirmation(receiving.confirm(state, command, now), now)


VERBS: Mapping[type[Command], Verb] = {
    ReportShipment: Verb(frozenset({"merchant"}), _timeless(shipping.check_shipment), shipping.ship),
    DeclineShipment: Verb(frozenset({"merchant"}), _timeless(promising.check_decline), promising.decline),
    RequestDelay: Verb(frozenset({"merchant"}), promising.check_request, promising.ask),
    AnswerDelay: Verb(frozenset({"buyer", "operator"}), _timeless(promising.check_answer), promising.answer),
    CorrectWaybill: Verb(frozenset({"merchant"}), _timeless(shipping.check_correction), shipping.correct),
    ReportScan: Verb(frozenset({"carrier"}), _timeless(shipping.check_scan), shipping.append_scans, True, True),
    ReportReady: Verb(frozenset({"merchant"}), _timeless(handover.check_ready), handover.ready),
    ReportDelivery: Verb(frozenset({"merchant"}), _timeless(handover.check_delivery), handover.sent),
    ConfirmHandover: Verb(
        frozenset({"merchant", "carrier"}), _timeless(handover.check_handover), handover.confirm_handover
    ),
    ConfirmReceipt: Verb(frozenset({"buyer", "operator"}), _timeless(receiving.check_confirmation), _confirm),
    ExtendReceipt: Verb(
        frozenset({"buyer"}), lambda state, _, now: receiving.check_extension(state, now), receiving.extend
    ),
    CancelOrder: Verb(frozenset({"buyer", "operator"}), _timeless(receiving.check_cancel), receiving.cancel),
    DecideAudit: Verb(frozenset({"reviewer"}), _timeless(auditing.check_decision), auditing.decide_audit),
    AppealAudit: Verb(frozenset({"merchant"}), _timeless(auditing.check_appeal), auditing.appeal),
    DecideScreening: Verb(frozenset({"reviewer"}), _timeless(holding.check_screening), holding.decide_screening),
    AppealScreening: Verb(frozenset({"merchant"}), _timeless(holding.check_appeal), holding.appeal),
    ResolveRefund: Verb(
        frozenset({"operator", "reviewer"}), _timeless(holding.check_resolution), holding.resolve_refund, True
    ),
    RefundOrder: Verb(STAFF, granting.check_refund, granting.grant_refund, afterwards=True, reopens=True),
    ShiftDeadline: Verb(frozenset({"operator"}), shifting.check_shift, shifting.shift),
    PlaceHold: Verb(
        frozenset({"operator"}), _timeless(holding.check_place), holding.place, afterwards=True, reopens=True
    ),
    LiftHold: Verb(frozenset({"operator"}), _timeless(holding.check_lift), holding.lift, True, True),
    OpenAfterSale: Verb(OPENERS, cases.check, cases.act, afterwards=True, reopens=True),
    ReportChargeback: Verb(
        frozenset({"channel", "operator"}),
        chargebacks.check_chargeback,
        chargebacks.report_chargeback,
        afterwards=True,
        reopens=True,
    ),
    OpenClaimBack: Verb(
        frozenset({"operator"}), claiming.check_claim_back, claiming.claim_back, afterwards=True, reopens=True
    ),
    **{command: Verb(verb.roles, cases.check, cases.act, afterwards=True) for command, verb in CASE_VERBS.items()},
}


def answer_of(state: OrderState) -> Answer:
    """The answer of a command that was just accepted."""
    return Answer(
        outcome="accepted",
        phase=state.phase,
        audit=state.audit,
        receipt=state.receipt.status,
        next_deadline=next_deadline(state),
    )


def refusal_of(state: OrderState, command: Command, now: datetime, claims: Sequence[Claim] = ()) -> Refusal | None:
    """Why this command would be refused now; None where it would be accepted. Duplicates are not considered."""
    verb = VERBS[type(command)]
    if (wrong := _wrong_actor(state, command, verb)) is not None:
        return wrong
    workflow_id = order_workflow_id(state.order.order_id)
    if (refusal := unproven_command(command, workflow_id, state.policy.proofs, now)) is not None:
        return refusal
    if state.over and not (verb.reopens or (verb.afterwards and not state.closed)):
        return refuse("order_over", f"It is {state.phase}.")
    if not isinstance(command, ReportScan) and _left(state, command) <= 0:
        return refuse("too_many_commands")
    return verb.check(state, command, now) or shipping.check_claims(claims)


def objection_to(command: Command, now: datetime) -> Refusal | None:
    """Why a new update is turned away that could be carried out: its sender cannot have meant it.

    It is asked before an update is in the history, and never in a replay: orders that accepted such a command go on.
    """
    return holding.object_to_place(command, now) if isinstance(command, PlaceHold) else None


def _wrong_actor(state: OrderState, command: Command, verb: Verb) -> Refusal | None:
    if (refusal := wrong_role(verb, command)) is not None:
        return refusal
    role, order = command.actor.role, state.order
    party = {"merchant": order.merchant_id, "buyer": order.buyer_id}.get(role)
    if party is not None and party != command.actor.id:
        return refuse("wrong_actor", f"The {role} of this order is another.", field="actor.id")
    return None


def _left(state: OrderState, command: Command) -> int:
    """How many such commands the order still takes.

    A part of the parties' limit is reserved for the buyer, so that a noisy merchant cannot lock the buyer out. Staff
    have their own limit. Commands that end a wait (lift, resolve, decide) may exceed it by as much again, so a hold can
    always be lifted.
    """
    limits = state.policy.order
    sent = _counted(state, command)
    if command.actor.role in STAFF:
        ends_a_wait = isinstance(command, LiftHold | ResolveRefund | DecideAudit | DecideScreening | Arbitrate)
        return limits.commands_max * (2 if ends_a_wait else 1) - sent
    return limits.commands_max - (0 if command.actor.role == "buyer" else limits.commands_reserved) - sent


def _counted(state: OrderState, command: Command) -> int:
    """How many commands this sender's side has used up."""
    staff = state.staff_commands
    return staff if command.actor.role in STAFF else state.inbox.counted - staff


def first_answer(state: OrderState, command: Command) -> Answer | Refusal | None:
    """What this command id was answered before; None where it is new."""
    return state.inbox.answer_to(command)


def receive(
    state: OrderState,
    command: Command,
    now: datetime,
    channel: Channel,
    claims: Sequence[Claim] = (),
    left: Collection[str] = (),
) -> tuple[OrderState, Answer | Refusal]:
    """The order after a command, and the command's answer.

    A refused update leaves nothing behind; a refused signal is journaled and uses up its id. `claims` are what the
    register said of the numbers of `to_claim`; `left` are the people of `voters_of` whose words do not count any more.
    """
    answer = first_answer(state, command)
    after = standing = state
    if answer is None:
        standing = without_words_of(state, command, left)
        answer = left_sender(command, left) or refusal_of(standing, command, now, claims)
        if answer is None:
            after, answer = _apply(standing, command, now)
        if isinstance(answer, Refusal) and channel == "signal" and _may_remember(state, command):
            state = _remember_answer(state, command, answer)
    if isinstance(answer, Refusal):
        return (state if channel == "update" else _journal(state, command, now, channel, answer)), answer
    if answer is not None:
        return _journal(state, command, now, channel, answer), answer
    answer = answer_of(after)
    if isinstance(command, ReportScan | ReportChargeback) and _nothing_new(state, after):
        answer = answer.model_copy(update={"outcome": "duplicate"})
    dropped = words_dropped(said_by(state, command), left)
    said = "; ".join(filter(None, (_said(standing, after, command), dropped))) or None
    return _journal(_remember_answer(after, command, answer), command, now, channel, answer, said), answer


def _apply(state: OrderState, command: Command, now: datetime) -> tuple[OrderState, Refusal | None]:
    """The order after a command that passed every check except size."""
    effect = VERBS[type(command)].effect
    if isinstance(command, ReportScan):  # scans have their own budget, and arrive in thousands
        return follow_cases(follow_deliveries(effect(state, command, now), now), now), None
    by_merchant = command.actor.role == "merchant"
    if not by_merchant and is_full(state):
        command = shortened(command)
    after = follow_cases(follow_deliveries(effect(state, command, now), now), now)
    if by_merchant and is_full(after):
        code = "too_many_parcels" if isinstance(command, ReportShipment) else "too_many_commands"
        return state, refuse(code, "The order's record would be too large.")
    return after, None


def _nothing_new(state: OrderState, after: OrderState) -> bool:
    same = (after.scans_kept, after.scans_dropped) == (state.scans_kept, state.scans_dropped)
    return same and after.cases == state.cases


def _may_remember(state: OrderState, command: Command) -> bool:
    """Whether a refused signal's id is kept.

    Kept ids are limited, so refused signals of strangers must not use them up.
    """
    limits = state.policy.order
    return _counted(state, command) < limits.commands_max - limits.commands_reserved


def _said(state: OrderState, after: OrderState, command: Command) -> str | None:
    """What the journal keeps of an accepted command: its reason, and the receipt deadline where it moved."""
    reason = _reason_of(command)
    if isinstance(command, ShiftDeadline):
        if command.by > timedelta():
            return f"{command.deadline} moved by {format_duration(command.by)}: {reason}"
        old, new = (shifting.earliest(one, command.deadline) for one in (state, after))
        back = old - new if old is not None and new is not None else -command.by
        return f"{command.deadline} taken back by {format_duration(back)}: {reason}"
    if isinstance(command, ResolveRefund):
        return f"{command.cause} {command.outcome}, {command.reference}: {reason}{_dissent(state, command)}"
    old, new = state.receipt.deadline, after.receipt.deadline
    moved = f"receipt_by moved from {clock(old)} to {clock(new)}" if old and new and old != new else None
    return ": ".join(filter(None, (moved, reason))) or None


def _dissent(state: OrderState, command: ResolveRefund) -> str:
    """That the first of two people had said otherwise, so that nothing is settled."""
    refund, claim = state.refund(command.cause), stuck_claim(state, command.cause)
    votes = refund.votes if refund is not None else claim.claim.votes if claim is not None and claim.claim else ()
    return f"; {disagreement(*votes[-1])}" if votes and votes[-1][1] != command.outcome else ""


def _reason_of(command: Command) -> str | None:
    """What its sender says of it. The reason of a case is a word of a closed list; its text says more."""
    return getattr(command, "text", None) or getattr(command, "reason", None) or getattr(command, "statement", None)


def _remember_answer(state: OrderState, command: Command, answer: Answer | Refusal) -> OrderState:
    """Remember the answer. Scans deduplicate themselves and arrive in thousands, so their ids are not kept."""
    if command.actor.role in STAFF:
        state = state.changed(staff_commands=state.staff_commands + 1)
    if isinstance(command, ReportScan):
        return state
    return state.changed(inbox=state.inbox.note_answer(command, answer))


def _journal(
    state: OrderState,
    command: Command,
    now: datetime,
    channel: Channel,
    answer: Answer | Refusal,
    said: str | None = None,
) -> OrderState:
    refusal = answer if isinstance(answer, Refusal) else None
    outcome = answer.outcome if isinstance(answer, Answer) else "refused"
    inbox = state.inbox.note(now, channel, command.verb, outcome, command=command, refusal=refusal, message=said)
    return state.changed(inbox=inbox).next_revision()


def note_unreadable(state: OrderState, verb: str, refusal: Refusal, now: datetime) -> OrderState:
    """The order after a signal that could not be read. The journal keeps it, and nothing else changes."""
    inbox = state.inbox.note(now, "signal", verb, "refused", refusal=refusal)
    return state.changed(inbox=inbox).next_revision()


def count_unreadable(state: OrderState, code: str, signals: int) -> OrderState:
    """The order after a burst of unreadable signals: counted by code, not journaled one by one."""
    return state.changed(inbox=state.inbox.count(code, signals)).next_revision()


def note_cancellation(state: OrderState, now: datetime) -> OrderState:
    """The order after a request to cancel its workflow. It does not cancel the order; the journal keeps the request."""
    why = "Cancelling a workflow cancels no order: send cancel_order."
    inbox = state.inbox.note(now, "system", "cancel_workflow", "noted", message=why)
    return state.changed(inbox=inbox).next_revision()
