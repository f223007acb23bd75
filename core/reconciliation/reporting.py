"""What a statement shows and a withdrawal or an order does not know, as the callbacks that never came."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from core.aftersale.messages import ReportChargeback
from core.messages import Actor, ReportPayout
from core.reconciliation.lines import Break, Kind, Reason, TheirLine

_UNHEARD: frozenset[Reason] = frozenset({"late", "returned", "paid_after_failed"})
"""Breaks about a payout whose latest news only the statement has."""
_OF_DISPUTES: Mapping[Kind, Kind] = {
    "chargeback": "chargeback",
    "chargeback_fee": "chargeback",
    "chargeback_won": "chargeback_won",
}
"""The lines that name the payment and the amount of a break about a dispute."""


def withdrawal_in(found: Break) -> str | None:
    """The withdrawal that must be notified of a break's lines; None where the break is of another kind.

    One that was given back must hear that it was paid all the same: until then there is nothing that people could
    resolve.
    """
    noun, _, withdrawal_id = (found.subject or "").partition("/")
    heard = found.scope != "rail" or found.reason not in _UNHEARD or noun != "withdrawal"
    return None if heard else withdrawal_id


def reports(found: Break, lines: Sequence[TheirLine], counted: Collection[str]) -> list[ReportPayout]:
    """The events to report, in the order in which they happened.

    A return without the id of the rail's callback is left out: the callback would count the same money a second time. A
    look-up finds it.

    Args:
        lines: the rail's lines about the break's key.
        counted: ids of events that the withdrawal has counted.
    """
    paid = sum(line.amount_minor for line in lines if line.kind == "payout")
    events = []
    for line in lines:
        event_id = line.event_id or _made_of(line)
        whole = line.kind == "payout" or line.amount_minor == paid
        if event_id not in counted and (whole or line.event_id is not None):
            events.append(
                ReportPayout(
                    command_id=_made_of(line),
                    actor=Actor(role="rail", id=found.name),
                    event_id=event_id,
                    key=found.key,
                    outcome="returned" if line.kind == "return" else "paid",
                    amount_minor=line.amount_minor,
                    currency=line.currency,
                )
            )
    return events


class ChargebackFound(NamedTuple):
    """A chargeback, or its end, that only a channel's statement has; `payments` are the numbers of its payment."""

    payments: tuple[str, ...]
    report: ReportChargeback


def chargeback_in(found: Break, lines: Sequence[TheirLine]) -> ChargebackFound | None:
    """What the orders of the payment must learn; None where the break is of another kind, or names no payment.

    A fee is reported with the chargeback that it is about.

    Args:
        lines: the channel's lines about the break's key, its fee among them.
    """
    if found.scope != "channel" or found.reason != "extra" or found.kind not in _OF_DISPUTES:
        return None
    about = [line for line in lines if line.kind == _OF_DISPUTES[found.kind]]
    payments = tuple(dict.fromkeys(line.reference for line in about if line.reference))
    if not payments:
        return None
    opened = about[0].kind == "chargeback"
    fees = [line for line in lines if line.kind == "chargeback_fee" and line.currency == about[0].currency]
    taken, fee = (sum(line.amount_minor for line in those) for those in (about, fees))
    amounts = {"amount_minor": taken, "fee_minor": fee} if opened else {}
    news = next(line for line in lines if line.kind == found.kind)
    report = ReportChargeback.model_validate(
        {
            "command_id": _made_of(news),
            "actor": Actor(role="channel", id=found.name),
            "case_reference": found.key,
            "outcome": "opened" if opened else "won",
            "reason": "the channel's statement has it",
            **amounts,
        }
    )
    return ChargebackFound(payments, report)


def _made_of(line: TheirLine) -> str:
    """An id for the event of a line: always the same, for any characters in the line's own id."""
    return f"st-{hashlib.sha256(line.line_id.encode()).hexdigest()[:40]}"
