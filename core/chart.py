"""The chart of accounts, and the kinds of movement that may touch it, as data.

Everything else follows from these two tables. `core.movements` builds each movement from its kind. A test compares the
database's own functions with `ACCOUNTS`. `migrate` writes `KINDS` into the database, so that posting can refuse a leg
that no kind has.

A pattern is a path whose names stand in braces. A name is the subject's own: its merchant, its channel, its rail.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Literal, NamedTuple

AccountKind = Literal["asset", "liability", "income", "expense"]
Subject = Literal["order", "withdrawal", "channel", "account", "merchant", "payment", "none"]
Kind = Literal[
    "fund",
    "credit",
    "settle",
    "refund",
    "refund_arrived",
    "refund_covered",
    "freeze",
    "release",
    "chargeback",
    "chargeback_fee",
    "chargeback_won",
    "chargeback_above",
    "chargeback_above_won",
    "claim_back",
    "reserve",
    "pay",
    "void",
    "suspense",
    "bank_return",
    "psp_settlement",
    "account_drop",
    "paid_in",
    "write_off",
    "rest",
    "rest_closed",
    "correction",
    "deposit_back",
    "adjustment",
]

SUSPENSE = "suspense"
"""The account for money whose owner is not certain yet."""


class ChartAccount(NamedTuple):
    """One purpose of money. A guarded account stores its balance, which never falls below zero."""

    path: str
    kind: AccountKind
    guarded: bool = False


ACCOUNTS: tuple[ChartAccount, ...] = (
    ChartAccount("psp/{channel}", "asset"),
    ChartAccount("rail/{rail}/cash", "asset"),
    ChartAccount("order/{order}/escrow", "liability", guarded=True),
    ChartAccount("order/{order}/proceeds", "liability", guarded=True),
    ChartAccount("order/{order}/frozen", "liability", guarded=True),
    ChartAccount("order/{order}/refund_payable/{cause}", "liability", guarded=True),
    ChartAccount("merchant/{merchant}/available", "liability", guarded=True),
    ChartAccount("merchant/{merchant}/deposit", "liability", guarded=True),
    ChartAccount("merchant/{merchant}/receivable", "asset", guarded=True),
    ChartAccount("withdrawal/{withdrawal}/reserved", "liability", guarded=True),
    ChartAccount("payment/{request}/owed", "liability", guarded=True),
    ChartAccount("income/commission", "income"),
    ChartAccount("income/withdrawal_fee", "income"),
    ChartAccount("expense/psp_fee", "expense"),
    ChartAccount("expense/rail_fee", "expense"),
    ChartAccount("expense/goodwill", "expense"),
    ChartAccount("expense/discount", "expense"),
    ChartAccount(SUSPENSE, "liability"),
)


class ChartLeg(NamedTuple):
    """Money out of `debit` into `credit`. What goes to available money repays a receivable first; what a settlement
    makes available then fills the merchant's deposit.

    What an order takes out of a receivable comes first from what is frozen for it, then from what the merchant has
    available, then from the deposit: only the rest is owed.
    """

    debit: str
    credit: str


class MovementKind(NamedTuple):
    """What one business event may do to the books of its subject. `emptied` must stand at zero afterwards.

    A close (`pay` or `void`) is asked for out of `reserved`; where the money stands in suspense, the database takes it
    from there.
    """

    name: Kind
    subject: Subject
    reference: str
    legs: tuple[ChartLeg, ...]
    emptied: str | None = None


_ESCROW, _PROCEEDS = "order/{order}/escrow", "order/{order}/proceeds"
_PAYABLE = "order/{order}/refund_payable/{cause}"
_AVAILABLE, _RESERVED = "merchant/{merchant}/available", "withdrawal/{withdrawal}/reserved"
_RECEIVABLE, _FROZEN = "merchant/{merchant}/receivable", "order/{order}/frozen"
_DEPOSIT = "merchant/{merchant}/deposit"
_CHANNEL, _CASH = "psp/{channel}", "rail/{rail}/cash"
_COMMISSION, _DISCOUNT, _GOODWILL = "income/commission", "expense/discount", "expense/goodwill"


def _taken_back(to: str) -> tuple[ChartLeg, ...]:
    """What goes back to the buyer, from where the money stands: held, credited, settled, or the platform's own.

    Commission is given back with it. The platform's discount goes back to the platform.
    """
    return (
        ChartLeg(_ESCROW, to),
        ChartLeg(_PROCEEDS, to),
        ChartLeg(_RECEIVABLE, to),
        ChartLeg(_COMMISSION, to),
        ChartLeg(_PROCEEDS, _DISCOUNT),
        ChartLeg(_RECEIVABLE, _DISCOUNT),
        ChartLeg(_GOODWILL, to),
    )


KINDS: tuple[MovementKind, ...] = (
    # --- of an order ---------------------------------------------------------------------------------------
    MovementKind("fund", "order", "order/{order}/fund", (ChartLeg(_CHANNEL, _ESCROW),)),
    MovementKind(
        "credit",
        "order",
        "order/{order}/credit",
        (
            ChartLeg(_ESCROW, _PROCEEDS),
            ChartLeg(_ESCROW, "income/commission"),
            ChartLeg("expense/discount", _PROCEEDS),
        ),
        emptied=_ESCROW,
    ),
    MovementKind("settle", "order", "order/{order}/settle", (ChartLeg(_PROCEEDS, _AVAILABLE),), emptied=_PROCEEDS),
    MovementKind("refund", "order", "order/{order}/refund/{cause}", _taken_back(_PAYABLE)),
    MovementKind(
        "refund_arrived",
        "order",
        "order/{order}/refund/{cause}/paid",
        (ChartLeg(_PAYABLE, _CHANNEL),),
        emptied=_PAYABLE,
    ),
    # The channel refused the refund, and the buyer has it by what a chargeback took above what was left: who bore that
    # gets it back.
    MovementKind(
        "refund_covered",
        "order",
        "order/{order}/refund/{cause}/covered",
        (ChartLeg(_PAYABLE, _GOODWILL), ChartLeg(_PAYABLE, _AVAILABLE)),
        emptied=_PAYABLE,
    ),
    # At most what is there: what a merchant has withdrawn cannot be frozen.
    MovementKind("freeze", "order", "order/{order}/freeze/{k}", (ChartLeg(_AVAILABLE, _FROZEN),)),
    MovementKind("release", "order", "order/{order}/release/{k}", (ChartLeg(_FROZEN, _AVAILABLE),), emptied=_FROZEN),
    MovementKind("chargeback", "order", "order/{order}/chargeback/{k}", _taken_back(_CHANNEL)),
    MovementKind(
        "chargeback_fee",
        "order",
        "order/{order}/chargeback/{k}/fee",
        (ChartLeg("expense/psp_fee", _CHANNEL), ChartLeg(_RECEIVABLE, _CHANNEL)),
    ),
    # The reverse of the chargeback that it is linked to. The database makes it: it alone knows what was taken where.
    MovementKind(
        "chargeback_won",
        "order",
        "order/{order}/chargeback/{k}/won",
        (
            ChartLeg(_CHANNEL, _ESCROW),
            ChartLeg(_CHANNEL, _PROCEEDS),
            ChartLeg(_CHANNEL, _AVAILABLE),
            ChartLeg(_CHANNEL, _DEPOSIT),
            ChartLeg(_CHANNEL, _COMMISSION),
            ChartLeg(_DISCOUNT, _PROCEEDS),
            ChartLeg(_DISCOUNT, _AVAILABLE),
            ChartLeg(_DISCOUNT, _DEPOSIT),
            ChartLeg(_CHANNEL, _GOODWILL),
        ),
    ),
    # What a channel took above what was left of the order: the buyer had that already. The platform or the merchant
    # bears it.
    MovementKind(
        "chargeback_above",
        "order",
        "order/{order}/chargeback/{k}/above",
        (ChartLeg(_GOODWILL, _CHANNEL), ChartLeg(_RECEIVABLE, _CHANNEL)),
    ),
    MovementKind(
        "chargeback_above_won",
        "order",
        "order/{order}/chargeback/{k}/above/won",
        (ChartLeg(_CHANNEL, _GOODWILL), ChartLeg(_CHANNEL, _AVAILABLE), ChartLeg(_CHANNEL, _DEPOSIT)),
    ),
    # The buyer got the goods although the money had gone back, and paid for them again. The part of a merchant who is
    # frozen is kept for the order.
    MovementKind(
        "claim_back",
        "order",
        "order/{order}/claim_back/{k}",
        (
            ChartLeg(_CHANNEL, _AVAILABLE),
            ChartLeg(_CHANNEL, _COMMISSION),
            ChartLeg(_CHANNEL, _GOODWILL),
            ChartLeg(_DISCOUNT, _AVAILABLE),
            ChartLeg(_CHANNEL, _FROZEN),
            ChartLeg(_DISCOUNT, _FROZEN),
        ),
    ),
    # --- of a withdrawal -----------------------------------------------------------------------------------
    MovementKind("reserve", "withdrawal", "withdrawal/{withdrawal}/reserve", (ChartLeg(_AVAILABLE, _RESERVED),)),
    MovementKind(
        "pay",
        "withdrawal",
        "withdrawal/{withdrawal}/close",
        (ChartLeg(_RESERVED, _CASH), ChartLeg(_RESERVED, "income/withdrawal_fee")),
        emptied=_RESERVED,
    ),
    MovementKind(
        "void",
        "withdrawal",
        "withdrawal/{withdrawal}/close",
        (ChartLeg(_RESERVED, _AVAILABLE),),
        emptied=_RESERVED,
    ),
    MovementKind(
        "suspense",
        "withdrawal",
        "withdrawal/{withdrawal}/suspense",
        (ChartLeg(_RESERVED, SUSPENSE),),
        emptied=_RESERVED,
    ),
    MovementKind(
        "bank_return",
        "withdrawal",
        "withdrawal/{withdrawal}/return/{k}",
        (
            ChartLeg(_CASH, _AVAILABLE),
            ChartLeg("income/withdrawal_fee", _AVAILABLE),
            ChartLeg("expense/rail_fee", _AVAILABLE),
        ),
    ),
    # --- of a channel, a payout account, or of people ------------------------------------------------------
    MovementKind(
        "psp_settlement",
        "channel",
        "psp/{channel}/settlement/{settlement}",
        (ChartLeg(_CASH, _CHANNEL), ChartLeg("expense/psp_fee", _CHANNEL)),
    ),
    MovementKind(
        "account_drop",
        "account",
        "account/{account}/{version}/drop/{drop}",
        (ChartLeg("expense/rail_fee", _CASH),),
    ),
    # --- of a merchant who owes ----------------------------------------------------------------------------
    MovementKind(
        "paid_in",
        "merchant",
        "merchant/{merchant}/paid_in/{receipt}",
        (ChartLeg(_CHANNEL, _RECEIVABLE), ChartLeg(_CASH, _RECEIVABLE)),
    ),
    MovementKind(
        "write_off", "merchant", "merchant/{merchant}/write_off/{request}", (ChartLeg(_GOODWILL, _RECEIVABLE),)
    ),
    # --- of a payment: what no order claims of it ----------------------------------------------------------
    # The database makes both: it alone knows how much that is. The buyer has it, or the channel refused.
    MovementKind("rest", "payment", "payment/{request}/rest", (ChartLeg(_CHANNEL, "payment/{request}/owed"),)),
    MovementKind(
        "rest_closed",
        "payment",
        "payment/{request}/close",
        (ChartLeg("payment/{request}/owed", _CHANNEL),),
        emptied="payment/{request}/owed",
    ),
    # The reverse of the legs that it corrects. The database makes it: it alone knows what was moved, and what is left.
    MovementKind("correction", "none", "correction/{request}", ()),
    # What a deposit holds beyond what is required; the database says how much that is.
    MovementKind("deposit_back", "merchant", "merchant/{merchant}/deposit_back/{k}", (ChartLeg(_DEPOSIT, _AVAILABLE),)),
    # Any accounts under any reference: people decide it, and no worker may post one.
    MovementKind("adjustment", "none", "{reference}", ()),
)
IN_CHINESE: Mapping[str, str] = {
    "fund": "买家付款入担保账户",
    "credit": "商家入账",
    "settle": "结算",
    "refund": "退款",
    "refund_arrived": "退款到账",
    "refund_covered": "退款由拒付抵付",
    "reserve": "提现预留",
    "pay": "出款",
    "void": "退回余额",
    "suspense": "转入待查",
    "bank_return": "银行退回",
    "psp_settlement": "渠道结算",
    "account_drop": "小额验证",
    "freeze": "冻结余额",
    "release": "解冻余额",
    "chargeback": "拒付扣回",
    "chargeback_fee": "拒付手续费",
    "chargeback_won": "拒付胜诉退回",
    "chargeback_above": "超额拒付扣回",
    "chargeback_above_won": "超额拒付胜诉退回",
    "claim_back": "买家补付货款",
    "paid_in": "商家补缴欠款",
    "write_off": "欠款核销",
    "rest": "未认领款待退",
    "rest_closed": "未认领款退回",
    "correction": "更正",
    "deposit_back": "保证金退还",
    "adjustment": "人工调整",
}
"""What each kind is called in Chinese sentences."""
IN_ENGLISH: Mapping[str, str] = {
    "fund": "paid into escrow",
    "credit": "credited to the merchant",
    "settle": "settled",
    "refund": "refund",
    "refund_arrived": "refund arrived",
    "refund_covered": "refund covered by a chargeback",
    "reserve": "reserved for a withdrawal",
    "pay": "paid out",
    "void": "given back to the balance",
    "suspense": "put in suspense",
    "bank_return": "returned by the bank",
    "psp_settlement": "settlement of the channel",
    "account_drop": "small amount to verify an account",
    "freeze": "frozen",
    "release": "released",
    "chargeback": "chargeback",
    "chargeback_fee": "fee of a chargeback",
    "chargeback_won": "chargeback won",
    "chargeback_above": "chargeback above the order",
    "chargeback_above_won": "chargeback above the order won",
    "claim_back": "paid again by the buyer",
    "paid_in": "debt paid in by the merchant",
    "write_off": "debt written off",
    "rest": "unclaimed payment to give back",
    "rest_closed": "unclaimed payment given back",
    "correction": "correction",
    "deposit_back": "deposit given back",
    "adjustment": "adjustment by people",
}
"""What people call each kind in English."""
KINDS_BY_NAME: Mapping[str, MovementKind] = {kind.name: kind for kind in KINDS}

_NAME = re.compile(r"\{(\w+)\}")


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    literal = _NAME.split(pattern)
    parts = [f"(?P<{part}>[A-Za-z0-9_-]+)" if place % 2 else re.escape(part) for place, part in enumerate(literal)]
    return re.compile("".join(parts))


def names_in(pattern: str, path: str) -> dict[str, str] | None:
    """What the names of a pattern stand for in this path; None where the path is not of the pattern."""
    found = _expression(pattern).fullmatch(path)
    return found.groupdict() if found else None


def kind_of(reference: str, credit: str) -> MovementKind:
    """The kind of the movement under this reference, one of whose legs goes to this account.

    A reference that no kind has is an adjustment: people name those.
    """
    found = [kind for kind in KINDS if names_in(kind.reference, reference) is not None]
    # A withdrawal closes once, under one reference: what goes back to the merchant is a void.
    legs = (kind for kind in found if any(names_in(leg.credit, credit) is not None for leg in kind.legs))
    return next(legs, found[0] if found else KINDS_BY_NAME["adjustment"])
