"""`grades give|list`: merchants' grades, by which a policy may have other terms."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.account_reading import By, MerchantArgument, Reason, actor_by
from commands.console import JsonFlag, command, print_answer
from commands.group import plain_app
from commands.link import books, owners_books
from commands.reading import id_of
from core.errors import Refused
from core.payout_accounts import check_reason
from core.texts import clock
from ledger.register import Register
from screens import table

if TYPE_CHECKING:
    from rich.console import Console

grades = plain_app(
    name="grades", help="Merchants' grades, for which a policy may have other terms.", no_args_is_help=True
)

NONE = "none"
"""The word that removes a grade."""


@grades.command("give")
@command
async def give_grade(
    merchant: MerchantArgument,
    grade: Annotated[str, typer.Argument(help="Such as gold; none removes it.")],
    by: By = None,
    reason: Reason = None,
    as_json: JsonFlag = False,
) -> None:
    """Give a merchant a grade.

    Open orders keep their terms. Repeating it changes nothing. A grade changes terms of business, so this needs
    DATABASE_OWNER_URL.
    """
    id_of(merchant, "merchant")
    who, why = actor_by(by), check_reason(reason)
    if who.role != "operator":
        raise Refused("wrong_actor", f"{who.role}:{who.id} may not do this, only an operator.", "actor")
    if not re.fullmatch(r"[a-z0-9_-]{1,40}", grade):
        raise Refused("malformed", f"grade: {grade[:40]!r} is not 1 to 40 of a-z 0-9 _ -", "grade")
    async with owners_books() as register:
        await register.grades.move(merchant, None if grade == NONE else grade, who, why, datetime.now(UTC))
        await _print(register, merchant)


@grades.command("list")
@command
async def list_grades(
    merchant: Annotated[str | None, typer.Argument(help="Only this merchant's.")] = None, as_json: JsonFlag = False
) -> None:
    """Every change of a grade, the newest first, with who made it and why."""
    if merchant is not None:
        id_of(merchant, "merchant")
    async with books() as register:
        await _print(register, merchant)


async def _print(register: Register, merchant: str | None) -> None:
    views = [one.model_dump(mode="json") for one in await register.grades.moves(merchant)]
    print_answer(views, lambda console: _show(console, views))


def _show(console: Console, views: list[dict[str, Any]]) -> None:
    rows = [
        (view["merchant_id"], view["grade"] or NONE, f"{view['role']} {view['who']}", view["why"], clock(view["at"]))
        for view in views
    ]
    console.print(table("Grades, the newest first", ("merchant", "grade", "given by", "why", "at"), rows))
