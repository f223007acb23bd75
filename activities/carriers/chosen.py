"""Chooses the providers for a carrier's parcels: in order, the next one if a provider has no trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from activities.carriers.base import Carrier, TraceQuery
from activities.carriers.subscribed import Subscriber
from core.audit.trace import Trace


class Carriers(Protocol):
    """The providers, as the audit sees them."""

    def providers(self, carrier: str) -> int:
        """How many providers are configured for a carrier."""
        ...

    async def traces(self, query: TraceQuery) -> list[Trace]:
        """The providers' answers about a number: at least one, which may be a silence."""
        ...

    async def subscribe(self, query: TraceQuery) -> bool:
        """Subscribe a number at the providers that push. A repeat changes nothing.

        Returns:
            Whether one of them pushes its scans.
        """
        ...


class ChosenCarriers:
    """Providers in an order that may differ by carrier.

    Args:
        providers: by name.
        default: provider names in the order in which they are asked.
        by_carrier: a different order for a carrier, by our carrier ids.
        subscribers: the providers at which numbers can be subscribed.
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
        """See `Carriers.providers`; only those that serve the carrier count."""
        return sum(self._providers[name].serves(carrier) for name in self._order(carrier))

    async def traces(self, query: TraceQuery) -> list[Trace]:
        """See `Carriers.traces`.

        The first provider that has scans is the last one asked. After a `no_trace` the next one is asked: if two
        providers are configured, both must say that a number has no trace.
        """
        serving = [name for name in self._order(query.carrier) if self._providers[name].serves(query.carrier)]
        traces: list[Trace] = []
        for name in serving or self._order(query.carrier)[:1]:
            traces.append(await self._providers[name].trace(query))
            if traces[-1].scans:
                break
        return traces

    async def subscribe(self, query: TraceQuery) -> bool:
        """See `Carriers.subscribe`."""
        names = [name for name in self._order(query.carrier) if name in self._subscribers]
        return any([await self._subscribers[name].subscribe(query) for name in names])

    def _order(self, carrier: str) -> Sequence[str]:
        return self._by_carrier.get(carrier, self._default)
