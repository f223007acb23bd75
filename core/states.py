"""What the states of both machines have in common: revisions, notices, the inbox, holds and deadlines."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple, Self

from pydantic import Field

from core.fields import Name, Time
from core.inbox import Inbox
from core.parts import Part
from core.records import Notice, OrderRecord, WithdrawalRecord

Reader = Literal["buyer", "merchant", "reviewer", "operator"]


class Deadline(NamedTuple):
    """One deadline: its name, when, and what it is about, such as a parcel, a refund's cause or a payout's number."""

    name: str
    at: datetime
    subject: str = ""

    @property
    def key(self) -> str:
        """What names this deadline and no other of the same state."""
        return f"{self.about}:{self.at.isoformat()}"

    @property
    def about(self) -> str:
        """What names this deadline, also where it moves."""
        return f"{self.name}:{self.subject}"


class Hold(Part):
    """A named reason why money does not move, with an owner who can lift it.

    `subject` is the parcel or refund that one of ours is about: several may stand under one name. `scope` says what
    does not move, `facts` are what the owner must know.
    """

    name: Name
    subject: str = ""
    scope: Literal["credit", "payout", "all"] = "all"
    reason: str = ""
    owner: str
    since: Time
    review_at: Time | None = None
    facts: dict[str, str] = Field(default_factory=dict)


class State(Part):
    """One machine between two events.

    Frozen: every change is a new state. A change that a record must show is a new revision.

    `notices` are those that the register does not hold yet; `recorded_revision` is the last that it holds.
    """

    revision: int = 0
    recorded_revision: int = -1
    notices: tuple[Notice, ...] = ()
    notice_seq: int = 0
    holds: tuple[Hold, ...] = ()
    inbox: Inbox = Field(default_factory=Inbox)

    def next_revision(self) -> Self:
        """The state as a new revision, which a record must show."""
        return self.changed(revision=self.revision + 1)

    def note_record(self, record: OrderRecord | WithdrawalRecord) -> Self:
        """The state once the register holds this record. It is not a new revision. Later notices stay."""
        seq = max((notice.seq for notice in record.notices), default=0)
        return self.changed(
            recorded_revision=max(self.recorded_revision, record.revision),
            notices=tuple(notice for notice in self.notices if notice.seq > seq),
        )

    def has_hold(self, name: str, subject: str = "") -> bool:
        """Whether this hold stands."""
        return any((hold.name, hold.subject) == (name, subject) for hold in self.holds)

    def with_hold(self, hold: Hold) -> Self:
        """The state with this hold, once."""
        return self if self.has_hold(hold.name, hold.subject) else self.changed(holds=(*self.holds, hold))

    def without_hold(self, name: str, subject: str = "") -> Self:
        """The state without this hold; the same state where there is none."""
        if not self.has_hold(name, subject):
            return self
        left = tuple(hold for hold in self.holds if (hold.name, hold.subject) != (name, subject))
        return self.changed(holds=left)

    def with_notice(self, to: Reader, name: str, at: datetime, /, **facts: str) -> Self:
        """The state with one more notice."""
        notice = Notice(seq=self.notice_seq + 1, to=to, name=name, at=at, facts=facts)
        return self.changed(notices=(*self.notices, notice), notice_seq=self.notice_seq + 1)
