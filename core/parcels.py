"""A parcel on its way, to the buyer or back to the merchant: its number, its audit and what is known of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from core.audit.verdict import Verdict
from core.audit.waybills import carrier, judge, suggest
from core.durations import Duration
from core.fields import Id, Reason, Time, omitted_at
from core.messages import LineQuantity, Scan, Stage
from core.parts import Part
from core.reasons import Refusal, refuse

AuditStage = Literal["not_started", "collecting", "approved", "rejected", "in_review"]


class AuditAttempt(Part):
    """One audit attempt: the carrier and number that the merchant claimed, and the outcome."""

    carrier: str
    waybill: str
    claimed_at: Time
    replaced_at: Time | None = None
    reason: str | None = None
    outcome: str | None = None
    reasons: tuple[str, ...] = ()


class Decision(Part):
    """A reviewer's decision about a parcel's number, with the reason."""

    verdict: Literal["approved", "rejected"]
    reviewer: str
    reason: str
    waybill: str
    at: Time


LateWord = Literal["delivered", "came_back", "coming_back", "moving"]


class LateNews(Part):
    """Where the goods of a no longer awaited parcel are, by which scan, and since when that is known."""

    what: LateWord
    stage: Stage
    at: Time
    noted_at: Time


class Parcel(Part):
    """One box of an order, with its own audit and its own end."""

    parcel_id: Id
    carrier: str
    waybill: str
    carrier_name: str | None = None
    lines: tuple[LineQuantity, ...]
    weight_g: int | None = None
    uploaded_at: Time
    """When this number was reported; a correction restarts its clocks."""
    audit: AuditStage = "collecting"
    audit_since: Time
    ended: bool = False
    """Its lines were refunded. The order no longer waits for it."""
    verdict: Verdict | None = None
    pushed: tuple[Scan, ...] = ()
    pushed_physical_at: Time | None = None
    """The first pushed scan with the parcel in a carrier's hands. It counts before an audit has seen it."""
    pushed_due: Literal["judge", "look"] | None = omitted_at(None)
    """What pushed scans wait for: to be judged or, where that failed, for a look at the carrier."""
    looked_at: Time | None = None
    """When the carrier was last asked because a deadline was due."""
    delivered_known_at: Time | None = None
    attempts: tuple[AuditAttempt, ...] = ()
    corrections: int = 0
    appeal: Reason | None = None
    correction_left: timedelta | None = None
    """What is left of the correction clock; it pauses during an appeal."""
    findings_of_review: tuple[str, ...] = ()
    """Why a person must look: rule names, or the deadline that asked for it."""
    evidence_of_review: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """The evidence behind these reasons, by rule: the numbers of the reviewer's sentences."""
    pickup_again_at: Time | None = None
    """When the carrier is asked a second time before an unmoved parcel is refunded."""
    pickup_again_moved: Duration = omitted_at(timedelta())
    """By how much an operator has moved the second look to later since it was set."""
    decisions: tuple[Decision, ...] = ()
    late: tuple[LateNews, ...] = omitted_at(())
    """News of it after its refund, the credit or the end, each kind once."""

    @property
    def live(self) -> bool:
        return not self.ended

    @property
    def moved(self) -> bool:
        """Whether a carrier has physically had it."""
        return self.first_physical_at is not None

    @property
    def first_physical_at(self) -> datetime | None:
        judged = self.verdict.first_physical_at if self.verdict else None
        return judged or self.pushed_physical_at

    @property
    def delivered_at(self) -> datetime | None:
        """The delivered scan, unless the parcel came back afterwards."""
        if self.verdict is None or self.verdict.returned_at is not None:
            return None
        return self.verdict.delivered_at


def check_carrier(carrier_id: str, field: str) -> Refusal | None:
    """Why no parcel can be with this carrier, or None: it is in the table, or `other`."""
    if carrier_id == "other" or carrier(carrier_id) is not None:
        return None
    near = ", ".join(suggest(carrier_id))
    hint = f"Did you mean {near}? Else use `other` with a carrier_name."
    return refuse("unknown_carrier", hint if near else "Use `other` with a carrier_name.", field=field)


def is_unchanged(parcel: Parcel, carrier_id: str, name: str | None, waybill: str) -> bool:
    """Whether a new report of a parcel corrects nothing. It would only restart the clocks of pickup and review."""
    before = (parcel.carrier, parcel.carrier_name, parcel.waybill)
    return before == (carrier_id, name, normalised(carrier_id, waybill))


def check_number(carrier_id: str, name: str | None, waybill: str, field: str) -> Refusal | None:
    """Why no parcel can have this number, or None. `field` is where the number stands in its command."""
    if carrier_id == "other" and name is None:
        return refuse("unknown_carrier", "`other` needs a carrier_name.", field=f"{field}carrier_name")
    if (unknown := check_carrier(carrier_id, f"{field}carrier")) is not None:
        return unknown
    verdict = judge(carrier_id, waybill)
    if verdict.answer == "impossible":
        return refuse("impossible_waybill", verdict.reason, field=f"{field}waybill")
    return None


def normalised(carrier_id: str, waybill: str) -> str:
    """The number as the carrier writes it."""
    return judge(carrier_id, waybill).normalised
