"""`merchant terms|deposit|deposit-back`: the terms of a merchant's orders, and its deposit at the platform."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from commands.account_reading import By, MerchantArgument, Reason, actor_by
from commands.console import JsonFlag, command, print_answer
from commands.link import books, owners_books
from commands.reading import id_of, read_message
from core.errors import Refused
from core.merchants import MerchantTerms
from core.messages import Actor
from core.money import format_minor, parse_amount
from core.payout_accounts import check_reason
from core.reasons import SENTENCES
from core.texts import clock
from screens import facts

NONE = "none"
"""The word that restores the policy's own term."""

InCurrency = Annotated[str, typer.Option(help="ISO 4217.")]


@command
async def terms(
    merchant: MerchantArgument,
    settlement_delay: Annotated[str | None, typer.Option(help="Such as 7d; none: as the policy says.")] = None,
    commission_bps: Annotated[str | None, typer.Option(help="Basis points, such as 300; none: as the policy.")] = None,
    auto_withdraw: Annotated[Literal["yes", "no", "none"] | None, typer.Option(help="Or none: as the policy.")] = None,
    by: By = None,
    reason: Reason = None,
    as_json: JsonFlag = False,
) -> None:
    """Give a merchant terms of its own. An order keeps the terms at its payment. Repeating it changes nothing.

    It changes terms of business: it needs DATABASE_OWNER_URL.
    """
    id_of(merchant, "merchant")
    who, why = _operator(by), check_reason(reason)
    typed = {"settlement_delay": settlement_delay, "commission_bps": commission_bps, "auto_withdraw": auto_withdraw}
    given = {name: value for name, value in typed.items() if value is not None}
    if not given:
        raise Refused("malformed", f"terms: give one of {', '.join(typed)}", "terms")
    said = read_message(MerchantTerms, {k: _value(k, v) for k, v in given.items() if v != NONE}, "malformed")
    async with owners_books() as register:
        changed = await register.merchants.set_term(merchant, said, who, why, datetime.now(UTC))
        for name in (name for name, value in given.items() if value == NONE):
            changed |= await register.merchants.clear_term(merchant, name, who, why, datetime.now(UTC))
        standing = await register.merchants.standing(merchant)
    own = standing.terms.model_dump(mode="json")
    shown = {"changed": "yes" if changed else "no", **{name: str(value) for name, value in own.items()}}
    view = {"merchant_id": merchant, "changed": changed, "terms": own}
    print_answer(view, lambda console: console.print(facts(f"terms of {merchant}", shown)))


def _value(name: str, typed: str) -> object:
    if name == "auto_withdraw":
        return typed == "yes"
    if name == "commission_bps":
        if not re.fullmatch(r"[0-9]{1,5}", typed):
            raise Refused("malformed", f"commission_bps: {typed[:40]!r} is not 0 to 10000 basis points", name)
        return int(typed)
    return typed


@command
async def deposit(
    merchant: Annotated[str | None, typer.Argument(help="The merchant's id; or --grade.")] = None,
    amount: Annotated[str | None, typer.Argument(help="Major units, such as 500.00; none: none of its own.")] = None,
    grade: Annotated[str | None, typer.Option(help="Every merchant of this grade that has none of its own.")] = None,
    currency: InCurrency = "CNY",
    by: By = None,
    reason: Reason = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask a merchant, or every merchant of a grade, for a deposit: settlements fill it before they pay out.

    With --grade the amount comes first: `merchant deposit 500.00 --grade bronze`. It needs DATABASE_OWNER_URL.
    """
    if grade is not None and amount is None:
        merchant, amount = None, merchant
    if amount is None or (merchant is None) == (grade is None):
        raise typer.BadParameter("say MERCHANT AMOUNT, or AMOUNT --grade GRADE")
    if merchant is not None:
        id_of(merchant, "merchant")
    elif not re.fullmatch(r"[a-z0-9_-]{1,40}", str(grade)):
        raise Refused("malformed", f"grade: {str(grade)[:40]!r} is not 1 to 40 of a-z 0-9 _ -", "grade")
    who, why = _operator(by), check_reason(reason)
    required = _amount(amount, currency)
    async with owners_books() as register:
        changed = await register.merchants.require_deposit(
            merchant, required, currency, grade=grade, by=who, why=why, now=datetime.now(UTC)
        )
    view = {"merchant_id": merchant, "grade": grade, "required_minor": required, "currency": currency}
    shown = {"required": NONE if required is None else format_minor(required, currency), "changed": str(changed)}
    print_answer(
        {**view, "changed": changed}, lambda console: console.print(facts(f"deposit of {merchant or grade}", shown))
    )


def _amount(typed: str, currency: str) -> int | None:
    if typed == NONE:
        return None
    return 0 if re.fullmatch(r"0(\.0+)?", typed) else parse_amount(typed, currency)


@command
async def deposit_back(
    merchant: MerchantArgument,
    currency: InCurrency = "CNY",
    as_json: JsonFlag = False,
) -> None:
    """Give back what a deposit holds beyond what is required.

    Of a merchant that leaves it is all of it, once its last window has passed. It is paid back once: the money is
    available to the merchant then, and what the merchant owes is repaid first.
    """
    id_of(merchant, "merchant")
    async with books() as register:
        paid = await register.merchants.pay_deposit_back(merchant, currency, datetime.now(UTC))
    if paid.outcome in {"merchant_frozen", "orders_open", "too_early"}:
        why = {
            "merchant_frozen": "The merchant is frozen.",
            "orders_open": "Orders of the merchant are open.",
            "too_early": f"From {clock(paid.ready_at)} on.",
        }[paid.outcome]
        raise Refused("deposit_kept", f"{SENTENCES['deposit_kept']} {why}", "merchant")
    view = {"merchant_id": merchant, "currency": currency, **paid.model_dump(mode="json", exclude={"ready_at"})}
    shown = {"outcome": paid.outcome.replace("_", " "), "amount": format_minor(paid.amount_minor, currency)}
    print_answer(view, lambda console: console.print(facts(f"deposit of {merchant}", shown)))


def _operator(by: str | None) -> Actor:
    who = actor_by(by)
    if who.role != "operator":
        raise Refused("wrong_actor", f"{who.role}:{who.id} may not do this, only an operator.", "actor")
    return who
