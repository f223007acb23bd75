"""What a process of a divided run says of its tests: how each went, and no setup or teardown that passed.

xdist sends six messages for each test, which one process reads for all the others. Two or three are enough to count.
"""

from __future__ import annotations

import pytest
from _pytest.runner import runtestprotocol


def says_all(config: pytest.Config) -> bool:
    """Alone, nothing is sent; and some options ask how long each part took, or what it printed."""
    asked = config.option
    detailed = asked.verbose > 0 or asked.durations is not None or asked.xmlpath is not None
    return not hasattr(config, "workerinput") or detailed or not {*"PA"}.isdisjoint(asked.reportchars)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a test, and say how it went."""
    if says_all(item.config):
        return None
    for report in runtestprotocol(item, log=False, nextitem=nextitem):
        if report.when == "call" or not report.passed:
            item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
