"""Quiet logs while servers are killed on purpose: the SDK and the driver write each such death at length."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter


@contextmanager
def deaths_intended() -> Iterator[None]:
    """Inside, a server that dies is not logged. The runtime keeps its filter: a process has one."""
    telemetry = TelemetryConfig(logging=LoggingConfig(filter=TelemetryFilter(core_level="ERROR", other_level="ERROR")))
    Runtime.set_default(Runtime(telemetry=telemetry), error_if_already_set=False)
    driver = logging.getLogger("asyncpg")
    level = driver.level
    driver.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        driver.setLevel(level)
