"""A query that came before the task of newer events is asked again; any other failure is its sender's."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.client import OutboundInterceptor, WorkflowQueryFailedError

from core.ids import ASKED_TOO_EARLY
from gateway import repeating
from gateway.repeating import WAITS, Repeating


class Answers(OutboundInterceptor):
    """A service that gives these answers, one after the other, and the last for ever."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers, self.asked = answers, 0

    async def query_workflow(self, input: Any) -> Any:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


TOO_EARLY = WorkflowQueryFailedError(f"failed: {ASKED_TOO_EARLY}")


async def ask(service: Answers, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(repeating, "WAITS", tuple(0.0 for _ in WAITS))
    return await Repeating().intercept_client(service).query_workflow(None)  # type: ignore[arg-type]  # nobody reads it


async def test_it_is_asked_until_its_task_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Answers(TOO_EARLY, TOO_EARLY, "the state")
    assert await ask(service, monkeypatch) == "the state"
    assert service.asked == 3


async def test_it_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Answers(TOO_EARLY)
    with pytest.raises(WorkflowQueryFailedError, match=ASKED_TOO_EARLY):
        await ask(service, monkeypatch)
    assert service.asked == len(WAITS) + 1


async def test_another_failure_is_the_senders(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Answers(WorkflowQueryFailedError("no such query"), "the state")
    with pytest.raises(WorkflowQueryFailedError, match="no such query"):
        await ask(service, monkeypatch)
    assert service.asked == 1
