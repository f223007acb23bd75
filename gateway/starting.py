"""Starts workflows: their ids, and what happens if the id runs, has ended or has failed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowHandle,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from core.account_drop.state import ACCOUNT_DROP_WORKFLOW, AccountDrop
from core.aftersale.messages import ReportChargeback
from core.errors import Refused
from core.ids import (
    ORDER_WORKFLOW,
    PAYMENT_RETURN_WORKFLOW,
    TASK_QUEUE,
    WITHDRAWAL_WORKFLOW,
    order_workflow_id,
    payment_return_workflow_id,
    withdrawal_workflow_id,
)
from core.messages import Order, ReportPayout, Resumption, Withdrawal
from core.money import format_minor
from core.refund_messages import RefundOrder
from gateway.refusals import in_our_words, refuse_large, refused_result
from gateway.sending import ANSWER_WITHIN, answered, sendable


def turn_of(merchant_id: str) -> Priority:
    """Each merchant has turns of its own at the workers; see `core.turns`. An older server ignores it."""
    return Priority(fairness_key=merchant_id)


async def start_order(client: Client, order: Order, *, rescue: bool = False) -> WorkflowHandle[Any, Any]:
    """Start an order's workflow; a running one is returned.

    Raises:
        Refused: `order_over`: the workflow of this id has completed; `malformed`: the order is too large.
        Unavailable: Temporal did not answer; a retry helps.
    """
    refuse_large(order)
    args: list[Any] = [order, {"rescue": True}] if rescue else [order]
    reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE if rescue else WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
    try:
        with in_our_words():
            return await client.start_workflow(
                ORDER_WORKFLOW,
                args=args,
                id=order_workflow_id(order.order_id),
                task_queue=TASK_QUEUE,
                id_reuse_policy=reuse,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                priority=turn_of(order.merchant_id),
                static_summary=f"order {order.order_id} · {order.merchant_id} · "
                f"{format_minor(order.total_minor, order.currency)}",
                static_details=_lines_of(order),
            )
    except WorkflowAlreadyStartedError:
        raise Refused("order_over", f"The workflow of order {order.order_id} has completed.") from None


async def refund_order(client: Client, order: Order, body: dict[str, Any]) -> dict[str, Any]:
    """Send `refund_order` to an order, also to one whose workflow has ended; see `send_reopening`."""
    return await send_reopening(client, order, RefundOrder.verb, body)


async def report_chargeback(client: Client, order: Order, report: ReportChargeback) -> dict[str, Any]:
    """Send `report_chargeback` to an order, also to one whose workflow has ended; see `send_reopening`."""
    return await send_reopening(client, order, ReportChargeback.verb, report.model_dump(mode="json"))


async def send_reopening(client: Client, order: Order, verb: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send a command to an order; one whose workflow has ended runs again from the register, in the same call.

    Raises:
        Refused: with the reason code; a retry does not help.
        Unavailable: no answer in time; a retry with the same command id helps and changes nothing twice.
    """
    body = sendable(verb, body)
    start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        ORDER_WORKFLOW,
        args=[order, {"rescue": True, "reopen": True}],
        id=order_workflow_id(order.order_id),
        task_queue=TASK_QUEUE,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        priority=turn_of(order.merchant_id),
        static_summary=f"order {order.order_id} · goes on",
    )
    with in_our_words():
        async with answered(order_workflow_id(order.order_id), body):
            try:
                answer = await client.execute_update_with_start_workflow(
                    verb, body, start_workflow_operation=start, rpc_timeout=ANSWER_WITHIN
                )
            except (RPCError, WorkflowUpdateRPCTimeoutOrCancelledError):
                # The SDK leaves the error in the start's future, too. Unread, it is logged with its traceback.
                with suppress(RPCError, asyncio.CancelledError):
                    await start.workflow_handle()
                raise
    return dict(answer)


async def signal_reopening(client: Client, order: Order, verb: str, body: dict[str, Any]) -> None:
    """As `send_reopening`, as a Signal: its answer appears in the journal.

    Raises:
        Unavailable: Temporal did not answer; a retry with the same command id helps.
    """
    body = sendable(verb, body)
    with in_our_words():
        await client.start_workflow(
            ORDER_WORKFLOW,
            args=[order, {"rescue": True, "reopen": True}],
            id=order_workflow_id(order.order_id),
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal=verb,
            start_signal_args=[body],
            priority=turn_of(order.merchant_id),
            static_summary=f"order {order.order_id} · goes on",
        )


def _lines_of(order: Order) -> str:
    """A heading and the lines. A codec seals texts of several lines: what someone bought is private."""
    goods = (f"- {line.quantity} × {line.title} (line {line.line_id})" for line in order.lines[:20])
    return "\n".join(("Goods:", *goods))


async def start_withdrawal(client: Client, withdrawal: Withdrawal) -> WorkflowHandle[Any, Any]:
    """Start a withdrawal's workflow; one that runs or ran is returned. A refused request may be made again.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    try:
        return await _started(client, withdrawal, WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY)
    except WorkflowAlreadyStartedError:
        handle = client.get_workflow_handle(withdrawal_workflow_id(withdrawal.withdrawal_id))
    with in_our_words():
        refused = await refused_result(handle)
    # Between these lines another sender may have started it again: that run is returned. A run of what is reserved
    # by then ends at once as the register says, and moves nothing.
    return handle if refused is None else await _started(client, withdrawal, WorkflowIDReusePolicy.ALLOW_DUPLICATE)


async def _started(client: Client, withdrawal: Withdrawal, reuse: WorkflowIDReusePolicy) -> WorkflowHandle[Any, Any]:
    with in_our_words():
        return await client.start_workflow(
            WITHDRAWAL_WORKFLOW,
            withdrawal,
            id=withdrawal_workflow_id(withdrawal.withdrawal_id),
            task_queue=TASK_QUEUE,
            id_reuse_policy=reuse,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            priority=turn_of(withdrawal.merchant_id),
            static_summary=f"withdrawal {withdrawal.withdrawal_id} · {withdrawal.merchant_id} · "
            f"{format_minor(withdrawal.amount_minor, withdrawal.currency)}",
        )


async def report_payout(client: Client, withdrawal_id: str, event: ReportPayout) -> WorkflowHandle[Any, Any]:
    """Report the outcome of a payout to its withdrawal, as a Signal; the answer appears in the withdrawal's journal.

    For callbacks and statements: a bank's return is accepted at any time. If the withdrawal's workflow has ended or was
    lost, it first resumes from the register; one that the register does not know fails as `unknown_withdrawal`. Each
    event id counts once, even if it is delivered repeatedly.

    Raises:
        Unavailable: Temporal did not answer; a retry helps and counts nothing twice.
    """
    refuse_large(event)
    return await _resumed(client, withdrawal_id, ReportPayout.verb, event.model_dump(mode="json"))


async def resume_withdrawal(client: Client, withdrawal_id: str) -> WorkflowHandle[Any, Any]:
    """Resume from the register a withdrawal whose workflow was lost; a running one is returned.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    return await _resumed(client, withdrawal_id)


async def _resumed(
    client: Client, withdrawal_id: str, verb: str | None = None, body: dict[str, Any] | None = None
) -> WorkflowHandle[Any, Any]:
    with in_our_words():
        return await client.start_workflow(
            WITHDRAWAL_WORKFLOW,
            args=[Resumption(withdrawal_id=withdrawal_id), {"resume": True}],
            id=withdrawal_workflow_id(withdrawal_id),
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal=verb,
            start_signal_args=[body] if verb else [],
            static_summary=f"withdrawal {withdrawal_id} · goes on",
        )


async def start_payment_return(client: Client, return_id: str) -> WorkflowHandle[Any, Any]:
    """Send back what two people agreed on of a payment; a return that runs or ran is returned.

    Raises:
        Unavailable: Temporal did not answer; a retry helps and sends nothing twice.
    """
    workflow_id = payment_return_workflow_id(return_id)
    try:
        with in_our_words():
            return await client.start_workflow(
                PAYMENT_RETURN_WORKFLOW,
                {"return_id": return_id},
                id=workflow_id,
                task_queue=TASK_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary=f"return {return_id} of what no order claims",
            )
    except WorkflowAlreadyStartedError:
        return client.get_workflow_handle(workflow_id)


async def start_account_drop(client: Client, drop: AccountDrop, *, again: bool = False) -> WorkflowHandle[Any, Any]:
    """Send a small amount to an account; a drop that was started under this key is returned.

    Args:
        again: its workflow was lost; the register says whether it is sent or only looked up.

    Raises:
        Unavailable: Temporal did not answer; a retry helps and sends nothing twice.
    """
    try:
        with in_our_words():
            return await client.start_workflow(
                ACCOUNT_DROP_WORKFLOW,
                drop,
                id=drop.workflow_id,
                task_queue=TASK_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE
                if again
                else WorkflowIDReusePolicy.REJECT_DUPLICATE,
                static_summary=f"verify account {drop.account_id}",
            )
    except WorkflowAlreadyStartedError:
        return client.get_workflow_handle(drop.workflow_id)
