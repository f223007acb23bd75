"""Where payouts go, and the attempts to make them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from core.errors import Refused
from core.messages import Actor, Message
from core.reasons import SENTENCES, Refusal, refuse
from core.records import WithdrawalRecord
from core.withdrawal.payouts import RailTerms
from ledger.reading import Reading

AccountKind = Literal["bank_card", "company_account", "wallet", "iban"]
AttemptState = Literal["open", "sending", "unsent", "accepted", "unknown", "paid", "failed"]


class PayoutAccount(Message):
    """A payout account in one version. `last4` is all that is shown; `rail_token` names it to its rail."""

    account_id: str
    merchant_id: str
    version: int
    kind: AccountKind
    currency: str
    holder: str
    last4: str
    rail: str
    rail_token: str
    is_default: bool
    suspended_at: datetime | None
    suspended_for: str | None
    cooling_until: datetime | None
    created_at: datetime


class PayoutAttempt(Message):
    """The row of an attempt: written before anything was sent, with the account as it was asked for."""

    key: str
    withdrawal_id: str
    attempt_no: int
    request_hash: str
    amount_minor: int
    currency: str
    account_id: str
    account_version: int
    holder: str
    last4: str
    rail: str
    rail_token: str
    terms: RailTerms
    lease_until: datetime | None
    deadline: datetime | None
    state: AttemptState
    created_at: datetime
    updated_at: datetime


_ACCOUNT = (
    "SELECT a.account_id, a.merchant_id, v.version, v.kind, v.currency, v.holder, v.last4, v.rail, v.rail_token,"
    " a.is_default, a.suspended_at, a.suspended_for, v.cooling_until, v.created_at"
    " FROM payout_accounts a JOIN payout_account_versions v USING (account_id)"
)
_ATTEMPT = f"SELECT {', '.join(PayoutAttempt.model_fields)} FROM payout_attempts"


class Payouts(Reading):
    """The register's payout accounts and attempts."""

    # --- accounts --------------------------------------------------------------------------------------

    async def bind_account(
        self,
        account_id: str,
        merchant_id: str,
        *,
        kind: AccountKind = "bank_card",
        currency: str,
        holder: str,
        last4: str,
        rail: str,
        rail_token: str,
        is_default: bool = True,
        cooling_until: datetime | None = None,
        now: datetime,
    ) -> int:
        """Bind an account, or change it; returns its version. The same again keeps its version and its cooling.

        A change lifts a suspension: the merchant has put the account right. A new default takes the place of the old.

        Raises:
            Refused: `unknown_account`, the id is another merchant's; a retry does not help.
        """
        version = await self._call(
            "SELECT bind_account($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            account_id,
            merchant_id,
            kind,
            currency,
            holder,
            last4,
            rail,
            rail_token,
            is_default,
            cooling_until,
            now,
        )
        if version is None:
            raise Refused("unknown_account", f"{SENTENCES['unknown_account']} {account_id} is another's.", "account_id")
        return int(version)

    async def account(self, account_id: str, version: int | None = None) -> PayoutAccount | None:
        """An account in this version, the newest where none is given."""
        return await self._one(
            PayoutAccount,
            f"{_ACCOUNT} WHERE account_id = $1 AND v.version = coalesce($2, a.version)",
            account_id,
            version,
        )

    async def accounts(self, merchant_id: str) -> list[PayoutAccount]:
        """All accounts of a merchant, the default first."""
        return await self._all(
            PayoutAccount,
            f"{_ACCOUNT} WHERE a.merchant_id = $1 AND v.version = a.version ORDER BY a.is_default DESC, account_id",
            merchant_id,
        )

    async def default_account(self, merchant_id: str, currency: str) -> PayoutAccount | None:
        """Where automatic withdrawals go; None where there is none, it is suspended, or it is in another currency."""
        return await self._one(
            PayoutAccount,
            f"{_ACCOUNT} WHERE a.merchant_id = $1 AND v.version = a.version AND a.is_default"
            " AND a.suspended_at IS NULL AND v.currency = $2",
            merchant_id,
            currency,
        )

    async def suspend_account(self, account_id: str, reason: str, now: datetime) -> bool:
        """No more money to this account until its merchant has changed it. False: it was suspended already."""
        return bool(await self._call("SELECT suspend_account($1, $2, $3)", account_id, reason, now))

    # --- attempts --------------------------------------------------------------------------------------

    async def open_attempt(
        self,
        withdrawal_id: str,
        number: int,
        key: str,
        *,
        request_hash: str,
        amount_minor: int,
        terms: RailTerms,
        rail: str | None = None,
        lease_until: datetime | None = None,
        deadline: datetime | None = None,
        approvals: Sequence[Actor] = (),
        now: datetime,
        record: WithdrawalRecord | None = None,
    ) -> PayoutAttempt | Refusal:
        """Write the intent to pay before anything is sent, for the account version that was asked for.

        An attempt of this number that exists is given back as it is; its key wins over the one given.
        Refused once the withdrawal is closed, without the approvals it needs, with its account suspended, and while
        the merchant owes money. While another attempt is not known to be dead the database refuses for good.
        """
        outcome = await self._call(
            "SELECT open_attempt($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            withdrawal_id,
            number,
            key,
            request_hash,
            amount_minor,
            rail,
            terms,
            lease_until,
            deadline,
            [actor.id for actor in approvals],
            [actor.role for actor in approvals],
            now,
            record,
        )
        if outcome not in {"opened", "exists"}:
            return refuse(outcome)
        attempt = await self._one(
            PayoutAttempt, f"{_ATTEMPT} WHERE withdrawal_id = $1 AND attempt_no = $2", withdrawal_id, number
        )
        assert attempt is not None
        return attempt

    async def update_attempt(
        self,
        key: str,
        state: AttemptState,
        *,
        when: Sequence[AttemptState] | None = None,
        lease_until: datetime | None = None,
        now: datetime,
    ) -> bool:
        """Compare and set: move the attempt to `state` if it is in one of `when`. False: it was not; as it was."""
        return bool(await self._call("SELECT update_attempt($1, $2, $3, $4, $5)", key, state, when, lease_until, now))

    async def attempt(self, key: str) -> PayoutAttempt | None:
        """The attempt with this key."""
        return await self._one(PayoutAttempt, f"{_ATTEMPT} WHERE key = $1", key)

    async def attempts(self, withdrawal_id: str) -> list[PayoutAttempt]:
        """All attempts of a withdrawal, in order."""
        return await self._all(PayoutAttempt, f"{_ATTEMPT} WHERE withdrawal_id = $1 ORDER BY attempt_no", withdrawal_id)

    async def payout_events(self, withdrawal_id: str) -> list[dict[str, Any]]:
        """The events of rails that were counted for a withdrawal."""
        rows = await self._call(
            "SELECT coalesce(jsonb_agg(to_jsonb(e) ORDER BY e.at, e.event_id), '[]') FROM payout_events e"
            " JOIN payout_attempts a USING (key) WHERE a.withdrawal_id = $1",
            withdrawal_id,
        )
        return list(rows)
