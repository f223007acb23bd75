"""Whom to ask about a carrier's parcels: its providers in order, the next where one does not have the trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from activities.carriers.base import Carrier, TraceQuery
from activities.carriers.subscribed import Subscriber
from core.audit.trace import Trace


class Carriers(Protocol):
    """All that the audit asks of the providers."""

    def providers(self, carrier: str) -> int:
        """How many providers are configured for a carrier."""
        ...

    async def traces(self, query: TraceQuery) -> list[Trace]:
        """What they say of a number; at least one answer, which may be a silence."""
        ...

    async def subscribe(self, query: TraceQuery) -> None:
        """Let those that push tell of a number by themselves; once, however often this is asked."""
        ...


class ChosenCarriers:
    """Providers in an order that may differ by carrier.

    Args:
        providers: by name.
        default: names in the order in which they are asked.
        by_carrier: other orders, by our carrier ids.
        subscribers: those of the providers that push the numbers which they were asked to.
    """

    def __init__(
        self,
        providers: Mapping[str, Carrier],
        default: Sequence[str],
        by_carrier: Mapping[str, Sequence[str]] | None = None,
        subscribers: Mapping[str, Subscriber] | None = None,
    ) -> None:
        self._providers, self._default, self._by_carrier = providers, tuple(default), dict(by_carrier or {})
        self._subscribers = dict(subscribers or {})

    def providers(self, carrier: str) -> int:
        """See `Carriers.providers`; those that do not serve it do not count."""
        return sum(self._providers[name].serves(carrier) for name in self._order(carrier))

    async def traces(self, query: TraceQuery) -> list[Trace]:
        """See `Carriers.traces`.

        The first that has scans is the last that is asked. One that says `no_trace` does not end it: that a number has
        none at all is believed only of two providers, where there are two.
        """
        serving = [name for name in self._order(query.carrier) if self._providers[name].serves(query.carrier)]
        traces: list[Trace] = []
        for name in serving or self._order(query.carrier)[:1]:
            traces.append(await self._providers[name].trace(query))
            if traces[-1].scans:
                break
        return traces

    async def subscribe(self, query: TraceQuery) -> None:
        """See `Carriers.subscribe`."""
        for name in self._order(query.carrier):
            if name in self._subscribers:
                await self._subscribers[name].subscribe(query)

    def _order(self, carrier: str) -> Sequence[str]:
        return self._by_carrier.get(carrier, self._default)
