"""A withdrawal that waits at home is given back once it may not be paid any more; limits are its policy's."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from withdrawal_stage import WithdrawalStage

import gateway
from core.errors import Refused, Unavailable
from core.movements import Leg, adjustment
from core.policy import parse_policy
from ledger.adjusting import post_adjustments

LARGE = 3_000_000
A_LONG_DAY = f'day_offset = "{(12 - datetime.now(UTC).hour) % 24}h"\n'
"""A policy's day, of which it is about noon: its limits do not turn over while a test runs."""
TIGHT = f"""name = "tight"
[withdrawal]
minimum_minor = 5_000
maximum_minor = 20_000
daily_count_max = 2
daily_sum_max_minor = 30_000
approval_above_minor = 15_000
fee_minor = 150
fee_bps = 100
currencies = ["CNY"]
{A_LONG_DAY}"""
OPERATOR = {"role": "operator", "id": "ann"}


async def _owes(stage: WithdrawalStage, amount_minor: int) -> None:
    """The merchant owes money since. Nothing is available meanwhile: it stands in reservations."""
    legs = [Leg(f"merchant/{stage.merchant}/receivable", "psp/sandbox", amount_minor)]
    await post_adjustments(stage.owner_dsn, [adjustment(f"clawback/{stage.merchant}", "CNY", datetime.now(UTC), legs)])


async def _codes(stage: WithdrawalStage, *requests: dict[str, Any]) -> list[str]:
    """What becomes of requests, one after the other: the phase, or the reason code of the refusal."""
    found = []
    for request in requests:
        handle = await stage.start(**request)
        state = await stage.phase(handle, "paid", "in_approval", "refused")
        found.append(state["refusal"]["code"] if state["refusal"] else state["phase"])
    return found


async def test_a_suspended_account_stops_what_waits_for_people_at_once(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish()
    async with stage.worker():
        handle = await stage.start(LARGE)
        await stage.phase(handle, "in_approval")
        await stage.register.accounts.suspend(stage.account, "stolen", datetime.now(UTC))
        (waiting,) = await stage.register.withdrawals.waiting(stage.merchant)
        await gateway.recheck_withdrawal(stage.client, waiting)
        state = await handle.result()
    assert (state["phase"], state["reason"].split(":")[0]) == ("cancelled", "account_suspended")
    assert (await stage.available(), await stage.effects()) == (5_000_000, 0)


async def test_nobody_tells_and_it_is_found_within_hours(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish()
    async with stage.worker():
        handle = await stage.start(LARGE)
        await stage.phase(handle, "in_approval")
        await stage.register.accounts.suspend(stage.account, "stolen", datetime.now(UTC))
        await stage.skip(handle, hours=6, seconds=1)
        assert (await handle.result())["phase"] == "cancelled"
    assert await stage.available() == 5_000_000


async def test_a_payout_that_came_back_stops_the_others_to_its_account(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish()
    async with stage.worker():
        first, waits = await stage.start(), await stage.start(LARGE)
        await stage.phase(first, "paid")
        await stage.phase(waits, "in_approval")
        await stage.report(first, "returned", "ev-1")
        await stage.phase(first, "returned")
        assert (await waits.result())["reason"].startswith("account_suspended")
    assert await stage.available() == 5_000_000


async def test_a_debt_cancels_what_waits_and_is_repaid_from_it(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish(available=LARGE)
    async with stage.worker():
        handle = await stage.start(LARGE)
        await stage.phase(handle, "in_approval")
        await _owes(stage, 1_000_000)
        await gateway.recheck_withdrawal(stage.client, handle.id.removeprefix("withdrawal-"))
        state = await handle.result()
    assert state["reason"].startswith("receivable_outstanding")
    assert await stage.available() == LARGE - 1_000_000


async def test_a_debt_stops_what_waits_for_our_side_before_it_is_sent_again(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish(available=10_000)
    await stage.world.refuse_account(stage.token, code="OUR_FUNDS")
    async with stage.worker():
        handle = await stage.start()
        await stage.until(handle, lambda state: bool(state.get("holds")))
        await _owes(stage, 4_000)
        await stage.send(handle, "approve", "operator", "ann")
        state = await stage.phase(handle, "cancelled")
    assert state["reason"].startswith("receivable_outstanding")
    assert len(state["attempts"]) == 1
    assert (await stage.available(), await stage.effects()) == (6_000, 0)


# --- limits of a policy ----------------------------------------------------------------------------------


async def test_limits_and_fee_are_those_of_the_policy_that_the_request_names(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish(policy='name = "default"\n')
    tight = parse_policy(TIGHT)
    await stage.register.policies.keep("tight", tight.content_hash, TIGHT)
    under: dict[str, Any] = {"policy": "tight", "requested_by": OPERATOR}
    async with stage.worker():
        assert await _codes(
            stage,
            {"amount_minor": 4_999, **under},
            {"amount_minor": 20_001, **under},
            {"amount_minor": 16_000, **under},
            {"amount_minor": 15_000, **under},
            {"amount_minor": 10_000, **under},
            {"amount_minor": 10_000},
        ) == ["below_minimum", "above_maximum", "in_approval", "daily_limit", "paid", "paid"]
        paid = await stage.client.get_workflow_handle(f"withdrawal-w-{stage.number}-5").query("withdrawal")
    assert (paid["fee_minor"], paid["net_minor"]) == (250, 9_750)


async def test_no_more_is_paid_in_a_day_than_the_policy_counts(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish(policy=f'name = "default"\n[withdrawal]\ndaily_count_max = 2\n{A_LONG_DAY}')
    async with stage.worker():
        assert await _codes(stage, *[{"amount_minor": 100}] * 3) == ["paid", "paid", "daily_limit"]


async def test_a_merchant_who_leaves_takes_what_is_below_the_minimum(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish(available=37)
    async with stage.worker():
        leaving: dict[str, Any] = {"leaving": True, "requested_by": OPERATOR}
        assert await _codes(stage, {"amount_minor": 37}, {"amount_minor": 37, **leaving}) == ["below_minimum", "paid"]
    assert await stage.available() == 0


@pytest.mark.parametrize("fields", [{"policy": "nobodys", "requested_by": OPERATOR}, {"policy": "No Such"}])
async def test_a_policy_that_nobody_knows_is_refused(money_stage: WithdrawalStage, fields: dict[str, Any]) -> None:
    stage = money_stage
    await stage.furnish()
    body = {**stage.asked().model_dump(mode="json"), **fields}
    async with stage.worker():
        handle = await stage.client.start_workflow(
            "WithdrawalWorkflow", body, id=f"withdrawal-w-{stage.number}-1", task_queue="dakuan"
        )
        # One that cannot be read fails; one that is refused says so in its result.
        with suppress(WorkflowFailureError):
            await handle.result()
        with pytest.raises(Refused) as refused:
            await gateway.refuse_if_failed(handle)
    assert (refused.value.code, refused.value.field) in {("unknown_policy", "policy"), ("malformed", "policy")}


async def test_a_withdrawal_that_cannot_open_yet_says_so(
    money_stage: WithdrawalStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = money_stage
    await stage.furnish()

    async def away(withdrawal_id: str) -> None:
        raise Unavailable("the database does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(stage.register.withdrawals, "known", away)
        async with stage.worker():
            handle = await stage.start()
            (view,) = await handle.query("holds")
            assert (view["reason"], view["who_can_act"]) == ("opening", "system")
            patch.undo()
            await stage.phase(handle, "paid")
    assert await stage.effects() == 1
