"""What a stand-in keeps: one SQLite file, written through to the disk before anybody gets an answer.

Channel and bank journal their effects in it, in the same transaction as the effect itself: what the journal says has
happened, happened, whatever the answer was, and whenever the process was killed.
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
# No UNIQUE on the key: a journal that cannot show a second effect could not prove that there was none.


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
    """An SQLite file. Used from one thread; a transaction never spans a wait.

    Args:
        through: False leaves the last writes to the system: a kill loses none of them, only a loss of power does.
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
        """Give the file back."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing, and on the disk when the block has ended."""
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
        """Carry out a statement; how many rows it touched."""
        return self._connection.execute(statement, values).rowcount


class JournaledStore(Store):
    """A store with a journal of effects."""

    def __init__(self, path: Path, *schema: str) -> None:
        super().__init__(path, _EFFECTS, *schema)

    def journal(self, effect: str, *, key: str, subject: str, amount_minor: int, currency: str) -> None:
        """Append an effect; to be called inside the transaction that makes it true."""
        self.write(
            "INSERT INTO effects (at, effect, key, subject, amount_minor, currency) VALUES (?, ?, ?, ?, ?, ?)",
            *(utc_now(), effect, key, subject, amount_minor, currency),
        )

    def effects(self) -> list[dict[str, Any]]:
        """The whole journal, in its order."""
        return self.rows("SELECT * FROM effects ORDER BY seq")


def utc_now() -> str:
    """The machine's time, RFC 3339; a stand-in has no part in anybody's skipped clock."""
    return datetime.now(UTC).isoformat()
