"""`accounts list|bind`: where merchants are paid. Only the last four digits appear anywhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from commands.advance import duration_of
from commands.console import JsonFlag, command, table, tell
from commands.link import books
from commands.reading import id_of
from commands.views import clock
from core.errors import Refused
from core.money import CURRENCIES
from ledger.payouts import PayoutAccount

COLUMNS = ("account", "kind", "currency", "holder", "ends in", "rail", "default", "version", "state")

accounts = typer.Typer(name="accounts", help="Payout accounts: list them, bind one.", no_args_is_help=True)


@accounts.command("list")
@command
async def list_accounts(
    merchant: Annotated[str, typer.Argument(help="The merchant's id.")],
    as_json: JsonFlag = False,
) -> None:
    """List a merchant's payout accounts, the default first."""
    id_of(merchant, "merchant")
    async with books() as register:
        rows = await register.accounts(merchant)
    _tell(merchant, rows)


@accounts.command("bind")
@command
async def bind_account(
    merchant: Annotated[str, typer.Argument(help="The merchant's id.")],
    account: Annotated[str, typer.Argument(help="The account's id, ours.")],
    holder: Annotated[str, typer.Option(help="The holder's name.")],
    last4: Annotated[str, typer.Option(help="The last four digits of the number.")],
    token: Annotated[str, typer.Option(help="The rail's own name for the account.")] = "",
    rail: Annotated[str, typer.Option(help="The rail that pays it.")] = "sandbox",
    kind: Annotated[
        Literal["bank_card", "company_account", "wallet", "iban"], typer.Option(help="What it is.")
    ] = "bank_card",
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = "CNY",
    default: Annotated[bool, typer.Option("--default/--no-default", help="Automatic withdrawals go there.")] = True,
    cooling: Annotated[str, typer.Option(help="No money goes there before this has passed, such as 72h.")] = "0s",
    as_json: JsonFlag = False,
) -> None:
    """Bind a payout account, or change it. A change makes a new version and lifts a suspension."""
    now = datetime.now(UTC)
    _check(currency, last4, holder)
    async with books() as register:
        await register.bind_account(
            id_of(account, "account"),
            id_of(merchant, "merchant"),
            kind=kind,
            currency=currency,
            holder=holder,
            last4=last4,
            rail=id_of(rail, "rail"),
            rail_token=token or account,
            is_default=default,
            cooling_until=now + duration_of(cooling, "cooling") if cooling != "0s" else None,
            now=now,
        )
        rows = await register.accounts(merchant)
    _tell(merchant, rows)


def _check(currency: str, last4: str, holder: str) -> None:
    if currency not in CURRENCIES:
        raise Refused("malformed", f"currency: {currency[:16]!r} is not an ISO 4217 code, such as CNY", "currency")
    if not (len(last4) == 4 and last4.isascii() and last4.isalnum()):
        raise Refused("malformed", "last4: must be the last four digits or letters, and no more", "last4")
    if not holder.strip() or not holder.isprintable() or len(holder) > 100:
        raise Refused("malformed", "holder: must be a name of at most 100 printable characters", "holder")


def _tell(merchant: str, rows: list[PayoutAccount]) -> None:
    shown = [row.model_dump(mode="json", exclude={"rail_token"}) for row in rows]
    cells = [
        (
            row.account_id,
            row.kind,
            row.currency,
            row.holder,
            f"…{row.last4}",
            row.rail,
            "yes" if row.is_default else "",
            str(row.version),
            _state(row),
        )
        for row in rows
    ]
    tell(
        {"merchant_id": merchant, "accounts": shown},
        lambda console: console.print(table(f"Payout accounts of {merchant}", COLUMNS, cells)),
    )


def _state(row: PayoutAccount) -> str:
    if row.suspended_at is not None:
        return f"suspended: {row.suspended_for or 'no reason given'}"
    if row.cooling_until is not None and row.cooling_until > datetime.now(UTC):
        return f"cools off until {clock(row.cooling_until)}"
    return "ready"
