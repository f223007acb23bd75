"""What others see of an order: the register's row, the reasons why money has not arrived, search attributes, a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from core.aftersale.views import hold_of, hold_reason
from core.answers import HoldView
from core.audit.explain import LANGUAGES, Language, sentence
from core.order.deadlines import deadlines, next_deadline
from core.order.holds import CLAIM_STUCK, REFUND_STUCK
from core.order.pausing import settles_at
from core.order.refunds import Refund
from core.order.state import OrderState
from core.order.texts import (
    COVERED_IF_LOST,
    HELD,
    LIFT,
    WAITING,
    cause_zh,
    screening_sentence,
)
from core.parcels import Parcel
from core.records import OrderRecord
from core.states import Hold
from core.texts import Help, clock, joined
from core.votes import awaiting_second


def record_of(state: OrderState, now: datetime) -> OrderRecord:
    """The register's row, with the notices it does not hold yet."""
    kept = state.model_dump(mode="json", exclude={"order", "policy", "notices"})
    return OrderRecord(
        order_id=state.order.order_id,
        revision=state.revision,
        phase=state.phase,
        audit=state.audit,
        receipt=state.receipt.status,
        next_deadline=next_deadline(state),
        hold_reasons=hold_reasons(state),
        refunded_minor=sum(r.amount_minor for r in state.refunds if r.status != "owed"),
        closed=state.closed,
        state={**kept, "policy": _named_policy(state), "notices": []},
        notices=state.notices,
        recorded_at=now,
    )


def _named_policy(state: OrderState) -> dict[str, Any]:
    """The policy's name, the hash under which a rescue finds it, and how long people may take, for their lists."""
    limits = state.policy.model_dump(mode="json", include={"name", "content_hash", "grade", "terms"})
    slas = state.policy.order.model_dump(mode="json", include={"review_sla", "screening_sla"})
    return {**limits, **slas}


def summary_of(state: OrderState) -> dict[str, Any]:
    """How an order ended, for the result of its workflow. The register has the whole state."""
    return {
        "order_id": state.order.order_id,
        "phase": state.phase,
        "currency": state.order.currency,
        "credited_minor": state.credited_minor,
        "commission_minor": state.commission_minor,
        "refunded_minor": sum(refund.amount_minor for refund in state.refunds),
    }


def order_view(state: OrderState) -> dict[str, Any]:
    """The whole state as JSON, without its journal; the regions by name, money summed up."""
    view = state.model_dump(mode="json", exclude={"inbox", "notices", "policy", "reminders"})
    view["after_sale"] = state.after_sale
    due = next_deadline(state)
    return {
        "order_id": state.order.order_id,
        "phase": state.phase,
        "audit": state.audit,
        "closed": state.closed,
        "next_deadline": due.model_dump(mode="json") if due else None,
        "policy": {"name": state.policy.name, "content_hash": state.policy.content_hash},
        **view,
    }


def journal_view(state: OrderState) -> list[dict[str, Any]]:
    """The journal as JSON, oldest first. One last line counts the entries that were dropped."""
    return state.inbox.view()


def hold_reasons(state: OrderState) -> tuple[str, ...]:
    """Short names of why money has not arrived, for lists and search attributes."""
    waits = [view.reason for view in _waiting(state, ())]
    after = waits.index("shipment") + 1 if "shipment" in waits else 0
    waits[after:after] = [f"audit_{parcel.audit}" for parcel in _unapproved(state)]
    refunds = (f"refund_{refund.status}" for refund in _open_refunds(state))
    case = (hold_reason(state.open_case),) if state.open_case is not None else ()
    return tuple(dict.fromkeys((*(hold.name for hold in state.holds), *case, *waits, *refunds)))


def holds_of(state: OrderState, *, audits: int | None = None) -> tuple[HoldView, ...]:
    """Why the money has not arrived: how much, since when, until when, who can act, what helps.

    Args:
        audits: of how many parcels that wait for their audit, at most; None: of all.
    """
    views = (
        *_named_holds(state),
        *((hold_of(state.open_case),) if state.open_case is not None else ()),
        *_waiting(state, _unapproved(state)[:audits]),
        *(_refund(state, refund) for refund in _open_refunds(state)),
    )
    money = {"amount_minor": state.waiting_minor, "currency": state.order.currency}
    return tuple(
        view.model_copy(update=money if view.amount_minor is None else {"currency": state.order.currency})
        for view in views
    )


def _named_holds(state: OrderState) -> Iterator[HoldView]:
    for hold in state.holds:
        helps = HELD.get(hold.name, LIFT)
        stuck = state.refund(hold.subject) if hold.name == REFUND_STUCK else None
        helps = _covered_if_lost(state, stuck) or helps
        for vote in _votes(state, hold)[-1:]:
            first = awaiting_second(*vote)
            helps = Help(helps.en + first.en, helps.zh + first.zh)
        yield HoldView(
            reason=hold.name,
            amount_minor=stuck.amount_minor if stuck is not None else None,
            since=hold.since,
            expected_release=hold.review_at,
            who_can_act=hold.owner,
            what_helps=joined((_as_sentence(hold), helps.en)),
            what_helps_zh=f"{cause_zh(hold)}{helps.zh}",
        )


def _votes(state: OrderState, hold: Hold) -> tuple[tuple[str, str], ...]:
    """What people said so far of the outcome that a hold waits for: (person, outcome)."""
    refund, case = state.refund(hold.subject), state.open_case
    if hold.name == REFUND_STUCK and refund is not None:
        return refund.votes
    return case.claim.votes if hold.name == CLAIM_STUCK and case is not None and case.claim is not None else ()


def _as_sentence(hold: Hold) -> str:
    """Why a hold stands, as a sentence. A person's text is quoted unchanged, except for the full stop."""
    words = f"{hold.reason[:1].upper()}{hold.reason[1:]}" if hold.name in HELD else hold.reason
    return words if words.endswith((".", "!", "?", "。", "！", "？")) else f"{words}."


def _unapproved(state: OrderState) -> tuple[Parcel, ...]:
    """The parcels whose audit the money waits for."""
    if state.phase not in {"awaiting_shipment", "shipped"}:
        return ()
    return tuple(parcel for parcel in state.live_parcels if parcel.audit != "approved")


def _waiting(state: OrderState, audited: Sequence[Parcel]) -> Iterator[HoldView]:
    """What the phase waits for, with the audits of these parcels.

    Their sentences take time to write, so only these are written.
    """
    if state.phase == "screening_held" and state.screening_since is not None:
        yield _screening(state, state.screening_since)
    if state.phase in {"awaiting_shipment", "shipped"}:
        if state.left_to_ship() and state.released_at is not None:
            yield _view("shipment", state.released_at, state.ship_by, "merchant")
        due: dict[str, datetime] = {}
        for deadline in deadlines(state) if audited else ():
            due.setdefault(deadline.subject, deadline.at)
        for parcel in audited:
            yield _audit(state, parcel, due.get(parcel.parcel_id))
        if state.fully_shipped and state.receipt.status != "confirmed":
            yield _view("receipt", state.shipped_at or state.opened_at, state.receipt.deadline, "buyer")
    if state.refund_request is not None and state.over:
        expected = state.refund_request.at + state.policy.order.refund_request_within
        yield _view("refund_request", state.refund_request.at, expected, "operator")
    if state.phase == "credited" and state.credited_at is not None:
        at = None if state.paused_since is not None else settles_at(state)
        yield _view("settlement", state.credited_at, at, "nobody")


def _screening(state: OrderState, since: datetime) -> HoldView:
    """Who must act on the goods, the rules and edition that decided, and the merchant's statement."""
    limits = state.policy.order
    why = {language: _screened_by(state, language) for language in LANGUAGES}
    if state.screening_refused:
        return _view("screening_refused", since, since + limits.screening_appeal, "merchant", why=why)
    late = {language: _overdue(state, "screening_sla", "", language) for language in LANGUAGES}
    said = {language: joined((_appeal(state, language), late[language]), language) for language in LANGUAGES}
    return _view("screening", since, since + limits.screening_end, "reviewer", why=why, late=said)


def _screened_by(state: OrderState, language: Language) -> str:
    """The rules that matched, and their edition."""
    edition = ""
    if state.screening_edition is not None:
        edition = f"规则版本 {state.screening_edition}。" if language == "zh" else f"Rules {state.screening_edition}."
    return joined((screening_sentence(state.screening_hits, language), edition), language)


def _appeal(state: OrderState, language: Language) -> str:
    """The merchant's statement about the goods."""
    if state.screening_appeal is None:
        return ""
    return (
        f"商家申诉：“{state.screening_appeal}”。"
        if language == "zh"
        else f"The merchant says: “{state.screening_appeal}”."
    )


def _view(
    reason: str,
    since: datetime,
    expected: datetime | None,
    who: str,
    *,
    why: Mapping[Language, str] | None = None,
    late: Mapping[Language, str] | None = None,
) -> HoldView:
    helps, why, late = WAITING[reason], why or {}, late or {}
    return HoldView(
        reason=reason,
        since=since,
        expected_release=expected,
        who_can_act=who,
        what_helps=joined((why.get("en", ""), helps.en, late.get("en", "")), "en"),
        what_helps_zh=joined((why.get("zh", ""), helps.zh, late.get("zh", "")), "zh"),
    )


_AUDITORS = {"collecting": "carrier", "in_review": "reviewer", "rejected": "merchant"}
"""Who can move a parcel's audit on, by its stage."""


def _audit(state: OrderState, parcel: Parcel, expected: datetime | None) -> HoldView:
    here = {"pickup": "collection", "local": "courier"} if parcel.audit == "collecting" else {}
    helps = WAITING[here.get(state.order.delivery_mode, f"audit_{parcel.audit}")]
    more = {
        language: (*findings_of(parcel, language), _overdue(state, "review_sla", parcel.parcel_id, language))
        for language in LANGUAGES
    }
    return HoldView(
        reason=f"audit_{parcel.audit}",
        since=parcel.audit_since,
        expected_release=expected,
        who_can_act=_AUDITORS[parcel.audit],
        what_helps=joined((f"Parcel {parcel.parcel_id}: {helps.en}", *more["en"]), "en"),
        what_helps_zh=joined((f"包裹 {parcel.parcel_id}：{helps.zh}", *more["zh"]), "zh"),
    )


def findings_of(parcel: Parcel, language: Language = "en") -> tuple[str, ...]:
    """One sentence a finding: what was seen, what was expected, what the merchant can do.

    What sent the parcel to review comes first, with the evidence of that time.
    """
    verdict = parcel.verdict
    now = verdict.sentences(language) if verdict is not None and verdict.reasons else ()
    earlier = [r for r in parcel.findings_of_review if verdict is None or r not in verdict.reasons]
    kept = (sentence(reason, "fail", parcel.evidence_of_review.get(reason, {}), language) for reason in earlier)
    return (*kept, *now)


def _overdue(state: OrderState, sla: str, subject: str, language: Language = "en") -> str:
    """Since when a review is late. A reminder of an earlier wait does not count."""
    since = (
        state.screening_since if not subject else next(p.audit_since for p in state.parcels if p.parcel_id == subject)
    )
    key = f"{sla}:{subject}:"
    late = [
        datetime.fromisoformat(reminder.removeprefix(key)) for reminder in state.reminders if reminder.startswith(key)
    ]
    passed = [at for at in late if since is not None and at >= since]
    if not passed:
        return ""
    return f"Overdue since {clock(passed[-1])}." if language == "en" else f"自 {clock(passed[-1])} 起已超时。"


def _open_refunds(state: OrderState) -> tuple[Refund, ...]:
    return tuple(refund for refund in state.refunds if refund.status != "arrived")


def _covered_if_lost(state: OrderState, refund: Refund | None) -> Help | None:
    """What helps where the buyer may have a failed refund by a chargeback that is not decided; else None."""
    case = state.covering(refund) if refund is not None and refund.status == "failed" else None
    if case is None or case.stage != "disputed":
        return None
    return Help(COVERED_IF_LOST.en.format(case.case_id), COVERED_IF_LOST.zh.format(case.case_id))


def _refund(state: OrderState, refund: Refund) -> HoldView:
    people = refund.status in {"stuck", "failed"}
    helps = _covered_if_lost(state, refund) or WAITING["refund_by_people" if people else "refund"]
    return HoldView(
        reason=f"refund_{refund.status}",
        amount_minor=refund.amount_minor,
        since=refund.since,
        who_can_act="operator" if people else "channel",
        what_helps=helps.en,
        what_helps_zh=helps.zh,
    )


def search_values(state: OrderState) -> dict[str, Any]:
    """Values of the search attributes by name: enums and ids only, money in minor units."""
    due = next_deadline(state)
    return {
        "OrderPhase": state.phase,
        "AuditState": state.audit,
        "ReceiptState": state.receipt.status,
        "MerchantId": state.order.merchant_id,
        "Currency": state.order.currency,
        "AmountMinor": state.order.total_minor,
        "AfterSaleState": state.open_case.stage if state.open_case else None if not state.cases else state.after_sale,
        "HoldReasons": sorted(hold_reasons(state)),
        "NextDeadline": due.at if due else None,
    }
