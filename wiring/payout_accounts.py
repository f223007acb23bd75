"""Changes of payout accounts on a merchant's word: judged, sealed, carried out once.

Operators have commands of their own, which may also shorten a cooling period and verify by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.account_commands import AccountCommand, account_command
from core.errors import Refused
from core.payout_accounts import (
    AccountNumber,
    Bank,
    check_actor,
    check_name,
    check_reason,
    judge_bank,
    judge_holder,
    judge_number,
)
from core.policy import parse_policy
from core.reasons import Refusal, refuse
from core.withdrawal.policy import WithdrawalPolicy

if TYPE_CHECKING:
    from config import Settings
    from core.account_requests import AccountNumberGiven, BindAccount, ReplaceAccount, StopAccount, VerifyAccount
    from core.messages import Actor
    from core.payout_accounts import AccountKind
    from ledger.payout_accounts import Binding, MustBe, PayoutAccount
    from ledger.register import Register


async def withdrawal_policy(register: Register) -> WithdrawalPolicy:
    """The limits of the default policy; the built-in ones where none is registered yet."""
    stored = await register.policies.newest(None)
    return parse_policy(stored.text).withdrawal if stored else WithdrawalPolicy()


class AccountDesk:
    """Carries out a merchant's changes. Each says whether it was carried out now; a repetition changes nothing."""

    def __init__(self, settings: Settings, register: Register) -> None:
        from ledger.vault import Vault  # loaded when an account changes: ciphers

        self._settings, self._register = settings, register
        self._vault = Vault(settings.account_keys)

    async def bind(self, asked: BindAccount, merchant: str, who: Actor, command_id: str) -> bool:
        """Bind an account.

        Raises:
            Refused: the number, the holder, the bank or the rail cannot be right; a retry does not help.
            Misconfigured: there is no key to seal a number.
        """
        from ledger.payout_accounts import Binding

        check_actor(who, "bind", merchant)
        number, rail = await self._judged(asked, asked.kind, asked.currency, asked.rail)
        holder = await self._holder(asked.holder, merchant)
        binding = Binding(
            account_id=asked.account_id,
            merchant_id=merchant,
            kind=asked.kind,
            currency=asked.currency,
            holder=holder,
            last4=asked.last4 or "",
            rail=rail,
            rail_token=asked.token or asked.account_id,
            bank=judge_bank(asked.kind, asked.bank, asked.bank_code),
            is_default=asked.is_default,
            cooling_until=await self._cooled(),
        )
        return await self._carry_out("bind", asked, binding, number, "new", who, command_id)

    async def replace(self, known: PayoutAccount, asked: ReplaceAccount, who: Actor, command_id: str) -> bool:
        """Give an account another number; raises as `bind`."""
        from ledger.payout_accounts import Binding

        check_actor(who, "bind", known.merchant_id)
        kind = asked.kind or known.kind
        number, rail = await self._judged(asked, kind, known.currency, asked.rail or known.rail)
        moved = bool(asked.bank or asked.bank_code or kind != known.kind)
        binding = Binding(
            account_id=known.account_id,
            merchant_id=known.merchant_id,
            kind=kind,
            currency=known.currency,
            holder=await self._holder(asked.holder or known.holder, known.merchant_id),
            last4=asked.last4 or "",
            rail=rail,
            rail_token=asked.token or known.rail_token,
            bank=judge_bank(kind, asked.bank, asked.bank_code) if moved else Bank(known.bank_name, known.bank_code),
            is_default=known.is_default,
            cooling_until=await self._cooled(),
        )
        return await self._carry_out("replace", asked, binding, number, "known", who, command_id)

    async def suspend(self, known: PayoutAccount, asked: StopAccount, who: Actor, command_id: str) -> bool:
        """Stop all money to an account.

        Raises:
            Refused: `account_suspended`: it is already; `wrong_actor`, `reason_missing`.
        """
        check_actor(who, "suspend", known.merchant_id)
        why, now = check_reason(asked.reason), datetime.now(UTC)
        command = account_command(command_id, who, "suspend", {"account": known.account_id, "why": why})
        async with self._register.once(command, now) as taken:
            if taken and not await taken.accounts.suspend(known.account_id, why, now, by=who, why=why):
                raise _refused(refuse("account_suspended", known.account_id, "account"))
        return taken is not None

    async def verify(self, known: PayoutAccount, asked: VerifyAccount, who: Actor, command_id: str) -> bool:
        """Check the amount that arrived.

        Raises:
            Refused: `wrong_drop_amount`, `no_drop` …; a wrong amount costs a try.
        """
        check_actor(who, "tell_amount", known.merchant_id)
        await self._holder(known.holder, known.merchant_id)
        why, now = check_reason(asked.reason), datetime.now(UTC)
        said = {"account": known.account_id, "amount_minor": asked.amount_minor, "why": why}
        refusal: Refusal | None = None
        async with self._register.once(account_command(command_id, who, "verify", said), now) as taken:
            if taken is not None:
                told = await taken.drops.check_amount(known.account_id, asked.amount_minor, by=who, why=why, now=now)
                refusal = told.refusal
        # Raised when it is kept: a wrong amount costs a try.
        if refusal is not None:
            raise _refused(refusal)
        return taken is not None

    # --- what both changes of a number share ---------------------------------------------------------------

    async def _judged(
        self, asked: AccountNumberGiven, kind: AccountKind, currency: str, rail: str | None
    ) -> tuple[AccountNumber | None, str]:
        """The number, None where only its rail has it, and the rail, which can pay to such an account."""
        from wiring.rail_choice import check_rail, rail_named

        if (asked.number is None) == (asked.last4 is None):
            raise Refused("malformed", "number: give the number, or last4 and token of one that the rail has", "number")
        if asked.last4 is not None and not asked.token:
            raise Refused("malformed", "token: say what the rail calls the account", "token")
        number = judge_number(kind, asked.number.get_secret_value()) if asked.number is not None else None
        named = rail_named(self._settings, rail)
        await check_rail(self._settings, named, currency, kind, number)
        return number, named

    async def _holder(self, holder: str, merchant: str) -> str:
        name = check_name(holder, "holder")
        judge_holder(name, await self._register.accounts.legal_name(merchant))
        return name

    async def _cooled(self) -> datetime | None:
        wanted = (await withdrawal_policy(self._register)).cooling
        return datetime.now(UTC) + wanted if wanted else None

    async def _carry_out(
        self,
        verb: str,
        asked: BindAccount | ReplaceAccount,
        binding: Binding,
        number: AccountNumber | None,
        must_be: MustBe,
        who: Actor,
        command_id: str,
    ) -> bool:
        why = check_reason(asked.reason)
        said = {"account": binding.account_id, **asked.model_dump(mode="json", exclude={"number"}), "why": why}
        command = self._command(verb, said, binding.account_id, number, who, command_id)
        async with self._register.once(command, datetime.now(UTC)) as taken:
            if taken is not None:
                await taken.accounts.bind(
                    binding,
                    number=number,
                    vault=self._vault,
                    must_be=must_be,
                    by=who,
                    why=why,
                    now=datetime.now(UTC),
                )
        return taken is not None

    def _command(
        self,
        verb: str,
        said: Mapping[str, object],
        account_id: str,
        number: AccountNumber | None,
        who: Actor,
        command_id: str,
    ) -> AccountCommand:
        prints = self._vault.fingerprints(number.number, account_id) if number is not None else ()
        return account_command(command_id, who, verb, said, prints)


def _refused(refusal: Refusal) -> Refused:
    return Refused(refusal.code, refusal.message, refusal.field)
