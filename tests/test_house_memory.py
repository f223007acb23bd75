"""What a process remembers is bounded, for it runs for months and reads what strangers write."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import activities
import config
import core
import gateway
import inbound
import ledger
import storefront
import wiring
import workflows

MOST = 8_192
"""Answers of one function."""
WITHOUT_BOUND = {
    "core.chart._expression",  # by the patterns of the chart
    "gateway.metrics._runtime_at",  # by a setting
    "gateway.tracing._tracing_to",
    "workflows.sandbox._compiled",  # by the sandbox's own lines of code
}
"""What is asked for few things, which no stranger chooses."""


def _remembering() -> Iterator[tuple[str, Any]]:
    """Every function that remembers its answers, by its name."""
    for package in (activities, config, core, gateway, inbound, ledger, storefront, wiring, workflows):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name.endswith("__main__"):
                continue
            module = importlib.import_module(found.name)
            for name, value in vars(module).items():
                if hasattr(value, "cache_parameters") and value.__module__ == found.name:
                    yield f"{found.name}.{name}", value


def test_no_function_remembers_answers_without_bound() -> None:
    functions = dict(_remembering())
    bounds = {name: one.cache_parameters()["maxsize"] for name, one in functions.items()}
    unbounded = {name for name, bound in bounds.items() if bound is None}
    assert {name for name in unbounded if inspect.signature(functions[name]).parameters} == WITHOUT_BOUND
    assert {name: bound for name, bound in bounds.items() if bound is not None and bound > MOST} == {}
