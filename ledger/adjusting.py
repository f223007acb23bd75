"""Adjustments: movements by people, between any accounts. Only the owner's role can post them."""

from __future__ import annotations

from collections.abc import Sequence

from core.movements import Movement
from ledger.book import Book, NotPosted
from ledger.pool import open_pool


async def post_adjustments(owner_dsn: str, movements: Sequence[Movement]) -> list[object]:
    """Post adjustments; they share one transaction if the books can take all of them. Answers are those of
    `Book.post_all`.

    Raises:
        Unavailable: the database does not answer; a retry helps.
        ValueError: a movement that the books cannot take.
    """
    pool = await open_pool(owner_dsn, size=1)
    try:
        answers = await Book(pool).post_all(movements)
    finally:
        await pool.close()
    if bad := [answer for answer in answers if isinstance(answer, NotPosted)]:
        raise ValueError(f"{bad[0].reference}: {bad[0].detail}")
    return list(answers)
