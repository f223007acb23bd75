"""The part of the books that a comparison of orders or withdrawals reads: what is open, what moved or changed since the
last comparison, and what differed then.

The names of the tables that the comparison reads are given fewer rows, as for proofs (`ledger.proof_scope`), so that
one text serves the whole and the part.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from core.fields import Message, Time
from core.reconciliation.lines import Scope
from ledger.pool import SCHEMA


class Open(NamedTuple):
    """What a comparison with a statement left open: the key, and what it is about, such as `withdrawal/W1`."""

    key: str
    subject: str | None


class ComparedTo(Message):
    """Up to where a scope was compared: the last seal, its last movement, and the position of the first later event."""

    seal: int
    movement: int
    position: int
    covered_since: Time | None = None
    """The beginning of the first period of a statement that was loaded after it, where there is one."""
    open: tuple[Open, ...] = ()
    """Of a rail or channel: what the next one looks at again."""


STANDING = (
    "SELECT max(number) AS seal, coalesce(max(last_movement), 0) AS movement, events_end() AS position FROM seals"
)
"""What a comparison in this snapshot has seen."""
PART_MOST = 100_000
"""Movements that are looked up one by one, where they are more than half of all: one pass over all takes less."""
COMPARED = (
    "SELECT c.seal, s.last_movement AS movement, c.position FROM reconciled c JOIN seals s ON s.number = c.seal"
    # Events are purged after 30 days at the earliest.
    " WHERE c.scope = $1 AND c.name = $2 AND c.ran_at > clock_timestamp() - INTERVAL '25 days'"
)


def is_too_long(first: int, last: int) -> bool:
    """Whether the movements after the first of these are so many that the whole books are read with less work."""
    return last - first > max(PART_MOST, last // 2)


_NOUNS = {"orders": "order", "withdrawals": "withdrawal"}


def rows_of(table: str, source: str, found_by: str) -> str:
    """A table with the rows that each row of the source leads to, through an index (`LATERAL … OFFSET 0`)."""
    return (
        f"{table} AS MATERIALIZED (SELECT r.* FROM {source} AS s CROSS JOIN LATERAL ("
        f"SELECT r.* FROM {SCHEMA}.{table} r WHERE {found_by} OFFSET 0) AS r)"
    )


def table_part(table: Literal["transfers", "accounts"]) -> str:
    """The transfers of the movements that were given, or the accounts of those transfers."""
    if table == "transfers":
        return rows_of(table, "movements", "r.movement_id = s.id")
    sides = "(SELECT debit_account AS id FROM transfers UNION SELECT credit_account FROM transfers)"
    return rows_of(table, sides, "r.id = s.id")


def part_of(scope: Scope) -> str:
    """Common table expressions. $6: the last movement that was compared. $7: the first event that may not have been."""
    noun = _NOUNS[scope]
    theirs = f"m.reference >= '{noun}/' AND m.reference < '{noun}0'"
    key = f"s.id = r.{noun}_id"
    base = f"'{noun}/' || s.id"
    touched = f"""touched AS MATERIALIZED (
        SELECT split_part(t.subject, '/', 2) COLLATE "default" AS id FROM (
            SELECT m.reference AS subject FROM {SCHEMA}.movements m WHERE m.id > $6 AND {theirs}
            UNION ALL SELECT e.subject FROM {SCHEMA}.events e WHERE e.position >= $7 AND e.subject LIKE '{noun}/%'
            UNION ALL SELECT '{noun}/' || o.{noun}_id FROM {SCHEMA}.{scope} o WHERE NOT o.closed
            UNION ALL SELECT '{noun}/' || split_part(b.body ->> 'key', '/', 1) FROM {SCHEMA}.reconciliation_breaks b
            WHERE b.scope = '{scope}' AND b.name = 'books' AND b.resolved_at IS NULL) AS t
        GROUP BY 1
    )"""
    parts = [
        touched,
        rows_of(scope, "touched", key),
        rows_of("movements", "touched", f"r.reference >= {base} || '/' AND r.reference < {base} || '0'"),
        table_part("transfers"),
        table_part("accounts"),
    ]
    if scope == "withdrawals":
        parts.append(rows_of("payout_attempts", "touched", "r.withdrawal_id = s.id"))
    return ", ".join(parts)
