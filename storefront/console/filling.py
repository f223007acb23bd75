"""What a person filled into a field of a form, as the command has it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from core.errors import BadInput
from core.money import parse_amount
from core.reason_details import field_zh
from storefront.console.forms import FormField
from storefront.console.visits import Visit


def read_field(visit: Visit, field: FormField, given: Mapping[str, str], currency: str) -> Any:
    """The value of one field; None where nothing was filled in.

    Raises:
        BadInput: it is not what the field takes, said in the person's language.
    """
    if field.kind == "lines":
        return _lines(visit, field, given)
    text = given.get(field.name, "")
    if not text:
        return None
    if field.kind == "amount":
        return amount_in(visit, text, currency)
    if field.kind == "number":
        return _number(visit, text)
    if field.kind == "time":
        return _time(visit, text)
    if field.kind == "check" or field.choices == ("yes", "no"):
        return text == "yes"
    return text


def amount_in(visit: Visit, text: str, currency: str) -> int:
    """An amount in minor units.

    Raises:
        BadInput: it is none, or finer than the currency's smallest unit.
    """
    name = "amount"
    try:
        return parse_amount(text, currency, name)
    except BadInput as error:
        # The form names the field itself.
        raise BadInput(detail_of(visit, str(error).removeprefix(f"{name}: "))) from None


def detail_of(visit: Visit, detail: str) -> str:
    """What is wrong with one field, in the person's language."""
    if visit.language == "en":
        return detail
    said = field_zh(detail)
    return f"{said}。" if said is not None else visit.words("act.not_accepted")


def _number(visit: Visit, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):
        raise BadInput(visit.words("act.not_number"))
    return int(text)


def _time(visit: Visit, text: str) -> str:
    """A time of day in the person's zone."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo is not None else found.replace(tzinfo=visit.zone)).isoformat()
    except ValueError:
        raise BadInput(visit.words("act.not_time")) from None


def _lines(visit: Visit, field: FormField, given: Mapping[str, str]) -> list[dict[str, Any]] | None:
    """How much of which line of the order; None where no line has a number: then all of it is meant."""
    found = []
    for name, text in given.items():
        of, dot, line_id = name.partition(".")
        if of == field.name and dot and text:
            quantity = _number(visit, text)
            if quantity:
                found.append({"line_id": line_id, "quantity": quantity})
    return found or None
