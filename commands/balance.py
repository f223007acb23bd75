"""`balance MERCHANT`: a merchant's money, a line a currency."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.console import JsonFlag, command, print_answer
from commands.link import books
from commands.reading import id_of
from core.money import format_minor
from screens import table

COLUMNS = ("currency", "pending", "available", "reserved", "receivable", "deposit", "frozen")


@command
async def balance(
    merchant: Annotated[str, typer.Argument(help="The merchant's id.")],
    as_json: JsonFlag = False,
) -> None:
    """Show a merchant's money by account.

    Pending, available, reserved for payouts, receivable (owed), deposit, and frozen for disputes.
    """
    id_of(merchant, "merchant")
    async with books() as register:
        rows = await register.balances.of_merchant(merchant)
    view = {"merchant_id": merchant, "balances": [row.model_dump(mode="json") for row in rows]}
    cells = [
        (row.currency, *(format_minor(getattr(row, f"{column}_minor"), row.currency) for column in COLUMNS[1:]))
        for row in rows
    ]
    print_answer(
        view, lambda console: console.print(table(f"Merchant {merchant}", COLUMNS, cells, numbers=COLUMNS[1:]))
    )
