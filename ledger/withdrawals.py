"""Withdrawals in the register: reserved under the merchant's lock, recorded with each change."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

from core.fields import Message
from core.messages import Withdrawal
from core.money import format_minor
from core.reading import content_hash
from core.reasons import Refusal, refuse
from core.records import WithdrawalRecord
from core.withdrawal.calendar import next_day_starts
from core.withdrawal.estimating import Standing
from core.withdrawal.policy import WithdrawalPolicy
from ledger.register_part import Conditions, Position, RegisterPart

_AMOUNTS = frozenset({"below_minimum", "above_maximum", "insufficient_funds", "receivable_outstanding"})


class Reserved(Message):
    """The answer to a reservation: the money is reserved (now or before), or a refusal with its reason code."""

    outcome: Literal["reserved", "exists", "refused"]
    refusal: Refusal | None = None


class StoredWithdrawal(Message):
    """A stored withdrawal: the request, and its last recorded state."""

    withdrawal: Withdrawal
    account_version: int
    needs_approval: bool
    revision: int
    state_name: str
    closed: bool
    state: dict[str, Any] | None


class Newer(Message):
    """A state of which the asker does not know."""

    revision: int
    state: dict[str, Any]


class WithdrawalRow(Message):
    """A withdrawal as lists show it; `last4` belong to the account it was requested for."""

    withdrawal_id: str
    merchant_id: str
    amount_minor: int
    currency: str
    account_id: str
    last4: str
    state_name: str
    next_deadline_name: str | None
    next_deadline_at: datetime | None
    closed: bool
    requested_by: str
    requested_at: datetime
    recorded_at: datetime | None


_WITHDRAWAL = (
    "SELECT w.withdrawal_id, w.merchant_id, w.amount_minor, w.currency, w.account_id, v.last4, w.state_name,"
    " w.next_deadline_name, w.next_deadline_at, w.closed, w.requested_by, w.requested_at, w.recorded_at"
    " FROM withdrawals w JOIN payout_account_versions v"
    " ON v.account_id = w.account_id AND v.version = w.account_version"
)


class Withdrawals(RegisterPart):
    """The register's withdrawals."""

    async def reserve(
        self,
        withdrawal: Withdrawal,
        policy: WithdrawalPolicy,
        *,
        now: datetime,
        record: WithdrawalRecord | None = None,
    ) -> Reserved:
        """Check the account, the limits, the debts and the balance, write the row and reserve the money. It is one
        transaction under the merchant's lock, so that two requests never reserve the same money.

        A repeated request answers `exists`. A refused one leaves nothing behind.
        """
        amount = withdrawal.amount_minor
        reserve = "reserve_verified" if policy.accounts_must_be_verified else "reserve"
        day_start = next_day_starts(now, policy.day_offset).timestamp() - 86_400
        row = await self._row(
            f"SELECT * FROM {reserve}($1, $2, $3, $4, $5, $6, to_timestamp($7), $8, $9, $10)",
            withdrawal,
            content_hash(withdrawal),
            policy.least(withdrawal),
            policy.maximum_minor,
            policy.daily_count_max,
            policy.daily_sum_max_minor,
            day_start,
            policy.needs_approval(amount),
            now,
            record,
        )
        assert row is not None
        if row["outcome"] in {"reserved", "exists"}:
            return Reserved(outcome=row["outcome"])
        return Reserved(outcome="refused", refusal=_refusal(row["outcome"], row["detail"], withdrawal.currency))

    async def record(self, record: WithdrawalRecord) -> bool:
        """Keep the withdrawal's row, its notices and the states of its payouts. False: the register has this revision
        or a newer one, or another one than the record follows.
        """
        return bool(await self._call("SELECT record_withdrawal($1)", record))

    async def newer(self, withdrawal_id: str, revision: int) -> Newer | None:
        """The state that the register holds, where it is newer than this revision."""
        return await self._one(
            Newer,
            "SELECT revision, state FROM withdrawals WHERE withdrawal_id = $1 AND revision > $2 AND state IS NOT NULL",
            withdrawal_id,
            revision,
        )

    async def known(self, withdrawal_id: str) -> StoredWithdrawal | None:
        """A withdrawal's request and last record; None if nothing was ever reserved for it."""
        row = await self._row(
            "SELECT body, account_version, needs_approval, revision, state_name, closed, state FROM withdrawals"
            " WHERE withdrawal_id = $1",
            withdrawal_id,
        )
        if row is None:
            return None
        return StoredWithdrawal(**{**row, "withdrawal": Withdrawal.model_validate(row["body"])})

    async def standing(
        self, merchant_id: str, account_id: str, currency: str, policy: WithdrawalPolicy, now: datetime
    ) -> Standing:
        """What a withdrawal would meet now: account, limits, debts, balance. Nothing is locked or written."""
        row = await self._row(
            "SELECT coalesce(v.balance_minor, 0) AS available_minor, coalesce(o.balance_minor, 0) AS owed_minor,"
            " d.count_today, d.sum_today_minor, a.merchant_id IS NOT NULL AS account_found,"
            " a.currency AS account_currency, a.suspended_at IS NOT NULL AS account_suspended,"
            " a.cooling_until AS account_cooling_until, a.verified_at IS NOT NULL AS account_verified, a.rail,"
            " merchant_stop($1) AS stop"
            " FROM (SELECT count(*) AS count_today, coalesce(sum(w.amount_minor), 0)::BIGINT AS sum_today_minor"
            "       FROM withdrawals w WHERE w.merchant_id = $1 AND w.currency = $3"
            "       AND w.requested_at >= $4 AND w.requested_at < $4 + INTERVAL '24 hours'"
            "       AND w.state_name NOT IN ('rejected', 'cancelled', 'failed')) AS d"
            " LEFT JOIN accounts v ON v.path = 'merchant/' || $1 || '/available' AND v.currency = $3"
            " LEFT JOIN accounts o ON o.path = 'merchant/' || $1 || '/receivable' AND o.currency = $3"
            " LEFT JOIN (SELECT p.merchant_id, p.suspended_at, x.currency, x.cooling_until, x.verified_at, x.rail"
            "            FROM payout_accounts p JOIN payout_account_versions x USING (account_id, version)"
            "            WHERE p.account_id = $2 AND p.merchant_id = $1) AS a ON TRUE",
            merchant_id,
            account_id,
            currency,
            next_day_starts(now, policy.day_offset) - timedelta(days=1),
        )
        assert row is not None
        return Standing.model_validate(dict(row))

    async def obstacle(self, merchant_id: str, account_id: str, currency: str) -> Refusal | None:
        """Why a reserved withdrawal may not be paid now: its merchant is stopped, its account is suspended, or money is
        owed.
        """
        row = await self._row(
            "SELECT (SELECT suspended_at IS NOT NULL FROM payout_accounts WHERE account_id = $2) AS suspended,"
            " (SELECT balance_minor FROM accounts WHERE path = $1 AND currency = $3) AS owed,"
            " merchant_stop($4) AS stop",
            f"merchant/{merchant_id}/receivable",
            account_id,
            currency,
            merchant_id,
        )
        assert row is not None
        if row["stop"]:
            return refuse(row["stop"])
        if row["suspended"]:
            return refuse("account_suspended", account_id)
        if row["owed"]:
            return _refusal("receivable_outstanding", str(row["owed"]), currency)
        return None

    async def waiting(self, merchant_id: str, account_id: str | None = None) -> list[str]:
        """The ids of a merchant's reserved withdrawals that are not submitted, of one account if it is named."""
        ids = await self._call(
            "SELECT coalesce(array_agg(withdrawal_id ORDER BY withdrawal_id), '{}') FROM withdrawals"
            " WHERE merchant_id = $1 AND account_id = coalesce($2, account_id) AND NOT closed"
            " AND state_name IN ('requested', 'in_approval', 'approved')",
            merchant_id,
            account_id,
        )
        return list(ids)

    async def available(self, merchant_id: str, currency: str) -> int:
        """What the merchant may withdraw, in minor units."""
        return await self._call(  # type: ignore[no-any-return]  # a BIGINT
            "SELECT coalesce((SELECT balance_minor FROM accounts WHERE path = $1 AND currency = $2), 0)",
            f"merchant/{merchant_id}/available",
            currency,
        )

    async def row(self, withdrawal_id: str) -> WithdrawalRow | None:
        """One withdrawal as lists show it."""
        return await self._one(WithdrawalRow, f"{_WITHDRAWAL} WHERE w.withdrawal_id = $1", withdrawal_id)

    async def rows(
        self,
        *,
        merchant_id: str | None = None,
        state_name: str | None = None,
        closed: bool | None = None,
        overdue: bool | None = None,
        after: Position | None = None,
        limit: int = 100,
    ) -> list[WithdrawalRow]:
        """Withdrawals by filter, the newest first; a filter of None lets all through.

        Args:
            overdue: what is open and more than five minutes past its next deadline, or all else.
            after: the last row of the page before.
        """
        wanted = Conditions()
        wanted.add("w.merchant_id = {}", merchant_id)
        wanted.add("w.state_name = {}", state_name)
        wanted.either("w.closed", wanted=closed)
        wanted.overdue("w", wanted=overdue)
        wanted.after("w.requested_at, w.withdrawal_id", after)
        query = f"{_WITHDRAWAL}{wanted.text} ORDER BY w.requested_at DESC, w.withdrawal_id DESC{wanted.limit(limit)}"
        return await self._all(WithdrawalRow, query, *wanted.arguments)


def _refusal(code: str, detail: str | None, currency: str) -> Refusal:
    """With the same words and field as an estimate's; see `core.withdrawal.estimating`."""
    if detail is not None and code in _AMOUNTS:
        detail = format_minor(int(detail), currency)
    said = _SENTENCES.get(code, "{}").format(detail or "")
    return refuse(code, said, field=_FIELDS.get(code))


_FIELDS = {
    **dict.fromkeys(("unknown_account", "account_suspended", "account_cooling"), "account_id"),
    **dict.fromkeys(("below_minimum", "above_maximum", "insufficient_funds"), "amount_minor"),
    "wrong_currency": "currency",
}
_SENTENCES = {
    "below_minimum": "At least {}.",
    "above_maximum": "At most {}.",
    "insufficient_funds": "It is short by {}.",
    "receivable_outstanding": "It owes {}.",
    "wrong_currency": "The account is in {}.",
    "account_cooling": "Until {}.",
    "daily_limit": "It turns over at the policy's midnight.",
}
