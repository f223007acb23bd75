"""Tracing, where DAKUAN_OTLP names a receiver. Without it no module of OpenTelemetry is loaded."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from config import Settings
from core.errors import Misconfigured

if TYPE_CHECKING:
    from gateway.spans import Tracing


def tracing_of(settings: Settings) -> Tracing | None:
    """What this process sends its spans with; None: it sends none.

    Raises:
        Misconfigured: a receiver is named, and the extra `otel` is not installed.
    """
    return None if settings.otlp is None else _tracing_to(settings.otlp)


@cache
def _tracing_to(url: str) -> Tracing:
    """One a process: spans are sent by a thread of its own."""
    try:
        from gateway.spans import Tracing  # only here: it loads OpenTelemetry
    except ModuleNotFoundError as error:
        raise Misconfigured(
            f"DAKUAN_OTLP is set, and {error.name} is not installed: `pip install dakuan[otel]`, or unset it"
        ) from None
    return Tracing(url)
