"""Withdrawals: how money is paid out once, and how it is returned."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import ScheduleHandle, ScheduleIntervalSpec, ScheduleSpec, WorkflowHandle

import gateway
from core.errors import Refused
from core.messages import AutomaticWithdrawals
from demo.stage import StagedOrder
from demo.stories.orders import happy
from demo.stories.outcomes import Chapter, Outcome, money
from demo.waiting import until
from gateway.schedules import create_schedule, latest_run, schedule_of
from ledger.payout_accounts import Binding

WITHDRAWALS = Chapter()

Handle = WorkflowHandle[Any, Any]

UNDER_WAY = frozenset({"opening", "requested", "approved", "submitting", "submitted"})
"""Phases of a withdrawal that end by themselves within seconds."""

CAREFUL_POLICY = 'name = "careful"\n[withdrawal]\napproval_above_minor = 1_00\n'
"""Almost every amount waits for two people."""


# --- acting ----------------------------------------------------------------------------------------------


async def earn(play: StagedOrder, account: str, *, cooling: timedelta | None = None) -> int:
    """Play a happy order and bind an account; returns the available amount."""
    now = datetime.now(UTC)
    await play.stage.register.accounts.bind(
        Binding(
            account_id=account,
            merchant_id=play.order.merchant_id,
            currency=play.order.currency,
            rail="sandbox",
            holder=play.order.merchant_id,
            last4="4242",
            rail_token=f"tok-{account}",
            cooling_until=now + cooling if cooling else None,
        ),
        now=now,
    )
    await happy(play)
    return await _available(play)


async def _available(play: StagedOrder) -> int:
    return await play.stage.register.withdrawals.available(play.order.merchant_id, play.order.currency)


async def _until(handle: Handle, so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The withdrawal's state once it fits."""

    async def state() -> dict[str, Any]:
        return dict(await handle.query("withdrawal"))

    return await until(state, so)


async def _come_to(handle: Handle) -> dict[str, Any]:
    """The state in which it waits for something else."""
    return await _until(handle, lambda state: state["phase"] not in UNDER_WAY or bool(state.get("holds")))


async def withdraw_all(play: StagedOrder, account: str, **fields: Any) -> Handle:
    handle = await play.withdraw(await _available(play), account, **fields)
    await _come_to(handle)
    return handle


async def _send(play: StagedOrder, handle: Handle, verb: str, person: str, **body: Any) -> str:
    """A person's command to the withdrawal: `accepted`, or the reason code."""
    command = {**play.command("operator", **body), "actor": {"role": "operator", "id": person}}
    try:
        await gateway.send(play.stage.client, handle.id, verb, command)
    except Refused as refusal:
        return refusal.code
    return "accepted"


async def _ending(play: StagedOrder, handle: Handle, account: str) -> str:
    """How it ended, the number of payouts, and the merchant's remaining money. It waits for the booking."""
    state = await _until(handle, lambda state: state.get("booked") is not None or state["phase"] == "refused")
    effects = await play.stage.world.payout_effects(f"tok-{account}")
    return _told(play, state["phase"], effects, await _available(play))


def _told(play: StagedOrder, phase: str, effects: int, left: int) -> str:
    return f"{phase}, the bank paid {effects} times, {money(play.order, left)} left"


# --- stories ---------------------------------------------------------------------------------------------


@WITHDRAWALS.story("withdrawal: paid to the bank")
async def withdrawal_paid(play: StagedOrder) -> Outcome:
    account = f"a-{play.name}"
    await earn(play, account)
    handle = await withdraw_all(play, account)
    return _told(play, "paid", 1, 0), await _ending(play, handle, account)


@WITHDRAWALS.story("withdrawal with an unknown outcome: it turns out paid, once")
async def withdrawal_unknown(play: StagedOrder) -> Outcome:
    account = f"a-{play.name}"
    await earn(play, account)
    await play.stage.world.fault("bank", match=f"tok-{account}", kind="status_after_effect", times=1)
    handle = await withdraw_all(play, account)
    first = (await handle.query("withdrawal"))["phase"]
    await play.skip(handle, timedelta(hours=2))
    return f"unknown, then {_told(play, 'paid', 1, 0)}", f"{first}, then {await _ending(play, handle, account)}"


@WITHDRAWALS.story("withdrawal with an unknown outcome: it turns out failed, and is given back")
async def withdrawal_unknown_failed(play: StagedOrder) -> Outcome:
    account = f"a-{play.name}"
    earned = await earn(play, account)
    await play.stage.world.refuse_account(f"tok-{account}", code="PAYEE_REFUSED")
    await play.stage.world.fault("bank", match=f"tok-{account}", kind="status_after_effect", times=1)
    handle = await withdraw_all(play, account)
    first = (await handle.query("withdrawal"))["phase"]
    await play.skip(handle, timedelta(hours=2))
    return f"unknown, then {_told(play, 'failed', 0, earned)}", f"{first}, then {await _ending(play, handle, account)}"


@WITHDRAWALS.story("withdrawal that the bank never answers: two people say failed, suspense, given back")
async def withdrawal_in_suspense(play: StagedOrder) -> Outcome:
    account = f"a-{play.name}"
    earned = await earn(play, account)
    world, token = play.stage.world, f"tok-{account}"
    await world.refuse_account(token, code="PAYEE_REFUSED")
    await world.fault("bank", verb="payout", match=token, kind="status_after_effect", times=None)
    await world.fault("bank", verb="payout_status", match=token, kind="status_before_effect", times=None)
    handle = await withdraw_all(play, account)
    said = {"outcome": "failed", "reference": "the bank's letter 7", "reason": "the bank says so"}
    early = await _send(play, handle, "resolve_unknown", "ann", **said)
    await play.skip(handle, timedelta(days=8))
    answers = [await _send(play, handle, "resolve_unknown", person, **said) for person in ("ann", "ann", "bob")]
    state = await _until(handle, lambda state: state["suspended"])
    await play.skip(handle, timedelta(days=5, minutes=1))
    return (
        f"too_early; accepted, needs_other_person, accepted; in_suspense, then {_told(play, 'failed', 0, earned)}",
        f"{early}; {', '.join(answers)}; {state['phase']}, then {await _ending(play, handle, account)}",
    )


@WITHDRAWALS.story("withdrawal refused by the bank: given back")
async def withdrawal_refused(play: StagedOrder) -> Outcome:
    account = f"a-{play.name}"
    earned = await earn(play, account)
    await play.stage.world.refuse_account(f"tok-{account}", code="ACCOUNT_CLOSED")
    handle = await withdraw_all(play, account)
    return _told(play, "failed", 0, earned), await _ending(play, handle, account)


@WITHDRAWALS.story("withdrawal returned by the bank days later: credited again, its account suspended")
async def withdrawal_returned(play: StagedOrder) -> Outcome:
    account = f"a-{play.name}"
    earned = await earn(play, account)
    handle = await withdraw_all(play, account)
    state = await _until(handle, lambda state: state["booked"] is not None)
    await play.skip(handle, timedelta(days=2))
    await play.stage.world.return_payout(state["attempts"][0]["key"])
    await play.skip(handle, timedelta(days=2))  # its callback is lost; the last query finds it
    await _until(handle, lambda state: bool(state["returns_minor"]) and state["account_suspension"] == "done")
    again = await withdraw_all(play, account)
    return (
        f"paid, then {_told(play, 'returned', 1, earned)}; the next: account_suspended",
        f"{state['phase']}, then {await _ending(play, handle, account)}; the next: {await _refusal(again)}",
    )


async def _refusal(handle: Handle) -> str:
    state = await handle.query("withdrawal")
    return str(state["refusal"]["code"]) if state["refusal"] else str(state["phase"])


@WITHDRAWALS.story("large withdrawal: two people approve, neither of them the requester, no one twice")
async def withdrawal_approved_by_two(play: StagedOrder) -> Outcome:
    account = f"a-{play.name}"
    await earn(play, account)
    policy = await play.stage.policy_of(CAREFUL_POLICY)
    handle = await withdraw_all(play, account, policy=policy, requested_by={"role": "operator", "id": "ann"})
    answers = [await _send(play, handle, "approve", person) for person in ("ann", "bob", "bob", "cleo")]
    await _come_to(handle)
    return (
        f"needs_other_person, accepted, needs_other_person, accepted; {_told(play, 'paid', 1, 0)}",
        f"{', '.join(answers)}; {await _ending(play, handle, account)}",
    )


@WITHDRAWALS.story("withdrawal to an account that cools off: refused, nothing moved")
async def withdrawal_to_a_cooling_account(play: StagedOrder) -> Outcome:
    account = f"a-{play.name}"
    earned = await earn(play, account, cooling=timedelta(hours=72))
    handle = await withdraw_all(play, account)
    expected = f"account_cooling; {_told(play, 'refused', 0, earned)}"
    return expected, f"{await _refusal(handle)}; {await _ending(play, handle, account)}"


@WITHDRAWALS.story("automatic withdrawal by schedule: what is available, less what stays")
async def withdrawal_by_schedule(play: StagedOrder) -> Outcome:
    account, client = f"a-{play.name}", play.stage.client
    await earn(play, account)
    merchant, currency = play.order.merchant_id, play.order.currency
    plan = AutomaticWithdrawals(merchant_id=merchant, currency=currency, account_id=account, keep_minor=5_00)
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(days=1))])
    await create_schedule(client, plan, spec, paused=False)
    async with schedule_of(client, merchant, currency) as schedule:
        await schedule.trigger()  # the day has come
        workflow_id = await _run_of(schedule)
        await schedule.delete()
    started = await client.get_workflow_handle(workflow_id).result()
    handle = client.get_workflow_handle(f"withdrawal-{started['withdrawal_id']}")
    await _come_to(handle)
    return _told(play, "paid", 1, 5_00), await _ending(play, handle, account)


async def _run_of(schedule: ScheduleHandle) -> str:
    """The workflow that the schedule has started."""

    async def latest() -> str | None:
        return latest_run(await schedule.describe())

    return str(await until(latest))
