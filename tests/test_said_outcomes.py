"""A process of a divided run says how each test went, and keeps nothing that failed to itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import said_outcomes

QUIET = {"verbose": -1, "durations": None, "xmlpath": None, "reportchars": "fE"}


def _said(monkeypatch: pytest.MonkeyPatch, **outcomes: str) -> list[str]:
    """The parts of a test that are said, of those with these outcomes; the end of the test comes last."""
    said: list[str] = []
    reports = [SimpleNamespace(when=when, passed=outcome == "passed") for when, outcome in outcomes.items()]
    monkeypatch.setattr(said_outcomes, "runtestprotocol", lambda item, **_: reports)
    ihook = SimpleNamespace(
        pytest_runtest_logreport=lambda report: said.append(report.when),
        pytest_runtest_logfinish=lambda nodeid, location: said.append("end"),
    )
    config = SimpleNamespace(option=SimpleNamespace(**QUIET), workerinput={})
    item: Any = SimpleNamespace(config=config, ihook=ihook, nodeid="test", location=("file", 1, "test"))
    assert said_outcomes.pytest_runtest_protocol(item, None) is True
    return said


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ({"setup": "passed", "call": "passed", "teardown": "passed"}, ["call"]),
        ({"setup": "passed", "call": "failed", "teardown": "passed"}, ["call"]),
        ({"setup": "passed", "call": "passed", "teardown": "failed"}, ["call", "teardown"]),
        ({"setup": "failed", "teardown": "passed"}, ["setup"]),
        ({"setup": "skipped", "teardown": "failed"}, ["setup", "teardown"]),
    ],
)
def test_a_call_is_said_and_all_that_did_not_pass(
    monkeypatch: pytest.MonkeyPatch, outcomes: dict[str, str], said: list[str]
) -> None:
    assert _said(monkeypatch, **outcomes) == [*said, "end"]


@pytest.mark.parametrize("asked", [{"verbose": 1}, {"durations": 5}, {"xmlpath": "all.xml"}, {"reportchars": "fEP"}])
def test_all_is_said_where_an_option_asks_for_it(asked: dict[str, Any]) -> None:
    config = SimpleNamespace(option=SimpleNamespace(**{**QUIET, **asked}), workerinput={})
    assert said_outcomes.says_all(cast(pytest.Config, config))


def test_alone_a_process_leaves_it_to_pytest() -> None:
    assert said_outcomes.says_all(cast(pytest.Config, SimpleNamespace(option=SimpleNamespace(**QUIET))))
