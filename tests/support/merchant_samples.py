"""A merchant for tests of the ledger: stopped, asked for a deposit, paid by orders."""

from __future__ import annotations

from typing import Any

from databases import Database
from ledger_samples import (
    NOW,
    a_record,
    credit,
    funded,
    settle,
)

from core.merchants import Stop
from core.messages import Actor
from ledger.book import Book
from ledger.proofs import prove
from ledger.register import Register

ANN = Actor(role="operator", id="ann")
DEPOSIT, AVAILABLE, OWES = (f"merchant/m-1/{part}" for part in ("deposit", "available", "receivable"))


async def stop(register: Register, what: Stop = "frozen", *, on: bool = True) -> bool:
    """Stop the merchant of the samples, or let it go on; whether that changed something."""
    return await register.merchants.stop("m-1", what, on=on, by=ANN, why="looks odd", now=NOW)


async def require_deposit(database: Database, amount: int | None, **fields: Any) -> bool:
    """Require a deposit of it in CNY; None: no word of its own."""
    given = {"merchant_id": "m-1", "currency": "CNY", "by": ANN, "why": "new here", "now": NOW, **fields}
    return await Register(database.owner).merchants.require_deposit(required_minor=amount, **given)


async def settled(register: Register, book: Book, name: str, amount: int = 1000) -> None:
    """An order that brought its merchant this much; it is closed."""
    order = await funded(register, book, name, amount)
    await credit(book, order, commission=0)
    done: dict[str, Any] = {
        "phase": "settled",
        "audit": "approved",
        "receipt": "confirmed",
        "closed": True,
        "state": {"funded": True},
    }
    assert (await settle(book, order, amount, record=a_record(name, **done))).moved


async def failing(database: Database) -> set[str]:
    """The proofs that do not hold."""
    return {proof.name for proof in await prove(database.pool) if not proof.holds}
