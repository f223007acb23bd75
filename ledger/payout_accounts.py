"""Payout accounts: where merchants are paid, whom they belong to, and who changed what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import SecretStr

from core.account_commands import AccountCommand
from core.errors import Refused, Unavailable
from core.fields import Message
from core.messages import Actor
from core.payout_accounts import LONGEST_REASON, AccountKind, AccountNumber, Bank
from core.reasons import refuse
from ledger.pool import translate_errors
from ledger.register_part import RegisterPart
from ledger.vault import Sealed, Vault

MustBe = Literal["new", "known"]
RACES_MAX = 5
"""How often a change is retried because another one came first."""
SYSTEM = Actor(role="system", id="withdrawals")
"""The actor of a suspension after a rail's answer."""
NO_BANK = Bank()


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
    bank_name: str | None = None
    bank_code: str | None = None
    has_number: bool = False
    is_default: bool
    suspended_at: datetime | None
    suspended_for: str | None
    suspended_by: str | None = None
    cooling_until: datetime | None
    verified_at: datetime | None = None
    created_at: datetime


class Binding(Message):
    """A payout account to be bound. `last4` is for an account that only its rail knows by `rail_token`; otherwise they
    are taken from the number. The database raises `cooling_until` to the safeguard of all accounts.
    """

    account_id: str
    merchant_id: str
    kind: AccountKind = "bank_card"
    currency: str
    holder: str
    last4: str = ""
    rail: str
    rail_token: str
    bank: Bank = NO_BANK
    is_default: bool = True
    cooling_until: datetime | None = None


class AccountChange(Message):
    """One entry of the history of a merchant's accounts; without an account it is about the merchant."""

    merchant_id: str
    account_id: str | None
    version: int | None
    what: str
    detail: str
    role: str
    who: str
    why: str
    at: datetime


class SealedNumber(Message):
    """The row of a number."""

    account_id: str
    version: int
    key_id: str
    nonce: bytes
    ciphertext: bytes

    def open(self, vault: Vault) -> SecretStr:
        """The number; raises as `Vault.open`."""
        return vault.open(Sealed(self.key_id, self.nonce, self.ciphertext), self.account_id, self.version)


_ACCOUNT = (
    "SELECT a.account_id, a.merchant_id, v.version, v.kind, v.currency, v.holder, v.last4, v.rail, v.rail_token,"
    " v.bank_name, v.bank_code, n.account_id IS NOT NULL AS has_number, a.is_default, a.suspended_at, a.suspended_for,"
    " a.suspended_by, v.cooling_until, v.verified_at, v.created_at"
    " FROM payout_accounts a JOIN payout_account_versions v USING (account_id)"
    " LEFT JOIN payout_account_numbers n ON n.account_id = v.account_id AND n.version = v.version"
)
_NUMBER = f"SELECT {', '.join(SealedNumber.model_fields)} FROM payout_account_numbers"
_CHANGE = f"SELECT {', '.join(AccountChange.model_fields)} FROM payout_account_changes"


class PayoutAccounts(RegisterPart):
    """The register's payout accounts."""

    # --- merchants -------------------------------------------------------------------------------------

    async def legal_name(self, merchant_id: str) -> str | None:
        """The merchant's legal name; None if it is not known."""
        name = await self._call("SELECT legal_name FROM merchants WHERE merchant_id = $1", merchant_id)
        return None if name is None else str(name)

    async def name_merchant(
        self, merchant_id: str, name: str, *, held_by_others: Sequence[str] = (), by: Actor, why: str, now: datetime
    ) -> bool:
        """Set the merchant's legal name, and suspend its accounts that are held under another name.

        Args:
            held_by_others: ids of those accounts.

        Returns:
            False if that was the name already.
        """
        return bool(
            await self._call(
                "SELECT name_merchant($1, $2, $3, $4, $5, $6, $7)",
                *(merchant_id, name, list(held_by_others), by.role, by.id, why, now),
            )
        )

    # --- changes ---------------------------------------------------------------------------------------

    async def take(self, command: AccountCommand, now: datetime) -> bool:
        """Take a command, inside the transaction of its change (`Register.once`). False: it was carried out before.

        Raises:
            Refused: `command_id_used_with_different_content`; a retry does not help.
        """
        taken = await self._call(
            "SELECT take_account_command($1, $2, $3, $4, $5)",
            *(command.actor.role, command.actor.id, command.command_id, list(command.digests), now),
        )
        if taken == "different":
            refusal = refuse("command_id_used_with_different_content", field="command_id")
            raise Refused(refusal.code, refusal.message, refusal.field)
        return bool(taken == "taken")

    async def bind(
        self,
        account: Binding,
        *,
        number: AccountNumber | None = None,
        vault: Vault | None = None,
        must_be: MustBe | None = None,
        by: Actor | None = None,
        why: str = "bound",
        now: datetime,
    ) -> int:
        """Bind an account, or change it; returns its version. A repeated request keeps the version and its cooling
        period.

        A change lifts a suspension that a rail's answer caused: the merchant has corrected the account. An account that
        a person suspended stays suspended. A new default replaces the old one.

        Args:
            vault: seals the number.
            must_be: `new` refuses to change an account, `known` to make one.
            by: who asks; the merchant by default.

        Raises:
            Refused: `unknown_account`, the id is another merchant's, or not there though it must be;
                `account_exists`, it is there though it must be new. A retry does not help.
            Misconfigured: there is a number and no key to seal it; a retry does not help.
        """
        who = by or Actor(role="merchant", id=account.merchant_id)
        vault, account_id = vault or Vault({}), account.account_id
        for _ in range(RACES_MAX):
            newest = await self._call("SELECT version FROM payout_accounts WHERE account_id = $1", account_id)
            expected = int(newest or 0) + 1
            sealed = vault.seal(number.number, account_id, expected) if number else None
            row = await self._row(
                "SELECT * FROM bind_account($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,"
                " $18, $19, $20, $21, $22)",
                *(account_id, account.merchant_id, account.kind, account.currency, account.holder),
                *(number.last4 if number else account.last4, account.rail, account.rail_token),
                *(account.bank.name, account.bank.code),
                *(account.is_default, account.cooling_until, must_be, expected if sealed else None),
                *((sealed.key_id, sealed.nonce, sealed.ciphertext) if sealed else (None, None, None)),
                vault.fingerprints(number.number, account_id) if number else None,
                *(who.role, who.id, why, now),
            )
            assert row is not None
            if row["outcome"] != "raced":
                return _bound(account_id, row["outcome"], row["bound_version"])
        raise Unavailable(f"account {account_id} is being changed by others")

    async def shorten_cooling(
        self, account_id: str, version: int, until: datetime | None, *, by: Actor, why: str, now: datetime
    ) -> bool:
        """Shorten the cooling of an account in its newest version (None: to nothing). Its history says who and why.

        Only the owner's role may call it, for an operator. False: the cooling is not longer than that.
        """
        return bool(
            await self._call(
                "SELECT shorten_cooling($1, $2, $3, $4, $5, $6, $7)",
                *(account_id, version, until, by.role, by.id, why, now),
            )
        )

    async def suspend(
        self, account_id: str, reason: str, now: datetime, *, by: Actor = SYSTEM, why: str | None = None
    ) -> bool:
        """Send no more money to this account until its merchant has changed it or, if a person suspended it, until a
        person resumes it. False: it was suspended already.
        """
        return bool(
            await self._call(
                "SELECT suspend_account($1, $2, $3, $4, $5, $6)",
                *(account_id, reason, by.role, by.id, (why or reason or "suspended")[:LONGEST_REASON], now),
            )
        )

    async def resume(self, account_id: str, *, by: Actor, why: str, now: datetime) -> bool:
        """Lift a suspension. False: there was none."""
        return bool(await self._call("SELECT resume_account($1, $2, $3, $4, $5)", account_id, by.role, by.id, why, now))

    async def verify(self, account_id: str, version: int, *, how: str, by: Actor, why: str, now: datetime) -> bool:
        """Mark the newest version of an account as verified. False: it was verified already, or this version is not the
        newest.
        """
        return bool(
            await self._call(
                "SELECT verify_account($1, $2, $3, $4, $5, $6, $7)",
                *(account_id, version, how, by.role, by.id, why, now),
            )
        )

    # --- reading ---------------------------------------------------------------------------------------

    async def get(self, account_id: str, version: int | None = None) -> PayoutAccount | None:
        """An account in this version, the newest where none is given."""
        return await self._one(
            PayoutAccount,
            f"{_ACCOUNT} WHERE a.account_id = $1 AND v.version = coalesce($2, a.version)",
            account_id,
            version,
        )

    async def of_merchant(self, merchant_id: str) -> list[PayoutAccount]:
        """All accounts of a merchant, the default first."""
        return await self._all(
            PayoutAccount,
            f"{_ACCOUNT} WHERE a.merchant_id = $1 AND v.version = a.version ORDER BY a.is_default DESC, a.account_id",
            merchant_id,
        )

    async def default(self, merchant_id: str, currency: str) -> PayoutAccount | None:
        """The account for automatic withdrawals; None if it is missing, suspended or in another currency."""
        return await self._one(
            PayoutAccount,
            f"{_ACCOUNT} WHERE a.merchant_id = $1 AND v.version = a.version AND a.is_default"
            " AND a.suspended_at IS NULL AND v.currency = $2",
            merchant_id,
            currency,
        )

    async def changes(self, merchant_id: str, account_id: str | None = None) -> list[AccountChange]:
        """The changes to a merchant's accounts, or to one of them, the oldest first."""
        return await self._all(
            AccountChange,
            f"{_CHANGE} WHERE merchant_id = $1 AND ($2::TEXT IS NULL OR account_id = $2) ORDER BY id",
            merchant_id,
            account_id,
        )

    # --- numbers ---------------------------------------------------------------------------------------

    async def sealed_number(self, account_id: str, version: int) -> SealedNumber | None:
        """The sealed number of an account in this version; None where only its rail knows it."""
        return await self._one(SealedNumber, f"{_NUMBER} WHERE account_id = $1 AND version = $2", account_id, version)

    async def reseal(self, vault: Vault, *, by: Actor, why: str, now: datetime) -> int:
        """Seal every number with the vault's first key; returns how many were sealed with another.

        Only the owner's role may: the database cannot check that it is the same number. It may be stopped at any point
        and run again.

        Raises:
            Unavailable: a number does not open; the numbers before it are sealed.
        """
        resealed = 0
        while True:
            async with translate_errors():
                rows = await self._pool.fetch(f"{_NUMBER} WHERE key_id <> $1 LIMIT 100", vault.newest)
            if not rows:
                return resealed
            for row in rows:
                resealed += await self._reseal(SealedNumber.model_validate(dict(row)), vault, by, why, now)

    async def _reseal(self, row: SealedNumber, vault: Vault, by: Actor, why: str, now: datetime) -> bool:
        number = row.open(vault)
        sealed = vault.seal(number, row.account_id, row.version)
        return bool(
            await self._call(
                "SELECT reseal_account($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                *(row.account_id, row.version, row.nonce, sealed.key_id, sealed.nonce, sealed.ciphertext),
                vault.fingerprints(number, row.account_id)[0],
                *(by.role, by.id, why, now),
            )
        )


def _bound(account_id: str, outcome: str, version: int | None) -> int:
    """The version, or the refusal."""
    if outcome == "another_merchants":
        refusal = refuse("unknown_account", f"{account_id} is another merchant's; choose another id.", "account_id")
    elif outcome == "missing":
        refusal = refuse("unknown_account", f"Bind {account_id} first.", "account_id")
    elif outcome == "exists":
        refusal = refuse("account_exists", f"{account_id} is in version {version}; replace it.", "account_id")
    else:
        assert version is not None
        return version
    raise Refused(refusal.code, refusal.message, refusal.field)
