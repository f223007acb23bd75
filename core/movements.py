"""The movements: which money goes from where to where, under which reference. Pure; `ledger.book` posts them.

Each builder takes the names and amounts of one business event; the legs are its kind's in `core.chart`. An amount of 0
makes no leg. Amounts are integer minor units. `occurred_at` is the time of the business event, not the database's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from core.chart import KINDS_BY_NAME, Kind, names_in
from core.fields import Message, Time


class Leg(NamedTuple):
    """An amount in minor units out of `debit` into `credit`."""

    debit: str
    credit: str
    amount_minor: int


class Movement(Message):
    """One business event in the books, posted whole or not at all under its own reference.

    `emptied` is an account that must stand at zero afterwards. `linked_to` is the reference of the movement that this
    one corrects.
    """

    kind: Kind
    reference: str
    currency: str
    occurred_at: Time
    legs: tuple[Leg, ...]
    emptied: str | None = None
    linked_to: str | None = None

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
    """All proceeds become available; what the merchant owes is repaid first."""
    return _movement("settle", currency, occurred_at, (amount_minor,), order=order_id, merchant=merchant_id)


def refund(
    order_id: str,
    *,
    cause: str,
    currency: str,
    occurred_at: datetime,
    from_escrow_minor: int = 0,
    from_proceeds_minor: int = 0,
    from_commission_minor: int = 0,
) -> Movement:
    """What the buyer is owed: from escrow, or between credit and settlement from proceeds and commission."""
    amounts = (from_escrow_minor, from_proceeds_minor, from_commission_minor)
    return _movement("refund", currency, occurred_at, amounts, order=order_id, cause=cause)


def refund_arrived(
    order_id: str, *, cause: str, channel: str, amount_minor: int, currency: str, occurred_at: datetime
) -> Movement:
    """The buyer has the refund: it leaves the channel's account."""
    names = {"order": order_id, "cause": cause, "channel": channel}
    return _movement("refund_arrived", currency, occurred_at, (amount_minor,), **names)


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
    """What the channel held is with the rail now, less its fee. The id is the channel's own."""
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
    withdrawal_id: str,
    *,
    k: int,
    merchant_id: str,
    rail: str,
    amount_minor: int,
    currency: str,
    occurred_at: datetime,
    fee_back_minor: int = 0,
    shortfall_minor: int = 0,
) -> Movement:
    """What the bank sent back, for the `k`-th time. A `conflict` where that is more than was paid.

    The fee goes back only where the rail was at fault; what the bank kept of a payment that must be made good
    (`shortfall_minor`) is the platform's expense.
    """
    names = {"withdrawal": withdrawal_id, "k": str(k), "merchant": merchant_id, "rail": rail}
    return _movement("bank_return", currency, occurred_at, (amount_minor, fee_back_minor, shortfall_minor), **names)
