"""What is done to a payout account that is bound: suspended, resumed, verified, its number sealed again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import client as door
from commands.account_reading import AccountArgument, By, Reason, actor_by, known_account, refused
from commands.account_views import account_view
from commands.console import JsonFlag, command, tell, tell_line
from commands.link import books, temporal
from config import load
from core.errors import Unavailable
from core.messages import Actor
from core.payout_accounts import check_actor, check_reason, judge_holder
from ledger.payout_accounts import PayoutAccount
from ledger.register import Register
from ledger.vault import Vault


@command
async def suspend_account(
    account: AccountArgument, by: By = None, reason: Reason = None, as_json: JsonFlag = False
) -> None:
    """Let no more money go to an account until an operator resumes it."""
    async with _changing(account, by, reason) as (register, known, who, why):
        check_actor(who, "suspend", known.merchant_id)
        if not await register.suspend_account(account, why, datetime.now(UTC), by=who, why=why):
            raise refused("account_suspended", f"{account} is, since {known.suspended_at}.")
        await tell_waiting(register, known.merchant_id, [account])


@command
async def resume_account(
    account: AccountArgument, by: By = None, reason: Reason = None, as_json: JsonFlag = False
) -> None:
    """Lift a suspension."""
    async with _changing(account, by, reason) as (register, known, who, why):
        check_actor(who, "resume", known.merchant_id)
        if known.suspended_at is not None:
            legal_name = await register.legal_name(known.merchant_id)
            if legal_name is not None:
                judge_holder(known.holder, legal_name)
        if not await register.resume_account(account, by=who, why=why, now=datetime.now(UTC)):
            raise refused("not_suspended", account)


@command
async def verify_account(
    account: AccountArgument, by: By = None, reason: Reason = None, as_json: JsonFlag = False
) -> None:
    """Say that an account, as it is now, was proven to be the merchant's. A change needs another proof."""
    async with _changing(account, by, reason) as (register, known, who, why):
        check_actor(who, "verify", known.merchant_id)
        judge_holder(known.holder, await register.legal_name(known.merchant_id))
        if not await register.verify_account(
            account, known.version, how="by hand", by=who, why=why, now=datetime.now(UTC)
        ):
            raise refused("already_verified", f"{account}, version {known.version}.")


async def tell_waiting(register: Register, merchant: str, account_ids: Sequence[str]) -> None:
    """Let the withdrawals that wait for these accounts look again, at once; otherwise they do within hours."""
    waiting = [one for account in account_ids for one in await register.waiting_withdrawals(merchant, account)]
    if not waiting:
        return
    try:
        async with temporal() as client:
            for withdrawal_id in waiting:
                await door.recheck_withdrawal(client, withdrawal_id)
    except Unavailable as error:
        tell_line(
            f"{len(waiting)} withdrawals wait for it and could not be told, so they find out by themselves: {error}"
        )


@asynccontextmanager
async def _changing(
    account: str, by: str | None, reason: str | None
) -> AsyncIterator[tuple[Register, PayoutAccount, Actor, str]]:
    """An account that somebody does something to; tells afterwards how it is now."""
    who, why = actor_by(by), check_reason(reason)
    async with books() as register:
        yield register, await known_account(register, account), who, why
        await tell_account(register, account)


@command
async def reseal(by: By = None, reason: Reason = None, as_json: JsonFlag = False) -> None:
    """Seal every number with the newest key, so that the older ones can be taken away. May be run again."""
    who, why, vault = actor_by(by), check_reason(reason), Vault(load().account_keys)
    check_actor(who, "reseal")
    key_id = vault.newest
    async with books() as register:
        count = await register.reseal(vault, by=who, why=why, now=datetime.now(UTC))
    tell(
        {"resealed": count, "key_id": key_id},
        lambda console: console.print(f"{count} numbers sealed again; all are sealed with the key {key_id}."),
    )


async def tell_account(register: Register, account: str) -> None:
    known = await known_account(register, account)
    view = account_view(known)
    tell(view, lambda console: console.print(f"{account} (…{known.last4}, version {known.version}): {view['state']}"))
