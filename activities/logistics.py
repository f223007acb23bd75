"""Logistics: claim waybill numbers, and audit parcels against what their carriers say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.carriers.base import TraceQuery
from activities.carriers.chosen import Carriers
from activities.policies import ParsedPolicies
from activities.requests import AuditRequest, ClaimAnswer, ClaimRequest, ReleaseRequest
from core.audit.absence import missing_trace
from core.audit.facts import NoTrace, worth_keeping
from core.audit.news import is_news, still_known
from core.audit.policy import AuditPolicy
from core.audit.trace import Trace
from core.audit.verdict import ParcelFacts, Verdict, audit, next_look, remember
from core.audit.waybills import CARRIERS
from core.messages import Address
from core.order.shipping import Claim
from core.texts import spell
from ledger.looks import Answers, Known, Number
from ledger.pushes import KeptPush
from ledger.register import Register

RECENT = timedelta(hours=6)
"""How far back answers count towards an outage: by the machine's clock, which all orders of a carrier share."""
MOST_RECENT = 500
"""How many numbers' answers the share is computed from."""
NONE_COUNTED = Answers(0, 0)


class LogisticsActivities:
    """Asks providers for traces and lets the core judge them."""

    def __init__(self, register: Register, policies: ParsedPolicies, carriers: Carriers) -> None:
        self._register = register
        self._carriers = carriers
        self._policies = policies

    @activity.defn
    async def claim_waybills(self, request: ClaimRequest) -> ClaimAnswer:
        """Claim numbers for an order, all or none, and record the order with them if every claim succeeds.

        Raises:
            Unavailable: the database did not answer; a retry helps and claims nothing twice.
        """
        claimed = await self._register.claims.claim(
            request.order_id,
            request.merchant_id,
            request.buyer_id,
            destination_key(request.ship_to),
            [(waybill.parcel_id, waybill.carrier, waybill.waybill) for waybill in request.waybills],
            request.now,
            request.record,
        )
        return ClaimAnswer(
            claims=tuple(
                Claim(parcel_id=waybill.parcel_id, outcome=outcome)
                for waybill, outcome in zip(request.waybills, claimed.outcomes, strict=True)
            ),
            standing=claimed.standing,
        )

    @activity.defn
    async def release_claims(self, request: ReleaseRequest) -> bool:
        """Release the numbers that no parcel of the order stands for, so that they can be used again."""
        standing = [(claim.parcel_id, claim.carrier, claim.waybill) for claim in request.standing]
        await self._register.claims.release(request.order_id, standing, request.now)
        return True

    @activity.defn
    async def audit(self, request: AuditRequest) -> Verdict:
        """Poll the providers until the verdict, or what is known about the parcel, changes.

        Raises:
            ApplicationError: benign; nothing is new, so look again after a delay that grows by policy.
        """
        attempt = activity.info().attempt
        if attempt > 1:
            request = await self._as_recorded(request)
        # Subscribe here, not in the workflow: that needs no history event, and the next look repeats it if a provider
        # did not answer.
        subscribed = await self._carriers.subscribe(_query(request))
        policy = (await self._policies.of(request.policy_hash)).audit
        known = _known_silences() or request.no_trace
        verdict, silences = await self._judge(request, policy, known, subscribed=subscribed)
        if is_news(
            verdict,
            collecting=request.collecting,
            silent_review=request.silent_review,
            moved=request.moved,
            delivered=request.delivered,
            known=request.known,
        ):
            return verdict
        # The next attempt must know since when there was no trace: the heartbeat carries that over. The server keeps
        # the last one over attempts without any. Each is billed, so only what counts is sent.
        kept = worth_keeping(known, silences, policy.no_trace_apart)
        # A carrier rarely has a number that was only just reported: a first silence counts later.
        counts = activity.info().started_time - request.uploaded_at >= policy.no_trace_apart
        if kept != known and (counts or known):
            activity.heartbeat([entry.model_dump(mode="json") for entry in kept])
        moving = request.moved or verdict.first_physical_at is not None
        delay = next_look(attempt - 1, policy, moving=moving, subscribed=subscribed)
        seen = "silent" if not verdict.carrier_answered else "nothing new"
        raise ApplicationError(
            f"{request.carrier} {request.waybill}: {seen}; next look in {spell(delay)}",
            type="NothingNew",
            category=ApplicationErrorCategory.BENIGN,
            next_retry_delay=delay,
        )

    @activity.defn
    async def judge(self, request: AuditRequest) -> Verdict:
        """Judge a parcel that has new pushed scans by what is stored of it: pushes, and the carrier's last answers.

        Raises:
            Unavailable: the database did not answer; a retry helps.
        """
        policy = (await self._policies.of(request.policy_hash)).audit
        assert request.now is not None
        since = request.now - policy.reuse_window
        known = await self._register.looks.read(_number(request), claimed_since=since)
        traces = _all_traces(request, known, known.polled, request.now)
        parcel = self._facts(request, known, request.no_trace)
        return audit(request.facts, parcel, traces, policy, request.now)

    async def _as_recorded(self, request: AuditRequest) -> AuditRequest:
        """The request with what the order has learned since the activity was scheduled: days may have passed."""
        parcel = await self._register.orders.parcel(request.facts.order_id, request.parcel_id)
        if parcel is None or (parcel.carrier, parcel.waybill) != (request.carrier, request.waybill):
            return request
        now_known = {
            "pushed": parcel.pushed,
            "known": parcel.verdict.milestones if parcel.verdict is not None else request.known,
            "moved": parcel.moved,
            "delivered": parcel.delivered_at is not None,
        }
        return request.model_copy(update=now_known)

    @activity.defn
    async def look(self, request: AuditRequest) -> Verdict:
        """Look once. If no provider answers, the verdict says so."""
        policy = (await self._policies.of(request.policy_hash)).audit
        verdict, _ = await self._judge(request, policy, request.no_trace)
        return verdict

    async def _judge(
        self, request: AuditRequest, policy: AuditPolicy, silences: tuple[NoTrace, ...], *, subscribed: bool = False
    ) -> tuple[Verdict, tuple[NoTrace, ...]]:
        # The server's clock follows the order's skipped time; the machine's does not.
        now = activity.info().started_time
        answers = await self._carriers.traces(_query(request))
        known, recent = await self._register.looks.keep(
            _number(request),
            answers,
            missing_trace(answers, now - request.uploaded_at),
            datetime.now(UTC),
            claimed_since=now - policy.reuse_window,
            window=RECENT,
            most=MOST_RECENT,
        )
        traces = _all_traces(request, known, [*answers, *still_known(known.polled, answers)], now)
        silences = remember(silences, traces)
        parcel = self._facts(request, known, silences, recent=recent, subscribed=subscribed)
        return audit(request.facts, parcel, traces, policy, now), silences

    def _facts(
        self,
        request: AuditRequest,
        known: Known,
        silences: tuple[NoTrace, ...],
        *,
        recent: Answers = NONE_COUNTED,
        subscribed: bool = True,
    ) -> ParcelFacts:
        """What the audit must know of the parcel. By default no carrier was asked: a push brought what is new."""
        return ParcelFacts(
            parcel_id=request.parcel_id,
            carrier=request.carrier,
            carrier_name=request.carrier_name,
            waybill=request.waybill,
            uploaded_at=request.uploaded_at,
            weight_g=request.weight_g,
            rivals=known.rivals,
            attempt=request.attempt,
            looks=activity.info().attempt - 1,
            known=request.known,
            no_trace=silences,
            providers=self._carriers.providers(request.carrier),
            carrier_no_trace_share=recent.no_trace_share,
            carrier_answers=recent.answers,
            subscribed=subscribed,
        )


def _query(request: AuditRequest) -> TraceQuery:
    return TraceQuery(
        carrier=request.carrier,
        waybill=request.waybill,
        phone_last4=request.phone_last4,
        sender_last4=request.sender_last4,
    )


def _number(request: AuditRequest) -> Number:
    facts = request.facts
    return Number(facts.order_id, request.parcel_id, facts.merchant_id, request.carrier, request.waybill)


def _all_traces(request: AuditRequest, known: Known, answers: Sequence[Trace], now: datetime) -> list[Trace]:
    """What providers answered, what they pushed, and what was reported to the order."""
    pushed = _pushed(request, known.pushed, answers)
    return [*answers, *pushed, *_reported(request, pushed, now)]


def _known_silences() -> tuple[NoTrace, ...]:
    """The notes of earlier attempts of this activity; empty if there were none or they cannot be read."""
    details = activity.info().heartbeat_details
    noted = details[0] if details else []
    return tuple(NoTrace.model_validate(entry) for entry in noted) if isinstance(noted, list) else ()


def _pushed(request: AuditRequest, kept: Sequence[KeptPush], answers: Sequence[Trace]) -> list[Trace]:
    """The stored pushes that may be about this parcel; see `CarrierTable.may_be`."""
    unseen = any(trace.answer == "no_trace" for trace in answers) and not any(trace.scans for trace in answers)
    return [
        push.trace
        for push in kept
        if push.asked == request.carrier
        or CARRIERS.may_be(request.carrier, push.trace.carrier, request.waybill, unseen=unseen)
    ]


def _reported(request: AuditRequest, pushed: Sequence[Trace], now: datetime) -> list[Trace]:
    """The scans that were reported to the order, as a trace. A scan that a stored push found with another carrier stays
    with that one.
    """
    elsewhere = {(scan.at, scan.code) for trace in pushed if trace.carrier != request.carrier for scan in trace.scans}
    scans = tuple(scan for scan in request.pushed if (scan.at, scan.code) not in elsewhere)
    if not scans:
        return []
    return [
        Trace(
            provider="push",
            carrier=request.carrier,
            waybill=request.waybill,
            fetched_at=now,
            answer="found",
            scans=scans,
        )
    ]


def destination_key(ship_to: Address) -> str:
    """The destination as waybill claims compare it."""
    parts = (ship_to.country, ship_to.province, ship_to.city, ship_to.district, ship_to.phone_last4)
    return "/".join(part or "" for part in parts)
