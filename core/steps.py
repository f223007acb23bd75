"""What a step is, and the two steps that both machines have: post a movement, keep a record.

A core asks for one step at a time; the shell carries it out and gives its result to the core's `finish`. Each step may
be carried out again: its key makes a second time harmless.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from core.chart import Kind
from core.fields import Message
from core.movements import Movement
from core.records import OrderRecord, WithdrawalRecord

PostingOutcome = Literal["posted", "exists", "conflict", "insufficient_funds", "held"]

DECIDED_ONCE: frozenset[Kind] = frozenset(
    {
        "refund",
        "freeze",
        "release",
        "chargeback",
        "chargeback_fee",
        "chargeback_won",
        "chargeback_above",
        "chargeback_above_won",
        "refund_covered",
        "pay",
        "void",
        "suspense",
        "bank_return",
    }
)
"""Movements that another decision could contradict.

A deadline and a cancellation would refund the same money under two causes; a callback changes what came back, or says
"paid" where the books say "given back". A local activity acts before its decision stands in the history: where the
worker dies before the report, the decision is made again, perhaps another one. These are never carried out that way.
"""


class Step(Message):
    """One thing that the shell must do now."""

    label: ClassVar[str] = ""

    @property
    def summary(self) -> str:
        """For people who look at the activity."""
        return self.label

    @property
    def decided_once(self) -> bool:
        """Whether the decision must stand in the history before the step is carried out."""
        return False


class Post(Step):
    """Post a movement, and keep the record of what it makes true, in one database transaction."""

    movement: Movement
    record: OrderRecord | WithdrawalRecord

    @property
    def summary(self) -> str:
        """The kind and the rest of the reference, as in `refund ship_by` or `credit`."""
        kind, rest = self.movement.kind, self.movement.reference.split("/")[3:]
        return " ".join((kind, *rest[:1]))

    @property
    def decided_once(self) -> bool:
        """See `DECIDED_ONCE`."""
        return self.movement.kind in DECIDED_ONCE


class Posted(Message):
    """The ledger's answer to one movement. `posted` and `exists` mean that the money moved, now or before.

    With `insufficient_funds`, `account` would be `short_by_minor` below zero. A `conflict` with an account says that
    the account, which the movement should have emptied or left alone, stands against it by that much. `overtaken`: the
    register had a record as new or newer, and did not keep the one that came with the movement. `held`: the merchant is
    frozen, and nothing was posted.
    """

    reference: str
    outcome: PostingOutcome
    account: str | None = None
    short_by_minor: int | None = None
    overtaken: bool = False

    @property
    def moved(self) -> bool:
        """Whether the movement is in the books."""
        return self.outcome in {"posted", "exists"}

    @property
    def detail(self) -> str:
        """For people."""
        if self.outcome == "insufficient_funds":
            return f"{self.account} is short by {self.short_by_minor}"
        if self.account:
            return f"{self.account} stands against it by {self.short_by_minor}"
        return self.reference


class KeepRecord(Step):
    """Write the register's row and the notices. A lower revision changes nothing."""

    label: ClassVar[str] = "record"
    record: OrderRecord | WithdrawalRecord
