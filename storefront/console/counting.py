"""Figures that read every row: counted apart from the pages that show them, and kept with the time of the count."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from core.errors import DakuanError
from ledger.figures import KeptFigures
from ledger.safeguarding import safeguards
from storefront.console.visits import Visit
from storefront.service import HttpService

Count = Callable[[HttpService, datetime], Awaitable[dict[str, Any]]]
AGE = timedelta(minutes=10)
"""Older figures are counted again while the old ones are shown."""
RULES_WITHIN = timedelta(days=30)
_counting: dict[str, asyncio.Task[None]] = {}
"""One count of a kind at a time in this process."""

log = logging.getLogger("dakuan.console")


async def figures_of(visit: Visit, name: str) -> KeptFigures | None:
    """Figures as they were counted last; None where they are being counted for the first time."""
    known = await visit.register.figures.known(name)
    if known is None or visit.now - known.taken_at > AGE:
        task = count_again(visit.service, name)
        if known is None:
            await asyncio.wait({task}, timeout=2)
            known = await visit.register.figures.known(name)
    return known


def count_again(service: HttpService, name: str) -> asyncio.Task[None]:
    """Begin a count, unless one of this kind runs."""
    running = _counting.get(name)
    if running is None or running.done():
        running = _counting[name] = asyncio.create_task(_count(service, name))
    return running


async def _count(service: HttpService, name: str) -> None:
    now = datetime.now(UTC)
    try:
        await service.register.figures.keep(name, await COUNTS[name](service, now), now)
    except DakuanError as error:
        log.warning("figures of %s were not counted: %s", name, error)
    except Exception:
        # No one waits for this task: a defect must stand in the log.
        log.exception("figures of %s were not counted", name)


async def _money(service: HttpService, now: datetime) -> dict[str, Any]:
    reads = service.copies or service.register
    currencies = await safeguards(reads.pool)
    ageing = await reads.figures.ageing(now)
    return {
        "currencies": [one.model_dump(mode="json") for one in currencies],
        "ageing": [one.model_dump(mode="json") for one in ageing],
    }


async def _quality(service: HttpService, now: datetime) -> dict[str, Any]:
    figures = (service.copies or service.register).figures
    rules, waited = await figures.rules(now, RULES_WITHIN), await figures.false_holds(now, RULES_WITHIN)
    return {
        "rules": [one.model_dump(mode="json") for one in rules],
        "false_holds": [one.model_dump(mode="json") for one in waited],
    }


COUNTS: dict[str, Count] = {"money": _money, "quality": _quality}
