"""Histories of withdrawals, one for each wait and end, replay with the code as it is now."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from withdrawal_stage import STRICT

from worker import plugin

HISTORIES = {
    file.stem: file.read_text(encoding="utf-8")
    for file in sorted((Path(__file__).parent / "histories").glob("withdrawal_*.json"))
}


def test_there_are_histories_to_replay() -> None:
    assert len(HISTORIES) >= 20


@pytest.mark.parametrize("name", HISTORIES)
async def test_a_stored_history_replays(name: str) -> None:
    history = WorkflowHistory.from_json(name, HISTORIES[name])
    await Replayer(workflows=[], plugins=[plugin()]).replay_workflow(history)


@pytest.mark.parametrize("name", ["withdrawal_paid", "withdrawal_returned", "withdrawal_resumed"])
async def test_a_history_replays_where_only_what_is_passed_through_is_let_through(name: str) -> None:
    history = WorkflowHistory.from_json(name, HISTORIES[name])
    await Replayer(workflows=[], plugins=[plugin(runner=STRICT)]).replay_workflow(history)
