"""A rail's report about a payout is taken at any time, counts once, and moves nothing where it does not fit."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from typing import Any

import pytest
from failed_tasks import failed_tasks
from temporalio.client import WorkflowFailureError, WorkflowHandle
from withdrawal_stage import WithdrawalStage

import gateway
from core.messages import ReportPayout
from core.records import WithdrawalRecord

Handle = WorkflowHandle[Any, Any]


def report(key: str, event_id: str = "ev-1", **fields: Any) -> ReportPayout:
    """All of 100.00 CNY came back."""
    return ReportPayout.model_validate(
        {
            "command_id": f"callback-{event_id}",
            "actor": {"role": "rail", "id": "sandbox"},
            "event_id": event_id,
            "key": key,
            "outcome": "returned",
            "amount_minor": 10_000,
            "currency": "CNY",
            **fields,
        }
    )


async def _final(stage: WithdrawalStage) -> tuple[str, str]:
    """The id of a withdrawal whose workflow has ended, and the key of its payout."""
    handle = await stage.start()
    state = await stage.phase(handle, "paid")
    await stage.skip(handle, days=12)
    assert (await handle.result())["phase"] == "final"
    return state["withdrawal"]["withdrawal_id"], state["attempts"][0]["key"]


async def _journal(stage: WithdrawalStage, withdrawal_id: str) -> list[tuple[str, str | None]]:
    """Outcomes and codes of the reports, from the register."""
    known = await stage.register.withdrawals.known(withdrawal_id)
    assert known is not None
    assert known.state is not None
    entries = known.state["inbox"]["journal"]
    return [(entry["outcome"], entry.get("code")) for entry in entries if entry["verb"] == "report_payout"]


async def test_a_return_after_the_end_is_taken_and_many_more_of_it_move_nothing(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish()
    async with stage.worker():
        withdrawal_id, key = await _final(stage)
        again = await gateway.report_payout(stage.client, withdrawal_id, report(key))
        assert (await again.result())["phase"] == "returned"
        assert await stage.available() == 5_000_000
        # Each with a command id of its own, as a gateway that forgets would send it.
        events = (report(key, command_id=f"c-{n}") for n in range(60))
        await asyncio.gather(*(gateway.report_payout(stage.client, withdrawal_id, event) for event in events))
        last = await gateway.report_payout(stage.client, withdrawal_id, report(key))
        assert (await last.result())["phase"] == "returned"
        outcomes = Counter(await _journal(stage, withdrawal_id))
    assert outcomes == {("accepted", None): 1, ("duplicate", None): 61}
    assert await stage.available() == 5_000_000
    assert await stage.effects() == 1


async def test_a_report_has_one_line_where_its_task_was_lost_after_it_was_recorded(
    money_stage: WithdrawalStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temporal gives up the task that ends a workflow where a signal arrived meanwhile; its commands come again."""
    stage = money_stage
    await stage.furnish()
    record, late = stage.register.withdrawals.record, [report("nobodyknowsthiskey", "ev-late")]

    async def and_another_arrives(step: WithdrawalRecord) -> bool:
        kept = await record(step)
        if step.state["inbox"]["journal"][-1]["verb"] == "report_payout" and late:
            event = late.pop()
            await handle.signal("report_payout", event.model_dump(mode="json"))
        return kept

    async with stage.worker():
        withdrawal_id, key = await _final(stage)
        handle = stage.client.get_workflow_handle(f"withdrawal-{withdrawal_id}")
        monkeypatch.setattr(stage.register.withdrawals, "record", and_another_arrives)
        wrong = report(key, outcome="paid", amount_minor=9_999)
        await (await gateway.report_payout(stage.client, withdrawal_id, wrong)).result()
        history = await handle.fetch_history()
        journal = await _journal(stage, withdrawal_id)
    assert len(failed_tasks(history)) == 1
    assert journal == [("refused", "wrong_amount"), ("refused", "unknown_payout")]


WRONG: dict[str, dict[str, Any]] = {
    "wrong_amount": {"outcome": "paid", "amount_minor": 9_999},
    "unknown_payout": {"key": "nobodyknowsthiskey"},
    "wrong_actor": {"actor": {"role": "rail", "id": "otherbank"}},
    "wrong_currency": {"currency": "USD"},
}


async def test_reports_that_do_not_fit_are_journaled_with_their_reason_and_move_nothing(
    money_stage: WithdrawalStage,
) -> None:
    stage = money_stage
    await stage.furnish()
    async with stage.worker():
        withdrawal_id, key = await _final(stage)
        handle: Handle | None = None
        for number, fields in enumerate(WRONG.values()):
            event = report(**{"key": key, "event_id": f"ev-{number}", **fields})
            handle = await gateway.report_payout(stage.client, withdrawal_id, event)
        assert handle is not None
        assert (await handle.result())["phase"] == "final"
        assert await _journal(stage, withdrawal_id) == [("refused", code) for code in WRONG]
        more = report(key, "ev-more", amount_minor=10_001)
        assert (await (await gateway.report_payout(stage.client, withdrawal_id, more)).result())["phase"] == "final"
        assert (await _journal(stage, withdrawal_id))[-1] == ("refused", "wrong_amount")
    assert await stage.available() == 4_990_000


async def test_another_content_under_a_counted_event_is_refused(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish()
    async with stage.worker():
        withdrawal_id, key = await _final(stage)
        await (await gateway.report_payout(stage.client, withdrawal_id, report(key, amount_minor=4_000))).result()
        other = report(key, amount_minor=6_000, command_id="c-other")
        await (await gateway.report_payout(stage.client, withdrawal_id, other)).result()
        assert (await _journal(stage, withdrawal_id))[-1] == ("refused", "event_exists_with_different_content")
    assert await stage.available() == 4_994_000


async def test_a_report_to_a_withdrawal_that_runs_reaches_it(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish(token="slow-")
    async with stage.worker():
        handle = await stage.start()
        state = await stage.phase(handle, "submitted")
        event = report(state["attempts"][0]["key"], outcome="paid")
        same = await gateway.report_payout(stage.client, state["withdrawal_id"], event)
        assert same.id == handle.id
        await stage.phase(handle, "paid")
        assert (await handle.describe()).run_id == handle.first_execution_run_id


async def test_the_same_report_a_thousand_times_to_one_that_runs_moves_nothing(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish(token="slow-")
    async with stage.worker():
        handle = await stage.start()
        state = await stage.phase(handle, "submitted")
        event = report(state["attempts"][0]["key"], outcome="paid")
        for _ in range(10):
            again = (event.model_copy(update={"command_id": f"c-{uuid.uuid4()}"}) for _ in range(100))
            await asyncio.gather(*(gateway.report_payout(stage.client, state["withdrawal_id"], one) for one in again))
        await stage.phase(handle, "paid")
        known = await stage.until(handle, lambda state: state["callbacks"] == 1)
        assert len(known["attempts"][0]["events"]) == 1
    assert (await stage.available(), await stage.effects()) == (4_990_000, 0)


async def test_a_report_about_a_withdrawal_that_nobody_knows_fails_with_its_reason(
    money_stage: WithdrawalStage,
) -> None:
    stage = money_stage
    await stage.furnish()
    async with stage.worker():
        handle = await gateway.report_payout(stage.client, f"nobodys-{stage.number}", report("k"))
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
    assert gateway.refusal_in(failed.value).code == "unknown_withdrawal"
    assert await stage.available() == 5_000_000


async def test_a_withdrawal_whose_workflow_was_lost_goes_on_from_the_register(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish(token="slow-")
    async with stage.worker():
        handle = await stage.start()
        state = await stage.phase(handle, "submitted")
        await handle.terminate()
        again = await gateway.resume_withdrawal(stage.client, state["withdrawal_id"])
        await stage.phase(again, "submitted")
        await stage.skip(again, hours=2)
        await stage.phase(again, "paid")
    assert await stage.effects() == 1


async def test_a_report_is_kept_while_no_worker_is_there(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish()
    async with stage.worker():
        withdrawal_id, key = await _final(stage)
    handle = await gateway.report_payout(stage.client, withdrawal_id, report(key))
    async with stage.worker():
        assert (await handle.result())["phase"] == "returned"
    assert await stage.available() == 5_000_000
