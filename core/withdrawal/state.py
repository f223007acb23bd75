"""What a withdrawal is: its phase, who approved it, its attempts, what came back, and why it waits.

Here are data and questions about it. The changes are in the files named after them, such as `outcomes`, `resolving`,
`deadlines` and `steps`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from core.fields import Time, omitted_at
from core.merchants import MERCHANT_STOPS
from core.messages import Actor, Withdrawal
from core.parts import Part
from core.reasons import Refusal
from core.states import Hold, Reader, State
from core.withdrawal.payouts import Attempt
from core.withdrawal.policy import WithdrawalPolicy

Phase = Literal[
    "requested",
    "in_approval",
    "approved",
    "submitting",
    "submitted",
    "unknown",
    "in_suspense",
    "paid",
    "returned",
    "final",
    "failed",
    "rejected",
    "cancelled",
    "refused",
]
"""`refused`: never reserved. `in_suspense`: two people said "failed", and the money waits for some days."""

GIVEN_BACK: frozenset[Phase] = frozenset({"failed", "rejected", "cancelled"})
PAID_OUT: frozenset[Phase] = frozenset({"paid", "returned", "final"})
ENDS: frozenset[Phase] = GIVEN_BACK | PAID_OUT | {"refused"}
"""Phases in which the outcome is decided; it is *over* once its money is booked and it is no longer watched."""

WAITS_AT_HOME: frozenset[Phase] = frozenset({"in_approval", "approved"})
"""Reserved and not submitted. A merchant or account that may not be paid any more gets the money back instead."""

WITH_THE_RAIL: frozenset[Phase] = frozenset({"submitting", "submitted", "unknown", "in_suspense"})

PEOPLE_NEEDED = 2
"""Different people who must approve a large withdrawal; the database holds the same rule."""

PERSON_LIFTS: frozenset[str] = frozenset({"our_side", "ledger_disagrees"})
"""Holds that `approve` lifts: a person corrected the cause, and it goes on."""


def _kept_in(phase: Phase) -> frozenset[str]:
    """The holds that stay when this phase is entered."""
    stops = MERCHANT_STOPS if phase in WAITS_AT_HOME else frozenset()
    return frozenset({"ledger_disagrees", "paid_after_failed"}) | stops


class Approval(Part):
    """One person's approval."""

    actor: Actor
    at: Time


class Testimony(Part):
    """One person's word on the outcome of a payout, with the bank's reference."""

    actor: Actor
    outcome: Literal["paid", "failed"]
    reference: str
    at: Time


class WithdrawalState(State):
    """One withdrawal between two events. Frozen: every change is a new state with a higher `revision`.

    `booked` says how the reservation was closed in the ledger; `returns_minor` are the bank returns booked, in order.
    """

    withdrawal: Withdrawal
    policy: WithdrawalPolicy
    seed: str
    opened_at: Time
    phase: Phase = "requested"
    phase_since: Time
    refusal: Refusal | None = None
    reason: str | None = None
    """Why it was rejected, cancelled or failed, for people."""

    reserved: bool = False
    booked: Literal["paid", "void"] | None = None
    suspended: bool = False
    """Moved to suspense, from where it is closed."""
    returns_minor: tuple[int, ...] = ()

    approve_by: Time | None = None
    approvals: tuple[Approval, ...] = ()
    not_before: Time | None = None
    attempts: tuple[Attempt, ...] = ()
    statements: tuple[Testimony, ...] = ()
    suspense_until: Time | None = None
    standing_due: bool = False
    """Whether its account and its merchant must be checked now."""
    standing_checked_at: Time | None = None
    incident: int | None = None
    """The number of an attempt that was reported as paid after it had failed."""
    account_suspension: Literal["wanted", "done"] | None = None
    watch_until: Time | None = None

    callbacks: int = 0
    asks_first: bool = omitted_at(False)
    """It went on from the register or was set back: what the books do not know may have been sent. Ask the rail
    before a first instruction."""

    # --- questions -------------------------------------------------------------------------------------

    @property
    def fee_minor(self) -> int:
        return self.policy.fee(self.withdrawal.amount_minor)

    @property
    def net_minor(self) -> int:
        """What the payee gets."""
        return self.withdrawal.amount_minor - self.fee_minor

    @property
    def latest(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None

    def attempt(self, number: int) -> Attempt:
        return self.attempts[number - 1]

    def attempt_with_key(self, key: str) -> Attempt | None:
        return next((attempt for attempt in self.attempts if attempt.key == key), None)

    @property
    def paid_attempt(self) -> Attempt | None:
        return next((attempt for attempt in self.attempts if attempt.outcome == "paid"), None)

    @property
    def return_due_minor(self) -> int:
        """What came back and is not booked yet."""
        paid = self.paid_attempt
        return max(paid.came_back_minor - sum(self.returns_minor), 0) if paid else 0

    @property
    def may_submit(self) -> bool:
        """Whether nothing stands between the approval and the rail."""
        return (
            self.phase == "approved"
            and self.not_before is None
            and self.incident is None
            and not self.has_hold("our_side")
            and not any(self.has_hold(stop) for stop in MERCHANT_STOPS)
        )

    @property
    def booking_done(self) -> bool:
        """Whether the ledger agrees with the phase."""
        if self.phase == "refused":
            return True
        return self.phase in ENDS and self.booked is not None and not self.return_due_minor

    @property
    def over(self) -> bool:
        """Whether it is decided, booked, recorded, and was watched for long enough. A return is accepted even then."""
        return (
            self.booking_done
            and self.watch_until is None
            and self.incident is None
            and self.account_suspension != "wanted"
            and not any(attempt.look_due for attempt in self.attempts)
        )

    # --- small changes ---------------------------------------------------------------------------------

    def enter(self, phase: Phase, now: datetime, reason: str | None = None) -> WithdrawalState:
        """The state in another phase, what belonged to the old one cleared."""
        return self.changed(
            phase=phase,
            phase_since=now,
            reason=reason if reason is not None else self.reason,
            approve_by=None,
            not_before=None,
            suspense_until=None,
            standing_due=False,
            statements=(),
            holds=tuple(hold for hold in self.holds if hold.name in _kept_in(phase)),
        )

    def with_attempt(self, changed: Attempt) -> WithdrawalState:
        return self.changed(
            attempts=tuple(changed if attempt.number == changed.number else attempt for attempt in self.attempts)
        )

    def stop_for(self, name: str, owner: str, now: datetime, **facts: str) -> WithdrawalState:
        """The state with this hold, once, and a notice to its owner."""
        if self.has_hold(name):
            return self
        to: Reader = "reviewer" if owner == "reviewer" else "operator"
        return self.with_hold(Hold(name=name, owner=owner, since=now, facts=facts)).with_notice(to, name, now, **facts)

    def without_holds(self, *names: str) -> WithdrawalState:
        return self.changed(holds=tuple(hold for hold in self.holds if hold.name not in names))
