"""How payout accounts and their history are shown. Only the last four digits ever appear."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from commands.console import print_answer
from core.texts import clock
from screens import facts, table

if TYPE_CHECKING:
    from ledger.payout_accounts import AccountChange, PayoutAccount

COLUMNS = (
    *("account", "kind", "currency", "holder", "ends in", "bank", "rail", "default", "version", "verified"),
    "state",
)
HISTORY = ("at", "account", "version", "what", "detail", "who", "why")


def print_accounts(merchant: str, legal_name: str | None, rows: Sequence[PayoutAccount], hint: str = "") -> None:
    """A merchant's accounts. `hint`: the probable issuer of the number that was just bound."""
    value: dict[str, Any] = {
        "merchant_id": merchant,
        "legal_name": legal_name,
        "accounts": [account_view(row) for row in rows],
    }
    if hint:
        value["hint"] = hint
    named = {"legal name": legal_name or "not known: `accounts merchant` sets it", "issuer": hint}
    grid = table(f"Payout accounts of {merchant}", COLUMNS, [_cells(row) for row in rows])
    print_answer(value, lambda console: console.print(facts(f"Merchant {merchant}", named), grid))


def print_history(merchant: str, changes: Sequence[AccountChange]) -> None:
    """The changes of a merchant's accounts, the oldest first."""
    cells = [
        (
            *(clock(row.at), row.account_id, "" if row.version is None else str(row.version), row.what, row.detail),
            *(f"{row.role}:{row.who}", row.why),
        )
        for row in changes
    ]
    print_answer(
        {"merchant_id": merchant, "changes": [row.model_dump(mode="json") for row in changes]},
        lambda console: console.print(table(f"History of the payout accounts of {merchant}", HISTORY, cells)),
    )


def account_view(row: PayoutAccount) -> dict[str, Any]:
    """An account for scripts, without the rail's token."""
    return row.model_dump(mode="json", exclude={"rail_token"}) | {"state": state_of(row)}


def state_of(row: PayoutAccount) -> str:
    """Whether the account gets money, in a few words."""
    if row.suspended_at is not None:
        by = f" by {row.suspended_by}" if row.suspended_by else ""
        return f"suspended{by}: {row.suspended_for or 'no reason given'}"
    if row.cooling_until is not None and row.cooling_until > datetime.now(UTC):
        return f"cools off until {clock(row.cooling_until)}"
    return "ready"


def _cells(row: PayoutAccount) -> tuple[str, ...]:
    bank = " ".join(filter(None, (row.bank_name, row.bank_code)))
    return (
        *(row.account_id, row.kind, row.currency, row.holder, f"…{row.last4}", bank, row.rail),
        *("yes" if row.is_default else "", str(row.version), clock(row.verified_at) if row.verified_at else ""),
        state_of(row),
    )
