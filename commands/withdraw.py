"""`withdraw MERCHANT AMOUNT --account ID`: a merchant asks for a part of what is available."""

from __future__ import annotations

import uuid
from typing import Annotated

import typer

import gateway
from commands.console import Failed, JsonFlag, command, language_of, print_answer
from commands.headings import print_in
from commands.link import books
from commands.reading import actor_of, id_of, read_message
from commands.service import temporal
from commands.views import withdrawal_facts
from config import load
from core.messages import Withdrawal
from core.money import parse_amount

NOT_PAID = frozenset({"failed", "rejected", "cancelled"})


@command
async def withdraw(
    merchant: Annotated[str, typer.Argument(help="The merchant's id.")],
    amount: Annotated[str, typer.Argument(help="In major units, such as 120.50.")],
    account: Annotated[str, typer.Option(help="The payout account's id.")],
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = "CNY",
    withdrawal_id: Annotated[
        str | None, typer.Option("--id", help="The withdrawal's id; a fresh one unless given.")
    ] = None,
    actor: Annotated[
        str | None, typer.Option("--as", metavar="ROLE:ID", help="Who asks; the merchant unless given.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="The policy with the limits and the fee; a merchant cannot choose it.")
    ] = None,
    leaving: Annotated[
        bool, typer.Option("--leaving", help="The merchant leaves: no minimum. Needs --as operator:….")
    ] = False,
    estimating: Annotated[
        bool, typer.Option("--estimate", help="Only show fee, arrival, limits and what stands against it.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until it is paid, given back, or waits for a person.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Request a withdrawal. The same id gets the same answer and moves nothing twice."""
    asked = {
        "withdrawal_id": withdrawal_id or f"w-{uuid.uuid4().hex[:16]}",
        "merchant_id": id_of(merchant, "merchant"),
        "amount_minor": parse_amount(amount, currency),
        "currency": currency,
        "account_id": id_of(account, "account"),
        "requested_by": actor_of(actor) if actor else {"role": "merchant", "id": merchant},
        "policy": policy,
        "leaving": leaving,
    }
    withdrawal = read_message(Withdrawal, asked, "malformed")
    if estimating:
        from commands.estimating import show_estimate  # loaded when it runs: policies, rails and holidays
        from wiring.estimating import estimate_now

        async with books() as register:
            found = await estimate_now(load(), register, withdrawal)
        print_answer(found.model_dump(mode="json"), lambda console: show_estimate(console, found))
        return
    async with temporal() as client:
        state = await gateway.open_withdrawal(client, withdrawal, wait=wait)
    language = language_of(None)
    print_answer(state, lambda console: print_in(console, withdrawal_facts(state, language), language))
    if state["phase"] in NOT_PAID:
        raise Failed
