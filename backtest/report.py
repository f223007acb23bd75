"""The report of a back-test: outcomes, surprises, money, proofs, speed, bad rows; as JSON and as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rich.console import Console

from backtest.comparing import ENDINGS, Fate
from backtest.past import CURRENCY
from backtest.rows import UnusableRow
from core.money import format_minor
from screens import facts, table

DURATIONS = {
    "held_until_settled": "money held until the merchant had it",
    "held_until_sent_back": "money held until it went back",
    "buyer_waited": "a buyer waited for the refund, from the wish",
    "buyer_waited_with_case": "of these, with a case",
}
SHOWN = 20
"""Bad rows and surprises on the screen; the report has all of them."""


@dataclass(frozen=True)
class BacktestProof:
    """An invariant of the books, and whether it holds."""

    name: str
    holds: bool


@dataclass(frozen=True)
class Report:
    """Everything a back-test found. `seconds` is the time of the orders, without the stack's start."""

    fates: Sequence[Fate]
    bad_rows: Sequence[UnusableRow]
    proofs: Sequence[BacktestProof]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether every proof holds. Surprises are reported and are not failures."""
        return all(proof.holds for proof in self.proofs)

    @property
    def orders_per_s(self) -> float:
        """Played orders a second."""
        lived = sum(fate.outcome != "never_paid" for fate in self.fates)
        return lived / self.seconds if self.seconds else 0.0

    @property
    def outcomes(self) -> dict[str, int]:
        """The number of orders by outcome."""
        counted = Counter(fate.outcome for fate in self.fates)
        return {name: counted[name] for name in sorted(counted, key=lambda name: (-counted[name], name))}

    @property
    def surprises(self) -> list[Fate]:
        """Orders whose outcome differs from the expected one."""
        return [fate for fate in self.fates if fate.surprising]

    @property
    def money(self) -> dict[str, int]:
        """Totals in centavos; `open` is the money still held."""
        return {
            "paid_minor": sum(fate.paid_minor for fate in self.fates),
            "credited_minor": sum(fate.credited_minor for fate in self.fates),
            "commission_minor": sum(fate.commission_minor for fate in self.fates),
            "refunded_minor": sum(fate.refunded_minor for fate in self.fates),
            "open_minor": sum(fate.left_minor for fate in self.fates),
        }

    @property
    def durations(self) -> dict[str, dict[str, float]]:
        """Days: how many orders, the median, and what nine of ten stay below."""
        settled = [fate.held for fate in self.fates if fate.outcome == "settled"]
        went_back = [fate.held for fate in self.fates if fate.outcome in {"cancelled", "refunded"}]
        lists = {
            "held_until_settled": settled,
            "held_until_sent_back": went_back,
            "buyer_waited": [fate.waited for fate in self.fates],
            "buyer_waited_with_case": [fate.waited for fate in self.fates if fate.case],
        }
        return {name: _spread(found) for name, found in lists.items()}

    @property
    def cases(self) -> dict[str, int]:
        """The number of orders that had an after-sale case, by its kind."""
        return dict(sorted(Counter(fate.case for fate in self.fates if fate.case).items()))

    def as_json(self) -> dict[str, Any]:
        """The whole report, `lives` with one line for every order."""
        return {
            "orders": len(self.fates),
            "outcomes": self.outcomes,
            "surprises": [
                {"order_id": fate.order_id, "expected": fate.expected, "got": fate.outcome, "why": fate.why}
                for fate in self.surprises
            ],
            "proofs": [{"name": proof.name, "holds": proof.holds} for proof in self.proofs],
            "orders_per_s": round(self.orders_per_s, 2),
            "bad_rows": [{"file": row.file, "line": row.line, "reason": row.reason} for row in self.bad_rows],
            "currency": CURRENCY,
            "money": self.money,
            "cases": self.cases,
            "durations": self.durations,
            "lives": [_life(fate) for fate in self.fates],
        }

    def show(self, console: Console) -> None:
        """The tables for people."""
        expected: Counter[str] = Counter(fate.expected for fate in self.fates)
        rows = [(name, count, expected[name], ENDINGS.get(name, "")) for name, count in self.outcomes.items()]
        console.print(
            table("Outcomes", ("outcome", "orders", "by the data", ""), rows, numbers=("orders", "by the data"))
        )
        self._show_surprises(console)
        self._show_bad_rows(console)
        amounts = {name.removesuffix("_minor"): format_minor(total, CURRENCY) for name, total in self.money.items()}
        console.print(facts("Money", amounts))
        self._show_durations(console)
        console.print(table("Proofs", ("proof", ""), [(p.name, "holds" if p.holds else "FAILS") for p in self.proofs]))
        console.print(
            f"{len(self.fates)} orders, {len(self.surprises)} surprises, {len(self.bad_rows)} bad rows,"
            f" {self.orders_per_s:.1f} orders/s"
        )

    def _show_surprises(self, console: Console) -> None:
        if not self.surprises:
            return
        rows = [(fate.order_id, fate.expected, fate.outcome, fate.why) for fate in self.surprises[:SHOWN]]
        title = f"Surprises{_first(len(self.surprises))}"
        console.print(table(title, ("order", "expected", "got", "why"), rows))

    def _show_durations(self, console: Console) -> None:
        rows = [
            (DURATIONS[name], int(found["orders"]), *(f"{found[part]:.1f}" for part in ("p50_days", "p90_days")))
            for name, found in self.durations.items()
            if found["orders"]
        ]
        heads = ("", "orders", "days, half", "days, 90 %")
        console.print(table("How long", heads, rows, numbers=heads[1:]))

    def _show_bad_rows(self, console: Console) -> None:
        if not self.bad_rows:
            return
        rows = [(row.file, row.line, row.reason) for row in self.bad_rows[:SHOWN]]
        title = f"Bad rows{_first(len(self.bad_rows))}"
        console.print(table(title, ("file", "line", "reason"), rows, numbers=("line",)))


def _spread(found: Sequence[timedelta | None]) -> dict[str, float]:
    days = sorted(one / timedelta(days=1) for one in found if one is not None)
    return {"orders": len(days), "p50_days": at_share(days, 0.5), "p90_days": at_share(days, 0.9)}


def at_share(days: Sequence[float], share: float) -> float:
    """What this share of sorted days stays below; 0 where there are none."""
    return round(days[min(len(days) - 1, int(len(days) * share))], 2) if days else 0.0


def _first(count: int) -> str:
    return f" (the first {SHOWN} of {count})" if count > SHOWN else ""


def _life(fate: Fate) -> dict[str, Any]:
    return {
        "order_id": fate.order_id,
        "expected": fate.expected,
        "got": fate.outcome,
        "paid_minor": fate.paid_minor,
        "credited_minor": fate.credited_minor,
        "commission_minor": fate.commission_minor,
        "refunded_minor": fate.refunded_minor,
        "case": fate.case,
        "held_days": _days(fate.held),
        "waited_days": _days(fate.waited),
    }


def _days(found: timedelta | None) -> float | None:
    return None if found is None else round(found / timedelta(days=1), 2)
