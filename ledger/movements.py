"""The movements: which money goes from where to where, under which reference. Pure; `book` posts them.

A leg is debit → credit. What is credited to a merchant's available money repays first what the merchant owes; the
database does that, whatever the movement.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple


class Leg(NamedTuple):
    """An amount in minor units out of `debit` into `credit`; legs of 0 are dropped."""

    debit: str
    credit: str
    amount_minor: int


class Movement(NamedTuple):
    """One business event in the books. `emptied` is an account that must stand at zero afterwards."""

    reference: str
    currency: str
    occurred_at: datetime
    legs: Sequence[Leg]
    emptied: str | None = None
    linked_to: str | None = None


def columns_of(movement: Movement) -> tuple[object, ...]:
    """A movement as the posting functions take it: reference, currency, time, what it empties, and its legs."""
    return (
        movement.reference,
        movement.currency,
        movement.occurred_at,
        movement.emptied,
        [leg.debit for leg in movement.legs],
        [leg.credit for leg in movement.legs],
        [leg.amount_minor for leg in movement.legs],
    )


SUSPENSE = "suspense"
"""Money whose owner is not certain yet."""


def escrow(order_id: str) -> str:
    """What is held for the buyer."""
    return f"order/{order_id}/escrow"


def proceeds(order_id: str) -> str:
    """What is credited to the merchant and not yet settled."""
    return f"order/{order_id}/proceeds"


def refund_payable(order_id: str, cause: str) -> str:
    """What is owed to the buyer until the refund has arrived."""
    return f"order/{order_id}/refund_payable/{cause}"


def available(merchant_id: str) -> str:
    """What the merchant may withdraw."""
    return f"merchant/{merchant_id}/available"


def reserved(withdrawal_id: str) -> str:
    """What is set aside for a withdrawal."""
    return f"withdrawal/{withdrawal_id}/reserved"


# --- of an order -----------------------------------------------------------------------------------------


def fund(order_id: str, *, channel: str, amount_minor: int, currency: str, occurred_at: datetime) -> Movement:
    """The buyer's money, at the channel, is held for the order."""
    legs = [Leg(f"psp/{channel}", escrow(order_id), amount_minor)]
    return Movement(f"order/{order_id}/fund", currency, occurred_at, legs)


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
    held, merchants = escrow(order_id), proceeds(order_id)
    legs = [
        Leg(held, merchants, proceeds_minor),
        Leg(held, "income/commission", commission_minor),
        Leg("expense/discount", merchants, discount_minor),
    ]
    return Movement(f"order/{order_id}/credit", currency, occurred_at, legs, emptied=held)


def settle(order_id: str, *, merchant_id: str, amount_minor: int, currency: str, occurred_at: datetime) -> Movement:
    """All proceeds become available."""
    merchants = proceeds(order_id)
    legs = [Leg(merchants, available(merchant_id), amount_minor)]
    return Movement(f"order/{order_id}/settle", currency, occurred_at, legs, emptied=merchants)


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
    payable = refund_payable(order_id, cause)
    legs = [
        Leg(escrow(order_id), payable, from_escrow_minor),
        Leg(proceeds(order_id), payable, from_proceeds_minor),
        Leg("income/commission", payable, from_commission_minor),
    ]
    return Movement(f"order/{order_id}/refund/{cause}", currency, occurred_at, legs)


def refund_arrived(
    order_id: str, *, cause: str, channel: str, amount_minor: int, currency: str, occurred_at: datetime
) -> Movement:
    """The buyer has it: it leaves the channel's account."""
    legs = [Leg(refund_payable(order_id, cause), f"psp/{channel}", amount_minor)]
    return Movement(f"order/{order_id}/refund/{cause}/paid", currency, occurred_at, legs)


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
    """What the channel held is with the rail now, less its fee."""
    at_channel = f"psp/{channel}"
    legs = [Leg(f"rail/{rail}/cash", at_channel, net_minor), Leg("expense/psp_fee", at_channel, fee_minor)]
    return Movement(f"{at_channel}/settlement/{settlement_id}", currency, occurred_at, legs)


# --- of a withdrawal -------------------------------------------------------------------------------------


def pay(
    withdrawal_id: str, *, rail: str, amount_minor: int, fee_minor: int, currency: str, occurred_at: datetime
) -> Movement:
    """The payee has `amount_minor`, the platform its fee. Shares its reference with `void`: only one can stand."""
    held = reserved(withdrawal_id)
    legs = [Leg(held, f"rail/{rail}/cash", amount_minor), Leg(held, "income/withdrawal_fee", fee_minor)]
    return Movement(f"withdrawal/{withdrawal_id}/close", currency, occurred_at, legs, emptied=held)


def void(withdrawal_id: str, *, merchant_id: str, amount_minor: int, currency: str, occurred_at: datetime) -> Movement:
    """All that was set aside is given back."""
    held = reserved(withdrawal_id)
    legs = [Leg(held, available(merchant_id), amount_minor)]
    return Movement(f"withdrawal/{withdrawal_id}/close", currency, occurred_at, legs, emptied=held)


def move_to_suspense(withdrawal_id: str, *, amount_minor: int, currency: str, occurred_at: datetime) -> Movement:
    """Two people said that the payout failed: the money leaves what is set aside, and goes to nobody yet.

    A close that follows is asked for as ever; the database takes it out of suspense.
    """
    held = reserved(withdrawal_id)
    legs = [Leg(held, SUSPENSE, amount_minor)]
    return Movement(f"withdrawal/{withdrawal_id}/suspense", currency, occurred_at, legs, emptied=held)


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
    """What came back, for the `k`-th time. The fee goes back only where the rail was at fault; what the bank kept of a
    payment that must be made good (`shortfall_minor`) is the platform's expense.
    """
    merchants = available(merchant_id)
    legs = [
        Leg(f"rail/{rail}/cash", merchants, amount_minor),
        Leg("income/withdrawal_fee", merchants, fee_back_minor),
        Leg("expense/rail_fee", merchants, shortfall_minor),
    ]
    return Movement(f"withdrawal/{withdrawal_id}/return/{k}", currency, occurred_at, legs)
