"""`statement MERCHANT`: a merchant's transfers, row by row with the balance after each, as a table, CSV or JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.console import JsonFlag, command, print_answer
from commands.days import DAY, day_of
from commands.link import copies
from commands.reading import id_of
from commands.writing import write_text
from core.merchant_statement import PARTS, MerchantStatement, StatementRow
from core.money import format_minor
from core.texts import clock
from ledger.merchant_statements import merchant_statements, statement_csv
from screens import table

if TYPE_CHECKING:
    from rich.console import Console

DAYS = 30


@command
async def statement(
    merchant: Annotated[str, typer.Argument(help="The merchant's id.")],
    since: Annotated[
        datetime | None,
        typer.Option("--from", parser=day_of, metavar=DAY, help="First day (UTC); thirty days ago unless given."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", parser=day_of, metavar=DAY, help="Last day; today unless given.")
    ] = None,
    file: Annotated[str | None, typer.Option("--csv", help="Write CSV to this file; `-` is stdout.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show every movement of a merchant's money, with opening and closing balance."""
    id_of(merchant, "merchant")
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = since or today - timedelta(days=DAYS)
    last = until or today
    if last < first:
        raise typer.BadParameter("--to lies before --from")
    if file is not None and as_json:
        raise typer.BadParameter("either --csv or --json")
    async with copies() as register:
        of_days = (register.pool, merchant, first, last + timedelta(days=1))
        if file is not None:
            _write(file, await statement_csv(*of_days))
            return
        found = await merchant_statements(*of_days)
    view = {"merchant_id": merchant, "statements": [one.model_dump(mode="json") for one in found]}
    print_answer(view, lambda console: _show(console, merchant, last, found))


def _write(file: str, text: str) -> None:
    if file == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        write_text(Path(file), text)


def _show(console: Console, merchant: str, last: datetime, found: Sequence[MerchantStatement]) -> None:
    if not found:
        console.print(f"Until {last.date()} nothing moved for {merchant}.")
    for one in found:
        rows = [
            (clock(row.at), row.type, row.about, _moved(row, one.currency), *_amounts(row, one.currency))
            for row in one.rows
        ]
        opening = ("", "opening", "", "", "", format_minor(one.opening.total_minor, one.currency))
        closing = ("", "closing", "", "", "", format_minor(one.closing.total_minor, one.currency))
        columns = ("at", "type", "about", "changed", "amount", "balance")
        title = f"{merchant}, {one.currency}, {one.since.date()} to {(one.until - timedelta(days=1)).date()}"
        console.print(table(title, columns, [opening, *rows, closing], numbers=("amount", "balance")))
        held = ", ".join(
            f"{part} {format_minor(getattr(one.closing, f'{part}_minor'), one.currency)}" for part in PARTS
        )
        console.print(f"Closing: {held}")


def _amounts(row: StatementRow, currency: str) -> tuple[str, str]:
    return format_minor(row.amount_minor, currency), format_minor(row.balance_minor, currency)


def _moved(row: StatementRow, currency: str) -> str:
    changed = ((part, getattr(row.changed, f"{part}_minor")) for part in PARTS)
    return ", ".join(f"{part} {format_minor(amount, currency)}" for part, amount in changed if amount)
