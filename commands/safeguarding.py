"""`safeguarding`: is the money of buyers and merchants there? What is owed against what is held, by currency."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from commands.console import Failed, JsonFlag, command, print_answer
from commands.link import database
from core.money import format_minor
from ledger.safeguarding import Safeguard, safeguards
from screens import table

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS = ("currency", "", "amount", "by its statements")


@command
async def safeguarding(as_json: JsonFlag = False) -> None:
    """Compare the client money owed with the cash at each channel and rail. Exit code 1 if it is not covered."""
    async with database() as pool:
        found = await safeguards(pool)
    ok = not any(one.short_minor for one in found)
    view = {"ok": ok, "currencies": [one.model_dump(mode="json") for one in found]}
    print_answer(view, lambda console: _show(console, found))
    if not ok:
        raise Failed


def _show(console: Console, found: Sequence[Safeguard]) -> None:
    rows = [row for one in found for row in _rows(one)]
    console.print(table("Safeguarding", COLUMNS, rows, numbers=COLUMNS[2:]))
    for one in found:
        if one.short_minor:
            sentence = f"{one.currency}: client money is short by {format_minor(one.short_minor, one.currency)}"
        else:
            sentence = f"{one.currency}: covered, {format_minor(one.own_minor, one.currency)} beyond client money"
        console.print(sentence)
        for place in one.held:
            if place.cash_minor < 0:
                short = format_minor(-place.cash_minor, one.currency)
                console.print(
                    f"  {place.scope} {place.name} has paid out {short} more than came in: fund it, or book it"
                )
            if place.stated_minor is not None and place.stated_minor != place.cash_minor:
                apart = format_minor(place.cash_minor - place.stated_minor, one.currency)
                console.print(f"  {place.scope} {place.name}: {apart} apart from its statements; `reconcile` says why")


def _rows(one: Safeguard) -> Iterator[tuple[str, ...]]:
    def shown(amount_minor: int | None) -> str:
        return "" if amount_minor is None else format_minor(amount_minor, one.currency)

    for owed in one.owed:
        yield one.currency, f"owed: {owed.kind}", shown(owed.amount_minor), ""
    yield one.currency, "owed in all", shown(one.owed_minor), ""
    for place in one.held:
        yield one.currency, f"held: {place.scope} {place.name}", shown(place.cash_minor), shown(place.stated_minor)
    yield one.currency, "held in all", shown(one.held_minor), ""
