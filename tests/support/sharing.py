"""How a test run is divided among processes: files stay whole, and files that use one stack stay together.

Long files come first, so that the processes end at about the same time, and those that wait beside those that compute,
so that no core is idle. Each process reads all files of tests; what
pytest compiles of them on the way, the others find.
"""

from __future__ import annotations

import gc
import itertools
import os
import tomllib
from collections.abc import Generator, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path, PurePath
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

TESTS = Path(__file__).parents[1]
ON_STACK = {
    b"from order_stage import": "order",
    b"from up_stack import": "up",
    b'usefixtures("up")': "up",
    b"parsed, sources": "sources",
}
"""What every file says that uses the whole stack for orders, a running `up`, or the trees of all Python files."""


def _name(nodeid: str) -> str:
    """`tests/test_core_money.py::test_…` is `core_money`."""
    return _name_of_file(nodeid.partition("::")[0])


@cache
def _name_of_file(path: str) -> str:
    return PurePath(path).stem.removeprefix("test_")


TOGETHER: dict[str, str] = {
    _name(file.name): stack
    for file in TESTS.glob("test_*.py")
    for said, stack in ON_STACK.items()
    if said in file.read_bytes()
}
"""File → the stack that it shares with others; a process that starts it runs all of them."""
_LONG: Mapping[str, Mapping[str, int]] = tomllib.loads(
    Path(__file__).with_name("sharing.toml").read_text(encoding="utf-8")
)
WAITS, COMPUTES = _LONG["waits"], _LONG["computes"]
"""Seconds of the long stacks and files, of two kinds; all others are as quick as `QUICK_S` says."""
QUICK_S = 1
"""Seconds."""
GARBAGE = 20_000
"""New objects until the next collection of garbage; Python's own 700 are for programs with less memory."""
BEGINS = "readme"
"""The file that is the first of its stack: the README's reader has one without other people's orders."""


def scope_of(nodeid: str) -> str:
    """What stays in one process: a file, or all files of a stack. The HTTP gateway's have an `up` of their own, since
    one process would need a third of the whole run for both.
    """
    file = _name(nodeid)
    stack = TOGETHER.get(file, file)
    return "http" if stack == "up" and file.startswith("storefront_") else stack


class _Numbered(list[str]):
    """Names of tests that know their places: the scheduler asks for each one's."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(names)
        self._places = {name: place for place, name in enumerate(self)}

    def index(self, name: str, *_: Any) -> int:
        return self._places[name]


class WholeFiles(LoadScopeScheduling):
    """Hands out whole files, and files of one stack together."""

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        super().add_node_collection(node, _Numbered(collection))

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def in_turn(scopes: Iterable[str]) -> list[str]:
    """Scopes in the order in which they are handed out. Of those that wait and of those that compute the longest come
    first, and both come to their ends together: so cores are busy, and no process ends long after the others.
    """
    by_length = sorted(scopes, key=lambda scope: (-_seconds(scope), scope))
    begins: dict[str, float] = {}
    for kind in (True, False):
        some = [scope for scope in by_length if (scope in WAITS) is kind]
        lengths = [_seconds(scope) for scope in some]
        before = itertools.accumulate(lengths, initial=0)
        begins |= {scope: seconds / sum(lengths) for scope, seconds in zip(some, before, strict=False)}
    return sorted(by_length, key=begins.__getitem__)


def _seconds(scope: str) -> int:
    return WAITS.get(scope) or COMPUTES.get(scope, QUICK_S)


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
    """In a process of several, as they are handed out; alone, in the order of their names, after the README's."""
    several = hasattr(config, "workerinput")
    scopes = in_turn({scope_of(item.nodeid) for item in items}) if several else []
    turns = {scope: turn for turn, scope in enumerate(scopes)}
    items.sort(key=lambda item: (turns.get(scope_of(item.nodeid), 0), _name(item.nodeid) != BEGINS, item.path))


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
