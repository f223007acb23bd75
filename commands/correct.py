"""`correct MOVEMENT`: two people reverse a wrong movement, whole or by leg."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from commands.console import JsonFlag, command, print_answer
from commands.link import books
from commands.reading import id_of
from commands.two_people import person_of, reason_of
from core.errors import Refused
from core.money import format_minor, parse_amount
from core.reasons import SENTENCES
from core.texts import clock
from core.votes import access_ended
from ledger.corrections import CorrectableLeg, Corrected, Correction
from ledger.register import Register
from screens import facts, table

if TYPE_CHECKING:
    from rich.console import Console

_CODES = {
    "same_person": "needs_other_person",
    "different": "correction_exists_with_different_content",
    "merchant_frozen": "merchant_frozen",
}
_INSTEAD = {
    "order": "refund_order gives a buyer money back; a hold stops what is still to move.",
    "correction": "A correction of a correction is final.",
    "withdrawal": "A payout is put right by what its rail reports, or by resolve_unknown.",
}


@command
async def correct(
    movement: Annotated[str | None, typer.Argument(help="Its reference; without one, what waits for a person.")] = None,
    leg: Annotated[
        list[str] | None, typer.Option(metavar="N:AMOUNT", help="So much of this leg only; may be given several times.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why it was wrong.")] = None,
    actor: Annotated[str | None, typer.Option("--as", metavar="ROLE:ID", help="Who, such as operator:o-1.")] = None,
    request: Annotated[str | None, typer.Option("--id", help="The correction's id; needed with --leg.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Take back what a movement moved. A first person asks with a reason, a second one does it.

    Without a reason it shows the movement's legs and what was taken back of them.
    """
    async with books() as register:
        if movement is None:
            waiting = await register.corrections.waiting()
            print_answer(
                {"corrections": [one.model_dump(mode="json") for one in waiting]},
                lambda console: _list(console, waiting),
            )
            return
        legs = await register.corrections.legs(movement)
        if not legs:
            _refuse("unknown_movement", movement[:100], "movement")
        if reason is None and actor is None:
            await _look(register, movement, legs)
            return
        person = person_of(actor, "a correction", "A movement is corrected")
        if leg and request is None:
            raise typer.BadParameter("--leg needs --id: under which id, so that it counts once")
        name = id_of(request, "id") if request is not None else _whole(movement)
        amounts = dict(_leg(one, legs) for one in leg) if leg else None
        answer = await register.corrections.correct(
            name, movement, person=person.id, reason=reason_of(reason), now=datetime.now(UTC), legs=amounts
        )
    _refuse_unless_taken(movement, legs, answer)
    view = {"id": name, "movement": movement, "outcome": answer.outcome}
    print_answer(view, lambda console: console.print(facts(f"correct {movement}", view)))


def _whole(movement: str) -> str:
    """The id of the correction that takes the whole movement back: there is one."""
    return f"whole-{hashlib.sha256(movement.encode()).hexdigest()[:16]}"


def _leg(text: str, legs: list[CorrectableLeg]) -> tuple[int, int]:
    number, colon, amount = text.partition(":")
    if not colon or not number.isdecimal():
        raise Refused("malformed", f"--leg {text[:80]!r} is not N:AMOUNT, such as 1:12.50", "leg")
    return int(number), parse_amount(amount, legs[0].currency)


def _refuse_unless_taken(movement: str, legs: list[CorrectableLeg], answer: Corrected) -> None:
    if answer.outcome in {"asked", "corrected", "already"}:
        return
    if answer.outcome == "access_ended":
        raise access_ended()
    short = format_minor(answer.short_by_minor, legs[0].currency) if answer.short_by_minor else ""
    if answer.outcome == "above_movement":
        _refuse("above_movement", f"Leg {answer.where} is short by {short}." if short else "", "leg")
    if answer.outcome == "insufficient_funds":
        _refuse("correction_below_zero", f"{answer.where} is short by {short}. Nothing was posted.", "movement")
    if answer.outcome == "no_such_leg":
        _refuse("no_such_leg", f"It has 1 to {len(legs)}, not {answer.where}.", "leg")
    if answer.outcome == "not_correctable":
        helps = _INSTEAD.get(movement.partition("/")[0], "")
        _refuse("not_correctable", helps, "movement")
    code = _CODES[answer.outcome]
    _refuse(code, "", {"needs_other_person": "actor.id", "merchant_frozen": "movement"}.get(code, "id"))


def _refuse(code: str, detail: str, field: str) -> NoReturn:
    raise Refused(code, f"{SENTENCES[code]} {detail}".strip(), field)


async def _look(register: Register, movement: str, legs: list[CorrectableLeg]) -> None:
    found = await register.corrections.of(movement)
    view: dict[str, Any] = {
        "movement": movement,
        "legs": [one.model_dump(mode="json") for one in legs],
        "corrections": [one.model_dump(mode="json") for one in found],
    }
    print_answer(view, lambda console: _show(console, movement, legs, found))


def _show(console: Console, movement: str, legs: list[CorrectableLeg], found: list[Correction]) -> None:
    rows = [
        (
            str(one.leg),
            one.debit,
            one.credit,
            format_minor(one.amount_minor, one.currency),
            format_minor(one.corrected_minor, one.currency),
        )
        for one in legs
    ]
    amounts = ("amount", "taken back")
    console.print(table(f"Movement {movement}", ("leg", "from", "to", *amounts), rows, numbers=("leg", *amounts)))
    if found:
        _list(console, found)


def _list(console: Console, found: list[Correction]) -> None:
    rows = [
        (
            one.request_id,
            one.reference,
            one.reason,
            f"{one.asked_by} {clock(one.asked_at)}",
            f"{one.done_by} {clock(one.done_at)}" if one.done_by else "waits for another person",
        )
        for one in found
    ]
    console.print(table("Corrections", ("id", "movement", "why", "asked by", "done by"), rows))
