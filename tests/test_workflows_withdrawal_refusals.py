"""Bad requests, approvals, cancels and reports: each gets a reason code, and nothing moves."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import WorkflowFailureError, WorkflowHandle
from withdrawal_stage import WithdrawalStage

import gateway
from core.ids import TASK_QUEUE, WITHDRAWAL_WORKFLOW
from core.policy import policy_hash
from ledger.payout_accounts import Binding

STRICT = 'name = "strict"\n[withdrawal]\naccounts_must_be_verified = true\ncurrencies = ["CNY"]\n'
OPERATOR = {"role": "operator", "id": "ann"}
OTHERS = "m-somebody-else"


async def _bind(stage: WithdrawalStage, account_id: str, merchant: str = "", **fields: Any) -> None:
    given = {"kind": "bank_card", "currency": "CNY", "holder": "Li Wei", "last4": "1234", "rail": "sandbox"}
    more = {"account_id": account_id, "merchant_id": merchant or stage.merchant, "rail_token": f"tok-{account_id}"}
    await stage.register.accounts.bind(
        Binding(**{**given, **more, "is_default": False, **fields}), now=datetime.now(UTC)
    )


async def _came_to(handle: WorkflowHandle[Any, Any]) -> tuple[str, str | None]:
    """The reason code of a request that was refused, or that could not be read, and the field it names."""
    try:
        state = await handle.result()
    except WorkflowFailureError as error:
        refusal = gateway.refusal_in(error)
        return refusal.code, refusal.field
    if (refused := state.get("refusal")) is not None:
        return str(refused["code"]), refused.get("field")
    return str(state["phase"]), None


async def test_a_request_that_must_not_be_made_is_refused_by_its_reason(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish(available=10_000)
    await stage.register.policies.keep("strict", policy_hash(STRICT), STRICT)
    number, now = stage.number, datetime.now(UTC)
    await _bind(stage, f"foreign-{number}", OTHERS)
    await _bind(stage, f"bad-{number}")
    await stage.register.accounts.suspend(f"bad-{number}", "returned", now)
    await _bind(stage, f"cooling-{number}", cooling_until=now + timedelta(hours=1))
    await _bind(stage, f"usd-{number}", currency="USD")
    wanted: list[tuple[dict[str, Any], str, str | None]] = [
        ({"amount_minor": 0}, "malformed", "amount_minor"),
        ({"amount_minor": -1}, "malformed", "amount_minor"),
        ({"amount_minor": 10.5}, "malformed", "amount_minor"),
        ({"amount_minor": 100.0}, "malformed", "amount_minor"),
        ({"amount_minor": "100"}, "malformed", "amount_minor"),
        ({"amount_minor": True}, "malformed", "amount_minor"),
        ({"amount_minor": 2**63}, "malformed", "amount_minor"),
        ({"amount_minor": 10**15 + 1}, "malformed", "amount_minor"),
        ({"amount_minor": None}, "malformed", "amount_minor"),
        ({"currency": "yuan"}, "malformed", "currency"),
        ({"withdrawal_id": "w/1"}, "malformed", "withdrawal_id"),
        ({"requested_by": "m-7"}, "malformed", "requested_by"),
        ({"amount_minor": 99}, "below_minimum", "amount_minor"),
        ({"amount_minor": 5_000_001}, "above_maximum", "amount_minor"),
        ({"amount_minor": 10_001}, "insufficient_funds", "amount_minor"),
        ({"currency": "USD"}, "wrong_currency", "currency"),
        ({"currency": "USD", "account_id": f"usd-{number}"}, "insufficient_funds", "amount_minor"),
        ({"account_id": "nobodys"}, "unknown_account", "account_id"),
        ({"account_id": f"foreign-{number}"}, "unknown_account", "account_id"),
        ({"account_id": f"bad-{number}"}, "account_suspended", "account_id"),
        ({"account_id": f"cooling-{number}"}, "account_cooling", "account_id"),
        ({"policy": "strict", "requested_by": OPERATOR}, "account_unverified", None),
        ({"policy": "strict", "requested_by": OPERATOR, "currency": "USD"}, "wrong_currency", "currency"),
        ({"policy": "strict"}, "wrong_actor", "policy"),
        ({"leaving": True}, "wrong_actor", "leaving"),
        ({"requested_by": {"role": "merchant", "id": OTHERS}}, "wrong_actor", "requested_by"),
        ({"requested_by": {"role": "buyer", "id": "b-1"}}, "wrong_actor", "requested_by"),
        ({"requested_by": {"role": "admin", "id": "root"}}, "malformed", "requested_by.role"),
    ]

    async def ask(index: int, fields: dict[str, Any]) -> tuple[str, str | None]:
        body = {**stage.asked(1_000).model_dump(mode="json"), "withdrawal_id": f"w-{number}-bad-{index}", **fields}
        handle = await stage.client.start_workflow(
            WITHDRAWAL_WORKFLOW, body, id=f"withdrawal-w-{number}-bad-{index}", task_queue=TASK_QUEUE
        )
        return await _came_to(handle)

    async with stage.worker():
        got = await asyncio.gather(*(ask(index, fields) for index, (fields, _, _) in enumerate(wanted)))
    assert [(fields, *found) for (fields, _, _), found in zip(wanted, got, strict=True)] == wanted
    assert await stage.available() == 10_000
    assert await stage.register.withdrawals.rows(merchant_id=stage.merchant) == []


async def test_the_same_id_again_gets_the_first_answer_and_another_content_is_refused(
    money_stage: WithdrawalStage,
) -> None:
    stage = money_stage
    await stage.furnish(available=100_000)
    withdrawal = stage.asked()
    async with stage.worker():
        first = await gateway.start_withdrawal(stage.client, withdrawal)
        await stage.phase(first, "paid")
        again = await gateway.start_withdrawal(stage.client, withdrawal)
        assert (await again.describe()).run_id == first.first_execution_run_id
        await first.terminate()
        other = withdrawal.model_copy(update={"leaving": True, "requested_by": withdrawal.requested_by})
        code, field = await _came_to(await gateway.start_withdrawal(stage.client, other))
        assert (code, field) == ("withdrawal_exists_with_different_content", "withdrawal_id")
    assert (await stage.available(), await stage.effects()) == (90_000, 1)


async def test_commands_that_come_too_late_or_from_the_wrong_person_move_nothing(money_stage: WithdrawalStage) -> None:
    stage = money_stage
    await stage.furnish(token="slow-")
    async with stage.worker():
        large = await stage.start(3_000_000, requested_by=OPERATOR)
        await stage.phase(large, "in_approval")
        assert await stage.code(large, "approve", stage.command("operator", "ann")) == "needs_other_person"
        assert await stage.code(large, "approve", stage.command("merchant")) == "wrong_actor"
        assert await stage.code(large, "reject", stage.command("reviewer", "bob", reason="")) == "reason_missing"
        assert await stage.code(large, "cancel", stage.command("merchant", OTHERS)) == "wrong_actor"
        await stage.send(large, "approve", "reviewer", "bob")
        assert await stage.code(large, "approve", stage.command("reviewer", "bob")) == "needs_other_person"
        assert await stage.available() == 2_000_000
        assert await stage.effects() == 0
        small = await stage.start(1_000)
        state = await stage.phase(small, "submitted")
        late: tuple[tuple[str, dict[str, str]], ...] = (("cancel", {}), ("reject", {"reason": "no"}), ("recheck", {}))
        for number, (verb, more) in enumerate(late, 1):
            body = stage.command("operator", "ann", **more)
            assert await stage.code(small, verb, body) == "already_submitted"
            await small.signal(verb, stage.command("operator", "ann", **more))
            journal = await stage.journal(small, number)  # an update that met the signal would be journaled, too
        said = {"outcome": "failed", "reference": "B-1", "reason": "no"}
        assert await stage.code(small, "resolve_unknown", stage.command("operator", "ann", **said)) == "not_unknown"
        assert [entry["code"] for entry in journal if entry["outcome"] == "refused"] == ["already_submitted"] * 3
        report = {
            "outcome": "paid",
            "event_id": "ev-1",
            "key": state["attempts"][0]["key"],
            "amount_minor": 1_000,
            "currency": "CNY",
        }
        for fields, actor, code in (
            ({"amount_minor": 999}, "sandbox", "wrong_amount"),
            ({"amount_minor": 0}, "sandbox", "malformed"),
            ({"key": "x" * 26}, "sandbox", "unknown_payout"),
            ({"key": "no key!"}, "sandbox", "malformed"),
            ({"currency": "USD"}, "sandbox", "wrong_currency"),
            ({}, "another-bank", "wrong_actor"),
            ({"outcome": "returned", "amount_minor": 1_001}, "sandbox", "wrong_amount"),
        ):
            body = stage.command("rail", actor, **{**report, **fields})
            assert await stage.code(small, "report_payout", body) == code
        assert await stage.code(small, "report_payout", stage.command("merchant", **report)) == "wrong_actor"
        assert (await small.query("withdrawal"))["phase"] == "submitted"
        await large.terminate()
        await small.terminate()
