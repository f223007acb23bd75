"""A payout: one instruction to a rail under one key, and what the rail has said about it.

A withdrawal has one attempt after the other, never two at once. A new key is made only when the last instruction is
known to have had no effect: two keys could pay twice.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from core.durations import Duration
from core.fields import Currency, Message, Time, omitted_at
from core.messages import FailureClass
from core.parts import Part
from core.payout_accounts import AccountKind
from core.reasons import Refusal, refuse


class RailTerms(Message):
    """What a rail promises about its keys and its successes.

    An attempt keeps the promises it was made under. `dedup_window`: how long an identical request under the same key
    has no second effect; None: no promise, so nothing is ever sent again. `query_window`: how long a payout can be
    looked up. `arrival_working_days`: when the payee usually has the money; 0: the same day.
    """

    dedup_window: Duration | None = None
    query_window: Duration | None = None
    success_is_final: bool = False
    arrival_working_days: Annotated[int, Field(strict=True, ge=0, le=60)] = 1
    # Left out of the stored state at their defaults.
    currencies: tuple[Currency, ...] = omitted_at(())
    """The currencies that it pays in; empty: any."""
    account_kinds: tuple[AccountKind, ...] = omitted_at(())
    """The kinds of accounts that it pays to; empty: any."""
    wallet: str | None = omitted_at(None)
    """Whose wallets it pays to, named as in `AccountNumber.hint`; None: any."""

    def obstacle(self, rail: str, currency: str, kind: AccountKind | None, hint: str | None = None) -> Refusal | None:
        """Why this rail can never pay to such an account; None where it can.

        Args:
            hint: the recognised issuer of the number, where it is known.
        """
        if self.currencies and currency not in self.currencies:
            pays = f"The rail {rail} pays in {', '.join(self.currencies)} only, not in {currency}."
            return refuse("wrong_currency", pays, field="currency")
        if self.account_kinds and kind is not None and kind not in self.account_kinds:
            pays = f"The rail {rail} pays to {', '.join(self.account_kinds)} only, not to {kind}."
            return refuse("rail_cannot_pay", pays, field="kind")
        if self.wallet is not None and kind == "wallet" and hint is not None and hint != self.wallet:
            pays = f"The rail {rail} pays to a {self.wallet}, and this is a {hint}."
            return refuse("rail_cannot_pay", pays, field="number")
        return None


class PayoutResult(Message):
    """The result of an instruction or a look-up.

    `accepted`: the rail has it and has not finished. `not_found`: the rail says that it knows no such key. `not_sent`:
    it certainly never left us. `unknown`: no answer, or one that cannot be read. `returned_minor` is all that has come
    back so far, not only the last part. `to_confirm` is what the payee's app needs where the payee must take the money;
    a rail says it once, when it accepts.
    """

    outcome: Literal["accepted", "paid", "failed", "returned", "not_found", "not_sent", "unknown"]
    amount_minor: int | None = None
    currency: str | None = None
    returned_minor: int | None = None
    failure: FailureClass | None = None
    code: str | None = None
    message: str | None = None
    reference: str | None = None
    to_confirm: str | None = None


class PayoutEvent(Message):
    """A rail's callback as it was counted. `event_id` counts once."""

    event_id: str
    outcome: Literal["paid", "failed", "returned"]
    amount_minor: int
    code: str | None = None
    at: Time


class Failure(Message):
    """Why an attempt failed; `code` and `message` are the rail's own."""

    failure: FailureClass
    code: str | None = None
    message: str | None = None


class Attempt(Part):
    """One instruction under one key. `first_sent_at` and `last_sent_at` are when the sending was over, not begun.

    `open` is not sent yet · `unsent` never left us · `accepted` and `unknown` may still become either end.
    """

    number: int
    key: str
    rail: str
    terms: RailTerms
    account_version: int
    account_last4: str | None = None
    opened_at: Time
    outcome: Literal["open", "unsent", "accepted", "unknown", "paid", "failed"] = "open"
    decided_at: Time | None = None
    sends: int = 0
    first_sent_at: Time | None = None
    last_sent_at: Time | None = None
    looked_at: Time | None = None
    look_due: bool = False
    not_found_at: tuple[Time, ...] = ()
    """Answers "not found" since the last sending."""
    reference: str | None = None
    to_confirm: str | None = None
    failure: Failure | None = None
    events: tuple[PayoutEvent, ...] = ()
    looked_back_minor: int = 0
    """All that has come back, by the rail's answer to a look-up or by a late "failed"."""

    @property
    def undecided(self) -> bool:
        """Whether it may be on the wire or with the rail: its outcome is not known."""
        return self.outcome in {"accepted", "unknown"}

    @property
    def dead(self) -> bool:
        """Whether it is known to have had no effect: only then may another attempt be made."""
        return self.outcome in {"failed", "unsent"}

    @property
    def came_back_minor(self) -> int:
        """All that came back: the larger of the callbacks' sum and a look-up's answer, since both are about the same
        money.
        """
        return max(self.called_back_minor, self.looked_back_minor)

    @property
    def called_back_minor(self) -> int:
        return sum(event.amount_minor for event in self.events if event.outcome == "returned")

    def event(self, event_id: str) -> PayoutEvent | None:
        return next((event for event in self.events if event.event_id == event_id), None)

    def send_by(self, send_within: timedelta) -> datetime:
        """The last moment for the instruction to go out: well inside the rail's window, from when the key was made."""
        if self.sends == 0:
            half = self.terms.dedup_window / 2 if self.terms.dedup_window else send_within
            return self.opened_at + min(send_within, half)
        return self.opened_at + (self.terms.dedup_window or timedelta()) / 2

    def may_resend(self, apart: timedelta, now: datetime) -> bool:
        """Whether the identical request may go out again: the rail promises deduplication, less than half of that
        time has passed, and it said "not found" twice, far enough apart to rule out one stale look-up.

        `apart` doubles with each sending, so that a rail that is out for hours is not sent the same all the time.
        """
        if self.outcome != "unknown" or self.terms.dedup_window is None or len(self.not_found_at) < 2:
            return False
        apart *= 2 ** max(min(self.sends, 20) - 1, 0)
        return now < self.send_by(timedelta()) and self.not_found_at[-1] - self.not_found_at[0] >= apart


def seed_of(withdrawal_id: str) -> str:
    """The seed of a withdrawal's keys: always the same for one id.

    A request whose reservation was lost, because the books were restored to an earlier moment, begins again. A random
    seed would give it another key, under which the bank would pay a second time.
    """
    return hashlib.sha256(f"dakuan withdrawal {withdrawal_id}".encode()).hexdigest()[:32]


def attempt_key(seed: str, number: int) -> str:
    """The key of an attempt: 26 lower-case letters and digits from its seed, so the same each time.

    It is short, since some rails allow only 32 characters.
    """
    digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    return base64.b32encode(digest[:16]).decode().rstrip("=").lower()
