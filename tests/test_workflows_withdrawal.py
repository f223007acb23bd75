"""Withdrawals on a real Temporal, a real PostgreSQL and a bank over real HTTP that misbehaves."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from databases import Database
from signing_keys import ROOT, a_signer, public
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDReusePolicy
from temporalio.worker import Replayer
from waiting import until
from withdrawal_stage import POLICY, WithdrawalStage, kill

import gateway
from core.ids import TASK_QUEUE, WITHDRAWAL_WORKFLOW
from gateway.signing import Signing
from ledger.register import Register
from local.faults import Kind
from worker import plugin

LARGE = 3_000_000


@pytest.fixture
def stage(money_stage: WithdrawalStage) -> WithdrawalStage:
    return money_stage


# --- paid ------------------------------------------------------------------------------------------------


async def test_a_withdrawal_is_paid_once_and_final_after_the_watch(stage: WithdrawalStage) -> None:
    await stage.furnish()
    async with stage.worker():
        handle = await stage.start()
        state = await stage.phase(handle, "paid")
        assert (await stage.available(), await stage.effects()) == (4_990_000, 1)
        assert state["next_deadline"]["name"] == "query_at"
        await stage.skip(handle, days=12)
        result = await handle.result()
    assert result["phase"] == "final"
    assert await stage.effects() == 1


async def test_the_same_request_again_is_the_same_withdrawal_and_another_content_is_refused(
    stage: WithdrawalStage,
) -> None:
    await stage.furnish()
    withdrawal = stage.asked()
    async with stage.worker():
        handles = await asyncio.gather(*(gateway.start_withdrawal(stage.client, withdrawal) for _ in range(5)))
        await stage.phase(handles[0], "paid")
        assert (await stage.available(), await stage.effects()) == (4_990_000, 1)
        await handles[0].terminate()
        # Temporal has forgotten it, or it was lost: the register has not.
        again = await gateway.start_withdrawal(stage.client, withdrawal)
        await stage.phase(again, "paid")
        assert (await stage.available(), await stage.effects()) == (4_990_000, 1)
        await again.terminate()
        other = await gateway.start_withdrawal(stage.client, withdrawal.model_copy(update={"amount_minor": 20_000}))
        assert await failure_of(other) == "withdrawal_exists_with_different_content"
        # The refused run hides nothing: it names what the register has under this id.
        seen = await other.query("withdrawal")
        assert (seen["phase"], seen["refusal"]["code"]) == ("paid", "withdrawal_exists_with_different_content")


async def failure_of(handle: Any) -> str | None:
    """The reason code with which a withdrawal was refused: as its result, so that no defect is looked for."""
    result = await handle.result()
    assert result["phase"] == "refused"
    return str(result["refusal"]["code"])


async def test_racing_withdrawals_never_reserve_the_same_money(stage: WithdrawalStage) -> None:
    await stage.furnish(available=25_000)
    async with stage.worker():
        handles = [await stage.start(10_000) for _ in range(5)]
        states = [await stage.phase(handle, "paid", "refused") for handle in handles]
        refused = [handle for handle, state in zip(handles, states, strict=True) if state["phase"] == "refused"]
        assert len(refused) == 3
        assert {await failure_of(handle) for handle in refused} == {"insufficient_funds"}
    assert (await stage.available(), await stage.effects()) == (5_000, 2)


async def test_a_refused_request_may_be_made_again_under_its_id(stage: WithdrawalStage) -> None:
    await stage.furnish(available=5_000)
    withdrawal = stage.asked()
    async with stage.worker():
        assert await failure_of(await gateway.start_withdrawal(stage.client, withdrawal)) == "insufficient_funds"
        await stage.earn("more", 5_000)
        await stage.phase(await gateway.start_withdrawal(stage.client, withdrawal), "paid")


# --- unknown ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["status_after_effect", "cut", "html", "garbage", "wrong_amount"])
async def test_an_effect_reported_as_a_failure_turns_out_paid_once(stage: WithdrawalStage, kind: Kind) -> None:
    await stage.furnish()
    await stage.world.fault("bank", verb="payout", match=stage.token, kind=kind)
    async with stage.worker():
        handle = await stage.start()
        await stage.phase(handle, "unknown")
        assert await stage.effects() == 1
        assert (await handle.query("withdrawal"))["booked"] is None
        await stage.skip(handle, minutes=2)
        await stage.phase(handle, "paid")
    assert (await stage.available(), await stage.effects()) == (4_990_000, 1)


async def test_a_request_that_never_arrived_goes_again_under_the_same_key(stage: WithdrawalStage) -> None:
    await stage.furnish()
    await stage.world.fault("bank", verb="payout", match=stage.token, kind="cut_before_effect")
    async with stage.worker():
        handle = await stage.start()
        await stage.phase(handle, "unknown")
        await stage.skip(handle, minutes=6)
        state = await stage.phase(handle, "paid")
    assert [attempt["sends"] for attempt in state["attempts"]] == [2]
    assert await stage.effects() == 1


async def test_unknown_then_failed_is_given_back(stage: WithdrawalStage) -> None:
    await stage.furnish()
    await stage.world.refuse_account(stage.token, code="PAYEE_REFUSED")
    await stage.world.fault("bank", verb="payout", match=stage.token, kind="status_after_effect")
    async with stage.worker():
        handle = await stage.start()
        await stage.phase(handle, "unknown")
        await stage.skip(handle, minutes=2)
        await stage.phase(handle, "failed")
    assert (await stage.available(), await stage.effects()) == (5_000_000, 0)


async def test_a_bank_that_stays_silent_is_left_to_two_people(stage: WithdrawalStage) -> None:
    await stage.furnish()
    await stage.world.fault("bank", verb="payout", match=stage.token, kind="status_after_effect", times=None)
    await stage.world.fault("bank", verb="payout_status", match=stage.token, kind="status_before_effect", times=None)
    said = {"outcome": "paid", "reference": "B-1", "reason": "the bank's letter"}
    async with stage.worker():
        handle = await stage.start()
        await stage.phase(handle, "unknown")
        assert await stage.code(handle, "resolve_unknown", stage.command("operator", "ann", **said)) == "too_early"
        await stage.skip(handle, days=8)
        await stage.until(handle, lambda state: bool(state["holds"]))
        assert "payout_stuck" in await stage.reasons(handle)
        await stage.send(handle, "resolve_unknown", "operator", "ann", **said)
        assert await stage.code(handle, "resolve_unknown", stage.command("operator", "ann", **said)) == (
            "needs_other_person"
        )
        await stage.send(handle, "resolve_unknown", "reviewer", "bob", **said)
        await stage.phase(handle, "paid")
    assert (await stage.available(), await stage.effects()) == (4_990_000, 1)


# --- refused by the bank, returned -----------------------------------------------------------------------


async def test_a_closed_account_is_given_back_and_suspended(stage: WithdrawalStage) -> None:
    await stage.furnish()
    await stage.world.refuse_account(stage.token, code="ACCOUNT_CLOSED")
    async with stage.worker():
        handle = await stage.start()
        state = await stage.phase(handle, "failed")
        assert "ACCOUNT_CLOSED" in state["reason"]
        await stage.at_rest(handle)
        assert await failure_of(await stage.start()) == "account_suspended"
    assert (await stage.available(), await stage.effects()) == (5_000_000, 0)


async def test_money_that_comes_back_days_later_is_credited_again(stage: WithdrawalStage) -> None:
    await stage.furnish()
    async with stage.worker():
        handle = await stage.start()
        state = await stage.phase(handle, "paid")
        await stage.skip(handle, days=2)
        await stage.world.return_payout(state["attempts"][0]["key"], 4_000)
        await stage.report(handle, "returned", "ev-1", 4_000)
        await stage.report(handle, "returned", "ev-1", 4_000)
        await stage.phase(handle, "returned")
        assert await stage.available() == 4_994_000
        await stage.world.return_payout(state["attempts"][0]["key"])  # the callback of this one is lost
        await stage.skip(handle, days=2)
        await stage.until(handle, lambda state: len(state["returns_minor"]) == 2)
    assert await stage.available() == 5_000_000


async def test_late_paid_after_failed_waits_for_people_and_posts_nothing(stage: WithdrawalStage) -> None:
    await stage.furnish()
    await stage.world.refuse_account(stage.token, code="PAYEE_REFUSED")
    async with stage.worker():
        handle = await stage.start()
        await stage.phase(handle, "failed")
        await stage.report(handle, "paid", "ev-1")
        assert await stage.reasons(handle) == ["paid_after_failed"]
        assert (await handle.query("withdrawal"))["booked"] == "void"
    assert await stage.available() == 5_000_000


# --- people ----------------------------------------------------------------------------------------------


async def test_a_large_withdrawal_waits_for_two_people(stage: WithdrawalStage) -> None:
    await stage.furnish()
    async with stage.worker():
        handle = await stage.start(LARGE)
        await stage.phase(handle, "in_approval")
        own = stage.command("operator", stage.merchant)
        assert await stage.code(handle, "approve", own) == "needs_other_person"
        await stage.send(handle, "approve", "reviewer", "bob")
        assert await stage.code(handle, "approve", stage.command("operator", "bob")) == "needs_other_person"
        assert await stage.effects() == 0
        answer = await stage.send(handle, "approve", "operator", "cleo")
        assert answer["phase"] in {"approved", "submitting"}
        await stage.phase(handle, "paid")
    assert await stage.effects() == 1


async def test_the_approval_of_who_has_left_pays_nothing(stage: WithdrawalStage, database: Database) -> None:
    await stage.furnish()
    owners = Register(database.owner).people
    now = datetime.now(UTC)
    signs_in: dict[str, Any] = {"merchant_id": None, "issuer": "https://id.example", "by": "owner", "now": now}
    for person in ("ann", "bob", "cleo"):
        assert await owners.add(person, person, "operator", subject=person, **signs_in)
    async with stage.worker():
        handle = await stage.start(LARGE)
        await stage.phase(handle, "in_approval")
        await stage.send(handle, "approve", "operator", "ann")
        await owners.end("ann", now, "owner")
        assert (await stage.send(handle, "approve", "operator", "bob"))["phase"] == "in_approval"
        assert await stage.code(handle, "approve", stage.command("operator", "ann")) == "wrong_actor"
        assert await stage.effects() == 0
        await stage.send(handle, "approve", "operator", "cleo")
        await stage.phase(handle, "paid")
        await owners.end("cleo", now, "owner")
        assert (await handle.query("withdrawal"))["phase"] == "paid", "what was carried out stays"
    assert await stage.effects() == 1


async def test_one_shell_approves_as_nobody_and_two_keys_as_two_people(stage: WithdrawalStage) -> None:
    """A client of the namespace may claim any role; where the policy asks for proofs, it gains nothing."""
    proofs = f'\n[proofs]\nroots = ["{public(ROOT)}"]\nrequired_of = ["operator", "reviewer"]\n'
    await stage.furnish(policy=POLICY + proofs)
    plain, signers = stage.client, [a_signer(who, at=datetime.now(UTC)) for who in ("ann", "bob")]
    async with stage.worker():
        handle = await stage.start(LARGE)
        await stage.phase(handle, "in_approval")
        for who in ("ann", "bob"):
            assert await stage.code(handle, "approve", stage.command("operator", who)) == "unproven"
        await plain.get_workflow_handle(handle.id).signal("approve", stage.command("operator", "ann"))
        for signer in signers:
            signing: Any = {**plain.config(active_config=False), "interceptors": [Signing(signer)]}
            stage.client = Client(**signing)
            assert await stage.code(handle, "approve", stage.command("operator", "cleo")) == "unproven"
            await stage.send(handle, "approve", "operator", signer.certificate.speaks_for)
        await stage.phase(handle, "paid")
        state = await handle.query("withdrawal")
    assert [approval["actor"]["id"] for approval in state["approvals"]] == ["ann", "bob"]
    assert await stage.effects() == 1


async def test_nobody_approves_in_time_and_it_is_given_back(stage: WithdrawalStage) -> None:
    await stage.furnish()
    async with stage.worker():
        handle = await stage.start(LARGE)
        await stage.phase(handle, "in_approval")
        await stage.skip(handle, hours=24, seconds=1)
        assert (await handle.result())["phase"] == "rejected"
    assert await stage.available() == 5_000_000


@pytest.mark.parametrize("by", ["update", "signal"])
async def test_the_merchant_cancels_before_it_is_submitted(stage: WithdrawalStage, by: str) -> None:
    await stage.furnish()
    async with stage.worker():
        handle = await stage.start(LARGE)
        await stage.phase(handle, "in_approval")
        if by == "update":
            assert (await stage.send(handle, "cancel", "merchant"))["phase"] == "cancelled"
        else:
            await handle.signal("cancel", stage.command("merchant"))
        assert (await handle.result())["phase"] == "cancelled"
    assert (await stage.available(), await stage.effects()) == (5_000_000, 0)


async def test_cancel_after_submission_is_refused(stage: WithdrawalStage) -> None:
    await stage.furnish(token="slow-")
    async with stage.worker():
        handle = await stage.start()
        await stage.phase(handle, "submitted")
        body = stage.command("merchant")
        assert await stage.code(handle, "cancel", body) == "already_submitted"
        await handle.signal("cancel", body)
        journal = await stage.journal(handle, 1)
        assert journal[-1]["code"] == "already_submitted"


# --- a worker that is killed between the effect and its report --------------------------------------------


async def test_a_worker_killed_while_the_bank_works_pays_once(stage: WithdrawalStage) -> None:
    """`slow_answer`: the effect is there, its report is lost. `delay`: the effect comes after the worker is gone."""
    kinds: dict[Kind, WithdrawalStage] = {"slow_answer": stage, "delay": stage.beside()}
    for kind, one in kinds.items():
        await one.furnish()
        await one.world.fault("bank", verb="payout", match=one.token, kind=kind, seconds=6)

    async def all_asked() -> bool:
        return all([await one.world.asked("bank", "payout", one.token) for one in kinds.values()])

    process = stage.worker_process()
    try:
        handles = [await one.start() for one in kinds.values()]
        await until(all_asked)
        assert process.poll() is None
    finally:
        kill(process)
    async with stage.worker():
        for one, handle in zip(kinds.values(), handles, strict=True):
            # Temporal misses the lost try when its time is up; then it is looked up, never sent again at once.
            await one.until(handle, lambda state: state["phase"] != "submitting")
            await one.skip(handle, minutes=2)
            await one.phase(handle, "paid")
            assert (await one.available(), await one.effects()) == (4_990_000, 1)


# --- after the end ---------------------------------------------------------------------------------------


async def test_a_return_after_the_end_is_taken_up_from_the_register(stage: WithdrawalStage) -> None:
    await stage.furnish()
    withdrawal = stage.asked()
    async with stage.worker():
        handle = await gateway.start_withdrawal(stage.client, withdrawal)
        state = await stage.phase(handle, "paid")
        await stage.skip(handle, days=12)
        assert (await handle.result())["phase"] == "final"
        fields = {"outcome": "returned", "event_id": "late", "key": state["attempts"][0]["key"]}
        money = {"amount_minor": 10_000, "currency": "CNY"}
        for _ in range(2):
            again = await stage.client.start_workflow(
                WITHDRAWAL_WORKFLOW,
                withdrawal,
                id=handle.id,
                task_queue=TASK_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                start_signal="report_payout",
                start_signal_args=[stage.command("rail", "sandbox", **fields, **money)],
            )
            assert (await again.result())["phase"] == "returned"
    assert await stage.available() == 5_000_000


# --- any message -----------------------------------------------------------------------------------------

JUNK: list[Any] = [None, 7, "x", [], {}, {"command_id": "c"}, {"command_id": "bad id", "actor": 1}, {"a": "\x00"}]


async def test_no_malformed_message_wedges_or_loses_anything(stage: WithdrawalStage) -> None:
    await stage.furnish()
    verbs = ("cancel", "approve", "reject", "resolve_unknown", "report_payout")
    async with stage.worker():
        handle = await stage.start(LARGE)
        await stage.phase(handle, "in_approval")
        for verb in verbs:
            for body in JUNK:
                await handle.signal(verb, body)
                assert await stage.code(handle, verb, body if isinstance(body, dict) else {}) == "malformed"
            await handle.signal(verb)
            await handle.signal(verb, args=[{}, {}])
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await handle.execute_update(verb, args=[{}, {}])
            assert gateway.refusal_in(refused.value).code == "malformed"
        await handle.signal("no_such_verb", {})
        assert await stage.code(handle, "no_such_verb", {}) == "unknown_verb"
        journal = await handle.query("journal")
        assert len(journal) == len(verbs) * (len(JUNK) + 2) + 1
        assert {entry["code"] for entry in journal} == {"malformed", "unknown_verb"}
        await stage.send(handle, "cancel", "merchant")
        assert (await handle.result())["phase"] == "cancelled"


@pytest.mark.parametrize("body", [None, 7, {}, {"withdrawal_id": "w"}, {"amount_minor": -1}])
async def test_a_malformed_request_fails_at_once_with_its_reason(stage: WithdrawalStage, body: Any) -> None:
    await stage.furnish()
    async with stage.worker():
        handle = await stage.client.start_workflow(
            WITHDRAWAL_WORKFLOW, body, id=f"withdrawal-junk-{stage.number}", task_queue=TASK_QUEUE
        )
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
    assert gateway.refusal_in(failed.value).code == "malformed"


async def test_a_request_to_cancel_the_workflow_leaves_no_money_reserved_for_ever(stage: WithdrawalStage) -> None:
    await stage.furnish()
    async with stage.worker(cached=0):
        handle = await stage.start(LARGE)
        await stage.phase(handle, "in_approval")
        await handle.cancel()
        journal = await stage.journal(handle, 1)
        assert journal[-1]["verb"] == "cancel_workflow"
        await stage.send(handle, "cancel", "merchant")
        assert (await handle.result())["phase"] == "cancelled"
    assert await stage.available() == 5_000_000


# --- what an operator sees, and replay -------------------------------------------------------------------


async def test_the_web_ui_shows_state_holds_and_deadline(stage: WithdrawalStage) -> None:
    await stage.furnish()
    async with stage.worker():
        handle = await stage.start(LARGE)
        await stage.phase(handle, "in_approval")
        await stage.at_rest(handle)
        description = await handle.describe()
        found = {pair.key.name: pair.value for pair in description.typed_search_attributes}
        assert found["WithdrawalState"] == "in_approval"
        assert found["HoldReasons"] == ["awaiting_approval"]
        assert (found["AmountMinor"], found["Currency"], found["MerchantId"]) == (LARGE, "CNY", stage.merchant)
        assert found["NextDeadline"] is not None
        assert await description.static_summary() is not None


async def test_every_history_replays(stage: WithdrawalStage) -> None:
    await stage.furnish()
    await stage.world.fault("bank", verb="payout", match=stage.token, kind="cut_before_effect")
    async with stage.worker(cached=0):
        handle = await stage.start(LARGE)
        await stage.phase(handle, "in_approval")
        await stage.send(handle, "approve", "reviewer", "bob")
        await handle.signal("approve", stage.command("operator", "cleo"))
        await stage.phase(handle, "unknown")
        await stage.skip(handle, minutes=6)
        await stage.phase(handle, "paid")
        await stage.skip(handle, days=12)
        await handle.result()
        history = await handle.fetch_history()
    await Replayer(plugins=[plugin()], workflows=[]).replay_workflow(history)
