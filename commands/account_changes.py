"""Changes to a bound payout account: suspend, resume, verify, drop, seal its number again."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

import gateway
from commands.account_reading import (
    AccountArgument,
    By,
    CommandId,
    Reason,
    actor_by,
    command_of,
    known_account,
    once,
    refused,
)
from commands.account_views import account_view
from commands.console import JsonFlag, command, print_answer, print_line
from commands.link import books, owners_books
from commands.service import temporal
from config import load
from core.account_drop.state import AccountDrop, DropAnswer, drop_key
from core.errors import Refused, Unavailable
from core.messages import Actor
from core.money import parse_amount
from core.payout_accounts import check_actor, check_reason, judge_holder
from core.reasons import Refusal
from core.texts import clock
from ledger.vault import Vault
from screens import counted
from wiring.payout_accounts import withdrawal_policy

if TYPE_CHECKING:
    from temporalio.client import Client

    from ledger.payout_accounts import PayoutAccount
    from ledger.register import Register

KNOWN_WITHIN_S = 5.0
"""How long a command waits for a bank's answer before it says that the amount is on its way."""


@command
async def suspend_account(
    account: AccountArgument,
    by: By = None,
    reason: Reason = None,
    command_id: CommandId = None,
    as_json: JsonFlag = False,
) -> None:
    """Stop all money to an account until an operator resumes it."""
    async with _changing(account, by, reason) as (register, known, who, why):
        check_actor(who, "suspend", known.merchant_id)
        asked = command_of(command_id, who, "suspend", {"account": account, "why": why})
        async with once(register, asked) as taken:
            if taken and not await taken.accounts.suspend(account, why, datetime.now(UTC), by=who, why=why):
                raise refused("account_suspended", f"{account} is, since {clock(known.suspended_at)}.")
        await print_waiting(register, known.merchant_id, [account])


@command
async def resume_account(
    account: AccountArgument,
    by: By = None,
    reason: Reason = None,
    command_id: CommandId = None,
    as_json: JsonFlag = False,
) -> None:
    """Lift a suspension."""
    async with _changing(account, by, reason) as (register, known, who, why):
        check_actor(who, "resume", known.merchant_id)
        if known.suspended_at is not None:
            legal_name = await register.accounts.legal_name(known.merchant_id)
            if legal_name is not None:
                judge_holder(known.holder, legal_name)
        asked = command_of(command_id, who, "resume", {"account": account, "why": why})
        async with once(register, asked) as taken:
            if taken and not await taken.accounts.resume(account, by=who, why=why, now=datetime.now(UTC)):
                raise refused("not_suspended", account)


@command
async def verify_account(
    account: AccountArgument,
    amount: Annotated[str | None, typer.Option(help="What arrived after `accounts drop`, such as 0.37.")] = None,
    by: By = None,
    reason: Reason = None,
    command_id: CommandId = None,
    as_json: JsonFlag = False,
) -> None:
    """Prove that an account is the merchant's: by the amount that was sent, or by an operator's word."""
    async with _changing(account, by, reason or (amount and "told the amount")) as (register, known, who, why):
        check_actor(who, "verify" if amount is None else "tell_amount", known.merchant_id)
        judge_holder(known.holder, await register.accounts.legal_name(known.merchant_id))
        asked = command_of(command_id, who, "verify", {"account": account, "amount": amount, "why": why})
        async with once(register, asked) as taken:
            refusal = await _verified(taken, known, amount, who, why) if taken else None
        # Raised when it is kept: a wrong amount costs a try.
        if refusal is not None:
            raise Refused(refusal.code, refusal.message, refusal.field)


async def _verified(
    register: Register, known: PayoutAccount, amount: str | None, who: Actor, why: str
) -> Refusal | None:
    """Verify it by the amount or by hand; returns the refusal, if any."""
    now = datetime.now(UTC)
    if amount is not None:
        reported = await register.drops.check_amount(
            known.account_id, parse_amount(amount, known.currency), by=who, why=why, now=now
        )
        return reported.refusal
    if not await register.accounts.verify(known.account_id, known.version, how="by hand", by=who, why=why, now=now):
        raise refused("already_verified", f"{known.account_id}, version {known.version}.")
    return None


@command
async def drop(
    account: AccountArgument,
    by: By = None,
    reason: Reason = None,
    command_id: CommandId = None,
    as_json: JsonFlag = False,
) -> None:
    """Send a random amount from 0.01 to 0.99 to an account. Its owner can name the amount."""
    who, why = actor_by(by), check_reason(reason)
    async with books() as register, temporal() as client:
        known = await known_account(register, account)
        check_actor(who, "drop", known.merchant_id)
        judge_holder(known.holder, await register.accounts.legal_name(known.merchant_id))
        policy = await withdrawal_policy(register)
        limits = {"valid": policy.drop_valid, "tries": policy.drop_tries, "drops_max": policy.drops_max}
        asked = command_of(command_id, who, "drop", {"account": account, "why": why})
        async with once(register, asked):
            pass  # only the id is taken here: whether it was sent is known by its key
        key = drop_key(asked) if asked else secrets.token_hex(16)
        sent = AccountDrop(key=key, account_id=account, by=who, why=why, **limits)
        answer = await _sent(register, client, sent)
    if answer.state == "failed":
        raise refused("drop_failed", answer.detail or "")
    where = "has arrived at the bank" if answer.state == "paid" else f"is on its way ({answer.state})"
    print_answer(
        {"account_id": account, "key": sent.key, "state": answer.state},
        lambda console: console.print(f"An amount {where}. `accounts verify {account} --amount …` takes what it was."),
    )


async def _sent(register: Register, client: Client, sent: AccountDrop) -> DropAnswer:
    """The drop's state once its outcome is known, or after some moments.

    Raises:
        Refused: nothing was sent, and why.
    """
    handle = await gateway.start_account_drop(client, sent)
    with suppress(TimeoutError):
        answer = DropAnswer.model_validate(await asyncio.wait_for(handle.result(), KNOWN_WITHIN_S))
        if answer.refusal is not None:
            raise Refused(answer.refusal.code, answer.refusal.message, answer.refusal.field)
        return answer
    row = await register.drops.get(sent.key)
    return DropAnswer(state=row.state if row else "open")


async def print_waiting(register: Register, merchant: str, account_ids: Sequence[str]) -> None:
    """Let the withdrawals that wait for these accounts check them at once. Otherwise they check within hours."""
    waiting = [one for account in account_ids for one in await register.withdrawals.waiting(merchant, account)]
    if not waiting:
        return
    try:
        async with temporal() as client:
            for withdrawal_id in waiting:
                await gateway.recheck_withdrawal(client, withdrawal_id)
    except Unavailable as error:
        print_line(
            f"Withdrawals that wait for it ({len(waiting)}) could not be reached; they find out by themselves: {error}"
        )


@asynccontextmanager
async def _changing(
    account: str, by: str | None, reason: str | None
) -> AsyncIterator[tuple[Register, PayoutAccount, Actor, str]]:
    """An account under change. Prints its state afterwards."""
    who, why = actor_by(by), check_reason(reason)
    async with books() as register:
        yield register, await known_account(register, account), who, why
        await print_account(register, account)


@command
async def reseal(by: By = None, reason: Reason = None, as_json: JsonFlag = False) -> None:
    """Seal every number, and every secret of webhooks, with the newest key, so that the older keys can be removed.

    Safe to repeat. Needs DATABASE_OWNER_URL: a worker's role that could replace an account's number could divert its
    payouts.
    """
    who, why, vault = actor_by(by), check_reason(reason), Vault(load().account_keys)
    check_actor(who, "reseal")
    key_id = vault.newest
    async with owners_books() as register:
        count = await register.accounts.reseal(vault, by=who, why=why, now=datetime.now(UTC))
        secrets = await register.endpoints.reseal(vault)
    sentence = (
        f"{counted(count, 'number')} and {counted(secrets, 'secret')} of webhooks sealed again; "
        f"everything is sealed with the key {key_id}."
    )
    print_answer({"resealed": count, "secrets": secrets, "key_id": key_id}, lambda console: console.print(sentence))


async def print_account(register: Register, account: str) -> None:
    known = await known_account(register, account)
    view = account_view(known)
    print_answer(
        view, lambda console: console.print(f"{account} (…{known.last4}, version {known.version}): {view['state']}")
    )
