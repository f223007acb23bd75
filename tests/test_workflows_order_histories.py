"""Histories of orders, one for each wait and end, replay with the code as it is now."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from order_crash_stage import strict_runner
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from worker import plugin

HISTORIES = {
    file.stem: file.read_text(encoding="utf-8")
    for file in sorted((Path(__file__).parent / "histories").glob("order_*.json"))
}


def test_there_are_histories_to_replay() -> None:
    assert len(HISTORIES) >= 29


def _history(name: str) -> WorkflowHistory:
    # An order refuses to live under another id than its own.
    started = json.loads(HISTORIES[name])["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(started["workflowId"], HISTORIES[name])


@pytest.mark.parametrize("name", HISTORIES)
async def test_a_stored_history_replays(name: str) -> None:
    await Replayer(workflows=[], plugins=[plugin()]).replay_workflow(_history(name))


@pytest.mark.parametrize("name", ["order_settled", "order_refund_resolved", "order_continued_as_new"])
async def test_a_history_replays_where_only_what_is_passed_through_is_let_through(name: str) -> None:
    strict = plugin(runner=strict_runner())
    await Replayer(workflows=[], plugins=[strict]).replay_workflow(_history(name))
