"""Stripe's CSV files: itemised reports (balance change, payout reconciliation), and the export of payouts.

Source: docs.stripe.com/reports/report-types and reporting-categories. Amounts are major units, signed; times UTC.
"""

from __future__ import annotations

from datetime import timedelta, timezone

from core.reconciliation.lines import Kind, Scope
from inbound.statements.base import Collector, Row, Source, StatementRead, stamp

_UTC = timezone(timedelta())
_CATEGORIES: dict[tuple[Scope, str], Kind] = {
    ("channel", "charge"): "payment",
    ("channel", "refund"): "refund",
    ("channel", "payout"): "settlement",
    ("channel", "dispute"): "chargeback",
    ("channel", "dispute_reversal"): "chargeback_won",
    ("rail", "transfer"): "payout",
    ("rail", "transfer_reversal"): "return",
    ("rail", "topup"): "funding",
}
"""For a rail, the transfers to connected accounts are the payouts; Stripe's payouts go to the platform's own bank."""


_PAID = ("payment_intent_id", "charge_id")
_OF_DISPUTES = frozenset({"chargeback", "chargeback_won"})


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
            if kind == "chargeback" and row.first("fee").strip(" 0.,"):
                self._fee(collector, row)
            paid = _PAID if kind == "payment" else ()
            collector.take(
                row.line,
                kind,
                line_id=row.cells["balance_transaction_id"],
                key=row.first(*paid, "source_id"),
                reference=row.first(*_PAID, "source_id") if kind in _OF_DISPUTES else row.first("source_id"),
                amount=row.first("gross", "net"),
                currency=row.first("currency").upper(),
                at=stamp(row.first("created_utc", "created", "available_on_utc"), _UTC),
            )
        return collector.done()

    def _fee(self, collector: Collector, row: Row) -> None:
        """The fee of a dispute stands in its own row's column, beside the amount."""
        collector.take(
            row.line,
            "chargeback_fee",
            line_id=f"{row.cells['balance_transaction_id']}/fee",
            key=row.first("source_id"),
            reference=row.first(*_PAID, "source_id"),
            amount=row.first("fee"),
            currency=row.first("currency").upper(),
            at=stamp(row.first("created_utc", "created", "available_on_utc"), _UTC),
        )


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
