"""`accounts …`: where merchants are paid, and who changed that and why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from commands.account_changes import drop, print_waiting, reseal, resume_account, suspend_account, verify_account
from commands.account_reading import (
    AccountArgument,
    BankCode,
    BankName,
    By,
    CommandId,
    Cooled,
    Cooling,
    Last4,
    MerchantArgument,
    Number,
    NumberFile,
    Rail,
    Reason,
    Token,
    actor_by,
    command_of,
    cooling_of,
    known_account,
    number_of,
    once,
    shorten_cooling,
    token_of,
)
from commands.account_views import print_accounts, print_history
from commands.console import JsonFlag, command
from commands.group import plain_app
from commands.link import books
from commands.reading import id_of
from config import load
from core.account_commands import AccountCommand
from core.errors import Refused
from core.messages import Actor
from core.money import CURRENCIES
from core.payout_accounts import (
    AccountNumber,
    Bank,
    check_actor,
    check_name,
    check_reason,
    judge_bank,
    judge_holder,
    name_key,
)
from ledger.payout_accounts import Binding, MustBe
from ledger.vault import Vault
from wiring.rail_choice import check_rail, rail_named

if TYPE_CHECKING:
    from ledger.register import Register

accounts = plain_app(
    name="accounts", help="Payout accounts: bind, replace, suspend, verify, and their history.", no_args_is_help=True
)

# --- merchants -------------------------------------------------------------------------------------------


@accounts.command("merchant")
@command
async def name_merchant(
    merchant: MerchantArgument,
    name: Annotated[str | None, typer.Option(help="Its legal name; without one, the known name is shown.")] = None,
    by: By = None,
    reason: Reason = None,
    command_id: CommandId = None,
    as_json: JsonFlag = False,
) -> None:
    """Set a merchant's legal name. Its accounts must be held under that name; others are suspended."""
    id_of(merchant, "merchant")
    async with books() as register:
        if name is not None:
            who, why, name = actor_by(by), check_reason(reason), check_name(name, "name")
            check_actor(who, "name")
            others = [
                row.account_id for row in await register.accounts.of_merchant(merchant) if not _same(row.holder, name)
            ]
            asked = command_of(command_id, who, "name", {"merchant": merchant, "name": name, "why": why})
            async with once(register, asked) as taken:
                if taken:
                    await taken.accounts.name_merchant(
                        merchant, name, held_by_others=others, by=who, why=why, now=datetime.now(UTC)
                    )
            await print_waiting(register, merchant, others)
        await _print_accounts(register, merchant)


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
        Literal["bank_card", "company_account", "wallet", "iban"], typer.Option(help="The kind of account.")
    ] = "bank_card",
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = "CNY",
    bank: BankName = None,
    bank_code: BankCode = None,
    rail: Rail = None,
    token: Token = None,
    last4: Last4 = None,
    default: Annotated[bool, typer.Option("--default/--no-default", help="Automatic withdrawals go there.")] = True,
    cooling: Cooling = None,
    by: By = None,
    reason: Reason = None,
    command_id: CommandId = None,
    as_json: JsonFlag = False,
) -> None:
    """Bind a payout account. Repeating it changes nothing; another number needs `replace`."""
    id_of(merchant, "merchant"), id_of(account, "account")
    who, why = actor_by(by or f"merchant:{merchant}"), check_reason(reason or (None if by else "bound by its merchant"))
    check_actor(who, "bind", merchant)
    if currency not in CURRENCIES:
        raise Refused("malformed", f"currency: {currency[:16]!r} is not an ISO 4217 code, such as CNY", "currency")
    async with books() as register:
        holder, kept = check_name(holder, "holder"), judge_bank(kind, bank, bank_code)
        judged = number_of(kind, number, number_file, token, last4)
        judge_holder(holder, await register.accounts.legal_name(merchant))
        rail = rail_named(load(), rail)
        await check_rail(load(), rail, currency, kind, judged)
        cooled = await cooling_of(register, cooling, who, merchant, reason)
        binding = Binding(
            account_id=account,
            merchant_id=merchant,
            kind=kind,
            currency=currency,
            holder=holder,
            last4=last4 or "",
            rail=rail,
            rail_token=token_of(token or account),
            bank=kept,
            is_default=default,
            cooling_until=cooled.until,
        )
        said = {**binding.model_dump(mode="json", exclude={"cooling_until"}), "cooling": cooling, "why": why}
        asked = command_of(command_id, who, "bind", said, _fingerprints(judged, account))
        await _carry_out(register, asked, binding, judged, cooled, "new", who, why)
        await _print_accounts(register, merchant, hint=judged.hint if judged else "")


@accounts.command("replace")
@command
async def replace_account(
    account: AccountArgument,
    number: Number = None,
    number_file: NumberFile = None,
    holder: Annotated[str | None, typer.Option(help="The holder's name, if it changes as well.")] = None,
    kind: Annotated[
        Literal["bank_card", "company_account", "wallet", "iban"] | None, typer.Option(help="The new kind of account.")
    ] = None,
    bank: BankName = None,
    bank_code: BankCode = None,
    rail: Rail = None,
    token: Token = None,
    last4: Last4 = None,
    cooling: Cooling = None,
    by: By = None,
    reason: Reason = None,
    command_id: CommandId = None,
    as_json: JsonFlag = False,
) -> None:
    """Give an account another number.

    It cools off again. Waiting withdrawals keep the number they were requested for.
    """
    async with books() as register:
        known = await known_account(register, account)
        who, why = actor_by(by or f"merchant:{known.merchant_id}"), check_reason(reason)
        check_actor(who, "bind", known.merchant_id)
        held = check_name(holder or known.holder, "holder")
        judged = number_of(kind or known.kind, number, number_file, token, last4)
        judge_holder(held, await register.accounts.legal_name(known.merchant_id))
        pays = id_of(rail or known.rail, "rail")
        await check_rail(load(), pays, known.currency, kind or known.kind, judged)
        moved = bool(bank or bank_code or (kind and kind != known.kind))
        cooled = await cooling_of(register, cooling, who, known.merchant_id, reason)
        binding = Binding(
            account_id=account,
            merchant_id=known.merchant_id,
            kind=kind or known.kind,
            currency=known.currency,
            holder=held,
            last4=last4 or "",
            rail=pays,
            rail_token=token_of(token or known.rail_token),
            bank=judge_bank(kind or known.kind, bank, bank_code) if moved else Bank(known.bank_name, known.bank_code),
            is_default=known.is_default,
            cooling_until=cooled.until,
        )
        # Only the typed fields: stored facts may have changed since the command was first sent.
        said = {"account": account, "holder": holder, "kind": kind, "bank": bank, "code": bank_code, "rail": rail}
        said |= {"token": token, "last4": last4, "cooling": cooling, "why": why}
        asked = command_of(command_id, who, "replace", said, _fingerprints(judged, account))
        await _carry_out(register, asked, binding, judged, cooled, "known", who, why)
        await _print_accounts(register, known.merchant_id, hint=judged.hint if judged else "")


def _fingerprints(number: AccountNumber | None, account: str) -> list[bytes]:
    return Vault(load().account_keys).fingerprints(number.number, account) if number else []


async def _carry_out(
    register: Register,
    asked: AccountCommand | None,
    binding: Binding,
    number: AccountNumber | None,
    cooled: Cooled,
    must_be: MustBe,
    who: Actor,
    why: str,
) -> None:
    """Bind it, once under an id."""
    vault = Vault(load().account_keys)
    async with once(register, asked) as taken:
        if taken is None:
            return
        version = await taken.accounts.bind(
            binding, number=number, vault=vault, must_be=must_be, by=who, why=why, now=datetime.now(UTC)
        )
    await shorten_cooling(binding.account_id, version, cooled, who, why)


# --- looking ---------------------------------------------------------------------------------------------


@accounts.command("list")
@command
async def list_accounts(merchant: MerchantArgument, as_json: JsonFlag = False) -> None:
    """List a merchant's payout accounts, the default first."""
    id_of(merchant, "merchant")
    async with books() as register:
        await _print_accounts(register, merchant)


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
        print_history(merchant, await register.accounts.changes(merchant, account and id_of(account, "account")))


async def _print_accounts(register: Register, merchant: str, hint: str = "") -> None:
    print_accounts(
        merchant, await register.accounts.legal_name(merchant), await register.accounts.of_merchant(merchant), hint
    )


for verb, done in (("suspend", suspend_account), ("resume", resume_account), ("verify", verify_account)):
    accounts.command(verb)(done)
accounts.command("drop")(drop)
accounts.command("reseal")(reseal)
