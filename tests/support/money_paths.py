"""What each movement of money needs for a test of it: what comes before, who asks for it, and what it moves.

`all_paths` has them all. `tests/money_paths.toml` says which tests show what of each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Self

from databases import Database
from ledger_samples import NOW

from core.chart import Kind
from core.movements import Leg, Movement, adjustment
from core.records import OrderRecord, WithdrawalRecord
from ledger.book import Book
from ledger.register import Register

AT: dict[str, Any] = {"currency": "CNY", "occurred_at": NOW}
STANDING = """
SELECT a.path, sum(CASE WHEN (a.id = t.credit_account) = (a.kind IN ('liability', 'income')) THEN t.amount_minor
                        ELSE -t.amount_minor END)::BIGINT
FROM accounts a JOIN transfers t ON a.id IN (t.debit_account, t.credit_account) GROUP BY a.path
UNION ALL SELECT 'line ' || line_id, refunded_minor FROM refunded_lines
UNION ALL SELECT 'movements', count(*) FROM movements
"""


@dataclass(frozen=True)
class Caller:
    """A process that asks: book and register over its own connections."""

    book: Book
    register: Register

    @classmethod
    def over(cls, pool: Any) -> Self:
        """One over this pool, whose movements are gathered one array at a time."""
        return cls(Book(pool, beside=1), Register(pool))


Ask = Callable[[Caller], Coroutine[Any, Any, str]]
"""Asks for a movement, and returns the outcome."""


@dataclass(frozen=True)
class MoneyPath:
    """One way that money moves. Its order is A1, its withdrawal W1, its merchant m-1."""

    kind: Kind
    reference: str
    before: tuple[Ask, ...]
    """What was there before, by the owner of the database."""
    ask: Ask
    moves: Mapping[str, int]
    """What each account has more then, or each line has given back."""
    otherwise: Ask | None
    """The same movement with another content; None where the caller gives none."""
    first: str = "posted"
    again: str = "exists"
    refused: str = "conflict"
    of_owner: bool = False
    """Only the owner of the database may post it."""


async def standing(database: Database) -> Counter[str]:
    """What stands on each account, what each line has given back, and how many movements there are."""
    return Counter({name: amount for name, amount in await database.owner.fetch(STANDING) if amount})


def posts(movement: Movement, record: OrderRecord | WithdrawalRecord | None = None) -> Ask:
    """Post a movement of an order, a withdrawal or a channel, as the worker does."""

    async def ask(caller: Caller) -> str:
        return (await caller.book.post(movement, record)).outcome

    return ask


def adjusts(*legs: tuple[str, str, int], number: int = 1) -> Ask:
    """Money that came, or went, for another reason."""
    movement = adjustment(f"adjust/{number}", "CNY", NOW, [Leg(*leg) for leg in legs])

    async def ask(caller: Caller) -> str:
        (posted,) = await caller.book.post_all([movement])
        return posted.outcome

    return ask


def posted(
    before: tuple[Ask, ...],
    movement: Movement,
    moves: Mapping[str, int],
    other: Movement | None,
    record: OrderRecord | WithdrawalRecord | None = None,
) -> MoneyPath:
    """The path of a movement that is posted under its own reference."""
    return MoneyPath(
        kind=movement.kind,
        reference=movement.reference,
        before=before,
        ask=posts(movement, record),
        moves=moves,
        otherwise=posts(other) if other is not None else None,
    )
