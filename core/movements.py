"""The movements: which money moves between which accounts, under which reference. Pure; `ledger.book` posts them.

Each builder takes the names and amounts of one business event; the legs are its kind's in `core.chart`. An amount of 0
makes no leg. Amounts are integer minor units. `occurred_at` is the time of the business event, not the database's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from core.chart import KINDS_BY_NAME, Kind, names_in
from core.fields import Id, Message, Time, omitted_at
from core.messages import Withdrawal
from core.parts import Part


class Leg(NamedTuple):
    """An amount in minor units out of `debit` into `credit`."""

    debit: str
    credit: str
    amount_minor: int


class LinePart(Part):
    """What one refund takes of one line of an order, of what the buyer paid for the line."""

    line_id: Id
    paid_minor: int
    amount_minor: int


class Movement(Message):
    """One business event in the books, posted whole or not at all under its own reference.

    `emptied` is an account that must stand at zero afterwards. `linked_to` is the reference of the movement that this
    one corrects. `lines` is what a refund takes of each line, which never gives more than was paid for it.
    """

    kind: Kind
    reference: str
    currency: str
    occurred_at: Time
    legs: tuple[Leg, ...]
    emptied: str | None = None
    linked_to: str | None = None
    lines: tuple[LinePart, ...] = omitted_at(())

    def name(self, which: str) -> str:
        """The order, the cause, or another name that the reference holds; empty where it holds none of that name."""
        names = names_in(KINDS_BY_NAME[self.kind].reference, self.reference) or {}
        return names.get(which, "")

    def into(self, account: str) -> int:
        """What this movement adds to the credit side of an account, in minor units."""
        return sum(leg.amount_minor for leg in self.legs if leg.credit == account)


def _movement(kind: Kind, currency: str, occurred_at: datetime, amounts: Sequence[int], **names: str) -> Movement:
    """A movement of this kind; one amount for each leg of the kind, in the chart's order."""
    rule = KINDS_BY_NAME[kind]
    return Movement(
        kind=kind,
        reference=rule.reference.format(**names),
        currency=currency,
        occurred_at=occurred_at,
        legs=tuple(
            Leg(leg.debit.format(**names), leg.credit.format(**names), amount)
            for leg, amount in zip(rule.legs, amounts, strict=True)
            if amount
        ),
        emptied=rule.emptied.format(**names) if rule.emptied else None,
    )


def adjustment(reference: str, currency: str, occurred_at: datetime, legs: Sequence[Leg]) -> Movement:
    """A movement by people, between any accounts."""
    return Movement(
        kind="adjustment", reference=reference, currency=currency, occurred_at=occurred_at, legs=tuple(legs)
    )


# --- of an order -----------------------------------------------------------------------------------------


def proceeds(order_id: str) -> str:
    """The account of what is credited to the merchant and not yet settled."""
    return f"order/{order_id}/proceeds"


def frozen(order_id: str) -> str:
    """The account of what is the merchant's and is kept for the order."""
    return f"order/{order_id}/frozen"


def fund(order_id: str, *, channel: str, amount_minor: int, currency: str, occurred_at: datetime) -> Movement:
    """The buyer's money, at the channel, is held for the order."""
    return _movement("fund", currency, occurred_at, (amount_minor,), order=order_id, channel=channel)


def credit(
    order_id: str,
    *,
    proceeds_minor: int,
    commission_minor: int,
    discount_minor: int,
    currency: str,
    occurred_at: datetime,
) -> Movement:
    """What is left in escrow, all of it, becomes proceeds and commission; the platform adds its discount."""
    amounts = (proceeds_minor, commission_minor, discount_minor)
    return _movement("credit", currency, occurred_at, amounts, order=order_id)


def settle(order_id: str, *, merchant_id: str, amount_minor: int, currency: str, occurred_at: datetime) -> Movement:
    """All proceeds become available. What the merchant owes is repaid first."""
    return _movement("settle", currency, occurred_at, (amount_minor,), order=order_id, merchant=merchant_id)


Source = Literal["escrow", "proceeds", "merchant"]
"""Where an order's money stands: held, credited, or settled, when it is the merchant's other money."""


class Taken(Message):
    """Where the money of a refund or a chargeback stands, and who gives how much of it.

    `merchant_minor` is all that the merchant loses, `commission_minor` what the platform gives back with it. The
    discount goes back to the platform out of what the merchant loses: the buyer gets
    `merchant_minor` + `commission_minor` + `goodwill_minor` - `discount_minor`.
    """

    place: Source
    merchant_minor: int = 0
    commission_minor: int = 0
    discount_minor: int = 0
    goodwill_minor: int = 0

    def amounts(self) -> tuple[int, ...]:
        """One for each leg that takes something back, in the chart's order."""
        to_buyer = self.merchant_minor - self.discount_minor
        escrow, proceeds, merchant = (to_buyer if self.place == place else 0 for place in _PLACES)
        back = self.discount_minor
        of_proceeds, of_merchant = (back, 0) if self.place == "proceeds" else (0, back)
        return (escrow, proceeds, merchant, self.commission_minor, of_proceeds, of_merchant, self.goodwill_minor)


_PLACES = ("escrow", "proceeds", "merchant")


def refund(
    order_id: str,
    *,
    cause: str,
    merchant_id: str,
    taken: Taken,
    currency: str,
    occurred_at: datetime,
    lines: tuple[LinePart, ...] = (),
) -> Movement:
    """The buyer is owed a refund: out of escrow, proceeds, the merchant's other money or debt, or the platform's."""
    names = {"order": order_id, "cause": cause, "merchant": merchant_id}
    movement = _movement("refund", currency, occurred_at, taken.amounts(), **names)
    return movement.model_copy(update={"lines": lines})


def refund_arrived(
    order_id: str, *, cause: str, channel: str, amount_minor: int, currency: str, occurred_at: datetime
) -> Movement:
    """The buyer has the refund: it leaves the channel's account."""
    names = {"order": order_id, "cause": cause, "channel": channel}
    return _movement("refund_arrived", currency, occurred_at, (amount_minor,), **names)


def refund_covered(
    order_id: str,
    *,
    cause: str,
    merchant_id: str,
    currency: str,
    occurred_at: datetime,
    platform_minor: int = 0,
    merchant_minor: int = 0,
) -> Movement:
    """The buyer has the refund by a chargeback: what that took above what was left goes back to who bore it."""
    names = {"order": order_id, "cause": cause, "merchant": merchant_id}
    return _movement("refund_covered", currency, occurred_at, (platform_minor, merchant_minor), **names)


def freeze(
    order_id: str, *, k: int, merchant_id: str, amount_minor: int, currency: str, occurred_at: datetime
) -> Movement:
    """Available money of the merchant is kept for a dispute: at most what there is, `insufficient_funds` if nothing."""
    names = {"order": order_id, "k": str(k), "merchant": merchant_id}
    return _movement("freeze", currency, occurred_at, (amount_minor,), **names)


def release(
    order_id: str, *, k: int, merchant_id: str, amount_minor: int, currency: str, occurred_at: datetime
) -> Movement:
    """All that is frozen for the order is available again. `amount_minor` is the most that it can be."""
    names = {"order": order_id, "k": str(k), "merchant": merchant_id}
    return _movement("release", currency, occurred_at, (amount_minor,), **names)


def chargeback(
    order_id: str,
    *,
    k: int,
    channel: str,
    merchant_id: str,
    taken: Taken,
    currency: str,
    occurred_at: datetime,
    lines: tuple[LinePart, ...] = (),
) -> Movement:
    """The channel took the payment back: from where the order's money stands, as for a refund."""
    names = {"order": order_id, "k": str(k), "channel": channel, "merchant": merchant_id}
    movement = _movement("chargeback", currency, occurred_at, taken.amounts(), **names)
    return movement.model_copy(update={"lines": lines})


def chargeback_won(
    order_id: str, *, k: int, currency: str, occurred_at: datetime, lines: tuple[LinePart, ...] = ()
) -> Movement:
    """The exact reverse of a chargeback, linked to it. Its legs are the database's: it knows what was taken where."""
    return _reverse("chargeback_won", "chargeback", order_id, k, currency, occurred_at, lines)


def chargeback_above_won(order_id: str, *, k: int, currency: str, occurred_at: datetime) -> Movement:
    """The exact reverse of what a chargeback took above what was left of the order, linked to it."""
    return _reverse("chargeback_above_won", "chargeback_above", order_id, k, currency, occurred_at, ())


def _reverse(
    kind: Kind, of: Kind, order_id: str, k: int, currency: str, occurred_at: datetime, lines: tuple[LinePart, ...]
) -> Movement:
    names = {"order": order_id, "k": str(k)}
    return Movement(
        kind=kind,
        reference=KINDS_BY_NAME[kind].reference.format(**names),
        currency=currency,
        occurred_at=occurred_at,
        legs=(),
        linked_to=KINDS_BY_NAME[of].reference.format(**names),
        lines=lines,
    )


def chargeback_fee(
    order_id: str,
    *,
    k: int,
    channel: str,
    merchant_id: str,
    currency: str,
    occurred_at: datetime,
    platform_minor: int = 0,
    merchant_minor: int = 0,
) -> Movement:
    """The channel's fee for a chargeback, from the side that bears it."""
    names = {"order": order_id, "k": str(k), "channel": channel, "merchant": merchant_id}
    return _movement("chargeback_fee", currency, occurred_at, (platform_minor, merchant_minor), **names)


def chargeback_above(
    order_id: str,
    *,
    k: int,
    channel: str,
    merchant_id: str,
    currency: str,
    occurred_at: datetime,
    platform_minor: int = 0,
    merchant_minor: int = 0,
) -> Movement:
    """What a channel took above what was left of the order, from the side that bears it."""
    names = {"order": order_id, "k": str(k), "channel": channel, "merchant": merchant_id}
    return _movement("chargeback_above", currency, occurred_at, (platform_minor, merchant_minor), **names)


def claim_back(
    order_id: str,
    *,
    k: int,
    channel: str,
    merchant_id: str,
    amount_minor: int,
    currency: str,
    occurred_at: datetime,
    commission_minor: int = 0,
    discount_minor: int = 0,
    goodwill_minor: int = 0,
    frozen: bool = False,
) -> Movement:
    """The buyer paid again for goods whose money had gone back.

    The platform gets its commission and what it had borne; the rest is the merchant's, with the platform's discount.

    Args:
        frozen: the merchant is; what is due to it stays frozen for the order.
    """
    names = {"order": order_id, "k": str(k), "channel": channel, "merchant": merchant_id}
    to_merchant, added = amount_minor - commission_minor - goodwill_minor, discount_minor
    available, kept = ((0, 0), (to_merchant, added)) if frozen else ((to_merchant, added), (0, 0))
    amounts = (available[0], commission_minor, goodwill_minor, available[1], *kept)
    return _movement("claim_back", currency, occurred_at, amounts, **names)


# --- of a merchant who owes ------------------------------------------------------------------------------


def paid_in(
    merchant_id: str,
    receipt: str,
    *,
    currency: str,
    occurred_at: datetime,
    channel: str = "",
    rail: str = "",
    amount_minor: int,
) -> Movement:
    """A merchant paid a debt, through a channel or to a rail. The receipt's id is the other side's."""
    names = {"merchant": merchant_id, "receipt": receipt, "channel": channel, "rail": rail}
    amounts = (amount_minor, 0) if channel else (0, amount_minor)
    return _movement("paid_in", currency, occurred_at, amounts, **names)


# --- of a channel ----------------------------------------------------------------------------------------


def psp_settlement(
    channel: str,
    settlement_id: str,
    *,
    rail: str,
    net_minor: int,
    fee_minor: int,
    currency: str,
    occurred_at: datetime,
) -> Movement:
    """The channel passed its money on to the rail, less its fee. The id is the channel's."""
    names = {"channel": channel, "settlement": settlement_id, "rail": rail}
    return _movement("psp_settlement", currency, occurred_at, (net_minor, fee_minor), **names)


# --- of a withdrawal -------------------------------------------------------------------------------------


def reserve(
    withdrawal_id: str, *, merchant_id: str, amount_minor: int, currency: str, occurred_at: datetime
) -> Movement:
    """Available money is set aside. The register's `reserve` posts it, under the merchant's lock."""
    names = {"withdrawal": withdrawal_id, "merchant": merchant_id}
    return _movement("reserve", currency, occurred_at, (amount_minor,), **names)


def pay(
    withdrawal_id: str, *, rail: str, amount_minor: int, fee_minor: int, currency: str, occurred_at: datetime
) -> Movement:
    """The payee has `amount_minor`, the platform its fee. Shares its reference with `void`: only one can stand."""
    names = {"withdrawal": withdrawal_id, "rail": rail}
    return _movement("pay", currency, occurred_at, (amount_minor, fee_minor), **names)


def void(withdrawal_id: str, *, merchant_id: str, amount_minor: int, currency: str, occurred_at: datetime) -> Movement:
    """All that was set aside is given back. A `conflict` while a payout may still arrive."""
    names = {"withdrawal": withdrawal_id, "merchant": merchant_id}
    return _movement("void", currency, occurred_at, (amount_minor,), **names)


def move_to_suspense(withdrawal_id: str, *, amount_minor: int, currency: str, occurred_at: datetime) -> Movement:
    """Two people said that the payout failed: the money leaves what is set aside, and waits in suspense.

    The close that follows is asked for out of `reserved`, as always; the database takes it out of suspense.
    """
    return _movement("suspense", currency, occurred_at, (amount_minor,), withdrawal=withdrawal_id)


def bank_return(
    withdrawal: Withdrawal,
    *,
    k: int,
    rail: str,
    amount_minor: int,
    occurred_at: datetime,
    fee_back_minor: int = 0,
    shortfall_minor: int = 0,
) -> Movement:
    """What the bank sent back, for the `k`-th time. A `conflict` where that is more than was paid.

    The fee goes back only where the rail was at fault. `shortfall_minor` is what the bank kept of it; it is the
    platform's expense.
    """
    names = {"withdrawal": withdrawal.withdrawal_id, "k": str(k), "merchant": withdrawal.merchant_id, "rail": rail}
    amounts = (amount_minor, fee_back_minor, shortfall_minor)
    return _movement("bank_return", withdrawal.currency, occurred_at, amounts, **names)
