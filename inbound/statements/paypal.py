"""PayPal's activity download (CSV or TAB): payments, refunds, chargebacks, withdrawals to the bank, and mass payments.

Source: the specification of the activity download; developer.paypal.com/docs/reports/reference/tcodes for what a
chargeback, its reversal and its fee are. A chargeback has no name of its own there: its key is PayPal's number of the
payment, which all its rows name as their reference. Amounts are signed; each row names its time zone. The order of day
and month is a setting of the account: a file in which it is ambiguous is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from core.reconciliation.lines import Kind, Scope
from inbound.statements.base import Collector, Row, Source, StatementRead, is_negative
from inbound.tables import BadFile, BadRow

_HOURS = {"PST": -8, "PDT": -7, "MST": -7, "MDT": -6, "CST": -6, "CDT": -5, "EST": -5, "EDT": -4}
_HOURS |= {"GMT": 0, "UTC": 0, "BST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "HKT": 8, "SGT": 8, "JST": 9}
_OFFSET = re.compile(r"(?:GMT|UTC)?([+-])(\d\d?):?(\d\d)?")
_DATE = re.compile(r"(\d{1,4})[/.-](\d\d?)[/.-](\d{2,4})")
_AMERICAN = frozenset({"PST", "PDT", "MST", "MDT", "EST", "EDT", "CDT", "America/Los_Angeles", "America/New_York"})
_TYPES: tuple[tuple[Scope, str, bool, Kind], ...] = (
    ("rail", "mass ?pay|payout", True, "payout"),
    ("rail", "mass ?pay|payout|payment reversal", False, "return"),
    ("rail", "bank deposit|add(ed)? funds|top.?up", False, "funding"),
    ("channel", "chargeback.*fee|dispute.*fee", True, "chargeback_fee"),
    ("channel", "chargeback", True, "chargeback"),
    ("channel", "chargeback", False, "chargeback_won"),
    ("channel", "refund|reversal", True, "refund"),
    ("channel", "withdraw", True, "settlement"),
    ("channel", "payment|checkout|sale", False, "payment"),
)
"""Scope, words of the type, whether money went out, and our kind; the first match decides."""


class PaypalActivity:
    """Activity downloads."""

    name = "PayPal activity download"
    scopes: tuple[Scope, ...] = ("channel", "rail")

    def recognises(self, source: Source) -> bool:
        """See `StatementReader.recognises`."""
        return source.header("Transaction ID", "Gross", "Type", "Status", "Currency") is not None

    def read(self, source: Source, scope: Scope) -> StatementRead:
        """See `StatementReader.read`."""
        rows = list(source.rows("Transaction ID", "Gross", "Type", "Status", "Currency"))
        day_first = _day_first(source, rows)
        collector = Collector(source, self.name)
        for row in rows:
            went, status = is_negative(row.cells["Gross"]), row.cells["Status"]
            kind = _kind(row.cells["Type"], went, scope)
            if status.casefold() != "completed" or kind is None:
                collector.leave_out(f"{row.cells['Type']} {status}")
                continue
            transaction, ours = row.cells["Transaction ID"], row.first("Custom Number", "Invoice Number")
            key, reference = transaction if kind == "settlement" else ours, transaction
            if kind.startswith("chargeback"):
                key = row.first("Reference Txn ID")
                reference = ours or key
            collector.take(
                row.line,
                kind,
                line_id=transaction,
                key=key,
                reference=reference,
                amount=row.cells["Gross"],
                currency=row.cells["Currency"],
                at=_moment(row, day_first),
            )
        return collector.done()


def _kind(type_: str, went: bool, scope: Scope) -> Kind | None:
    fits = (
        kind for at, words, out, kind in _TYPES if (at, out) == (scope, went) and re.search(words, type_.casefold())
    )
    return next(fits, None)


def _day_first(source: Source, rows: Sequence[Row]) -> bool:
    """Whether the day comes before the month.

    Raises:
        BadFile: it is ambiguous.
    """
    dates = [found for row in rows if (found := _DATE.fullmatch(row.first("Date"))) and len(found[1]) < 3]
    if any(int(found[1]) > 12 for found in dates):
        return True
    american = any(row.first("TimeZone", "Time Zone") in _AMERICAN for row in rows)
    if not dates or american or any(int(found[2]) > 12 for found in dates):
        return False
    why = f"{dates[0][0]} may be either day and month or month and day; export it with a day after the 12th"
    raise BadFile(source.name, [BadRow(rows[0].line, "Date", why)])


def _moment(row: Row, day_first: bool) -> str:
    """The row's time as RFC 3339; its own text if it is not a time."""
    text = f"{row.first('Date')} {row.first('Time')}".strip()
    found, zone = _DATE.fullmatch(row.first("Date")), _zone(row.first("TimeZone", "Time Zone"))
    if found is None or zone is None:
        return text
    one, two, three = (int(part) for part in found.groups())
    year, month, day = (
        (one, two, three) if len(found[1]) == 4 else (three, two, one) if day_first else (three, one, two)
    )
    hour, minute, second = ([int(part) for part in re.findall(r"\d+", row.first("Time"))] + [0, 0, 0])[:3]
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return text


def _zone(name: str) -> tzinfo | None:
    if name in _HOURS:
        return timezone(timedelta(hours=_HOURS[name]))
    if found := _OFFSET.fullmatch(name):
        distance = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
        return timezone(distance if found[1] == "+" else -distance)
    try:
        return ZoneInfo(name) if "/" in name else None
    except (ValueError, OSError):
        return None
