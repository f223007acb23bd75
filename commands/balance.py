"""`balance MERCHANT`: a merchant's money, a line a currency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from commands.console import JsonFlag, command, print_answer
from commands.link import books
from commands.reading import id_of
from core.money import format_minor
from screens import table

if TYPE_CHECKING:
    from rich.console import Console

    from ledger.balances import Balance
    from ledger.payments import StoredPayment

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
        rests = await register.payments.unclaimed(merchant_id=merchant)
    view = {
        "merchant_id": merchant,
        "balances": [row.model_dump(mode="json") for row in rows],
        "unclaimed": [{**rest.model_dump(mode="json"), "rest_minor": rest.rest_minor} for rest in rests],
    }
    print_answer(view, lambda console: _show(console, merchant, rows, rests))


def _show(console: Console, merchant: str, rows: list[Balance], rests: list[StoredPayment]) -> None:
    cells = [
        (row.currency, *(format_minor(getattr(row, f"{column}_minor"), row.currency) for column in COLUMNS[1:]))
        for row in rows
    ]
    console.print(table(f"Merchant {merchant}", COLUMNS, cells, numbers=COLUMNS[1:]))
    for rest in rests:
        console.print(
            f"{format_minor(rest.rest_minor, rest.currency)} of payment {rest.payment} is no order's: it belongs to the"
            f" buyer; `python starter.py basket {rest.payment}` shows it."
        )
