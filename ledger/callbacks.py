"""The register's journal of callbacks: what rails and payment channels send by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from ledger.pool import clean
from ledger.register_part import RegisterPart

CallbackOutcome = Literal[
    "reported",  # passed to the withdrawal or the orders, whose journals have the outcome
    "repeated",  # its event was passed on before
    "noted",  # about a refund, whose outcome its order queries itself
    "nothing_new",  # about something that is still in progress
    "unknown_payout",  # about a payout that is not ours
    "other_rail",  # about a payout on another rail
    "wrong_payee",  # about a payout to another account than the withdrawal's
    "wrong_amount",  # about another amount than was to be paid
    "unknown_payment",  # about a payment that no order names
    "wrong_currency",  # about a payment in another currency
    "refused",  # no withdrawal accepts it, or an order refused its part
    "wrong_signature",
    "unreadable",
    "too_large",
]


class JournaledCallback(NamedTuple):
    """A callback in the journal. It has an outcome if it came before and was handled."""

    id: int
    outcome: CallbackOutcome | None
    detail: str


class Purged(NamedTuple):
    """How many callbacks lost their raw body, and how many that came from no provider were removed."""

    emptied: int
    removed: int


class Callbacks(RegisterPart):
    """The register's journal of callbacks."""

    async def journal(
        self, provider: str, digest: str, body: bytes, headers: Mapping[str, str], now: datetime
    ) -> JournaledCallback:
        """Write a callback down before it is handled; a repeated callback finds its first row."""
        row = await self._row(
            "SELECT id, outcome, detail FROM journal_callback($1, $2, $3, $4, $5)",
            *(provider, digest, body, {name: clean(value) for name, value in headers.items()}, now),
        )
        assert row is not None  # the function always returns its row
        return JournaledCallback(*row)

    async def finish(
        self,
        callback_id: int,
        outcome: CallbackOutcome,
        detail: str = "",
        *,
        about: str | None = None,
        key: str | None = None,
        event_id: str | None = None,
    ) -> None:
        """Note the outcome of a callback; the first one stays."""
        await self._call(
            "SELECT finish_callback($1, $2, $3, $4, $5, $6)",
            *(callback_id, outcome, clean(detail), about, key, event_id),
        )

    async def call_operator(
        self,
        provider: str,
        event_id: str,
        name: Literal["chargeback_unplaced", "complaint"],
        facts: Mapping[str, str],
        now: datetime,
    ) -> None:
        """Call an operator for what no order could take, once an event."""
        await self._call(
            "SELECT note_callback($1, $2, $3, $4, $5)",
            *(provider, event_id, name, {key: clean(fact) for key, fact in facts.items() if fact}, now),
        )

    async def was_reported(self, provider: str, event_id: str) -> bool:
        """Whether an event was passed to its withdrawal before, by this or another callback."""
        return bool(
            await self._call(
                "SELECT EXISTS (SELECT FROM callbacks WHERE provider = $1 AND event_id = $2 AND outcome = 'reported')",
                provider,
                event_id,
            )
        )

    async def purge(self, before: datetime) -> Purged:
        """Delete the raw bodies that came before a time. The row of each callback stays, with its outcome."""
        row = await self._row("SELECT emptied, removed FROM purge_callbacks($1)", before)
        assert row is not None  # the function always returns its row
        return Purged(*row)
