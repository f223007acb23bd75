"""The bank's callbacks: an outbox on disk that keeps each event until it is acknowledged.

An event is added in the bank's own transaction. Faults lose a callback, send it twice, or delay it until later events
are out.
"""

from __future__ import annotations

import time
from typing import Any

from core.fields import Message
from local.faults import Faults
from local.journal import Store

_CALLBACKS = """
CREATE TABLE IF NOT EXISTS callbacks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, key TEXT NOT NULL, outcome TEXT NOT NULL,
    amount_minor INTEGER NOT NULL, currency TEXT NOT NULL, code TEXT, due_at REAL NOT NULL, taken INTEGER NOT NULL
)
"""
_OF_A_KEY = "CREATE INDEX IF NOT EXISTS callbacks_of_a_key ON callbacks (key)"
_WAITING = "CREATE INDEX IF NOT EXISTS callbacks_waiting ON callbacks (due_at, seq) WHERE NOT taken"
CALLBACKS = (_CALLBACKS, _OF_A_KEY, _WAITING)
"""The outbox's table. What was delivered stays, so both ways to read it have an index."""
_AT_ONCE = 500


class Acknowledged(Message):
    """The callbacks that were delivered."""

    seqs: tuple[int, ...]


class CallbackOutbox:
    """The bank's outbox."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store, self._faults = store, faults

    def add(self, outcome: str, payout: dict[str, Any], amount_minor: int) -> str:
        """Add a payout's event; call it inside the event's transaction.

        Returns:
            The event's id.
        """
        row = self._store.row("SELECT count(DISTINCT event_id) AS n FROM callbacks WHERE key = ?", payout["key"])
        event_id = f"ev-{payout['key']}-{row['n'] + 1 if row else 1}"
        subjects = frozenset(filter(None, (payout["key"], payout["token"], payout["last4"])))
        fault = self._faults.take("bank", "callback", subjects, payout["token"])
        kind = fault.kind if fault else None
        late = fault.seconds if fault and kind in {"callback_late", "callback_twice"} else 0.0
        # A lost callback stays in the outbox as taken: an event has its number once.
        copies = {"callback_lost": [(0.0, 1)], "callback_twice": [(0.0, 0), (late, 0)]}.get(kind or "", [(late, 0)])
        for wait, taken in copies:
            self._store.write(
                "INSERT INTO callbacks (event_id, key, outcome, amount_minor, currency, code, due_at, taken)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                *(event_id, payout["key"], outcome, amount_minor, payout["currency"], payout["code"]),
                *(time.time() + wait, taken),
            )
        return event_id

    def due(self) -> dict[str, Any]:
        """The callbacks to deliver now, the oldest first."""
        rows = self._store.rows(
            "SELECT seq, event_id, key, outcome, amount_minor, currency, code FROM callbacks"
            " WHERE NOT taken AND due_at <= ? ORDER BY due_at, seq LIMIT ?",
            *(time.time(), _AT_ONCE),
        )
        left = self._store.row("SELECT count(*) AS n FROM callbacks WHERE NOT taken")
        return {"callbacks": rows, "left": left["n"] if left else 0}

    def acknowledge(self, given: Acknowledged) -> dict[str, Any]:
        """Mark callbacks as delivered."""
        for seq in given.seqs:
            self._store.write("UPDATE callbacks SET taken = 1 WHERE seq = ?", seq)
        return {"acknowledged": len(given.seqs)}
