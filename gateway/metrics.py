"""The Prometheus endpoint of this process: the SDK's own metrics, and our gauges beside them.

The endpoint belongs to the SDK's runtime, which a client is made with; so our gauges go through that runtime's meter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from temporalio.common import MetricGaugeFloat
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from config import Settings
from core.errors import Misconfigured
from gateway.core_log import CORE_LOG

Measured = tuple[str, Mapping[str, str], float]
"""A gauge's name without the prefix, its labels, its value."""
PREFIX = "dakuan_"


def runtime_of(settings: Settings) -> Runtime | None:
    """The runtime whose endpoint the settings name; None: the SDK's default, without an endpoint.

    Raises:
        Misconfigured: the address is taken or is none.
    """
    return None if settings.metrics is None else _runtime_at(settings.metrics)


@cache
def _runtime_at(address: str) -> Runtime:
    """One runtime a process: a second one could not listen at the same address."""
    try:
        return Runtime(telemetry=TelemetryConfig(logging=CORE_LOG, metrics=PrometheusConfig(bind_address=address)))
    except ValueError as error:
        raise Misconfigured(f"DAKUAN_METRICS: {address}: {str(error).rpartition(': ')[2]}") from None


class GaugeBoard:
    """The gauges of one endpoint. What is not measured any more falls to 0: an exporter would show its last value."""

    def __init__(self, runtime: Runtime) -> None:
        self._meter = runtime.metric_meter
        self._gauges: dict[str, MetricGaugeFloat] = {}
        self._shown: set[tuple[str, tuple[tuple[str, str], ...]]] = set()

    def show(self, measured: Iterable[Measured]) -> None:
        """Show these values, and no others but 0.

        A value below zero is shown as 0, for the meter takes none. It is an age by two clocks that differ, or of a row
        that was written while the ages were read.
        """
        values = {(name, tuple(sorted(labels.items()))): value for name, labels, value in measured}
        for (name, labels), value in {**dict.fromkeys(self._shown, 0.0), **values}.items():
            self._gauge(name).set(max(value, 0.0), dict(labels))
        self._shown |= values.keys()

    def _gauge(self, name: str) -> MetricGaugeFloat:
        if name not in self._gauges:
            self._gauges[name] = self._meter.create_gauge_float(PREFIX + name)
        return self._gauges[name]
