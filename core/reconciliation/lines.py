"""Both sides of a comparison, and what may be found between them. Amounts are minor units, always above zero.

A comparison has a scope and a name: `rail/sandbox`, `channel/wechat`, `withdrawals/books`, `orders/books`. In the first
two, their side is another party's statement. In the last two, it is our own ledger, and our side is the register.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from core.fields import AmountOrZero, Currency, Id, Message, Reference, Time
from core.money import format_minor

Scope = Literal["rail", "channel", "withdrawals", "orders"]
RailKind = Literal["payout", "return", "funding"]
Kind = Literal[
    "payout",
    "return",
    "funding",
    "payment",
    "refund",
    "settlement",
    "chargeback",
    "chargeback_fee",
    "chargeback_won",
    # of a withdrawal in the ledger
    "paid",
    "given_back",
    "came_back",
    # of an order in the ledger
    "fund",
    "credit",
    "settle",
    "refund_booked",
    "refund_arrived",
    "claim_back",
    # of either, in the register alone
    "deadline",
]
"""What a line is about; `return` is money that comes back of the `payout` with the same key."""

Stand = Literal["booked", "under_way", "given_back"]
"""`booked`: we say that the money moved. `under_way`: it may have. `given_back`: we say that it never did."""

Reason = Literal[
    "missing", "extra", "amount", "currency", "duplicate", "late", "returned", "paid_after_failed", "stuck"
]

KINDS: Mapping[str, tuple[str, ...]] = {
    "rail": ("payout", "return", "funding"),
    "channel": ("payment", "refund", "settlement", "chargeback", "chargeback_fee", "chargeback_won"),
}
"""What a statement of a rail and of a channel may hold."""


Key = Annotated[str, StringConstraints(strict=True, pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,255}$")]
"""The key by which both sides know a line."""


class OurLine(Message):
    """One line on our side.

    `subject` is what it belongs to, such as `withdrawal/W1`. `amount_minor` None: we do not know the amount. `at`:
    since when it has this standing. `begun_at`: the earliest moment at which it can have happened with the other side;
    None: just then.
    """

    kind: Kind
    key: str
    subject: str
    stand: Stand = "booked"
    amount_minor: int | None
    currency: str
    at: Time
    begun_at: Time | None = None


class TheirLine(Message):
    """One line on the other side. `line_id` is theirs and never used twice; `key` is what we gave it.

    `event_id` is the id under which a rail calls back about the same event, where it has one.
    """

    line_id: Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_.:/-]{1,250}$")]
    kind: Kind
    key: Key | None = None
    amount_minor: AmountOrZero
    currency: Currency
    at: Time
    reference: Reference | None = None
    event_id: Id | None = None
    fee_minor: AmountOrZero = 0


class Covered(Message):
    """A period that a statement covers completely: from (included) to (excluded)."""

    since: Time
    until: Time


class Statement(Message):
    """A statement of a rail or a channel: its lines, and the period of which these are all."""

    lines: tuple[TheirLine, ...]
    covered: Covered | None = None


class Break(Message):
    """Two sides that disagree about one thing. The figures are each side's total; None: that side has nothing.

    `helps` says what to do about it.
    """

    scope: Scope
    name: str
    reason: Reason
    kind: Kind
    key: str
    subject: str | None = None
    ours_minor: int | None = None
    ours_currency: str | None = None
    theirs_minor: int | None = None
    theirs_currency: str | None = None
    line_ids: Annotated[tuple[str, ...], Field(max_length=100)] = ()
    since: Time
    helps: str = ""

    @property
    def break_id(self) -> str:
        """The key that makes it the same break in every run."""
        return f"{self.scope}/{self.name}/{self.kind}/{self.key}/{self.reason}"

    @property
    def figures(self) -> tuple[str, str]:
        """Ours and theirs, for people."""
        return _shown(self.ours_minor, self.ours_currency), _shown(self.theirs_minor, self.theirs_currency)


class Comparison(Message):
    """What to compare at which moment; `days` of statements are fetched first, that of `now` the last.

    `whole`: both sides are compared from their beginning, not from where the last comparison ended.
    """

    scope: Scope
    name: Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    now: Time
    days: Annotated[int, Field(ge=1, le=366)] = 2
    whole: bool = False


class Summary(Message):
    """What a comparison found. `breaks` are the first of `count`; `new` are the first ids of the `new_count` that were
    not seen before.
    """

    scope: Scope
    name: str
    at: Time
    ours: int
    theirs: int
    count: int
    by_reason: dict[str, int]
    breaks: tuple[Break, ...]
    new: tuple[str, ...]
    new_count: int = 0


def _shown(amount_minor: int | None, currency: str | None) -> str:
    return "nothing" if amount_minor is None or currency is None else format_minor(amount_minor, currency)
