"""Stripe's CSV files: itemised reports (balance change, payout reconciliation), and the export of payouts.

Source: docs.stripe.com/reports/report-types and reporting-categories. Amounts are major units, signed; times UTC.
"""

from __future__ import annotations

from datetime import timedelta, timezone

from core.reconciliation.lines import Kind, Scope
from inbound.statements.base import Collector, Source, StatementRead, stamp

_UTC = timezone(timedelta())
_CATEGORIES: dict[tuple[Scope, str], Kind] = {
    ("channel", "charge"): "payment",
    ("channel", "refund"): "refund",
    ("channel", "payout"): "settlement",
    ("rail", "transfer"): "payout",
    ("rail", "transfer_reversal"): "return",
    ("rail", "topup"): "funding",
}
"""For a rail, the transfers to connected accounts are the payouts; Stripe's payouts go to the platform's own bank."""


class StripeReport:
    """Itemised reports: a line for each balance transaction."""

    name = "Stripe itemised report"
    scopes: tuple[Scope, ...] = ("channel", "rail")

    def recognises(self, source: Source) -> bool:
        """See `StatementReader.recognises`."""
        return source.header("balance_transaction_id", "reporting_category") is not None

    def read(self, source: Source, scope: Scope) -> StatementRead:
        """See `StatementReader.read`."""
        collector = Collector(source, self.name)
        for row in source.rows("balance_transaction_id", "reporting_category"):
            category = row.cells["reporting_category"]
            kind = _CATEGORIES.get((scope, category))
            if kind is None:
                collector.leave_out(category)
                continue
            paid = ("payment_intent_id", "charge_id") if kind == "payment" else ()
            collector.take(
                row.line,
                kind,
                line_id=row.cells["balance_transaction_id"],
                key=row.first(*paid, "source_id"),
                reference=row.first("source_id"),
                amount=row.first("gross", "net"),
                currency=row.first("currency").upper(),
                at=stamp(row.first("created_utc", "created", "available_on_utc"), _UTC),
            )
        return collector.done()


class StripePayouts:
    """The export of payouts: a channel's settlements, or a rail's payouts. Only paid ones are taken."""

    name = "Stripe payouts"
    scopes: tuple[Scope, ...] = ("channel", "rail")

    def recognises(self, source: Source) -> bool:
        """See `StatementReader.recognises`."""
        return source.header("id", "Amount", "Currency", "Arrival Date (UTC)") is not None

    def read(self, source: Source, scope: Scope) -> StatementRead:
        """See `StatementReader.read`."""
        collector = Collector(source, self.name)
        for row in source.rows("id", "Amount", "Currency", "Arrival Date (UTC)"):
            state = row.first("Status").lower()
            if state not in ("", "paid"):
                collector.leave_out(state)
                continue
            collector.take(
                row.line,
                "settlement" if scope == "channel" else "payout",
                line_id=row.cells["id"],
                key=row.cells["id"],
                amount=row.cells["Amount"],
                currency=row.cells["Currency"].upper(),
                at=stamp(row.first("Arrival Date (UTC)", "Created (UTC)"), _UTC),
            )
        return collector.done()
