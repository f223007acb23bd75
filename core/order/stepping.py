"""What the shell must do next. The core asks, the shell carries out and tells what came of it (`finish`).

A *step* is done at once and alone: a posting, a record, one look at the carrier. A *watch* runs beside the order
for days: an audit that polls a carrier, a refund on its way through the channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from core.audit.verdict import Verdict
from core.messages import Command, CorrectWaybill, Message, ReportShipment
from core.order.auditing import judged, only_silent
from core.order.deadlines import due_looks, refund_stuck_hold, settles_at
from core.order.opening import Screening, screened
from core.order.shares import credit_shares
from core.order.shipping import Claim, WaybillToClaim, check_claims, claim_key, to_claim
from core.order.state import LEDGER_DISAGREES, REFUND_STUCK, Doing, Hold, OrderState, Parcel
from core.reasons import Refusal

PostingOutcome = Literal["posted", "exists", "conflict", "insufficient_funds"]


class Step(Message):
    """One thing to do now. `about` is a parcel, a refund's cause, or nothing."""

    verb: Literal[
        "fund",
        "screen",
        "refund",
        "refund_arrived",
        "release_claims",
        "look",
        "credit",
        "settle",
        "start_withdrawal",
        "record",
    ]
    about: str = ""


class AuditWatch(Message):
    """A carrier is polled for this parcel until the verdict or what is known of it changes.

    Two equal watches are the same watch: whatever must make the audit look at once is a field.
    """

    parcel_id: str
    carrier: str
    waybill: str
    collecting: bool
    in_person: bool
    scans: int
    moved: bool
    delivered: bool
    silent_review: bool = False


class RefundWatch(Message):
    """The channel is told of a refund and asked until the buyer has the money.

    `stuck`: its hold stands. An operator who lifts that hold lets the channel be asked at once.
    """

    cause: str
    stuck: bool


class RefundOutcome(Message):
    """What the channel finally said: `arrived`, or `refused` with its reason."""

    state: Literal["arrived", "refused"]
    reference: str | None = None
    message: str | None = None


# --- what to do ------------------------------------------------------------------------------------------


def next_step(state: OrderState, now: datetime) -> Step | None:
    """The most urgent thing that is due; None where the order only waits. Ask again after each step."""
    money_stands = bool(state.held("all"))
    if not state.funded and not money_stands:
        return Step(verb="fund")
    if not state.funded:
        return _record_step(state)
    if state.phase == "opening":
        return Step(verb="screen")
    if not money_stands and (step := _refund_step(state)) is not None:
        return step
    if claims_to_release(state):
        return Step(verb="release_claims")
    if looks := due_looks(state, now):
        return Step(verb="look", about=looks[0].parcel_id)
    if credit_due(state):
        return Step(verb="credit")
    if settle_due(state, now):
        return Step(verb="settle")
    if state.withdrawal_due and not state.held("payout", "all"):
        return Step(verb="start_withdrawal")
    return _record_step(state)


def _record_step(state: OrderState) -> Step | None:
    return Step(verb="record") if state.revision > state.recorded_revision else None


def _refund_step(state: OrderState) -> Step | None:
    for refund in state.refunds:
        if refund.status == "owed":
            return Step(verb="refund", about=refund.cause)
        if refund.status == "confirmed":
            return Step(verb="refund_arrived", about=refund.cause)
    return None


def credit_due(state: OrderState) -> bool:
    """Everything shipped, every audit approved, receipt confirmed, no case, no hold: whichever came last."""
    return (
        state.phase == "shipped"
        and state.fully_shipped
        and state.audit == "approved"
        and state.receipt.status == "confirmed"
        and state.after_sale == "none"
        and not state.held("credit", "all")
    )


def settle_due(state: OrderState, now: datetime) -> bool:
    """The settlement delay and the after-sale window have passed, and no hold stops it."""
    return state.phase == "credited" and settles_at(state) <= now and not state.held("credit", "all")


def claimed_in_vain(state: OrderState, command: Command, claims: Sequence[Claim]) -> OrderState:
    """The order after a command was refused: what was claimed for it, before something else came first, is given up.

    Numbers are claimed all or none, and where one is in use none.
    """
    if not isinstance(command, ReportShipment | CorrectWaybill) or not claims or check_claims(claims):
        return state
    vain = tuple((claim.parcel_id, claim.carrier, claim.waybill) for claim in to_claim(command))
    return state.model_copy(update={"claims_in_vain": (*state.claims_in_vain, *vain)})


def claims_to_release(state: OrderState) -> tuple[WaybillToClaim, ...]:
    """Numbers that may be used again: of parcels that ended before they moved, those that were corrected, and those
    that were claimed in vain."""
    ended = (p for p in state.parcels if p.ended and not p.moved)
    unused = [WaybillToClaim(parcel_id=p.parcel_id, carrier=p.carrier, waybill=p.waybill) for p in ended]
    replaced = [
        WaybillToClaim(parcel_id=parcel.parcel_id, carrier=attempt.carrier, waybill=attempt.waybill)
        for parcel in state.parcels
        for attempt in parcel.attempts
        if (attempt.carrier, attempt.waybill) != (parcel.carrier, parcel.waybill)
    ]
    by_key = {_key(claim): claim for claim in (*unused, *replaced)}
    given_up = {key: claim for key, claim in by_key.items() if key not in state.claims_released}
    used = {claim_key(p.parcel_id, p.carrier, p.waybill) for p in state.parcels}
    for parcel_id, carrier, waybill in state.claims_in_vain:
        claim = WaybillToClaim(parcel_id=parcel_id, carrier=carrier, waybill=waybill)
        if _key(claim) not in used:
            given_up[_key(claim)] = claim
    return tuple(given_up.values())


def _key(claim: WaybillToClaim) -> str:
    return claim_key(claim.parcel_id, claim.carrier, claim.waybill)


def audit_watches(state: OrderState) -> tuple[AuditWatch, ...]:
    """The parcels whose carrier must be polled: for a verdict, to end a review that silence made, or to learn of the
    delivery."""
    if state.phase != "shipped":
        return ()
    confirmed = state.receipt.status == "confirmed"
    return tuple(
        AuditWatch(
            parcel_id=parcel.parcel_id,
            carrier=parcel.carrier,
            waybill=parcel.waybill,
            collecting=parcel.audit == "collecting",
            in_person=state.receipt.in_person,
            scans=len(parcel.pushed),
            moved=parcel.moved,
            delivered=parcel.delivered_at is not None,
            silent_review=only_silent(parcel),
        )
        for parcel in state.live_parcels
        if parcel.audit == "collecting"
        or only_silent(parcel)
        or not (confirmed or parcel.delivered_at or _came_back(parcel))
    )


def _came_back(parcel: Parcel) -> bool:
    return parcel.verdict is not None and parcel.verdict.returned_at is not None


def refund_watches(state: OrderState) -> tuple[RefundWatch, ...]:
    """The refunds that are on their way. One that is stuck is still asked about."""
    if state.held("all"):
        return ()
    on_their_way = (refund for refund in state.refunds if refund.status in {"booked", "stuck"})
    return tuple(RefundWatch(cause=r.cause, stuck=state.has_hold(REFUND_STUCK, r.cause)) for r in on_their_way)


# --- what came of it -------------------------------------------------------------------------------------


_TELLING: frozenset[str] = frozenset({"credit", "settle", "refund_arrived"})
"""Steps that bring one notice."""


def begun(state: OrderState, step: Step) -> OrderState:
    """The order while a step is carried out: what was decided stands, whatever arrives before the answer.

    The posting is made from this state (`posting_for`), and `posted` or `ledger_disagrees` follows it. Not a new
    revision: nothing is true yet that anybody must be told.
    """
    if step.verb in {"look", "record", "screen"}:
        return state
    telling = step.verb in _TELLING
    claims = tuple(_key(claim) for claim in claims_to_release(state)) if step.verb == "release_claims" else ()
    seq = state.notice_seq + 1 if telling else None
    doing = Doing(verb=step.verb, about=step.about, notice_seq=seq, claims=claims)
    return state.model_copy(update={"doing": doing, "notice_seq": state.notice_seq + telling})


def posted(state: OrderState, step: Step, now: datetime) -> OrderState:
    """The order once a step's posting stands in the ledger (or the step needed none)."""
    doing = state.doing or begun(state, step).doing
    state = _done(state, step, now)
    if doing is not None and doing.notice_seq is not None and state.notices:
        # The notice that this step brought is the last one; it has the number that was kept for it.
        told = state.notices[-1].model_copy(update={"seq": doing.notice_seq})
        last = max(doing.notice_seq, state.notice_seq - 1)
        state = state.model_copy(update={"notices": (*state.notices[:-1], told), "notice_seq": last})
    return _next_revision(state.model_copy(update={"doing": None}))


def _done(state: OrderState, step: Step, now: datetime) -> OrderState:
    if step.verb == "fund":
        state = state.model_copy(update={"funded": True})
    elif step.verb == "credit":
        shares = credit_shares(state)
        state = state.model_copy(
            update={
                "phase": "credited",
                "credited_at": now,
                "credited_minor": shares.proceeds_minor + shares.discount_minor,
                "commission_minor": shares.commission_minor,
            }
        )
        state = state.noticing("merchant", "credited", now, amount_minor=str(state.credited_minor))
    elif step.verb == "settle":
        state = state.model_copy(update={"phase": "settled", "settled_at": now})
        state = state.noticing("merchant", "settled", now, amount_minor=str(state.credited_minor))
    elif step.verb in {"refund", "refund_arrived"}:
        state = _refund_posted(state, step, now)
    elif step.verb == "release_claims":
        given_up = state.doing.claims if state.doing else tuple(_key(claim) for claim in claims_to_release(state))
        # What was given up once and claimed in vain again is given up again.
        released = tuple(dict.fromkeys((*state.claims_released, *given_up)))
        vain = tuple(claim for claim in state.claims_in_vain if claim_key(*claim) not in given_up)
        state = state.model_copy(update={"claims_released": released, "claims_in_vain": vain})
    elif step.verb == "start_withdrawal":
        state = state.model_copy(update={"withdrawal_started": True})
    return state


def _refund_posted(state: OrderState, step: Step, now: datetime) -> OrderState:
    refund = state.refund(step.about)
    assert refund is not None
    if step.verb == "refund":
        # The three days of patience with the channel begin when it can be told.
        return state.with_refund(refund.model_copy(update={"status": "booked", "since": now}))
    state = state.with_refund(refund.model_copy(update={"status": "arrived"})).without_hold(REFUND_STUCK, refund.cause)
    return state.noticing("buyer", "refund_arrived", now, cause=refund.cause, amount_minor=str(refund.amount_minor))


def withdrawal_answered(
    state: OrderState, withdrawal_id: str | None, skipped: Refusal | None, now: datetime
) -> OrderState:
    """What became of the order's automatic withdrawal, for its journal; a merchant is told why there is none."""
    inbox = state.inbox.noted(
        now, "system", "start_withdrawal", "noted", refusal=skipped, message=f"withdrawal {withdrawal_id}"
    )
    state = state.model_copy(update={"inbox": inbox, "revision": state.revision + 1})
    return state.noticing("merchant", "withdrawal_skipped", now, reason=skipped.code) if skipped else state


def ledger_disagrees(state: OrderState, step: Step, outcome: str, detail: str, now: datetime) -> OrderState:
    """The ledger refuses what the core holds for right: money stands still until an operator has looked."""
    hold = Hold(
        name=LEDGER_DISAGREES,
        scope="all",
        reason=f"{step.verb} {step.about}: {outcome} {detail}".strip(),
        owner="operator",
        since=now,
    )
    return _next_revision(state.holding(hold).model_copy(update={"doing": None}))


def screening_done(state: OrderState, screening: Screening, now: datetime) -> OrderState:
    """The order after its goods were screened."""
    return _next_revision(screened(state, screening, now))


def looked(state: OrderState, parcel_id: str, waybill: str, verdict: Verdict, now: datetime) -> OrderState:
    """The order after a carrier was asked for a deadline's sake. A silent carrier says nothing about the parcel."""
    parcel = state.parcel(parcel_id)
    if parcel is not None and parcel.waybill == waybill:
        # The deadline is judged by this look's verdict: what the carrier said days ago it may not say now.
        fresh = parcel.model_copy(update={"looked_at": now})
        state = judged(state.with_parcel(fresh), parcel_id, waybill, verdict, now)
    return _next_revision(state)


def audited(state: OrderState, watch: AuditWatch, verdict: Verdict, now: datetime) -> OrderState:
    """The order after an audit's watch reported; what was asked of another carrier than the parcel's is nothing."""
    parcel = state.parcel(watch.parcel_id)
    if parcel is None or parcel.carrier != watch.carrier:
        return state
    return _next_revision(judged(state, watch.parcel_id, watch.waybill, verdict, now))


def refund_reported(state: OrderState, watch: RefundWatch, outcome: RefundOutcome, now: datetime) -> OrderState:
    """The order after the channel's last word on a refund."""
    refund = state.refund(watch.cause)
    if refund is None or refund.status not in {"booked", "stuck"}:
        return state
    if outcome.state == "arrived":
        state = state.without_hold(REFUND_STUCK, refund.cause)
        changed = refund.model_copy(update={"status": "confirmed", "reference": outcome.reference})
    else:
        changed = refund.model_copy(update={"status": "failed"})
        state = state.holding(refund_stuck_hold(refund.cause, outcome.message or "the channel refused it", now))
    return _next_revision(state.with_refund(changed))


def recorded(state: OrderState, revision: int, notice_seq: int) -> OrderState:
    """The order once the register holds it as of this revision; not a new revision."""
    left = tuple(notice for notice in state.notices if notice.seq > notice_seq)
    return state.model_copy(update={"recorded_revision": max(state.recorded_revision, revision), "notices": left})


def _next_revision(state: OrderState) -> OrderState:
    return state.model_copy(update={"revision": state.revision + 1})
