"""A stand-in's storage: one SQLite file, written to disk before a request is answered.

Channel and bank journal their effects in the same transaction as the effect itself. So the journal is true for any
answer, and after a kill at any moment.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

_EFFECTS = """
CREATE TABLE IF NOT EXISTS effects (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    at           TEXT    NOT NULL,
    effect       TEXT    NOT NULL,
    key          TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    currency     TEXT    NOT NULL
)
"""
# No UNIQUE on the key: a journal that cannot hold a second effect cannot prove that there was none.


class Effect(BaseModel):
    """Money that moved at a stand-in: `subject` is the payment's reference, or the payee's token."""

    model_config = ConfigDict(frozen=True)

    seq: int
    at: datetime
    effect: str
    key: str
    subject: str
    amount_minor: int
    currency: str


class Store:
    """An SQLite file. Used from one thread; a transaction never spans an await.

    Args:
        through: False leaves the last writes to the operating system: a kill loses none of them, a power failure may.
    """

    def __init__(self, path: Path, *schema: str, through: bool = True) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if through else 'NORMAL'}")
        for statement in schema:
            self._connection.execute(statement)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction: all or nothing, and on disk when the block has ended."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """All rows."""
        return [dict(row) for row in self._connection.execute(query, values)]

    def row(self, query: str, *values: Any) -> dict[str, Any] | None:
        """The first row, or None."""
        return next(iter(self.rows(query, *values)), None)

    def write(self, statement: str, *values: Any) -> int:
        """Execute a statement; returns how many rows it changed."""
        return self._connection.execute(statement, values).rowcount


class JournaledStore(Store):
    """A store with a journal of effects."""

    def __init__(self, path: Path, *schema: str) -> None:
        super().__init__(path, _EFFECTS, *schema)

    def journal(self, effect: str, *, key: str, subject: str, amount_minor: int, currency: str) -> None:
        """Append an effect; call it inside the effect's transaction."""
        self.write(
            "INSERT INTO effects (at, effect, key, subject, amount_minor, currency) VALUES (?, ?, ?, ?, ?, ?)",
            *(utc_now(), effect, key, subject, amount_minor, currency),
        )

    def effects(self) -> list[dict[str, Any]]:
        """The whole journal, in its order."""
        return self.rows("SELECT * FROM effects ORDER BY seq")


def utc_now() -> str:
    """The machine's time, RFC 3339; a stand-in does not follow a skipped clock."""
    return datetime.now(UTC).isoformat()
