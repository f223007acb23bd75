"""MT940, the customer statement of SWIFT: a text of fields `:20:`, `:25:`, `:60F:`, `:61:`, `:86:`, `:62F:`.

Source: SWIFT's standard of category 9. Field 61 is value date, entry date, debit or credit (R before it: a reversal),
the third letter of the currency, amount with a comma, type, the owner's reference and, behind //, the bank's.

The library mt-940 is used only in a test, to check this reader. It replaces an entry without a type by the next one,
cuts longer references, stops at the first unknown field, and names no line. Each of these silently loses money or its
key, or refuses a good statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from core.reconciliation.lines import Kind, Scope
from inbound.statements.base import Collector, Source, StatementRead
from inbound.statements.xlsx import is_xlsx

_FIELD = re.compile(r":(\d{2}[A-Z]?):")
_LINE = re.compile(
    r"(?P<date>\d{6})(?P<entry>\d{4})?(?P<sign>R?[CD])(?P<funds>[A-Z])?(?P<amount>\d[\d,]*)"
    r"(?P<type>[SNF][A-Z0-9]{3})(?P<owner>[^/\n]*(?:/(?!/)[^/\n]*)*)(?://(?P<bank>[^\n]*))?"
)
_BALANCE = re.compile(r"(?P<sign>[CD])\d{6}(?P<currency>[A-Z]{3})(?P<amount>\d[\d,]*)")
_NO_ID = frozenset({"", "NONREF", "NOTPROVIDED"})
_KINDS: dict[str, Kind] = {"D": "payout", "C": "funding", "RD": "return"}


class Mt940:
    """Bank statements. The reversal of a debit (RD) is a return; that of a credit is left out."""

    name = "MT940"
    scopes: tuple[Scope, ...] = ("rail",)

    def recognises(self, source: Source) -> bool:
        """See `StatementReader.recognises`."""
        if is_xlsx(source.raw):
            return False
        head = source.raw[:4096]
        return b":20:" in head and b":25" in head and (b":60F:" in head or b":60M:" in head)

    def read(self, source: Source, scope: Scope) -> StatementRead:
        """See `StatementReader.read`."""
        collector, currency, account, seen = Collector(source, self.name), "", "", 0
        balance = StatedBalance(collector)
        for row, tag, text in _fields(source.text):
            if tag in ("60F", "60M") and (found := _BALANCE.match(text)):
                currency = found["currency"]
                balance.open(row, found)
            elif tag in ("62F", "62M") and (found := _BALANCE.match(text)):
                balance.close(row, found)
            elif tag.startswith("25"):
                account = text.strip()
            elif tag == "28C":
                account = f"{account.split('#')[0]}#{text.strip()}"
            elif tag == "61":
                seen += 1
                balance.move(text)
                _take(row, text, currency, f"{account}#{seen}", collector)
        balance.end()
        return collector.done()


class StatedBalance:
    """The balances of a statement: entries lead from the opening one to the closing one, or some are missing."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._opened, self._amount = 0, Decimal()

    def open(self, row: int, found: re.Match[str]) -> None:
        """A statement, or a page of one, begins."""
        self.end()
        self._opened, self._amount = row, _signed(found["sign"], found["amount"])

    def move(self, entry: str) -> None:
        """An entry changes it; one that cannot be read is named elsewhere."""
        if (found := _LINE.match(entry)) is not None:
            self._amount += _signed({"RC": "D", "RD": "C"}.get(found["sign"], found["sign"]), found["amount"])

    def close(self, row: int, found: re.Match[str]) -> None:
        """It ends, with what was opened and moved."""
        closing = _signed(found["sign"], found["amount"])
        if self._opened and closing != self._amount:
            why = (
                f"is {closing}, and the opening balance with the entries is {self._amount}: entries are missing or"
                " doubled"
            )
            self._collector.bad(row, "62", why)
        self._opened = 0

    def end(self) -> None:
        """The file ends, or the next one begins: none is left open."""
        if self._opened:
            self._collector.bad(self._opened, "60", "has no closing balance (62F, 62M): the statement was cut off")


def _signed(sign: str, amount: str) -> Decimal:
    value = Decimal(f"0{amount}0".replace(",", ".", 1).replace(",", ""))
    return -value if sign == "D" else value


def _fields(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, tag and text of each field; a line without a tag continues the field above it."""
    row, tag, lines = 0, "", list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        found = _FIELD.match(line)
        if found is None and not line.startswith(("-", "{", "}")):
            lines.append(line)
            continue
        if tag:
            yield row, tag, "\n".join(lines)
        row, tag, lines = number, found[1] if found else "", [line[found.end() :]] if found else []
    if tag:
        yield row, tag, "\n".join(lines)


def _take(row: int, text: str, currency: str, place: str, collector: Collector) -> None:
    found = _LINE.match(text)
    if found is None:
        collector.bad(row, "61", f"{text[:40]!r} is no statement line")
        return
    kind = _KINDS.get(found["sign"])
    if kind is None:
        collector.leave_out("reversals of credits (RC)")
        return
    owner, bank = found["owner"].strip(), (found["bank"] or "").strip()
    whole, _, decimals = found["amount"].partition(",")
    collector.take(
        row,
        kind,
        line_id=re.sub(r"[^A-Za-z0-9_.:/-]", "-", f"{found['date']}:{bank or place}"),
        key="" if owner in _NO_ID else owner,
        reference=bank,
        amount=f"{whole}.{decimals}" if decimals else whole,
        currency=currency,
        at=_day(found["date"]),
    )


def _day(text: str) -> str:
    """A date as noon UTC, which is the same date nearly everywhere."""
    try:
        return datetime.strptime(text, "%y%m%d").replace(hour=12, tzinfo=UTC).isoformat()
    except ValueError:
        return text
