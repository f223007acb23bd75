"""Every point where the delivery of webhooks awaits something, struck: no event is lost, each subject keeps its order.

The points are read from the code that delivers. A new one without a row fails.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from consumer import FAILING, OK, Consumer
from hooks import Hooks, consumers, got, order_kept
from sizes import SOAK_EXAMPLES
from waiting import WITHIN

from core.errors import Unavailable
from core.webhooks import PostAnswer
from ledger.endpoints import EndpointLease, Endpoints
from ledger.events import Events
from storefront import delivery
from storefront.delivery import TAKEN_FOR
from storefront.posting import Poster

Fault = Literal["error", "timeout", "unreported", "gone"]
FAULTS: tuple[Fault, ...] = ("error", "timeout", "unreported", "gone")
"""Not executed; no answer until the lease is over; executed and reported as failed; the database is away from here on,
until the round is over.
"""
POINTS: dict[str, type] = {
    **dict.fromkeys(("take", "secrets", "note_attempt"), Endpoints),
    **dict.fromkeys(("due", "waiting", "advance", "park", "go_on", "unpark", "mend", "release"), EndpointLease),
    **dict.fromkeys(("after", "of_subject"), Events),
    "post": Poster,
}
ROUNDS = 12
"""Rounds in which everything must have arrived, a lease apart."""


def awaited() -> set[str]:
    """What the delivery awaits of the register, of its lease, and of the network."""
    text = Path(delivery.__file__).read_text(encoding="utf-8")
    return set(re.findall(r"await (?:self\.)?(?:_?\w+\.)*(?:endpoints|events|_lease|lease|poster)\.(\w+)\(", text))


def test_every_await_point_of_delivery_has_a_row() -> None:
    assert awaited() == POINTS.keys()


@dataclass
class Strike:
    """Strikes one point once, from when it is armed."""

    point: str
    fault: Fault
    hooks: Hooks
    armed: bool = False
    away: bool = False
    struck: Counter[str] = field(default_factory=Counter)

    def around(self, name: str, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """The call, struck where it is this point's."""

        async def struck(*args: Any, **given: Any) -> Any:
            if self.away and name != "post":
                raise Unavailable("planted: the database is away")
            if name != self.point or not self.armed or self.struck[name]:
                return await call(*args, **given)
            self.struck[name] += 1
            self.away = self.fault == "gone"
            if self.fault == "timeout":
                self.hooks.clock.pass_(TAKEN_FOR + timedelta(seconds=1))
            if self.fault == "unreported":
                await call(*args, **given)
            if name == "post":
                return PostAnswer(error="planted")
            raise Unavailable("planted")

        return struck


async def _deliver(strike: Strike, later: timedelta) -> None:
    """One round after another until nothing is due, by a gateway that the fault may end."""
    with suppress(Unavailable):
        await strike.hooks.deliver(later)
    await strike.hooks.deliveries.finish()
    strike.away = False


async def _life(hooks: Hooks, strike: Strike, name: str) -> tuple[Consumer, set[str]]:
    """An endpoint that only fails at first, then answers, while its events go on; until all have arrived."""
    well, ids = False, list[str]()

    def answer(event: dict[str, Any], _: int) -> bytes:
        ids.append(consumer.headers["webhook-id"])
        assert ids[-1] == event["id"]  # what comes again comes under the same id
        return OK if well else FAILING

    consumer = Consumer(answer)
    subjects = [f"order/{name}-{letter}" for letter in "abc"]
    async with consumers(consumer):
        await hooks.add(consumer, name, merchant_id=name)
        await hooks.event(subjects[0], *("order.held", "order.released") * 2, "order.held", merchant=name)
        await hooks.event(subjects[1], "order.opened", "order.held", merchant=name)
        strike.armed = strike.point not in {"unpark", "mend", "go_on"}
        await _deliver(strike, timedelta(0))
        well, strike.armed = True, True
        await hooks.event(subjects[2], "order.opened", merchant=name)
        await hooks.event(subjects[0], "order.released", merchant=name)
        wanted = {f"evt_{subjects[0].replace('/', '_')}_{seq}" for seq in range(1, 7)}
        wanted |= {f"evt_{subjects[1].replace('/', '_')}_{seq}" for seq in (1, 2)}
        wanted |= {f"evt_{subjects[2].replace('/', '_')}_1"}
        for _ in range(ROUNDS):
            await _deliver(strike, TAKEN_FOR + timedelta(days=1))
            if not await hooks.register.endpoints.count_parked(name) and wanted <= set(got(consumer)):
                break
        assert (await hooks.endpoint(name)).cursor >= await hooks.register.events.newest()
    await hooks.register.endpoints.remove(name)
    return consumer, wanted


@pytest.mark.parametrize("fault", FAULTS if SOAK_EXAMPLES else FAULTS[2:])
async def test_a_fault_at_each_await_point_of_delivery_loses_no_event(
    hooks: Hooks, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "BATCH", 2)
    for point in POINTS:
        strike = Strike(point, fault, hooks)
        with monkeypatch.context() as planted:
            for name, owner in POINTS.items():
                planted.setattr(owner, name, strike.around(name, getattr(owner, name)))
            hooks.deliveries = hooks.another()
            consumer, wanted = await asyncio.wait_for(_life(hooks, strike, f"m-{point.replace('_', '-')}"), WITHIN)
        assert strike.struck[point] == 1, point
        assert set(got(consumer)) == wanted, point
        assert order_kept(consumer), (point, got(consumer))
