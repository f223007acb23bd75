"""Logistics: claim waybill numbers, and audit parcels against what their carriers say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.carriers.base import Carrier, TraceQuery
from activities.requests import AuditRequest, ClaimRequest, Claims, ReleaseRequest
from core.audit.facts import NoTrace
from core.audit.trace import Trace
from core.audit.verdict import ParcelFacts, Rival, Verdict, audit, next_look, remember
from core.messages import Address
from core.order.shipping import Claim
from ledger.register import Register


class LogisticsActivities:
    """Asks carriers for traces and judges them with the core; `carriers` has `*` for every other carrier."""

    def __init__(self, register: Register, carriers: Mapping[str, Carrier]) -> None:
        self._register = register
        self._carriers = carriers

    @activity.defn
    async def claim_waybills(self, request: ClaimRequest) -> Claims:
        """Claim numbers for an order, all or none.

        Raises:
            Unavailable: the database did not answer; a retry helps and claims nothing twice.
        """
        outcomes = await self._register.claim_waybills(
            request.order_id,
            request.merchant_id,
            request.buyer_id,
            destination_key(request.ship_to),
            [(waybill.parcel_id, waybill.carrier, waybill.waybill) for waybill in request.waybills],
            request.now,
        )
        return Claims(
            claims=tuple(
                Claim(parcel_id=waybill.parcel_id, outcome=outcome)
                for waybill, outcome in zip(request.waybills, outcomes, strict=True)
            )
        )

    @activity.defn
    async def release_claims(self, request: ReleaseRequest) -> bool:
        """Give numbers up, so that they can be used again."""
        claims = [(claim.parcel_id, claim.carrier, claim.waybill) for claim in request.claims]
        await self._register.release_claims(request.order_id, claims, request.now)
        return True

    @activity.defn
    async def audit(self, request: AuditRequest) -> Verdict:
        """Poll the carrier until the verdict, or what is known of the parcel, changes.

        Raises:
            ApplicationError: benign; nothing new, look again after a delay that grows by policy.
        """
        attempt = activity.info().attempt
        verdict, silences = await self._judge(request, _known_silences())
        if _is_news(request, verdict):
            return verdict
        # The next attempt must know how long and how often there was no trace; a heartbeat carries it over.
        activity.heartbeat([entry.model_dump(mode="json") for entry in silences])
        delay = next_look(attempt - 1, request.policy)
        seen = "silent" if not verdict.carrier_answered else "nothing new"
        raise ApplicationError(
            f"{request.carrier} {request.waybill}: {seen}; next look in {delay}",
            type="NothingNew",
            category=ApplicationErrorCategory.BENIGN,
            next_retry_delay=delay,
        )

    @activity.defn
    async def look(self, request: AuditRequest) -> Verdict:
        """Ask the carrier once. A carrier that does not answer leaves a verdict that says so."""
        verdict, _ = await self._judge(request, ())
        return verdict

    async def _judge(self, request: AuditRequest, silences: tuple[NoTrace, ...]) -> tuple[Verdict, tuple[NoTrace, ...]]:
        # The server's clock, which follows the order's skipped time; the machine's would not.
        now = activity.info().started_time
        carrier = self._carriers.get(request.carrier) or self._carriers["*"]
        query = TraceQuery(carrier=request.carrier, waybill=request.waybill, phone_last4=request.phone_last4)
        traces = [await carrier.trace(query), *_pushed(request, now)]
        rivals = await self._register.rival_claims(
            request.carrier,
            request.waybill,
            request.facts.merchant_id,
            since=now - request.policy.reuse_window,
        )
        silences = remember(silences, traces)
        parcel = ParcelFacts(
            parcel_id=request.parcel_id,
            carrier=request.carrier,
            carrier_name=request.carrier_name,
            waybill=request.waybill,
            uploaded_at=request.uploaded_at,
            weight_g=request.weight_g,
            rivals=tuple(Rival(merchant_id=rival.merchant_id, claimed_at=rival.claimed_at) for rival in rivals),
            attempt=request.attempt,
            looks=activity.info().attempt - 1,
            known=request.known,
            no_trace=silences,
        )
        return audit(request.facts, parcel, traces, request.policy, now), silences


def _known_silences() -> tuple[NoTrace, ...]:
    """What earlier attempts of this activity noted; nothing where there were none or the note is not readable."""
    details = activity.info().heartbeat_details
    noted = details[0] if details else []
    return tuple(NoTrace.model_validate(entry) for entry in noted) if isinstance(noted, list) else ()


def _pushed(request: AuditRequest, now: datetime) -> list[Trace]:
    if not request.pushed:
        return []
    return [
        Trace(
            provider="push",
            carrier=request.carrier,
            waybill=request.waybill,
            fetched_at=now,
            answer="found",
            scans=request.pushed,
        )
    ]


def _is_news(request: AuditRequest, verdict: Verdict) -> bool:
    """Whether the order must hear of it: a verdict it waits for, a first scan, the delivery, a return."""
    if request.collecting and verdict.outcome != "pending":
        return True
    delivered = verdict.delivered_at is not None and verdict.returned_at is None
    moved = verdict.first_physical_at is not None
    came_back = verdict.returned_at is not None and not request.collecting
    # A delivered scan that is gone is no news: the order keeps it until a later scan says otherwise.
    return (moved and not request.moved) or (delivered and not request.delivered) or came_back


def destination_key(ship_to: Address) -> str:
    """The destination as waybill claims compare it."""
    parts = (ship_to.country, ship_to.province, ship_to.city, ship_to.district, ship_to.phone_last4)
    return "/".join(part or "" for part in parts)
