"""What a camt.053 statement says of its entries: their number and sums, and the balances that they lead between.

Source: ISO 20022, BankToCustomerStatement: `TxsSummry` sums the entries up, `Bal` has the booked balances by type
(`OPBD` or, in its place, `PRCD` before the entries, `CLBD` after them). Each is checked where it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import NamedTuple
from xml.etree.ElementTree import Element

from inbound.statements.base import Collector
from inbound.statements.elements import children, find, text_at

_BEFORE, _AFTER = ("OPBD", "PRCD"), ("CLBD",)
_TOTALS = {"TtlNtries": ("DBIT", "CRDT"), "TtlDbtNtries": ("DBIT",), "TtlCdtNtries": ("CRDT",)}
"""Parts of the summary, and the directions of the entries that each sums up."""


class _Moved(NamedTuple):
    """An entry's direction, amount above zero, and currency."""

    direction: str
    amount: Decimal
    currency: str


def check_sums(statement: Element, after: int, collector: Collector) -> None:
    """Note where a statement's entries are not those that it speaks of.

    Args:
        after: entries of the file before this statement; errors are noted under the number of its first one.
    """
    entries = [one for one in children(statement, "Ntry") if _state(one) in ("", "BOOK")]
    moved = [one for one in map(_moved, entries) if one is not None]
    if len(moved) < len(entries):
        return  # an entry without an amount is named by itself
    _check_summary(statement, moved, after + 1, collector)
    _check_balances(statement, moved, after + 1, collector)


def _check_summary(statement: Element, moved: Sequence[_Moved], row: int, collector: Collector) -> None:
    for name, directions in _TOTALS.items():
        total = find(statement, f"TxsSummry/{name}")
        if total is None:
            continue
        meant = [one.amount for one in moved if one.direction in directions]
        if stated := text_at(total, "NbOfNtries"):
            collector.check_count(row, f"TxsSummry/{name}/NbOfNtries", stated, len(meant))
        if (sum_ := _number(text_at(total, "Sum"))) is not None and sum_ != sum(meant):
            why = f"is {sum_}, and the entries sum up to {sum(meant)}: entries are missing or doubled"
            collector.bad(row, f"TxsSummry/{name}/Sum", why)


def _check_balances(statement: Element, moved: Sequence[_Moved], row: int, collector: Collector) -> None:
    """Of several days, the first opening and the last closing balance: all entries lie between them."""
    balances = list(children(statement, "Bal"))
    opened, closed = _chosen(balances, _BEFORE)[:1], _chosen(balances, _AFTER)[-1:]
    if not opened or not closed:
        return
    (before,), (after,) = opened, closed
    if len({before.currency, after.currency, *(one.currency for one in moved)}) > 1:
        return  # amounts of several currencies have no sum
    due = _signed(before) + sum(map(_signed, moved))
    if due != _signed(after):
        why = f"is {_signed(after)}, and the opening balance with the entries is {due}: entries are missing or doubled"
        collector.bad(row, "Bal/CLBD", why)


def _chosen(balances: Sequence[Element], codes: Sequence[str]) -> list[_Moved]:
    """The balances of the first of these types that the statement has, the earliest day first."""
    for code in codes:
        of_code = [one for one in balances if text_at(one, "Tp/CdOrPrtry/Cd") == code]
        if of_code:
            of_code.sort(key=lambda one: text_at(one, "Dt/DtTm")[:10] or text_at(one, "Dt/Dt"))
            return [one for one in map(_moved, of_code) if one is not None]
    return []


def _moved(element: Element) -> _Moved | None:
    amount, said = find(element, "Amt"), _number(text_at(element, "Amt"))
    if amount is None or said is None:
        return None
    return _Moved(text_at(element, "CdtDbtInd"), said, amount.get("Ccy") or "")


def _signed(one: _Moved) -> Decimal:
    return -one.amount if one.direction == "DBIT" else one.amount


def _number(text: str) -> Decimal | None:
    """None: there is none, or it is no number; an entry's is named when the entry is taken."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _state(entry: Element) -> str:
    return text_at(entry, "Sts/Cd") or text_at(entry, "Sts")
