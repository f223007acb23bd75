"""The statements of rails and channels, as they were loaded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from core.errors import BadInput, Refused
from core.fields import Message
from core.messages import Actor
from core.reasons import SENTENCES
from core.reconciliation.lines import Covered, Scope, Statement, TheirLine
from core.votes import access_ended
from ledger.register_part import RegisterPart

_TOLD = "EXISTS (SELECT FROM statement_lines WHERE scope = $2 AND name = $1)"
_KNOWN: Mapping[Scope, str] = {
    "channel": "SELECT EXISTS (SELECT FROM payments WHERE channel = $1)"
    f" OR EXISTS (SELECT FROM accounts WHERE path = 'psp/' || $1) OR {_TOLD}",
    "rail": "SELECT EXISTS (SELECT FROM payout_attempts WHERE rail = $1)"
    " OR EXISTS (SELECT FROM payout_account_versions WHERE rail = $1)"
    f" OR EXISTS (SELECT FROM accounts WHERE path = 'rail/' || $1 || '/cash') OR {_TOLD}",
}


class Load(Message):
    """One load of a statement that brought something new; `asked_by` and `withdrawn_by` are different people."""

    load_no: int
    scope: Scope
    name: str
    loaded_at: datetime
    lines: int
    asked_by: str | None
    reason: str | None
    withdrawn_by: str | None
    withdrawn_at: datetime | None


class Statements(RegisterPart):
    """The register's statements."""

    async def load(self, scope: Scope, name: str, statement: Statement, now: datetime) -> int:
        """Store a statement's lines and the period they cover; returns how many lines were new.

        Raises:
            BadInput: lines whose ids were stored before with other content; nothing was stored.
        """
        covered = statement.covered
        row = await self._row(
            "SELECT * FROM load_statement($1, $2, $3, $4, $5, $6)",
            scope,
            name,
            [line.model_dump(mode="json") for line in statement.lines],
            covered.since if covered else None,
            covered.until if covered else None,
            now,
        )
        assert row is not None
        if row["different"]:
            ids = ", ".join(row["different"][:10])
            raise BadInput(
                f"line_id: {ids}: given otherwise before, or twice in this statement; a line is never changed,"
                " a correction is a further line under an id of its own"
            )
        return int(row["added"])

    async def lines(self, scope: Scope, name: str, key: str | None = None) -> list[TheirLine]:
        """The lines of a rail or channel, of one key or all, in the order in which they happened."""
        return await self._all(
            TheirLine,
            "SELECT line_id, kind, key, amount_minor, fee_minor, currency, at, reference, event_id"
            " FROM statement_lines WHERE scope = $1 AND name = $2 AND ($3::TEXT IS NULL OR key = $3)"
            " ORDER BY at, line_id",
            scope,
            name,
            key,
        )

    async def periods(self, scope: Scope, name: str) -> list[Covered]:
        """The periods that a rail's or channel's statements cover."""
        return await self._all(
            Covered,
            "SELECT since, until FROM statement_periods WHERE scope = $1 AND name = $2 ORDER BY since",
            scope,
            name,
        )

    async def loads(self, limit: int = 100) -> list[Load]:
        """What was loaded, the newest first."""
        return await self._all(
            Load,
            "SELECT load_no, scope, name, loaded_at, lines, asked_by, reason, withdrawn_by, withdrawn_at"
            " FROM statement_loads ORDER BY load_no DESC LIMIT $1",
            limit,
        )

    async def withdraw(self, load_no: int, by: Actor, reason: str, now: datetime) -> str:
        """Withdraw a load, as the first or the second person: `asked`, `withdrawn`, `already`.

        Raises:
            Refused: `unknown_load`; `needs_other_person` if the same person asked before; or `wrong_actor`, where the
                person's access has ended.
        """
        outcome = str(
            await self._call("SELECT withdraw_load($1, $2, $3, $4)", load_no, f"{by.role}/{by.id}", reason, now)
        )
        if outcome == "access_ended":
            raise access_ended()
        codes = {"unknown": "unknown_load", "same_person": "needs_other_person"}
        if outcome in codes:
            raise Refused(codes[outcome], SENTENCES[codes[outcome]])
        return outcome

    async def knows(self, scope: Scope, name: str) -> bool:
        """Whether a payment, a payout, an account or a statement names this rail or channel."""
        return bool(await self._call(_KNOWN[scope], name, scope))
