"""`purge`: deletes the raw bytes of old callbacks and pushes, answered requests, and old answers of providers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from commands.console import JsonFlag, command, print_answer
from commands.link import books
from commands.reading import duration_of
from config import load
from config.providers import Keep
from core.errors import BadInput
from screens import facts

ATTEMPTS_KEPT = timedelta(days=30)
"""Of webhooks; they are for people who look for what is wrong now."""
SHORTEST_DAYS = 7
"""Within a week someone may still need the exact bytes."""


@command
async def purge(
    older_than: Annotated[str, typer.Option(help="Age of what is deleted, such as 90d.")] = "90d",
    as_json: JsonFlag = False,
) -> None:
    """Delete older raw callbacks of rails and payment channels; their outcomes are kept.

    Answered requests of the HTTP gateway go too, after 30 days at the earliest, and attempts of webhooks after 30 days.

    Answers and pushes of tracking providers follow `[keep]` of the file in DAKUAN_CARRIERS. By default, data that may
    name people goes after 30 days, the rest after 180, except for parcels of open orders. Run it daily.
    """
    age = duration_of(older_than, "older-than")
    if age.days < SHORTEST_DAYS:
        raise BadInput(f"--older-than: {older_than[:40]!r} is less than {SHORTEST_DAYS}d")
    providers, now = load().providers, datetime.now(UTC)
    keep = providers.keep if providers is not None else Keep()
    async with books() as register:
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
        "logistics": looks._asdict(),
    }
    shown = {**view, "logistics": ", ".join(f"{count} {kind}" for kind, count in looks._asdict().items())}
    print_answer(view, lambda console: console.print(facts("purge", shown)))
