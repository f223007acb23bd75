"""`withdrawals`: a filtered list from PostgreSQL."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.console import JsonFlag, command, language_of, print_answer
from commands.headings import print_in
from commands.link import copies
from commands.reading import id_of
from commands.views import due_line, worded
from core.money import format_minor
from core.texts import Language, clock
from core.withdrawal.state import Phase
from ledger.withdrawals import WithdrawalRow
from screens import counted, table

COLUMNS = ("withdrawal", "merchant", "amount", "account", "state", "waits for", "requested by", "requested")


@command
async def withdrawals(
    merchant: Annotated[str | None, typer.Option(help="Of this merchant.")] = None,
    state: Annotated[Phase | None, typer.Option(help="In this state.")] = None,
    closed: Annotated[bool | None, typer.Option("--closed/--open", help="Closed, or still open.")] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="More than five minutes past a deadline.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many, the newest first.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """List withdrawals, the newest first."""
    if merchant is not None:
        id_of(merchant, "merchant")
    async with copies() as register:
        rows = await register.withdrawals.rows(
            merchant_id=merchant, state_name=state, closed=closed, overdue=overdue or None, limit=limit
        )
    view = {"withdrawals": [row.model_dump(mode="json") for row in rows]}
    language = language_of(None)
    title, cells = counted(len(rows), "withdrawal"), [_cells(row, language) for row in rows]
    shown = table(title, COLUMNS, cells, numbers=("amount",), spare=("requested",))
    print_answer(view, lambda console: print_in(console, shown, language))


def _cells(row: WithdrawalRow, language: Language) -> tuple[str, ...]:
    return (
        row.withdrawal_id,
        row.merchant_id,
        format_minor(row.amount_minor, row.currency),
        f"{row.account_id} …{row.last4}",
        worded("phase", row.state_name, language),
        due_line(row.next_deadline_name, row.next_deadline_at, language),
        row.requested_by,
        clock(row.requested_at),
    )
