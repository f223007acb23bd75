"""What people type about payout accounts: who, why, which account, and its number.

Give a number on standard input or in a file: a shell keeps `--number` in its history.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from commands.console import print_line
from commands.link import owners_books
from commands.reading import actor_of, id_of, read_message
from config import load
from core.account_commands import AccountCommand, account_command
from core.durations import parse_duration
from core.errors import Refused
from core.messages import Actor
from core.payout_accounts import LONGEST_TYPED, AccountKind, AccountNumber, check_actor, check_reason, judge_number
from core.reasons import refuse
from wiring.payout_accounts import withdrawal_policy

if TYPE_CHECKING:
    from ledger.payout_accounts import PayoutAccount
    from ledger.register import Register

MerchantArgument = Annotated[str, typer.Argument(help="The merchant's id.")]
AccountArgument = Annotated[str, typer.Argument(help="The account's id, ours.")]
By = Annotated[str | None, typer.Option("--by", "--as", metavar="ROLE:ID", help="Who does it, such as operator:ann.")]
Reason = Annotated[str | None, typer.Option(help="Why, for the record.")]
CommandId = Annotated[
    str | None, typer.Option("--id", help="The command's id; repeating the command under it changes nothing.")
]
Number = Annotated[str | None, typer.Option(help="The number; better on standard input or in --number-file.")]
NumberFile = Annotated[Path | None, typer.Option(help="File whose first line is the number; - is standard input.")]
Cooling = Annotated[
    str | None,
    typer.Option(
        help="No money goes there before this time, such as 72h; only operators may set less than the policy's."
    ),
]
BankName = Annotated[
    str | None, typer.Option("--bank", help="The bank's name; a company account needs this or the code.")
]
BankCode = Annotated[str | None, typer.Option(help="The bank's CNAPS number of 12 digits, or its BIC.")]
Rail = Annotated[str | None, typer.Option(help="The rail that pays it; by default sandbox on a local stack.")]
Token = Annotated[str | None, typer.Option(help="The rail's token for the account.")]
Last4 = Annotated[str | None, typer.Option(help="With --token: the last four of a number that only the rail knows.")]


async def known_account(register: Register, account: str) -> PayoutAccount:
    known = await register.accounts.get(id_of(account, "account"))
    if known is None:
        raise refused("unknown_account", account)
    return known


def actor_by(by: str | None) -> Actor:
    if by is None:
        raise Refused("malformed", "by: say who does it with --by ROLE:ID, such as operator:ann", "by")
    return read_message(Actor, actor_of(by), "malformed")


def command_of(
    command_id: str | None, who: Actor, verb: str, said: Mapping[str, object], fingerprints: Sequence[bytes] = ()
) -> AccountCommand | None:
    """The id that makes the command happen once; None where its sender gave none."""
    if command_id is None:
        return None
    return account_command(id_of(command_id, "command_id"), who, verb, said, fingerprints)


@asynccontextmanager
async def once(register: Register, command: AccountCommand | None) -> AsyncIterator[Register | None]:
    """The register in which the command is carried out; None if it was carried out before.

    Without an id it is always carried out.
    """
    async with register.once(command, datetime.now(UTC)) as inside:
        yield inside
    if inside is None:
        print_line("This command was carried out before; nothing was changed.")


def refused(code: str, detail: str) -> Refused:
    refusal = refuse(code, detail, "account")
    return Refused(refusal.code, refusal.message, refusal.field)


def number_of(
    kind: AccountKind, number: str | None, file: Path | None, token: str | None, last4: str | None
) -> AccountNumber | None:
    """The typed number; None where only the rail has it, under its token.

    Raises:
        Refused: there is none, or both a number and its last four digits, or it is invalid.
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


def token_of(token: str) -> str:
    if not (1 <= len(token) <= 128) or not token.isprintable():
        raise Refused("malformed", "token: must be 1 to 128 printable characters", "token")
    return token


class Cooled(NamedTuple):
    """When an account has cooled off; None: at once. `shortened`: sooner than the policy says. That needs an operator's
    reason and the database's owner.
    """

    until: datetime | None
    shortened: bool


async def cooling_of(register: Register, cooling: str | None, who: Actor, merchant: str, reason: str | None) -> Cooled:
    """When the account has cooled off: after the policy's time, or the requested time.

    Raises:
        Refused: a shorter time was requested by someone who is no operator, or without a reason.
        Misconfigured: a shorter time was requested, and the owner's address is not set.
    """
    policy = await withdrawal_policy(register)
    wanted = policy.cooling
    if cooling is not None:
        try:
            wanted = parse_duration(cooling)
        except ValueError as error:
            raise Refused("malformed", f"cooling: {error}", "cooling") from None
    shortened = wanted < policy.cooling
    if shortened:
        check_actor(who, "shorten_cooling", merchant)
        check_reason(reason)
        load().needed("database_owner_url")
    return Cooled(datetime.now(UTC) + wanted if wanted > timedelta(0) else None, shortened)


async def shorten_cooling(account: str, version: int, cooled: Cooled, who: Actor, why: str) -> None:
    """Shorten the cooling of an account that was just bound, if a shorter time was requested."""
    if cooled.shortened:
        async with owners_books() as register:
            await register.accounts.shorten_cooling(
                account, version, cooled.until, by=who, why=why, now=datetime.now(UTC)
            )
