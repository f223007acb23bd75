"""Payout accounts: is the typed text an account number, and does the account belong to the merchant?

No message here contains a number: a refusal says how many digits there were, never which.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr
from stdnum import bic, iban, luhn
from stdnum.exceptions import InvalidChecksum, InvalidComponent, ValidationError

from core.errors import Refused
from core.messages import Actor
from core.reasons import refuse

AccountKind = Literal["bank_card", "company_account", "wallet", "iban"]

LONGEST_TYPED = 64
"""Characters of a number as it is typed, spaces and all."""
LONGEST_NAME = 100
LONGEST_REASON = 500


@dataclass(frozen=True)
class AccountNumber:
    """A number in its one form. `hint` is a guess at who issued it: for people, never a reason to refuse."""

    number: SecretStr
    last4: str
    hint: str


@dataclass(frozen=True)
class Bank:
    """Where a company's account is kept: its bank's name, its CNAPS number or BIC, or both."""

    name: str | None = None
    code: str | None = None


# --- numbers ---------------------------------------------------------------------------------------------


def judge_number(kind: AccountKind, typed: str) -> AccountNumber:
    """The account number that a person meant: full-width digits, spaces and dashes are normalised.

    Raises:
        Refused: `account_number_invalid`, with what was wrong and what would be right.
    """
    if len(typed) > LONGEST_TYPED:
        raise _invalid(f"It has {len(typed)} characters; no account number has more than {LONGEST_TYPED}.")
    text = "".join(unicodedata.normalize("NFKC", typed).split())
    if not text:
        raise _invalid("There is none.")
    number, hint = _JUDGES[kind](text)
    return AccountNumber(SecretStr(number), last4=re.sub(r"[^A-Za-z0-9]", "", number)[-4:], hint=hint)


def _bank_card(text: str) -> tuple[str, str]:
    """ISO/IEC 7812: the last digit is Luhn's. Cards issued in China have up to 19 digits, some accounts 20."""
    number = _digits(text, 15, 20, "a card number")
    if not luhn.is_valid(number):
        raise _invalid("Its check digit is wrong: a digit is mistyped, or two are swapped.")
    if len(set(number)) == 1:
        raise _invalid("The same digit throughout is no card number.")
    return number, network_of(number)


def _company_account(text: str) -> tuple[str, str]:
    """Each bank numbers company accounts in its own way: there is no common check digit."""
    number = _digits(text, 8, 32, "a company account")
    if len(set(number)) == 1:
        raise _invalid("The same digit throughout is no account number.")
    return number, "company account"


def _wallet(text: str) -> tuple[str, str]:
    """The payer's own id at WeChat (of one app) or Alipay; case matters, and so do `-` and `_`."""
    for form, name in _WALLETS:
        if form.fullmatch(text):
            return text, name
    raise _invalid("A wallet is a WeChat openid (28 characters from o) or an Alipay user id (16 digits from 2088).")


def _iban(text: str) -> tuple[str, str]:
    """ISO 13616: length and form by country, check digits modulo 97."""
    number = _DASHES.sub("", text).upper()
    try:
        iban.validate(number)
    except InvalidChecksum:
        raise _invalid("Its check digits are wrong: a character is mistyped or missing, or two are swapped.") from None
    except InvalidComponent:
        raise _invalid(f"No country's IBANs begin with {number[:2]}.") from None
    except ValidationError:  # its length, or letters where this country has digits
        raise _invalid(
            f"IBANs that begin with {number[:2]} have another form; this one has {len(number)} characters."
        ) from None
    return number, f"IBAN {number[:2]}"


def _digits(text: str, least: int, most: int, what: str) -> str:
    number = _DASHES.sub("", text)
    wrong = [letter for letter in number if not "0" <= letter <= "9"]
    if wrong:
        raise _invalid(f"{len(wrong)} of its characters are not digits, spaces or dashes.")
    if not least <= len(number) <= most:
        raise _invalid(f"It has {len(number)} digits; {what} has {least} to {most}.")
    return number


def network_of(card: str) -> str:
    """The network that a card's first digits belong to. A hint: some prefixes are used by two."""
    for first, last, name in _NETWORKS:
        if first <= card[: len(first)] <= last:
            return name
    return "unknown network"


def _invalid(why: str) -> Refused:
    refusal = refuse("account_number_invalid", why, "number")
    return Refused(refusal.code, refusal.message, refusal.field)


_DASHES = re.compile(r"[-\u00ad\u2010-\u2015\u2212]")
_WALLETS = (
    (re.compile(r"o[A-Za-z0-9_-]{27}"), "WeChat openid"),
    (re.compile(r"2088[0-9]{12}"), "Alipay user id"),
)
_NETWORKS = (
    ("62", "62", "UnionPay"),
    ("81", "81", "UnionPay"),
    ("34", "34", "American Express"),
    ("37", "37", "American Express"),
    ("300", "305", "Diners Club"),
    ("36", "36", "Diners Club"),
    ("38", "39", "Diners Club"),
    ("3528", "3589", "JCB"),
    ("4", "4", "Visa"),
    ("51", "55", "Mastercard"),
    ("2221", "2720", "Mastercard"),
)
"""First and last prefix of a network, from the networks' own published ranges (ISO/IEC 7812 issuer numbers)."""
_JUDGES: dict[AccountKind, Callable[[str], tuple[str, str]]] = {
    "bank_card": _bank_card,
    "company_account": _company_account,
    "wallet": _wallet,
    "iban": _iban,
}


# --- banks -----------------------------------------------------------------------------------------------


def judge_bank(kind: AccountKind, name: str | None, code: str | None) -> Bank:
    """Where the account is kept; a company account's number says nothing about it.

    Raises:
        Refused: `bank_missing` for a company account without any, `malformed` where one cannot be right.
    """
    code = "".join(unicodedata.normalize("NFKC", code).split()).upper() if code else None
    if code and not (re.fullmatch(r"[0-9]{12}", code) or bic.is_valid(code)):
        raise Refused("malformed", "bank_code: must be a CNAPS number of 12 digits, or a BIC of 8 or 11", "bank_code")
    name = check_name(name, "bank") if name else None
    if kind == "company_account" and not (name or code):
        refusal = refuse("bank_missing", "Give its name or its code.", "bank")
        raise Refused(refusal.code, refusal.message, refusal.field)
    return Bank(name, code)


# --- names -----------------------------------------------------------------------------------------------


def check_name(name: str, field: str) -> str:
    """A name without spaces around it.

    Raises:
        Refused: `malformed`; it is empty, too long, or holds what cannot be printed.
    """
    text = name.strip()
    if not text or not text.isprintable() or len(text) > LONGEST_NAME or not name_key(text):
        raise Refused("malformed", f"{field}: must be a name of at most {LONGEST_NAME} printable characters", field)
    return text


def judge_holder(holder: str, legal_name: str | None) -> None:
    """Check that the account is the merchant's own.

    Raises:
        Refused: `holder_mismatch`; or `merchant_unnamed`: the merchant's legal name is not known yet.
    """
    if legal_name is None:
        refusal = refuse("merchant_unnamed", "An operator sets it with `accounts merchant`.", "holder")
    elif name_key(holder) != name_key(legal_name):
        refusal = refuse("holder_mismatch", f"The merchant is {legal_name!r}.", "holder")
    else:
        return
    raise Refused(refusal.code, refusal.message, refusal.field)


def name_key(name: str) -> str:
    """What two spellings of one name have in common.

    Width, case, spaces, kinds of brackets and dots, and the punctuation of `Co., Ltd.` make no difference; every other
    letter does.
    """
    text = unicodedata.normalize("NFKC", name.translate(_ALIKE)).casefold().translate(_ALIKE)
    return unicodedata.normalize("NFKC", "".join(one for one in text if unicodedata.category(one)[0] not in "CZ"))


_ALIKE = (
    str.maketrans(dict.fromkeys("〔［【《〈[{<「『〖", "("))
    | str.maketrans(dict.fromkeys("〕］】》〉]}>」』〗", ")"))
    | str.maketrans(dict.fromkeys("•∙⋅・‧●", "·"))
    | str.maketrans(dict.fromkeys("\u2018\u2019\u02bc`\u00b4", "'"))
    | str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
    | str.maketrans(dict.fromkeys(".,。、,", ""))
)


# --- people ----------------------------------------------------------------------------------------------

Change = Literal["name", "bind", "shorten_cooling", "suspend", "resume", "verify", "drop", "tell_amount", "reseal"]

_MAY: dict[Change, frozenset[str]] = {
    "name": frozenset({"operator"}),
    "bind": frozenset({"merchant", "operator"}),
    "shorten_cooling": frozenset({"operator"}),
    "suspend": frozenset({"merchant", "reviewer", "operator"}),
    "resume": frozenset({"operator"}),
    "verify": frozenset({"operator"}),
    "drop": frozenset({"operator"}),
    "tell_amount": frozenset({"merchant", "operator"}),
    "reseal": frozenset({"operator"}),
}


def check_actor(actor: Actor, change: Change, merchant_id: str | None = None) -> None:
    """Check that this actor may do this. A merchant may, only with its own account.

    Raises:
        Refused: `wrong_actor`.
    """
    allowed = _MAY[change]
    if actor.role not in allowed or (actor.role == "merchant" and actor.id != merchant_id):
        who = (
            "the merchant itself"
            if actor.role == "merchant" and "merchant" in allowed
            else " or ".join(sorted(allowed))
        )
        raise Refused("wrong_actor", f"{actor.role}:{actor.id} may not do this to the account, only {who}.", "actor")


def check_reason(reason: str | None) -> str:
    """The reason for a change, checked.

    Raises:
        Refused: `reason_missing`; or `malformed`, it is too long or cannot be printed.
    """
    text = (reason or "").strip()
    if not text:
        refusal = refuse("reason_missing", field="reason")
        raise Refused(refusal.code, refusal.message, refusal.field)
    if len(text) > LONGEST_REASON or not text.isprintable():
        raise Refused("malformed", f"reason: must be at most {LONGEST_REASON} printable characters", "reason")
    return text


def masked(text: str, last4: str) -> str:
    """A text in which the account number that ends in these four digits is cut to the four, with any spacing."""

    def only_the_four(found: re.Match[str]) -> str:
        letters = re.sub(r"[^A-Za-z0-9]", "", found[0])
        return f"…{last4}" if letters.endswith(last4) else found[0]

    return _LONG_RUN.sub(only_the_four, text)


_LONG_RUN = re.compile(r"(?<![A-Za-z0-9])(?:[0-9](?:[ -]?[0-9]){7,}|[A-Za-z0-9_-]{12,})(?![A-Za-z0-9])")
