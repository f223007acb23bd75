"""Stripe's webhooks about disputes: the money of a payment was taken back, or is with us again.

Source: docs.stripe.com/webhooks (signatures), docs.stripe.com/api/disputes/object and the events of `charge.dispute`.
Only the events in which money moves, and a dispute that was lost, change an order. An inquiry (`warning_…`) takes none.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from pydantic import ValidationError

from core.aftersale.messages import ReportChargeback
from core.errors import UnreadableAnswer
from core.fields import Message
from core.messages import Actor
from core.reading import reasons_of
from inbound.callbacks import Disputed, Heard, Unfollowed, read_body

SIGNATURE = "stripe-signature"
TAKEN, GIVEN_BACK, CLOSED = (f"charge.dispute.{what}" for what in ("funds_withdrawn", "funds_reinstated", "closed"))
_NOT_MINOR = frozenset({"ISK", "UGX", "MGA"})
"""Currencies whose amounts Stripe writes in other units than ISO 4217's minor ones."""


class _Moved(Message):
    amount: int
    fee: int = 0
    currency: str


class _Details(Message):
    due_by: int | None = None


class _Dispute(Message):
    id: str
    amount: int
    currency: str
    charge: str | None = None
    payment_intent: str | None = None
    reason: str = ""
    status: str = ""
    evidence_details: _Details | None = None
    balance_transactions: tuple[_Moved, ...] = ()


class _Data(Message):
    object: _Dispute


class _Kind(Message):
    type: str


class _Event(_Kind):
    data: _Data


class StripeDisputes:
    """Reads the webhooks of one endpoint.

    Args:
        channel: what orders name as the channel of such payments.
        secret: the endpoint's signing secret, `whsec_…`.
    """

    headers: tuple[str, ...] = (SIGNATURE, "content-type")

    def __init__(self, name: str, channel: str, secret: str) -> None:
        self.name, self._channel, self._secret = name, channel, secret

    def why_not(self, body: bytes, headers: Mapping[str, str]) -> str | None:
        """See `CallbackReader.why_not`. The age is not judged: the journal answers a replay as it did at first."""
        parts = [part.partition("=") for part in headers.get(SIGNATURE, "").split(",")]
        times = [value for name, _, value in parts if name.strip() == "t"]
        if len(times) != 1:
            return f"{SIGNATURE} is missing or has no time"
        expected = hmac.new(self._secret.encode(), f"{times[0]}.".encode() + body, hashlib.sha256).hexdigest()
        given = (value.strip() for name, _, value in parts if name.strip() == "v1")
        good = any(hmac.compare_digest(expected.encode(), one.encode()) for one in given)
        return None if good else "no v1 signature is made with our secret"

    def acknowledge(self, now: datetime, *, taken: bool, why: str = "") -> bytes:
        """See `CallbackReader.acknowledge`. Stripe looks at the status only."""
        return b'{"received":true}' if taken else b'{"received":false}'

    def read(self, body: bytes) -> Heard | Disputed | Unfollowed:
        """See `CallbackReader.read`. One endpoint may get all events of an account."""
        kind = read_body(body, _Kind, "the event").type
        if kind not in (TAKEN, GIVEN_BACK, CLOSED):
            return Unfollowed(about=kind[:64])
        dispute = read_body(body, _Event, "the event").data.object
        if kind == CLOSED and dispute.status != "lost":
            return Unfollowed(about=f"{kind} as {dispute.status}"[:64])  # what was won comes with GIVEN_BACK
        outcome = {TAKEN: "opened", GIVEN_BACK: "won", CLOSED: "lost"}[kind]
        return self._disputed(dispute, outcome)

    def _disputed(self, dispute: _Dispute, outcome: str) -> Disputed:
        currency = dispute.currency.upper()
        if currency in _NOT_MINOR:
            raise UnreadableAnswer(f"the dispute: amounts in {currency} are not in minor units; report it by a command")
        payments = tuple(number for number in (dispute.payment_intent, dispute.charge) if number)
        if not payments:
            raise UnreadableAnswer("the dispute: it names neither payment_intent nor charge")
        event_id = hashlib.sha256(f"{dispute.id}/{outcome}".encode()).hexdigest()
        return Disputed(
            channel=self._channel,
            payments=payments,
            currency=currency,
            key=dispute.id,
            event_id=event_id,
            report=self._report(dispute, outcome, event_id),
        )

    def _report(self, dispute: _Dispute, outcome: str, event_id: str) -> ReportChargeback:
        given = {
            "command_id": f"dispute-{event_id}"[:64],
            "actor": Actor(role="channel", id=self._channel),
            "case_reference": dispute.id,
            "outcome": outcome,
            "reason": dispute.reason or None,
        }
        if outcome == "opened":
            due = dispute.evidence_details.due_by if dispute.evidence_details else None
            given |= {"amount_minor": dispute.amount, "fee_minor": sum(_fees(dispute))}
            given |= {"evidence_due": datetime.fromtimestamp(due, UTC)} if due else {}
        try:
            return ReportChargeback.model_validate(given)
        except ValidationError as error:
            why = reasons_of(error)[0]
            raise UnreadableAnswer(f"the dispute: {why['field']}: {why['message']}") from None


def _fees(dispute: _Dispute) -> Iterator[int]:
    """What Stripe took for the dispute; a fee in another currency shows in the statement only."""
    return (
        moved.fee for moved in dispute.balance_transactions if moved.amount < 0 and moved.currency == dispute.currency
    )
