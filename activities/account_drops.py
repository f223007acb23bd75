"""The activities of a penny drop: write it down, send it once, query it until its outcome is known.

It is never sent again: a second amount would confuse the person who has to report it, and a lost one is small.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio import activity

from activities.by_name import ByName
from activities.pacing import UNREACHED_TRIES
from activities.rails.base import Payee, PayoutInstruction, Rail
from core.account_drop.state import LARGEST_MINOR, AccountDrop, DropAnswer, DropState
from core.account_drop.steps import DropStep, GiveUp, LookUp, Send
from core.errors import Misconfigured, NotSent
from core.payout_accounts import masked
from core.withdrawal.payouts import PayoutResult
from ledger.account_drops import StoredDrop
from ledger.payout_accounts import PayoutAccount
from ledger.register import Register
from ledger.vault import Vault

_BECOMES: dict[str, DropState] = {
    "paid": "paid",
    "returned": "paid",
    "failed": "failed",
    "not_sent": "unsent",
    "accepted": "accepted",
    "not_found": "unknown",
    "unknown": "unknown",
}
"""A rail's outcome and the drop's next state. A returned drop had been paid; "not found" may be a stale answer."""
_UNDECIDED: tuple[DropState, ...] = ("sending", "accepted", "unknown")


class AccountDropActivities:
    """Sends small amounts to accounts over the rails (`*`: any other)."""

    def __init__(self, register: Register, rails: ByName[Rail], vault: Vault) -> None:
        self._register = register
        self._rails = rails
        self._vault = vault

    @staticmethod
    def by_step(step: DropStep) -> Callable[[AccountDropActivities, str], Awaitable[DropAnswer]]:
        """The activity that carries a step out."""
        return {
            Send: AccountDropActivities.pay_account_drop,
            LookUp: AccountDropActivities.look_account_drop,
            GiveUp: AccountDropActivities.give_up_account_drop,
        }[type(step)]

    @property
    def all(self) -> list[Callable[..., Any]]:
        """All activities, for a worker."""
        return [self.open_account_drop, self.pay_account_drop, self.look_account_drop, self.give_up_account_drop]

    @activity.defn
    async def open_account_drop(self, drop: AccountDrop) -> DropAnswer:
        """Write down a random amount. The row that exists wins.

        Raises:
            Unavailable: the database did not answer; a retry helps.
        """
        amount = 1 + secrets.randbelow(LARGEST_MINOR)
        refusal = await self._register.drops.open(drop, amount, activity.info().started_time)
        return DropAnswer(refusal=refusal) if refusal else DropAnswer(state="open")

    @activity.defn
    async def pay_account_drop(self, key: str) -> DropAnswer:
        """Send it once; if an earlier try may have sent it, query it instead.

        Raises:
            NotSent: the rail cannot be reached, and the row is as before; a retry soon is safe.
            Unavailable: the database did not answer, or this worker cannot open the account's number; nothing was
                sent by this try; a retry helps.
        """
        row, account = await self._known(key)
        # Open the number before the row is taken: a worker without the key must not mark the drop as sent.
        instruction = await self._instruction(row, account, with_number=True)
        if not await self._register.drops.update(key, "sending", when=["open"], now=activity.info().started_time):
            return await self.look_account_drop(key)
        result = await self._rail(row).pay(instruction)
        info = activity.info()
        # If the worker dies before this, the drop counts as possibly sent and is queried.
        if (
            result.outcome == "not_sent"
            and info.attempt < UNREACHED_TRIES
            and await self._register.drops.update(key, "open", when=["sending"], now=info.started_time)
        ):
            raise NotSent(masked(result.message or "", account.last4))
        return await self._keep(row, account, result)

    @activity.defn
    async def look_account_drop(self, key: str) -> DropAnswer:
        """Query the rail for its outcome.

        Raises:
            Unavailable: the database did not answer; a retry helps.
        """
        row, account = await self._known(key)
        if row.state not in _UNDECIDED:
            return DropAnswer(state=row.state, detail=row.detail)
        instruction = await self._instruction(row, account, with_number=False)
        return await self._keep(row, account, await self._rail(row).query(instruction))

    @activity.defn
    async def give_up_account_drop(self, key: str) -> DropAnswer:
        """Mark it as lost: its outcome was not known in time. A statement of the rail may still show it."""
        await self._register.drops.update(key, "lost", when=_UNDECIDED, now=activity.info().started_time)
        row, _ = await self._known(key)
        return DropAnswer(state=row.state, detail=row.detail)

    async def _keep(self, row: StoredDrop, account: PayoutAccount, result: PayoutResult) -> DropAnswer:
        """An answer with another amount or currency is about something else: treat it as unknown."""
        state = _BECOMES[result.outcome]
        same = (result.amount_minor, result.currency) == (row.amount_minor, row.currency)
        if state == "paid" and result.amount_minor is not None and not same:
            state = "unknown"
        details = ": ".join(filter(None, (result.code, result.message))) if state != "paid" else ""
        detail = masked(details, account.last4) or None
        now = activity.info().started_time
        await self._register.drops.update(row.key, state, when=_UNDECIDED, detail=detail, now=now)
        kept, _ = await self._known(row.key)
        return DropAnswer(state=kept.state, detail=kept.detail)

    async def _known(self, key: str) -> tuple[StoredDrop, PayoutAccount]:
        row = await self._register.drops.get(key)
        account = await self._register.accounts.get(row.account_id, row.version) if row else None
        if row is None or account is None:
            raise Misconfigured(f"the register has no drop with the key {key}: another database?")
        return row, account

    async def _instruction(self, row: StoredDrop, account: PayoutAccount, *, with_number: bool) -> PayoutInstruction:
        sealed = await self._register.accounts.sealed_number(row.account_id, row.version) if with_number else None
        payee = Payee(
            token=account.rail_token,
            kind=account.kind,
            number=sealed.open(self._vault) if sealed else None,
            bank_name=account.bank_name,
            bank_code=account.bank_code,
            last4=account.last4,
            holder=account.holder,
        )
        return PayoutInstruction(key=row.key, amount_minor=row.amount_minor, currency=row.currency, account=payee)

    def _rail(self, row: StoredDrop) -> Rail:
        rail = self._rails.of(row.rail)
        if rail is None:
            raise Misconfigured(f"no rail {row.rail} is configured, and drop {row.key} is on it")
        return rail
