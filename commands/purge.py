"""`purge`: deletes the raw bytes of old callbacks and pushes, answered requests, old answers of providers, and the
journals of orders and withdrawals that ended long ago.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from commands.console import JsonFlag, command, print_answer
from commands.link import books
from commands.reading import duration_of
from config import load
from config.providers import Keep
from core.errors import BadInput
from core.policy import parse_policy
from core.reconciliation.policy import ReconciliationPolicy
from screens import facts

if TYPE_CHECKING:
    from ledger.register import Register

ATTEMPTS_KEPT = timedelta(days=30)
"""Of webhooks; they are for people who look for what is wrong now."""
SHORTEST_DAYS = 7
"""Within a week someone may still need the exact bytes."""


@command
async def purge(
    older_than: Annotated[str, typer.Option(help="Age of what is deleted, such as 90d.")] = "90d",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only name the orders and withdrawals whose journals would go.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Delete older raw callbacks of rails and payment channels; their outcomes are kept.

    Answered requests of the HTTP gateway go too, after 30 days at the earliest, and attempts of webhooks after 30 days.

    Answers and pushes of tracking providers follow `[keep]` of the file in DAKUAN_CARRIERS. By default, data that may
    name people goes after 30 days, the rest after 180, except for parcels of open orders. Run it daily.

    Orders that ended longer ago than `states_kept` of the default policy lose their journal and their audit's findings
    from the register, withdrawals the lines of their journal that no person of the platform wrote. One with anything
    open keeps them: money, a hold, an unclaimed payment, a debt of its merchant.
    """
    age = duration_of(older_than, "older-than")
    if age.days < SHORTEST_DAYS:
        raise BadInput(f"--older-than: {older_than[:40]!r} is less than {SHORTEST_DAYS}d")
    providers, now = load().providers, datetime.now(UTC)
    keep = providers.keep if providers is not None else Keep()
    async with books() as register:
        ended_before = now - await _states_kept(register)
        if dry_run:
            due = await register.rests.due(ended_before)
            states = len(due.orders) + len(due.withdrawals)
            view_due = {"dry_run": True, "states": states, **due._asdict()}
            print_answer(view_due, lambda console: console.print(facts("purge --dry-run", {"states": states})))
            return
        states = await register.rests.empty(ended_before)
        purged = await register.callbacks.purge(now - age)
        answered = await register.requests.purge(now - age)
        attempts = await register.endpoints.purge(now - ATTEMPTS_KEPT)
        events = await register.events.purge(now - age)
        traces = await register.verdicts.purge_traces(now - keep.details)
        looks = await register.providers.purge(now - keep.details, now - keep.numbers)
    view = {
        "emptied": purged.emptied,
        "removed": purged.removed,
        "requests": answered,
        "attempts": attempts,
        "events": events,
        "verdict_traces": traces,
        "states": states,
        "logistics": looks._asdict(),
    }
    shown = {**view, "logistics": ", ".join(f"{count} {kind}" for kind, count in looks._asdict().items())}
    print_answer(view, lambda console: console.print(facts("purge", shown)))


async def _states_kept(register: Register) -> timedelta:
    """How long the state of an order or a withdrawal is kept whole after its end."""
    stored = await register.policies.newest(None)
    policy = parse_policy(stored.text).reconciliation if stored is not None else ReconciliationPolicy()
    return policy.states_kept
