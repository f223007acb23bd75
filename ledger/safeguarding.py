"""Safeguarding: what is owed to buyers and merchants, compared with the cash at channels and rails."""

from __future__ import annotations

from typing import NamedTuple

from core.fields import Message
from ledger.long_reads import long_reads
from ledger.pool import Connected


class Owed(Message):
    """Client money of one kind: `escrow`, `proceeds`, `refund_payable`, `available`, `deposit`, `reserved`,
    `suspense`.
    """

    kind: str
    amount_minor: int


class Place(Message):
    """Cash at a channel or rail by our books. `stated_minor` is the sum of its loaded statements, since the first of
    them; None: none is loaded.
    """

    scope: str
    name: str
    cash_minor: int
    stated_minor: int | None


class Safeguard(Message):
    """One currency: what is owed and what is held. `short_minor` is 0 if all client money is covered."""

    currency: str
    owed: tuple[Owed, ...]
    held: tuple[Place, ...]
    owed_minor: int
    held_minor: int
    short_minor: int
    own_minor: int
    """The cash beyond client money: the platform's own."""


class _Sum(NamedTuple):
    currency: str
    what: str
    amount_minor: int


_BALANCES = """
    SELECT currency, CASE WHEN purpose LIKE '%/*/%' THEN split_part(purpose, '/', 3) ELSE purpose END AS what,
           sum(balance_minor)::BIGINT AS amount_minor
    FROM purpose_balances
    WHERE purpose LIKE 'psp/%' OR purpose LIKE 'rail/%' OR kind = 'liability'
    GROUP BY 1, 2 ORDER BY 1, 2
"""
_STATED = """
    SELECT m.key AS currency,
           CASE l.scope WHEN 'rail' THEN 'rail/' || l.name || '/cash' ELSE 'psp/' || l.name END AS what,
           sum(m.value::BIGINT)::BIGINT AS amount_minor
    FROM statement_loads l CROSS JOIN LATERAL jsonb_each_text(l.moved) AS m
    WHERE l.withdrawn_at IS NULL GROUP BY 1, 2
"""


async def safeguards(source: Connected) -> list[Safeguard]:
    """One line a currency, at one moment.

    Raises:
        Unavailable: the database does not answer; a retry helps.
    """
    async with long_reads(source) as connection:
        balances = [_Sum(*row.values()) for row in await connection.fetch(_BALANCES)]
        stated = {(row["currency"], row["what"]): row["amount_minor"] for row in await connection.fetch(_STATED)}
    currencies = sorted({one.currency for one in balances})
    return [
        _safeguard(currency, [one for one in balances if one.currency == currency], stated) for currency in currencies
    ]


def _safeguard(currency: str, sums: list[_Sum], stated: dict[tuple[str, str], int]) -> Safeguard:
    held = tuple(
        Place(
            scope="channel" if one.what.startswith("psp/") else "rail",
            name=one.what.split("/")[1],
            cash_minor=one.amount_minor,
            stated_minor=stated.get((currency, one.what)),
        )
        for one in sums
        if "/" in one.what
    )
    owed = tuple(Owed(kind=one.what, amount_minor=one.amount_minor) for one in sums if "/" not in one.what)
    owed_minor, held_minor = sum(one.amount_minor for one in owed), sum(place.cash_minor for place in held)
    return Safeguard(
        currency=currency,
        owed=owed,
        held=held,
        owed_minor=owed_minor,
        held_minor=held_minor,
        short_minor=max(owed_minor - held_minor, 0),
        own_minor=max(held_minor - owed_minor, 0),
    )
