"""`people add|link|list|end`: who may sign in at the console."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from commands.console import JsonFlag, command, print_answer
from commands.group import plain_app
from commands.link import books, owners_books
from commands.reading import id_of, text_of
from config import load
from core.command import same_person
from core.errors import BadInput, Misconfigured, Refused
from core.texts import clock
from ledger.people import Person, PersonRole
from screens import facts, table

if TYPE_CHECKING:
    from rich.console import Console

people = plain_app(name="people", help="People of the console: add, link, list, end.", no_args_is_help=True)

COLUMNS = ("person", "name", "role", "of", "subject", "added", "ended")

By = Annotated[str, typer.Option("--by", help="Who does it, for the record.")]
PersonArgument = Annotated[str, typer.Argument(help="The id under which they act: it stands in journals.")]


@people.command("add")
@command
async def add_person(
    person: PersonArgument,
    name: Annotated[str, typer.Option(help="Their name.")],
    role: Annotated[str, typer.Option(help=f"One of {', '.join(get_args(PersonRole))}.")],
    subject: Annotated[str, typer.Option(help="Who they are to the provider: the claim `sub`.")],
    by: By,
    merchant: Annotated[str | None, typer.Option(help="For staff of a merchant: whose.")] = None,
    again: Annotated[bool, typer.Option("--again", help="They come back: their access had ended.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Let a person sign in. The same again changes nothing.

    Who comes back keeps the id; an operator may come back as a reviewer, and staff to another merchant. `people link`
    comes first where the provider knows them by a new subject.
    """
    id_of(person, "person")
    if role not in get_args(PersonRole):
        raise BadInput(f"--role: {role[:40]!r} is not one of {', '.join(get_args(PersonRole))}")
    if (role == "merchant") != (merchant is not None):
        raise BadInput("--merchant: staff of a merchant need one, and no one else has one")
    if merchant is not None:
        id_of(merchant, "merchant")
    for option, value in (("--name", name), ("--subject", subject), ("--by", by)):
        text_of(value, option)
    issuer = _issuer()
    async with owners_books() as register:
        added = await register.people.add(
            person,
            name,
            cast(PersonRole, role),
            merchant_id=merchant,
            issuer=issuer,
            subject=subject,
            by=by,
            now=datetime.now(UTC),
            again=again,
        )
        standing = None if added else await register.people.standing(person, issuer, subject)
    if not added:
        raise _refused(person, issuer, subject, standing, again=again)
    view = {"person_id": person, "name": name, "role": role, "merchant_id": merchant, "subject": subject}
    print_answer(view, lambda console: console.print(facts(f"person {person}", view)))


def _refused(person: str, issuer: str, subject: str, standing: Person | None, *, again: bool) -> Refused:
    """Why this person was not added, and what would be right."""
    if standing is None:
        return Refused("malformed", f"person: {person} was never here; without --again they are added", "person")
    if same_person(standing.person_id, person) and standing.person_id != person:
        return Refused("malformed", f"person: {person} is {standing.person_id}; say the id as it is", "person")
    if standing.person_id != person:
        said = f"subject: {subject} is {standing.person_id}; one person has one id, also when they come back"
        return Refused("malformed", said, "subject")
    if not any((one.issuer, one.subject, one.ended_at) == (issuer, subject, None) for one in standing.subjects):
        there = ", ".join(standing.signs_in_as)
        said = f"subject: {person} is {there}, not {subject}; `people link` gives them another, and no one else this id"
        return Refused("malformed", said, "subject")
    if standing.ended_at is not None and again:
        said = f"role: {person} was {standing.role}; no one changes between a merchant and the platform under one id"
        return Refused("malformed", said, "role")
    if standing.ended_at is not None:
        said = f"person: the access of {person} ended at {clock(standing.ended_at)}; --again lets them come back"
        return Refused("malformed", said, "person")
    return Refused("malformed", f"person: {person} is here as {standing.role}; `people end` comes first", "person")


def _issuer() -> str:
    """The provider at which they sign in.

    Raises:
        Misconfigured: none is set: no one could.
    """
    settings = load().console
    if settings is None:
        raise Misconfigured("DAKUAN_OIDC_ISSUER is not set: people sign in at a provider of identities")
    return settings.issuer


@people.command("list")
@command
async def list_people(as_json: JsonFlag = False) -> None:
    """Everyone who may sign in, and who could before."""
    async with books() as register:
        found = await register.people.everyone()
    rows = [
        (
            one.person_id,
            one.name,
            one.role,
            one.merchant_id or "",
            ", ".join(one.signs_in_as),
            f"{clock(one.added_at)} by {one.added_by}",
            f"{clock(one.ended_at)} by {one.ended_by}" if one.ended_at else "",
        )
        for one in found
    ]
    view = {"people": [one.model_dump(mode="json") for one in found]}
    print_answer(view, lambda console: _show(console, rows))


def _show(console: Console, rows: Sequence[tuple[str, ...]]) -> None:
    console.print(table("People", COLUMNS, rows))


@people.command("link")
@command
async def link_person(
    person: PersonArgument,
    subject: Annotated[str, typer.Option(help="Who they are to the provider now: the claim `sub`.")],
    by: By,
    beside: Annotated[bool, typer.Option("--beside", help="The subject of before signs them in too.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Give a person another subject, where the provider knows them by a new one. The same again changes nothing.

    Id, role and merchant stay. The subject of before signs them in no more, and their sessions end. Whose access
    has ended is let in by `people add --again`.
    """
    id_of(person, "person")
    for option, value in (("--subject", subject), ("--by", by)):
        text_of(value, option)
    issuer = _issuer()
    async with owners_books() as register:
        outcome = await register.people.link(person, issuer, subject, beside=beside, by=by, now=datetime.now(UTC))
        standing = await register.people.standing(person, issuer, subject)
    if outcome == "unknown_person":
        raise _unknown(person)
    if standing is None or outcome == "anothers":
        said = f"subject: {subject} is or was another person's; a subject is one person's for ever"
        raise Refused("malformed", said, "subject")
    view = {"person_id": person, "outcome": outcome, "subjects": list(standing.signs_in_as)}
    shown = {**view, "subjects": ", ".join(standing.signs_in_as)}
    print_answer(view, lambda console: console.print(facts(f"person {person}", shown)))


@people.command("end")
@command
async def end_person(person: PersonArgument, by: By, as_json: JsonFlag = False) -> None:
    """End a person's access and sessions now. The same again changes nothing."""
    id_of(person, "person")
    text_of(by, "--by")
    async with owners_books() as register:
        ended = await register.people.end(person, datetime.now(UTC), by)
        known = ended or await register.people.known(person)
    if not known:
        raise _unknown(person)
    view = {"person_id": person, "ended": ended}
    print_answer(view, lambda console: console.print(facts(f"person {person}", view)))


def _unknown(person: str) -> Refused:
    return Refused("malformed", f"person: {person} is not known; `people list` has them", "person")
