"""What the register keeps of an order and of a withdrawal, and the notices for buyer, merchant and staff.

A record is written in the same database transaction as the posting that made it true.
"""

from __future__ import annotations

from typing import Any, Literal

from core.answers import NextDeadline
from core.fields import AmountOrZero, Id, Message, Time, omitted_at
from core.parts import Part


class Notice(Part):
    """A message for a person. `seq` numbers an order's notices, so that the same notice is stored once."""

    seq: int
    to: Literal["buyer", "merchant", "reviewer", "operator"]
    name: str
    at: Time
    facts: dict[str, str] = {}


class OrderRecord(Message):
    """The register's row of an order. A lower `revision` never overwrites a higher one.

    `state` is the whole state of the core as JSON, from which `rescue` starts again. Its `recorded_revision` is the one
    that the register must hold: where it holds another, a worker died before it reported, and this record is not kept.
    """

    order_id: Id
    revision: int
    phase: str
    audit: str
    receipt: str
    next_deadline: NextDeadline | None = None
    hold_reasons: tuple[str, ...] = ()
    refunded_minor: AmountOrZero = 0
    closed: bool = False
    state: dict[str, Any]
    notices: tuple[Notice, ...] = ()
    recorded_at: Time

    @property
    def first_notice_seq(self) -> int:
        """The lowest number that a notice of this record has, or that the order's next one gets."""
        return min((notice.seq for notice in self.notices), default=self.state.get("notice_seq", 0) + 1)


class LedgerFacts(Message):
    """What stood in the register and the books as an order was recorded.

    `kept`: the register has this record. `revision` is the one it had before, `references` are all movements of the
    order. `notices` are those that a lost try stored under the record's numbers or later ones; none where it was kept.
    `let_go` are the record's holds of a stopped merchant that is not stopped any more.
    """

    kept: bool
    revision: int
    references: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = omitted_at(())
    let_go: tuple[str, ...] = omitted_at(())


class WithdrawalRecord(Message):
    """The register's row of a withdrawal, as far as its workflow moves it.

    `follows` is the revision that the register must hold: a workflow that was set back knows an older one, and neither
    its record nor a new movement of it is taken. None: any lower revision.
    """

    withdrawal_id: Id
    revision: int
    follows: int | None = None
    state_name: str
    next_deadline: NextDeadline | None = None
    closed: bool = False
    state: dict[str, Any]
    notices: tuple[Notice, ...] = ()
    recorded_at: Time
