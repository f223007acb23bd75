"""`accounts …`: where merchants are paid, and who changed that and why.

A number is better given on standard input or in a file than with `--number`, which a shell keeps in its history.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer

from commands.account_views import account_view, tell_accounts, tell_history
from commands.console import JsonFlag, command, tell
from commands.link import books
from commands.reading import actor_of, id_of, read_message
from config import load
from core.durations import parse_duration
from core.errors import Refused
from core.messages import Actor
from core.money import CURRENCIES
from core.payout_accounts import (
    LONGEST_TYPED,
    AccountKind,
    AccountNumber,
    Bank,
    check_actor,
    check_name,
    check_reason,
    judge_bank,
    judge_holder,
    judge_number,
    name_key,
)
from core.policy import parse_policy
from core.reasons import refuse
from core.withdrawal.policy import WithdrawalPolicy
from ledger.payout_accounts import PayoutAccount
from ledger.register import Register
from ledger.vault import Vault

accounts = typer.Typer(
    name="accounts", help="Payout accounts: bind, replace, suspend, verify, and their history.", no_args_is_help=True
)

MerchantArgument = Annotated[str, typer.Argument(help="The merchant's id.")]
AccountArgument = Annotated[str, typer.Argument(help="The account's id, ours.")]
By = Annotated[str | None, typer.Option("--by", "--as", metavar="ROLE:ID", help="Who does it, such as operator:ann.")]
Reason = Annotated[str | None, typer.Option(help="Why, for the record.")]
Number = Annotated[str | None, typer.Option(help="The number; better on standard input or in --number-file.")]
NumberFile = Annotated[Path | None, typer.Option(help="File whose first line is the number; - is standard input.")]
Cooling = Annotated[
    str | None,
    typer.Option(help="No money goes there before this has passed, such as 72h; less than the policy's: operators."),
]
BankName = Annotated[str | None, typer.Option("--bank", help="The bank's name; for company accounts this or the code.")]
BankCode = Annotated[str | None, typer.Option(help="The bank's CNAPS number of 12 digits, or its BIC.")]
Rail = Annotated[str | None, typer.Option(help="The rail that pays it.")]
Token = Annotated[str | None, typer.Option(help="The rail's own name for the account.")]
Last4 = Annotated[str | None, typer.Option(help="With --token: the last four of a number that only the rail knows.")]


# --- merchants -------------------------------------------------------------------------------------------


@accounts.command("merchant")
@command
async def name_merchant(
    merchant: MerchantArgument,
    name: Annotated[str | None, typer.Option(help="What it is called by law; shown where not given.")] = None,
    by: By = None,
    reason: Reason = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what a merchant is called by law. Its accounts must be held under that name; others are suspended."""
    id_of(merchant, "merchant")
    async with books() as register:
        if name is not None:
            who, why, name = _actor(by), check_reason(reason), check_name(name, "name")
            check_actor(who, "name")
            others = [row.account_id for row in await register.accounts(merchant) if not _same(row.holder, name)]
            await register.name_merchant(merchant, name, held_by_others=others, by=who, why=why, now=datetime.now(UTC))
        await _tell_accounts(register, merchant)


def _same(holder: str, name: str) -> bool:
    return name_key(holder) == name_key(name)


# --- binding ---------------------------------------------------------------------------------------------


@accounts.command("bind")
@command
async def bind_account(
    merchant: MerchantArgument,
    account: AccountArgument,
    holder: Annotated[str, typer.Option(help="The holder's name; it must be the merchant's.")],
    number: Number = None,
    number_file: NumberFile = None,
    kind: Annotated[
        Literal["bank_card", "company_account", "wallet", "iban"], typer.Option(help="What it is.")
    ] = "bank_card",
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = "CNY",
    bank: BankName = None,
    bank_code: BankCode = None,
    rail: Rail = "sandbox",
    token: Token = None,
    last4: Last4 = None,
    default: Annotated[bool, typer.Option("--default/--no-default", help="Automatic withdrawals go there.")] = True,
    cooling: Cooling = None,
    by: By = None,
    reason: Reason = None,
    as_json: JsonFlag = False,
) -> None:
    """Bind a payout account. The same again changes nothing; another number needs `replace`."""
    id_of(merchant, "merchant"), id_of(account, "account")
    who, why = _actor(by or f"merchant:{merchant}"), check_reason(reason or (None if by else "bound by its merchant"))
    check_actor(who, "bind", merchant)
    if currency not in CURRENCIES:
        raise Refused("malformed", f"currency: {currency[:16]!r} is not an ISO 4217 code, such as CNY", "currency")
    async with books() as register:
        holder, kept = check_name(holder, "holder"), judge_bank(kind, bank, bank_code)
        judged = _judged(kind, number, number_file, token, last4)
        judge_holder(holder, await register.legal_name(merchant))
        await register.bind_account(
            account,
            merchant,
            kind=kind,
            currency=currency,
            holder=holder,
            last4=last4 or "",
            rail=id_of(rail or "sandbox", "rail"),
            rail_token=_token(token or account),
            bank=kept,
            is_default=default,
            cooling_until=await _cooling_until(register, cooling, who, merchant, reason),
            number=judged,
            vault=Vault(load().account_keys),
            insists="new",
            by=who,
            why=why,
            now=datetime.now(UTC),
        )
        await _tell_accounts(register, merchant, hint=judged.hint if judged else "")


@accounts.command("replace")
@command
async def replace_account(
    account: AccountArgument,
    number: Number = None,
    number_file: NumberFile = None,
    holder: Annotated[str | None, typer.Option(help="The holder's name, where it changes, too.")] = None,
    kind: Annotated[
        Literal["bank_card", "company_account", "wallet", "iban"] | None, typer.Option(help="What it is now.")
    ] = None,
    bank: BankName = None,
    bank_code: BankCode = None,
    rail: Rail = None,
    token: Token = None,
    last4: Last4 = None,
    cooling: Cooling = None,
    by: By = None,
    reason: Reason = None,
    as_json: JsonFlag = False,
) -> None:
    """Give an account another number. It cools off again; withdrawals that wait keep the number they were asked for."""
    async with books() as register:
        known = await _known(register, account)
        who, why = _actor(by or f"merchant:{known.merchant_id}"), check_reason(reason)
        check_actor(who, "bind", known.merchant_id)
        held = check_name(holder or known.holder, "holder")
        judged = _judged(kind or known.kind, number, number_file, token, last4)
        judge_holder(held, await register.legal_name(known.merchant_id))
        moved = bool(bank or bank_code or (kind and kind != known.kind))
        await register.bind_account(
            account,
            known.merchant_id,
            kind=kind or known.kind,
            currency=known.currency,
            holder=held,
            last4=last4 or "",
            rail=id_of(rail or known.rail, "rail"),
            rail_token=_token(token or known.rail_token),
            bank=judge_bank(kind or known.kind, bank, bank_code) if moved else Bank(known.bank_name, known.bank_code),
            is_default=known.is_default,
            cooling_until=await _cooling_until(register, cooling, who, known.merchant_id, reason),
            number=judged,
            vault=Vault(load().account_keys),
            insists="known",
            by=who,
            why=why,
            now=datetime.now(UTC),
        )
        await _tell_accounts(register, known.merchant_id, hint=judged.hint if judged else "")


def _judged(
    kind: AccountKind, number: str | None, file: Path | None, token: str | None, last4: str | None
) -> AccountNumber | None:
    """The number that was typed; None where only the rail knows it, by its token.

    Raises:
        Refused: there is none, or both a number and its last four, or it cannot be right.
    """
    if last4 is None:
        return judge_number(kind, _typed(number, file))
    if number is not None or file is not None:
        raise Refused("malformed", "last4: the last four come from the number; leave --last4 away", "last4")
    if not token:
        raise Refused("malformed", "last4: give the number instead, or with --token what the rail calls it", "last4")
    if not (len(last4) == 4 and last4.isascii() and last4.isalnum()):
        raise Refused("malformed", "last4: must be the last four digits or letters, and no more", "last4")
    return None


def _typed(number: str | None, file: Path | None) -> str:
    if number is not None and file is not None:
        raise Refused("malformed", "number: either --number or --number-file", "number")
    if number is not None:
        return number
    if file is None and sys.stdin.isatty():
        return str(typer.prompt("Account number", hide_input=True))
    if file is None or str(file) == "-":
        line = sys.stdin.readline(LONGEST_TYPED * 2)
    else:
        try:
            with file.open(encoding="utf-8") as lines:
                line = lines.readline(LONGEST_TYPED * 2)
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8"
            raise Refused("malformed", f"number_file: {file} cannot be read: {why}", "number_file") from None
    if not line.strip():
        raise Refused("malformed", "number: give it on standard input or with --number-file FILE", "number")
    return line.rstrip("\r\n")


def _token(token: str) -> str:
    if not (1 <= len(token) <= 128) or not token.isprintable():
        raise Refused("malformed", "token: must be 1 to 128 printable characters", "token")
    return token


async def _cooling_until(
    register: Register, cooling: str | None, who: Actor, merchant: str, reason: str | None
) -> datetime | None:
    """When the account has cooled off: after the policy's time, or what was asked for.

    Raises:
        Refused: a shorter time was asked for by somebody who is no operator, or without a reason.
    """
    stored = await register.policy(None)
    policy = parse_policy(stored.text).withdrawal if stored else WithdrawalPolicy()
    wanted = policy.cooling
    if cooling is not None:
        try:
            wanted = parse_duration(cooling)
        except ValueError as error:
            raise Refused("malformed", f"cooling: {error}", "cooling") from None
    if wanted < policy.cooling:
        check_actor(who, "shorten_cooling", merchant)
        check_reason(reason)
    return datetime.now(UTC) + wanted if wanted > timedelta(0) else None


# --- suspending, verifying -------------------------------------------------------------------------------


@accounts.command("suspend")
@command
async def suspend_account(
    account: AccountArgument, by: By = None, reason: Reason = None, as_json: JsonFlag = False
) -> None:
    """Let no more money go to an account until an operator resumes it."""
    async with _changing(account, by, reason) as (register, known, who, why):
        check_actor(who, "suspend", known.merchant_id)
        if not await register.suspend_account(account, why, datetime.now(UTC), by=who, why=why):
            raise _refused("account_suspended", f"{account} is, since {known.suspended_at}.")


@accounts.command("resume")
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
            raise _refused("not_suspended", account)


@accounts.command("verify")
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
            raise _refused("already_verified", f"{account}, version {known.version}.")


@asynccontextmanager
async def _changing(
    account: str, by: str | None, reason: str | None
) -> AsyncIterator[tuple[Register, PayoutAccount, Actor, str]]:
    """An account that somebody does something to; tells afterwards how it is now."""
    who, why = _actor(by), check_reason(reason)
    async with books() as register:
        yield register, await _known(register, account), who, why
        await _tell_account(register, account)


@accounts.command("reseal")
@command
async def reseal(by: By = None, reason: Reason = None, as_json: JsonFlag = False) -> None:
    """Seal every number with the newest key, so that the older ones can be taken away. May be run again."""
    who, why, vault = _actor(by), check_reason(reason), Vault(load().account_keys)
    check_actor(who, "reseal")
    key_id = vault.newest
    async with books() as register:
        count = await register.reseal(vault, by=who, why=why, now=datetime.now(UTC))
    tell(
        {"resealed": count, "key_id": key_id},
        lambda console: console.print(f"{count} numbers sealed again; all are sealed with the key {key_id}."),
    )


# --- looking ---------------------------------------------------------------------------------------------


@accounts.command("list")
@command
async def list_accounts(merchant: MerchantArgument, as_json: JsonFlag = False) -> None:
    """List a merchant's payout accounts, the default first."""
    id_of(merchant, "merchant")
    async with books() as register:
        await _tell_accounts(register, merchant)


@accounts.command("history")
@command
async def history(
    merchant: MerchantArgument,
    account: Annotated[str | None, typer.Option(help="Only of this account.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Who changed what in a merchant's payout accounts, when and why."""
    id_of(merchant, "merchant")
    async with books() as register:
        tell_history(merchant, await register.account_changes(merchant, account and id_of(account, "account")))


async def _tell_accounts(register: Register, merchant: str, hint: str = "") -> None:
    tell_accounts(merchant, await register.legal_name(merchant), await register.accounts(merchant), hint)


async def _tell_account(register: Register, account: str) -> None:
    known = await _known(register, account)
    view = account_view(known)
    tell(view, lambda console: console.print(f"{account} (…{known.last4}, version {known.version}): {view['state']}"))


async def _known(register: Register, account: str) -> PayoutAccount:
    known = await register.account(id_of(account, "account"))
    if known is None:
        raise _refused("unknown_account", account)
    return known


def _actor(by: str | None) -> Actor:
    if by is None:
        raise Refused("malformed", "by: say who does it with --by ROLE:ID, such as operator:ann", "by")
    return read_message(Actor, actor_of(by), "malformed")


def _refused(code: str, detail: str) -> Refused:
    refusal = refuse(code, detail, "account")
    return Refused(refusal.code, refusal.message, refusal.field)
