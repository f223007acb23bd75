"""Shows the estimate of a withdrawal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.console import said_of
from core.money import MAX_AMOUNT_MINOR, format_minor
from core.texts import clock
from core.withdrawal.estimating import Estimate
from screens import counted, facts, table

if TYPE_CHECKING:
    from rich.console import Console


def show_estimate(console: Console, found: Estimate) -> None:
    """For people: the figures, then the reasons against it, the worst first."""
    unlimited = found.sum_left_today_minor >= MAX_AMOUNT_MINOR // 2
    console.print(
        facts(
            "Estimate; nothing was asked for",
            {
                "amount": format_minor(found.amount_minor, found.currency),
                "fee": format_minor(found.fee_minor, found.currency),
                "arrives": format_minor(found.net_minor, found.currency),
                "expected by": _arrival(found),
                "available": format_minor(found.available_minor, found.currency),
                "left today": counted(found.count_left_today, "withdrawal")
                + ("" if unlimited else f", {format_minor(found.sum_left_today_minor, found.currency)}"),
                "limits turn over": clock(found.limits_turn_over_at),
            },
        )
    )
    if found.against:
        rows = [(refusal.code, said_of(refusal)) for refusal in found.against]
        console.print(table("What stands against it", ("reason", "says"), rows))


def _arrival(found: Estimate) -> str:
    if found.needs_approval:
        return "when two people have approved it, and the rail's time after that"
    return clock(found.arrives_by) or "not known: no such account, or its rail is not set up here"
