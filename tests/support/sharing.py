"""How a test run is divided among processes: files stay whole, and files that use one stack stay together.

Long files come first, so that the processes end at about the same time. Each process reads all files of tests; what
pytest compiles of them on the way, the others find.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Generator
from pathlib import Path, PurePath
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

TESTS = Path(__file__).parents[1]
ON_STACK = {b"from order_stage import": "order", b"from up_stack import": "up", b'usefixtures("up")': "up"}
"""What every file says that uses the whole stack for orders, or a running `up`."""


def _name(nodeid: str) -> str:
    """`tests/test_core_money.py::test_…` is `core_money`."""
    return PurePath(nodeid.partition("::")[0]).stem.removeprefix("test_")


TOGETHER: dict[str, str] = {
    _name(file.name): stack
    for file in TESTS.glob("test_*.py")
    for said, stack in ON_STACK.items()
    if said in file.read_bytes()
}
"""File → the stack that it shares with others; a process that starts it runs all of them."""
FIRST = (
    *("up", "http", "order", "workflows_order_crashes", "core_order_machine", "workflows_withdrawal_crashes"),
    *("commands_demo", "workflows_chargeback_crashes", "workflows_largest_order", "workflows_withdrawal_suspense"),
    *("core_withdrawal_machine", "bench_faults", "commands_backtest", "workflows", "bench", "commands", "local"),
    *("storefront", "gateway", "inbound", "ledger", "worker", "activities"),
)
"""Beginnings of the names of stacks and files, in the order in which they are handed out: the longest first, what waits
for killed workers beside what computes. The others are quick.
"""
GARBAGE = 20_000
"""New objects until the next collection of garbage; Python's own 700 are for programs with less memory."""
BEGINS = "readme"
"""The file that is the first of its stack: the README's reader has one without other people's orders."""


def _scope(nodeid: str) -> str:
    """What stays in one process: a file, or all files of a stack. The HTTP gateway's have an `up` of their own, since
    one process would need a third of the whole run for both.
    """
    file = _name(nodeid)
    stack = TOGETHER.get(file, file)
    return "http" if stack == "up" and file.startswith("storefront_") else stack


class WholeFiles(LoadScopeScheduling):
    """Hands out whole files, and files of one stack together."""

    def _split_scope(self, nodeid: str) -> str:
        return _scope(nodeid)


def _turn(nodeid: str) -> int:
    scope = _scope(nodeid)
    return next((turn for turn, beginning in enumerate(FIRST) if scope.startswith(beginning)), len(FIRST))


def pytest_xdist_auto_num_workers() -> int:
    """Two processes more than there are cores: tests of servers and killed workers wait for most of their time."""
    return (os.cpu_count() or 1) + 2


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """In a process of several, begin elsewhere than the others, so that each compiles files that they need not."""
    report = yield
    worker = getattr(collector.config, "workerinput", None)
    if worker and isinstance(collector, pytest.Dir) and report.passed:
        number, of = int(worker["workerid"].removeprefix("gw")), int(worker["workercount"])
        first = len(report.result) * number // of
        report.result = [*report.result[first:], *report.result[:first]]
    return report


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a process of several, long files first; alone, in the order of their names, after the README's."""
    several = hasattr(config, "workerinput")
    items.sort(
        key=lambda item: (_turn(item.nodeid) if several else 0, _name(item.nodeid) != BEGINS, item.path),
    )


def pytest_collection_finish() -> None:
    """Leave what was read out of later collections of garbage, and have fewer of these."""
    gc.freeze()
    gc.set_threshold(GARBAGE)
    gc.enable()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> WholeFiles | None:
    """Of `--dist loadfile`; a soak asks for another."""
    if config.option.dist != "loadfile":
        return None
    config.option.loadscopereorder = False  # xdist would begin with the files of most tests: the quick ones
    return WholeFiles(config, log)
