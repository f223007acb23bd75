"""A test that ends its process is red once, and hides no others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sharing import WholeFiles

TESTS = [f"tests/test_made_up.py::test_{number}" for number in range(4)]


class Process:
    """One that notes the tests that it is given."""

    shutting_down = False

    def __init__(self) -> None:
        self.given: list[int] = []
        self.gateway = SimpleNamespace(id="gw")

    def send_runtest_some(self, numbers: list[int]) -> None:
        self.given += numbers

    def shutdown(self) -> None:
        """It has everything that it will be given."""


def started(schedule: WholeFiles) -> Any:
    """A process that read all tests, and was given some."""
    process: Any = Process()
    schedule.add_node(process)
    schedule.add_node_collection(process, TESTS)
    schedule.schedule()
    return process


def test_the_next_process_gets_the_tests_after_the_one_that_ended_it() -> None:
    option = SimpleNamespace(loadscopereorder=False)
    config: Any = SimpleNamespace(getvalue=lambda _name: ["popen"], option=option)
    schedule = WholeFiles(config)
    first = started(schedule)
    schedule.mark_test_complete(first, 0)
    assert schedule.remove_node(first) == TESTS[1]
    second = started(schedule)
    assert second.given == [2, 3]
    for number in second.given:
        schedule.mark_test_complete(second, number)
    assert schedule.remove_node(second) is None
