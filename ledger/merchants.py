"""Merchants: frozen, suspended or leaving; their terms and deposits; and the history of each change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from core.durations import format_duration, parse_duration
from core.fields import Message
from core.merchants import MERCHANT_FROZEN, MerchantStanding, MerchantTerms, Stop
from core.messages import Actor
from ledger.register_part import RegisterPart

YES = "yes"


class MerchantMove(Message):
    """One change: of what, to which value (None: no longer so), by whom, why and when."""

    merchant_id: str
    what: str
    value: str | None
    role: str
    who: str
    why: str
    at: datetime


class Deposit(Message):
    """A merchant's deposit in one currency: what it must hold, and what it holds."""

    currency: str
    required_minor: int
    held_minor: int


class PaidBack(Message):
    """The result of paying back a deposit. `ready_at`: with `too_early`, from when on it may be paid back."""

    outcome: Literal["paid_back", "nothing", "merchant_frozen", "orders_open", "too_early"]
    amount_minor: int
    ready_at: datetime | None


SAID = """
    (SELECT g.grade FROM grade_moves g WHERE g.merchant_id = $1 ORDER BY g.id DESC LIMIT 1) AS grade,
    (SELECT coalesce(jsonb_object_agg(w.what, w.value) FILTER (WHERE w.value IS NOT NULL), '{}')
     FROM (SELECT DISTINCT ON (m.what) m.what, m.value FROM merchant_moves m
           WHERE m.merchant_id = $1 ORDER BY m.what, m.id DESC) AS w) AS said
"""
"""The last decisions about merchant `$1`, as columns of a query; see `standing_of`."""
_MOVES = """
    SELECT id, merchant_id, what, value, role, who, why, at FROM merchant_moves WHERE merchant_id = $1
    UNION ALL
    SELECT id, merchant_id, 'grade', grade, role, who, why, at FROM grade_moves WHERE merchant_id = $1
    UNION ALL
    SELECT id, merchant_id, 'deposit ' || currency, required_minor::TEXT, role, who, why, at
    FROM deposit_moves WHERE merchant_id = $1
    UNION ALL
    SELECT id, merchant_id, 'licence ' || licence, number, role, who, why, at FROM licence_moves WHERE merchant_id = $1
"""
"""Each part names the merchant: a condition on all of them together would read those of every merchant."""
_NAMED = """
    SELECT merchant_id FROM merchant_moves UNION SELECT merchant_id FROM grade_moves
    UNION SELECT merchant_id FROM deposit_moves WHERE merchant_id IS NOT NULL
    UNION SELECT merchant_id FROM licence_moves UNION SELECT merchant_id FROM merchants
"""


def standing_of(grade: str | None, said: Mapping[str, str]) -> MerchantStanding:
    """A merchant's standing, from the last decision on each thing."""
    delay, commission, automatic = (said.get(name) for name in MerchantTerms.model_fields)
    terms = MerchantTerms(
        settlement_delay=parse_duration(delay) if delay is not None else None,
        commission_bps=int(commission) if commission is not None else None,
        auto_withdraw=automatic == YES if automatic is not None else None,
    )
    return MerchantStanding(
        grade=grade,
        frozen="frozen" in said,
        suspended="suspended" in said,
        leaving="leaving" in said,
        terms=terms,
    )


class Merchants(RegisterPart):
    """The register's merchants."""

    async def standing(self, merchant_id: str) -> MerchantStanding:
        """The decisions about a merchant that hold now; none for an unknown merchant."""
        row = await self._row(f"SELECT {SAID}", merchant_id)
        assert row is not None  # a SELECT without FROM has one row
        return standing_of(row["grade"], row["said"])

    async def stop(self, merchant_id: str, what: Stop, *, on: bool, by: Actor, why: str, now: datetime) -> bool:
        """Freeze or suspend a merchant, note that it leaves, or undo it. Returns False if nothing changes."""
        return await self._move("stop_merchant", merchant_id, what, YES if on else None, by, why, now)

    async def set_term(self, merchant_id: str, terms: MerchantTerms, by: Actor, why: str, now: datetime) -> bool:
        """Set the terms that are not None. Returns False if nothing changes. Only the owner's role may call it."""
        moved = False
        for name, value in _written(terms).items():
            moved |= await self._move("move_merchant", merchant_id, name, value, by, why, now)
        return moved

    async def clear_term(self, merchant_id: str, name: str, by: Actor, why: str, now: datetime) -> bool:
        """Let the policy's own term count again. Only the owner's role may call it."""
        return await self._move("move_merchant", merchant_id, name, None, by, why, now)

    async def _move(
        self, function: str, merchant_id: str, what: str, value: str | None, by: Actor, why: str, now: datetime
    ) -> bool:
        query = f"SELECT {function}($1, $2, $3, $4, $5, $6, $7)"
        return bool(await self._call(query, merchant_id, what, value, by.role, by.id, why, now))

    async def require_deposit(
        self,
        merchant_id: str | None,
        required_minor: int | None,
        currency: str,
        *,
        grade: str | None = None,
        by: Actor,
        why: str,
        now: datetime,
    ) -> bool:
        """Ask a merchant, or every merchant of a grade, for a deposit; None: none of its own. Only the owner may."""
        return bool(
            await self._call(
                "SELECT require_deposit($1, $2, $3, $4, $5, $6, $7, $8)",
                *(merchant_id, grade, currency, required_minor, by.role, by.id, why, now),
            )
        )

    async def deposits(self, merchant_id: str) -> list[Deposit]:
        """A merchant's deposits, a line a currency in which one is required or held."""
        return await self._all(
            Deposit,
            "SELECT c.currency, deposit_required($1, c.currency) AS required_minor,"
            " coalesce(a.balance_minor, 0) AS held_minor"
            " FROM (SELECT currency FROM deposit_moves WHERE merchant_id = $1 UNION"
            "       SELECT currency FROM deposit_moves WHERE grade = (SELECT g.grade FROM grade_moves g"
            "       WHERE g.merchant_id = $1 ORDER BY g.id DESC LIMIT 1) UNION"
            "       SELECT currency FROM accounts WHERE path = 'merchant/' || $1 || '/deposit') AS c"
            " LEFT JOIN accounts a ON a.path = 'merchant/' || $1 || '/deposit' AND a.currency = c.currency"
            " WHERE deposit_required($1, c.currency) > 0 OR a.balance_minor > 0 ORDER BY c.currency",
            merchant_id,
        )

    async def pay_deposit_back(self, merchant_id: str, currency: str, now: datetime) -> PaidBack:
        """Give back what a deposit holds beyond the requirement, once its time has come.

        It happens once for all callers.
        """
        paid = await self._one(PaidBack, "SELECT * FROM pay_deposit_back($1, $2, $3)", merchant_id, currency, now)
        assert paid is not None  # the function answers with one row
        return paid

    async def moves(self, merchant_id: str, limit: int = 1000) -> list[MerchantMove]:
        """Every change of a merchant, the newest first."""
        columns = ", ".join(MerchantMove.model_fields)
        query = f"SELECT {columns} FROM ({_MOVES}) AS m ORDER BY at DESC, what, id DESC LIMIT $2"
        return await self._all(MerchantMove, query, merchant_id, limit)

    async def named(self, limit: int = 1000) -> list[str]:
        """The ids of merchants with any decision."""
        ids = await self._call(
            f"SELECT coalesce(array_agg(merchant_id ORDER BY merchant_id), '{{}}') FROM"
            f" (SELECT merchant_id FROM ({_NAMED}) AS n ORDER BY merchant_id LIMIT $1) AS m",
            limit,
        )
        return list(ids)

    async def leaving(self) -> list[str]:
        """The merchants that leave."""
        ids = await self._call(
            "SELECT coalesce(array_agg(DISTINCT merchant_id), '{}') FROM merchant_moves"
            " WHERE what = 'leaving' AND merchant_value(merchant_id, 'leaving') IS NOT NULL"
        )
        return sorted(ids)

    async def to_hold(self, merchant_id: str) -> list[str]:
        """The orders of a merchant that are not settled and not held for its freeze, by order id."""
        open_ones = "phase NOT IN ('settled', 'refused', 'cancelled', 'refunded') AND NOT"
        return await self._order_ids(open_ones, merchant_id, MERCHANT_FROZEN)

    async def to_let_go(self, merchant_id: str, name: str) -> list[str]:
        """The orders of a merchant that have this hold, by order id."""
        return await self._order_ids("", merchant_id, name)

    async def _order_ids(self, condition: str, merchant_id: str, name: str) -> list[str]:
        ids = await self._call(
            "SELECT coalesce(array_agg(order_id::TEXT ORDER BY order_id), '{}') FROM orders"
            f" WHERE merchant_id = $1 AND NOT closed AND {condition} ($2 = ANY (holds))",
            merchant_id,
            name,
        )
        return list(ids)


def _written(terms: MerchantTerms) -> dict[str, str]:
    """Each term that is set, as the register keeps it."""
    written = {
        "settlement_delay": None if terms.settlement_delay is None else format_duration(terms.settlement_delay),
        "commission_bps": None if terms.commission_bps is None else str(terms.commission_bps),
        "auto_withdraw": None if terms.auto_withdraw is None else (YES if terms.auto_withdraw else "no"),
    }
    return {name: value for name, value in written.items() if value is not None}
