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

from core.reconciliation.lines import Kind, Scope
from inbound.statements.base import Collector, Source, StatementRead
from inbound.statements.xlsx import is_xlsx

_FIELD = re.compile(r":(\d{2}[A-Z]?):")
_LINE = re.compile(
    r"(?P<date>\d{6})(?P<entry>\d{4})?(?P<sign>R?[CD])(?P<funds>[A-Z])?(?P<amount>\d[\d,]*)"
    r"(?P<type>[SNF][A-Z0-9]{3})(?P<owner>[^/\n]*(?:/(?!/)[^/\n]*)*)(?://(?P<bank>[^\n]*))?"
)
_BALANCE = re.compile(r"[CD]\d{6}([A-Z]{3})")
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
        for row, tag, text in _fields(source.text):
            if tag in ("60F", "60M") and (found := _BALANCE.match(text)):
                currency = found[1]
            elif tag.startswith("25"):
                account = text.strip()
            elif tag == "28C":
                account = f"{account.split('#')[0]}#{text.strip()}"
            elif tag == "61":
                seen += 1
                _take(row, text, currency, f"{account}#{seen}", collector)
        return collector.done()


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
