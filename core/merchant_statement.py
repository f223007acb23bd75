"""A merchant's statement: each of the merchant's transfers as a typed row, with the balance after it.

The balance is the sum of pending, available, deposit and reserved, less what the merchant owes. A row that moves money
between these does not change the balance, and still shows what moved where.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Literal

from core.fields import Message, Time
from core.money import CURRENCIES

RowType = Literal[
    "credit",
    "settle",
    "refund",
    "chargeback",
    "chargeback_fee",
    "chargeback_given_back",
    "claim_back",
    "freeze",
    "release",
    "reserve",
    "payout",
    "fee",
    "given_back",
    "suspense",
    "return",
    "fee_back",
    "made_good",
    "paid_in",
    "write_off",
    "deposit_back",
    "correction",
    "adjustment",
]
"""`given_back`: a reservation that was not paid. `suspense`: not known yet whether it was. `made_good`: what the
bank kept of a return and the platform bears. `chargeback_given_back`: what of a chargeback was won, or was the money
of a refund that the channel had refused. `correction`: two people took a movement back. `adjustment`: people moved it
by hand."""

PARTS = ("pending", "available", "deposit", "reserved", "owed")
CSV_COLUMNS = ("currency", "at", "type", "about", "reference", "amount", "balance", *PARTS)


class Held(Message):
    """What a merchant has, or how it changed, in minor units."""

    pending_minor: int = 0
    available_minor: int = 0
    deposit_minor: int = 0
    reserved_minor: int = 0
    owed_minor: int = 0

    @property
    def total_minor(self) -> int:
        """All that is the merchant's; below zero where the merchant owes more."""
        return self.pending_minor + self.available_minor + self.deposit_minor + self.reserved_minor - self.owed_minor

    def plus(self, other: Held) -> Held:
        """Both together."""
        return Held(
            **{f"{part}_minor": getattr(self, f"{part}_minor") + getattr(other, f"{part}_minor") for part in PARTS}
        )


class MerchantTransfer(Held):
    """One transfer of the ledger and what it changed for the merchant; `debit` and `credit` are account paths."""

    movement_id: int
    reference: str
    linked_to: str | None = None
    occurred_at: Time
    currency: str
    debit: str
    credit: str


class StatementRow(Message):
    """`amount_minor` is the change to `balance_minor`, which stands after it; `changed` says where.

    `about` is the order or withdrawal, or the movement that a correction takes back.
    """

    at: Time
    type: RowType
    about: str
    reference: str
    amount_minor: int
    changed: Held
    balance_minor: int
    available_minor: int


class MerchantStatement(Message):
    """One currency of one merchant: the balance before, the transfers, the balance after."""

    merchant_id: str
    currency: str
    since: Time
    until: Time
    opening: Held
    rows: tuple[StatementRow, ...]
    closing: Held


def statement(
    merchant_id: str, currency: str, since: Time, until: Time, opening: Held, transfers: Iterable[MerchantTransfer]
) -> MerchantStatement:
    """The statement of a time.

    Args:
        opening: the balance when the time began.
        transfers: those of this currency and time, by time and movement; those of one movement beside each other.
    """
    held = opening
    rows = []
    for _, of_movement in groupby(transfers, key=lambda one: one.movement_id):
        for kind, same in _by_type(tuple(of_movement)):
            changed = Held()
            for one in same:
                changed = changed.plus(one)
            held = held.plus(changed)
            first = same[0]
            rows.append(
                StatementRow(
                    at=first.occurred_at,
                    type=kind,
                    about=first.linked_to if kind == "correction" and first.linked_to else _subject(first.reference),
                    reference=first.reference,
                    amount_minor=changed.total_minor,
                    changed=changed,
                    balance_minor=held.total_minor,
                    available_minor=held.available_minor,
                )
            )
    return MerchantStatement(
        merchant_id=merchant_id,
        currency=currency,
        since=since,
        until=until,
        opening=opening,
        rows=tuple(rows),
        closing=held,
    )


def _subject(reference: str) -> str:
    return "/".join(reference.split("/")[:2])


def _by_type(transfers: Sequence[MerchantTransfer]) -> Iterable[tuple[RowType, list[MerchantTransfer]]]:
    found: dict[RowType, list[MerchantTransfer]] = {}
    for one in transfers:
        found.setdefault(type_of(one), []).append(one)
    return found.items()


def type_of(transfer: MerchantTransfer) -> RowType:
    """What a transfer means to its merchant: by its movement, and if that has several legs, by where the money goes."""
    noun, _, rest = transfer.reference.partition("/")
    verb = rest.partition("/")[2].partition("/")[0]
    if noun == "order":
        of_order = _OF_ORDERS.get(verb, "adjustment")
        beside = rest.split("/")[3:]
        return _OF_DISPUTES.get(beside[-1], of_order) if beside else of_order
    if noun == "merchant":
        return _OF_MERCHANTS.get(verb, "adjustment")
    if noun == "correction":
        return "correction"
    if noun != "withdrawal":
        return "adjustment"
    if verb == "close":
        if transfer.credit == "income/withdrawal_fee":
            return "fee"
        return "payout" if transfer.credit.startswith("rail/") else "given_back"
    if verb == "return":
        return _OF_RETURNS.get(transfer.debit, "return")
    return _OF_WITHDRAWALS.get(verb, "adjustment")


_OF_ORDERS: dict[str, RowType] = {
    "credit": "credit",
    "settle": "settle",
    "refund": "refund",
    "chargeback": "chargeback",
    "claim_back": "claim_back",
    "freeze": "freeze",
    "release": "release",
}
_OF_DISPUTES: dict[str, RowType] = {
    "fee": "chargeback_fee",
    "won": "chargeback_given_back",
    "covered": "chargeback_given_back",  # the refund that it gave stays given
}
"""By the end of a reference: what stands beside a chargeback."""
_OF_MERCHANTS: dict[str, RowType] = {"paid_in": "paid_in", "write_off": "write_off", "deposit_back": "deposit_back"}
_OF_WITHDRAWALS: dict[str, RowType] = {"reserve": "reserve", "suspense": "suspense"}
_OF_RETURNS: dict[str, RowType] = {"income/withdrawal_fee": "fee_back", "expense/rail_fee": "made_good"}


# --- for programs ----------------------------------------------------------------------------------------


class StatementCsv:
    """A statement as CSV (RFC 4180): an opening and a closing line a currency, decimals without separators.

    It is collected page by page: a row takes its text, less than a tenth of what its model takes.
    """

    def __init__(self) -> None:
        self._lines: dict[str, _Lines] = {}
        self._last: dict[str, MerchantStatement] = {}

    def add(self, page: Iterable[MerchantStatement]) -> None:
        """The rows of a page, which opens with what the page before closed with."""
        for one in page:
            lines = self._lines.setdefault(one.currency, _Lines())
            if not lines:
                _write(lines, [_edge(one, "opening", one.since, one.opening)])
            _write(lines, (_cells(one.currency, row) for row in one.rows))
            self._last[one.currency] = one.model_copy(update={"rows": ()})

    def text(self) -> str:
        """All of it, by currency."""
        found = _Lines()
        _write(found, [CSV_COLUMNS])
        for currency, one in sorted(self._last.items()):
            found += self._lines[currency]
            _write(found, [_edge(one, "closing", one.until, one.closing)])
        return "".join(found)


class _Lines(list[str]):
    def write(self, line: str) -> None:
        self.append(line)


def _write(lines: _Lines, rows: Iterable[Sequence[str]]) -> None:
    csv.writer(lines, lineterminator="\r\n").writerows(rows)


def _edge(one: MerchantStatement, kind: str, at: datetime, held: Held) -> list[str]:
    parts = (_decimal(getattr(held, f"{part}_minor"), one.currency) for part in PARTS)
    return [one.currency, at.isoformat(), kind, "", "", "", _decimal(held.total_minor, one.currency), *parts]


def _cells(currency: str, row: StatementRow) -> list[str]:
    parts = (_decimal(getattr(row.changed, f"{part}_minor"), currency) for part in PARTS)
    amounts = (_decimal(row.amount_minor, currency), _decimal(row.balance_minor, currency))
    return [currency, row.at.isoformat(), row.type, row.about, row.reference, *amounts, *parts]


def _decimal(amount_minor: int, currency: str) -> str:
    exponent = CURRENCIES.get(currency, 0)
    return f"{Decimal(amount_minor).scaleb(-exponent):.{exponent}f}"
