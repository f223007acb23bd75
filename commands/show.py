"""`show ID`: where an order or a withdrawal stands, what it waits for, why money is held, and its money."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from temporalio.client import Client

import client as door
from commands.console import JsonFlag, command, tell
from commands.link import books, temporal
from commands.reading import Subject, subject_of
from commands.views import (
    accounts_table,
    holds_table,
    journal_table,
    order_facts,
    parcels_table,
    payouts_table,
    refunds_table,
    row_facts,
    transfers_table,
    withdrawal_facts,
)
from core.errors import Refused
from core.reasons import SENTENCES
from ledger.lists import Money
from ledger.register import Register


@command
async def show(
    subject: Annotated[str, typer.Argument(metavar="ID", help="An order's id, or withdrawal-… .")],
    as_json: JsonFlag = False,
) -> None:
    """Show an order or a withdrawal. One whose workflow is gone from Temporal is shown as the register has it."""
    about = subject_of(subject)
    async with temporal() as client:
        told = await _from_workflow(client, about)
    async with books() as register:
        if told is None:
            told = await _from_register(register, about)
        money = await _money(register, about)
    view = {**told, "money": money.model_dump(mode="json")}
    tell(view, lambda console: _show(console, about, told, money))


async def _from_workflow(client: Client, about: Subject) -> dict[str, Any] | None:
    """What the workflow says; None where Temporal knows none, or it never got so far as to have a state."""
    try:
        state = await door.query(client, about.workflow_id, "withdrawal" if about.is_withdrawal else "order")
        if len(state) <= 1:
            return None
        journal = await door.query(client, about.workflow_id, "journal")
        holds = await door.query(client, about.workflow_id, "holds")
    except Refused:
        return None
    return {"source": "workflow", "state": state, "holds": holds, "journal": journal}


async def _from_register(register: Register, about: Subject) -> dict[str, Any]:
    """What the register has.

    Raises:
        Refused: `unknown_order`, or `not_running` for a withdrawal: nobody knows it.
    """
    row = await (register.withdrawal_row(about.id) if about.is_withdrawal else register.order_row(about.id))
    if row is None:
        code = "not_running" if about.is_withdrawal else "unknown_order"
        raise Refused(code, f"{SENTENCES[code]} {about.id}", "id")
    return {"source": "register", "state": row.model_dump(mode="json"), "holds": [], "journal": []}


async def _money(register: Register, about: Subject) -> Money:
    return await (register.withdrawal_money(about.id) if about.is_withdrawal else register.order_money(about.id))


# --- for people ------------------------------------------------------------------------------------------


def _show(console: Console, about: Subject, told: dict[str, Any], money: Money) -> None:
    state = told["state"]
    if told["source"] == "register":
        console.print("Its workflow is not in Temporal; this is what the register has.")
        console.print(row_facts(f"{about.noun.capitalize()} {about.id}", state))
    elif about.is_withdrawal:
        console.print(withdrawal_facts(state), payouts_table(state.get("attempts", ())))
    else:
        console.print(order_facts(state))
        if state.get("parcels"):
            console.print(parcels_table(state["parcels"]))
        if state.get("refunds"):
            console.print(refunds_table(state["refunds"], state["order"]["currency"]))
    if told["holds"]:
        console.print(holds_table(told["holds"]))
    if told["journal"]:
        console.print(journal_table(told["journal"]))
    console.print(accounts_table(money.accounts), transfers_table(money.transfers))
