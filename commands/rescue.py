"""`rescue ID`, `rescue --all`: continues orders and withdrawals from register and ledger after workflows were lost."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

import gateway
from commands.console import Failed, JsonFlag, command, language_of, print_answer, print_line, wants_json
from commands.days import moment_of
from commands.headings import print_in
from commands.link import books
from commands.lost import (
    KINDS,
    OpenSubject,
    Restarted,
    find_lost,
    is_running,
    open_subjects,
    refuse_ended,
    restart_all,
    restart_order,
)
from commands.reading import Subject, subject_of
from commands.service import temporal, why_idle
from commands.set_back import set_all_back
from commands.views import holds_table, order_facts, withdrawal_facts
from core.errors import Refused, Unavailable
from core.reasons import SENTENCES
from core.texts import Language
from screens import counted, error_screen, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from temporalio.client import Client

NAMED_AT_MOST = 20
SAYS_EVERY = 10.0
"""Seconds between two lines of progress where no terminal shows a bar."""


@command
async def rescue(
    subject: Annotated[str | None, typer.Argument(metavar="ID", help="An order's id, or withdrawal-… .")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that is open and has no running workflow.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="With --all: start them; otherwise they are shown.")] = False,
    restored_to: Annotated[
        datetime | None,
        typer.Option(
            metavar="TIME", parser=moment_of, help="The database was restored to this time: set back what is ahead."
        ),
    ] = None,
    while_polling: Annotated[
        bool, typer.Option("--while-polling", help="With --restored-to: although a worker polled in the last minute.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Restart a lost workflow whose money is held. Nothing is posted twice.

    With --all every open order, withdrawal, penny drop and return of a payment; a dry run unless --apply. With
    --restored-to those that decided something after that time, while no worker runs.
    """
    if (subject is None) != (everything or restored_to is not None) or (everything and restored_to is not None):
        raise Refused("malformed", "Give either an ID, --all or --restored-to.", "id")
    if apply and subject is not None:
        raise Refused("malformed", "apply: goes with --all; one ID is restarted without it.", "apply")
    if while_polling and restored_to is None:
        raise Refused("malformed", "while_polling: goes with --restored-to.", "while_polling")
    if restored_to is not None:
        await set_all_back(restored_to, apply=apply, while_polling=while_polling)
        return
    if subject is None:
        await _rescue_all(apply=apply)
        return
    about = subject_of(subject)
    view = await (_rescue_withdrawal(about) if about.is_withdrawal else _rescue_order(about))
    language = language_of(None)
    print_answer(view, lambda console: _show_one(console, about, view, language))


def _show_one(console: Console, about: Subject, view: Mapping[str, Any], language: Language) -> None:
    glance = withdrawal_facts if about.is_withdrawal else order_facts
    print_in(console, glance(view["state"], language), language)
    print_in(console, holds_table(view["holds"], language), language)


# --- one -------------------------------------------------------------------------------------------------


async def _rescue_order(about: Subject) -> dict[str, Any]:
    async with books() as register:
        await refuse_ended(register, about.id)
        async with temporal() as client:
            await refuse_while_running(client, about)
            handle = await restart_order(client, register, about.id)
            return {"state": await gateway.opened(handle), "holds": await gateway.query(client, handle.id, "holds")}


async def _rescue_withdrawal(about: Subject) -> dict[str, Any]:
    """One that has ended is restarted as well: it ends again at once."""
    async with books() as register:
        known = await register.withdrawals.known(about.id)
    if known is None:
        raise Refused("unknown_withdrawal", f"{SENTENCES['unknown_withdrawal']} {about.id}", "withdrawal_id")
    async with temporal() as client:
        await refuse_while_running(client, about)
        handle = await gateway.resume_withdrawal(client, about.id)
        state = await gateway.opened(handle, "withdrawal")
        return {"state": state, "holds": await gateway.query(client, handle.id, "holds")}


async def refuse_while_running(client: Client, about: Subject) -> None:
    """Check that no workflow runs: two workflows would both decide about the same money.

    Raises:
        Refused: `still_running`.
    """
    if await is_running(client, about.workflow_id):
        message = f"{SENTENCES['still_running']} There is nothing to rescue of {about.noun} {about.id}."
        raise Refused("still_running", message, f"{about.noun}_id")


# --- all -------------------------------------------------------------------------------------------------


async def _rescue_all(*, apply: bool) -> None:
    async with books() as register, temporal() as client:
        there = [subject async for subject in open_subjects(register)]
        lost = await find_lost(client, register, there)
        done: Sequence[Restarted] = ()
        if apply and lost:
            if why := await why_idle(client):
                raise Unavailable(f"{why} Nothing was restarted.")
            with _progress(len(lost)) as note:
                done = await restart_all(client, register, lost, note)
    view = _view(there, lost, done, applied=apply)
    print_answer(view, lambda console: _show(console, view))
    if view["outcomes"].get("failed"):
        raise Failed


def _view(
    there: Sequence[OpenSubject], lost: Sequence[OpenSubject], done: Sequence[Restarted], *, applied: bool
) -> dict[str, Any]:
    results = {one.subject: one for one in done}
    return {
        "applied": applied,
        "open": {kind: sum(one.kind == kind for one in there) for kind in KINDS},
        "lost": {kind: sum(one.kind == kind for one in lost) for kind in KINDS},
        "outcomes": dict(Counter(one.outcome for one in done)),
        "workflows": [
            {
                "workflow_id": one.workflow_id,
                "outcome": results[one].outcome if one in results else "would_restart",
                "why": results[one].why if one in results else "",
            }
            for one in lost
        ],
    }


def _show(console: Console, view: dict[str, Any]) -> None:
    """Counts of each kind, what failed, and the first of a dry run."""
    rows = [(kind.replace("_", " "), view["open"][kind], view["lost"][kind]) for kind in KINDS]
    console.print(table("Open, and without a workflow", ("what", "open", "lost"), rows, numbers=("open", "lost")))
    wanted = "failed" if view["applied"] else "would_restart"
    shown = [one for one in view["workflows"] if one["outcome"] == wanted]
    for one in shown[:NAMED_AT_MOST]:
        console.print(" ".join(filter(None, (one["workflow_id"], one["why"]))))
    if len(shown) > NAMED_AT_MOST:
        console.print(f"and {len(shown) - NAMED_AT_MOST:,} more; --json lists all")
    if view["applied"]:
        outcomes = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in view["outcomes"].items())
        console.print(f"Restarted: {outcomes or 'nothing was lost'}.")
    elif view["workflows"]:
        console.print(f"Nothing was restarted: this is a dry run. --apply restarts {counted(len(shown), 'workflow')}.")


@contextmanager
def _bar(total: int) -> Iterator[Callable[[Restarted], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("rescued"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=error_screen()) as progress:
        bar = progress.add_task("rescued", total=total)
        yield lambda _: progress.advance(bar)


@contextmanager
def _lines(total: int) -> Iterator[Callable[[Restarted], None]]:
    done, said = 0, time.monotonic()

    def note(_: Restarted) -> None:
        nonlocal done, said
        done += 1
        if time.monotonic() > said + SAYS_EVERY:
            said = time.monotonic()
            print_line(f"rescued {done:,} of {total:,}")

    yield note


def _progress(total: int) -> AbstractContextManager[Callable[[Restarted], None]]:
    """A bar on a terminal; elsewhere a line now and then, on stderr."""
    return _bar(total) if sys.stderr.isatty() and not wants_json() else _lines(total)
