"""The one door into Temporal: connect, start, update, signal, query; ids and reuse policy; the one plugin.

Worker, starter and replay use the same plugin, so that converter, sandbox and workflows never diverge.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import temporalio.api.common.v1
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
)
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.plugin import SimplePlugin
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from config import Settings
from core.account_drops import ACCOUNT_DROP_WORKFLOW, AccountDrop
from core.errors import Misconfigured, Refused, Unavailable
from core.messages import (
    ORDER_WORKFLOW,
    RECONCILIATION_WORKFLOW,
    TASK_QUEUE,
    WITHDRAWAL_WORKFLOW,
    Order,
    RecheckWithdrawal,
    ReportPayout,
    Resumption,
    Unreadable,
    Withdrawal,
    order_workflow_id,
    reconciliation_workflow_id,
    withdrawal_workflow_id,
)
from core.money import format_minor
from core.reasons import SENTENCES
from workflows.account_drop import AccountDropWorkflow
from workflows.auto_withdrawal import AutoWithdrawalWorkflow
from workflows.order import OrderWorkflow
from workflows.reconciliation import ReconciliationWorkflow
from workflows.sandbox import ContextFreeRunner, treats_all_alike
from workflows.withdrawal import WithdrawalWorkflow

T = TypeVar("T")

WORKFLOWS: Sequence[type] = (
    OrderWorkflow,
    WithdrawalWorkflow,
    AutoWithdrawalWorkflow,
    ReconciliationWorkflow,
    AccountDropWorkflow,
)
LAST_PAUSE = 0.2
"""Seconds before a process that used a Client ends: without it one in five aborts (sdk-python issue 300)."""
ANSWER_WITHIN = timedelta(seconds=30)
_ENDED_BY_SOMEBODY = frozenset(
    {WorkflowExecutionStatus.TERMINATED, WorkflowExecutionStatus.CANCELED, WorkflowExecutionStatus.TIMED_OUT}
)


_PYDANTIC = PydanticJSONPlainPayloadConverter()
"""One for all: every workflow gets a converter of its own, and would build the schemas of its types again."""


class _TolerantConverter(CompositePayloadConverter):
    """Turns a payload that nobody can decode into a value that is refused, where any value is taken.

    An exception there would fail the workflow task again and again and wedge the order for ever.
    """

    def __init__(self) -> None:
        usual = DefaultPayloadConverter.default_encoding_payload_converters
        super().__init__(*(_PYDANTIC if isinstance(one, JSONPlainPayloadConverter) else one for one in usual))

    def from_payloads(
        self, payloads: Sequence[temporalio.api.common.v1.Payload], type_hints: list[type] | None = None
    ) -> list[Any]:
        """Each value, or `Unreadable` where no certain type was asked for; surplus payloads have no type."""
        hints: list[Any] = [*(type_hints or []), *([None] * len(payloads))]
        return [self._one(payload, hint) for payload, hint in zip(payloads, hints, strict=False)]

    def _one(self, payload: temporalio.api.common.v1.Payload, hint: type | None) -> Any:
        try:
            return super().from_payloads([payload], [hint] if hint else None)[0]
        except Exception as error:
            if hint in (None, Any):
                return Unreadable(why=f"It cannot be decoded: {type(error).__name__}.")
            raise


DATA_CONVERTER = DataConverter(payload_converter_class=_TolerantConverter)


def plugin(
    activities: Sequence[Callable[..., Any]] = (), *, runner: SandboxedWorkflowRunner | None = None
) -> SimplePlugin:
    """Converter, runner, workflows and activities in one.

    Production passes all modules through the sandbox: its call restrictions stay, and a task costs half.
    Tests give a stricter runner.
    """
    return SimplePlugin(
        "dakuan",
        data_converter=DATA_CONVERTER,
        workflow_runner=runner or passing_runner(),
        workflows=WORKFLOWS,
        activities=activities or None,
    )


def passing_runner() -> SandboxedWorkflowRunner:
    """The production sandbox."""
    restrictions = SandboxRestrictions.default.with_passthrough_all_modules()
    runner = ContextFreeRunner if treats_all_alike(DATA_CONVERTER) else SandboxedWorkflowRunner
    return runner(restrictions=restrictions)


async def connect(settings: Settings) -> Client:
    """A client for the configured service.

    Raises:
        Unavailable: nothing answers at the address; the message names it. A retry helps once it does.
        Misconfigured: no address is set, or there is no such namespace.
    """
    target = settings.temporal_connect_config()
    try:
        client = await Client.connect(**target, data_converter=DATA_CONVERTER)
    except RuntimeError as error:
        # The bridge prints its own types; what the system said stands in the middle of them.
        said = re.search(r'message: "([^"]+)"', str(error))
        why = said[1] if said else str(error)
        raise Unavailable(f"Temporal does not answer at {target.get('target_host')}: {why}") from None
    await _find_namespace(client)
    return client


async def _find_namespace(client: Client) -> None:
    """Without its namespace every answer would be "not found", as if orders were missing."""
    request = DescribeNamespaceRequest(namespace=client.namespace)
    try:
        await client.workflow_service.describe_namespace(request, timeout=ANSWER_WITHIN)
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            raise Misconfigured(f"Temporal has no namespace {client.namespace}: set TEMPORAL_NAMESPACE") from None
        # Whoever may not look at the namespace may still work in it.


# --- orders and withdrawals ------------------------------------------------------------------------------


async def start_order(client: Client, order: Order, *, rescue: bool = False) -> WorkflowHandle[Any, Any]:
    """Start an order's workflow; one that runs is returned as it is.

    Raises:
        Refused: `order_over`, the workflow of this id completed.
    """
    args: list[Any] = [order, {"rescue": True}] if rescue else [order]
    try:
        return await client.start_workflow(
            ORDER_WORKFLOW,
            args=args,
            id=order_workflow_id(order.order_id),
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE
            if rescue
            else WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=f"order {order.order_id} · {order.merchant_id} · "
            f"{format_minor(order.total_minor, order.currency)}",
            static_details=_lines_of(order),
        )
    except WorkflowAlreadyStartedError:
        raise Refused("order_over", f"The workflow of order {order.order_id} has completed.") from None
    except RPCError as error:
        raise _not_there(error, "") from None


def _lines_of(order: Order) -> str:
    return "\n".join(f"- {line.quantity} × {line.title} (line {line.line_id})" for line in order.lines[:20])


async def start_withdrawal(client: Client, withdrawal: Withdrawal) -> WorkflowHandle[Any, Any]:
    """Start a withdrawal's workflow; one that runs or ran is returned as it is."""
    workflow_id = withdrawal_workflow_id(withdrawal.withdrawal_id)
    try:
        return await client.start_workflow(
            WITHDRAWAL_WORKFLOW,
            withdrawal,
            id=workflow_id,
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=f"withdrawal {withdrawal.withdrawal_id} · {withdrawal.merchant_id} · "
            f"{format_minor(withdrawal.amount_minor, withdrawal.currency)}",
        )
    except WorkflowAlreadyStartedError:
        return client.get_workflow_handle(workflow_id)
    except RPCError as error:
        raise _not_there(error, "") from None


async def report_payout(client: Client, withdrawal_id: str, event: ReportPayout) -> WorkflowHandle[Any, Any]:
    """Tell a withdrawal what became of a payout, as a Signal: what it made of it stands in its journal.

    For callbacks and statements: a return is accepted for ever. A withdrawal whose workflow has ended, or was lost,
    goes on from the register first; one that the register does not know fails as `unknown_withdrawal`. Each event id
    counts once, however often it is told.

    Raises:
        Unavailable: Temporal did not answer; a retry helps and counts nothing twice.
    """
    return await _resumed(client, withdrawal_id, ReportPayout.verb, event.model_dump(mode="json"))


async def resume_withdrawal(client: Client, withdrawal_id: str) -> WorkflowHandle[Any, Any]:
    """Let a withdrawal whose workflow was lost go on from the register; one that runs is returned as it is.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    return await _resumed(client, withdrawal_id)


async def recheck_withdrawal(client: Client, withdrawal_id: str) -> None:
    """Tell a withdrawal to look again whether it may still go: its account was suspended, or its merchant owes money.

    One that has ended is left alone; those that nobody tells look by themselves every few hours.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    body = {"command_id": f"recheck-{uuid.uuid4()}", "actor": {"role": "system", "id": "accounts"}}
    with suppress(Refused):
        await signal(client, withdrawal_workflow_id(withdrawal_id), RecheckWithdrawal.verb, body)


async def start_account_drop(client: Client, drop: AccountDrop) -> WorkflowHandle[Any, Any]:
    """Send a small amount to an account; one that was started under this key is returned as it is."""
    try:
        return await client.start_workflow(
            ACCOUNT_DROP_WORKFLOW,
            drop,
            id=drop.workflow_id,
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            static_summary=f"verify account {drop.account_id}",
        )
    except WorkflowAlreadyStartedError:
        return client.get_workflow_handle(drop.workflow_id)


async def _resumed(
    client: Client, withdrawal_id: str, verb: str | None = None, body: dict[str, Any] | None = None
) -> WorkflowHandle[Any, Any]:
    try:
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
    except RPCError as error:
        raise _not_there(error, "") from None


async def start_reconciliation(
    client: Client, scope: str, name: str, now: datetime, *, label: str | None = None
) -> WorkflowHandle[Any, Any]:
    """Start a comparison of this day; one of the same day that runs, or ran, is returned as it is.

    Args:
        label: of a further comparison, in place of the day.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    workflow_id = f"{reconciliation_workflow_id(scope, name)}-{label or f'{now:%Y-%m-%d}'}"
    try:
        return await client.start_workflow(
            RECONCILIATION_WORKFLOW,
            {"scope": scope, "name": name, "now": now.isoformat()},
            id=workflow_id,
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=f"reconciliation {scope} {name} · {now:%Y-%m-%d}",
        )
    except WorkflowAlreadyStartedError:
        return client.get_workflow_handle(workflow_id)
    except RPCError as error:
        raise _not_there(error, "") from None


async def schedule_reconciliation(client: Client, scope: str, name: str, every: timedelta, offset: timedelta) -> bool:
    """Compare again and again, `offset` after midnight UTC at first. False: it was scheduled already, and is so now.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    schedule_id = reconciliation_workflow_id(scope, name)
    schedule = Schedule(
        action=ScheduleActionStartWorkflow(
            RECONCILIATION_WORKFLOW,
            {"scope": scope, "name": name},
            id=schedule_id,
            task_queue=TASK_QUEUE,
            static_summary=f"reconciliation {scope} {name}",
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every, offset=offset)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=every),
    )
    try:
        await client.create_schedule(schedule_id, schedule)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(schedule_id).update(lambda _: ScheduleUpdate(schedule=schedule))
        return False
    except RPCError as error:
        raise _not_there(error, "") from None
    return True


async def unschedule_reconciliation(client: Client, scope: str, name: str) -> bool:
    """Compare no more by schedule. False: it was not scheduled.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    try:
        await client.get_schedule_handle(reconciliation_workflow_id(scope, name)).delete()
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return False
        raise _not_there(error, "") from None
    return True


async def send(client: Client, workflow_id: str, verb: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send a command as an Update and wait for its answer.

    Raises:
        Refused: with the reason code; `order_over` or `withdrawal_over` once it has ended, `not_running` where it never
            was. A retry does not help.
        Unavailable: no answer in time; a retry with the same command id helps and changes nothing twice.
    """
    handle = client.get_workflow_handle(workflow_id)
    try:
        answer = await handle.execute_update(verb, body, rpc_timeout=ANSWER_WITHIN)
    except WorkflowUpdateFailedError as error:
        raise refusal_in(error) from None
    except WorkflowUpdateRPCTimeoutOrCancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # The SDK makes one error of both: whoever is told to stop must not take it for a lost answer.
            raise asyncio.CancelledError from None
        raise Unavailable(
            f"{workflow_id} did not answer within {ANSWER_WITHIN.seconds} s: is a worker running?"
        ) from None
    except RPCError as error:
        raise await _unreached(error, handle) from None
    return dict(answer)


async def signal(client: Client, workflow_id: str, verb: str, body: dict[str, Any]) -> None:
    """Send a command as a Signal; its answer stands in the journal.

    Raises:
        Refused: as `send`, where no such workflow runs.
        Unavailable: Temporal did not answer; a retry with the same command id helps.
    """
    handle = client.get_workflow_handle(workflow_id)
    try:
        await handle.signal(verb, body)
    except RPCError as error:
        raise await _unreached(error, handle) from None


async def query(client: Client, workflow_id: str, name: str) -> Any:
    """The answer of a query.

    Raises:
        Refused: `not_running` where Temporal knows no such workflow.
        Unavailable: no answer in time; a retry may help.
    """
    return await _query(client.get_workflow_handle(workflow_id), name)


async def _query(handle: WorkflowHandle[Any, Any], name: str) -> Any:
    try:
        return await handle.query(name, rpc_timeout=ANSWER_WITHIN)
    except WorkflowQueryFailedError as error:
        raise Unavailable(f"{handle.id} cannot answer: {error}") from None
    except RPCError as error:
        raise _not_there(error, handle.id) from None


async def opened(handle: WorkflowHandle[Any, Any], what: str = "order") -> dict[str, Any]:
    """Wait until an order (or `what` is its query: a withdrawal) is open and return its state.

    Raises:
        Refused: the order was refused, with the reason code of the failure; `not_running` where it was ended meanwhile.
        Unavailable: no answer in time; a retry may help.
    """
    while True:
        state = await _query(handle, what)
        if state.get("phase") != "opening":
            return dict(state)
        await refuse_if_failed(handle)
        await asyncio.sleep(0.05)


async def status_of(client: Client, workflow_id: str) -> WorkflowExecutionStatus | None:
    """How a workflow is; None where Temporal knows none of this id, or not any more.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    try:
        return (await client.get_workflow_handle(workflow_id).describe()).status
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return None
        raise _not_there(error, workflow_id) from None


async def retries(client: Client, workflow_id: str) -> list[dict[str, Any]]:
    """What a workflow is trying again: `[{activity, attempt, failure, next_at?}]`; empty where it is not known.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    try:
        description = await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return []
        raise _not_there(error, workflow_id) from None
    return [
        {
            "activity": pending.activity_type.name,
            "attempt": pending.attempt,
            "failure": pending.last_failure.message,
            "next_at": pending.next_attempt_schedule_time.ToDatetime(UTC).isoformat()
            if pending.HasField("next_attempt_schedule_time")
            else None,
        }
        for pending in description.raw_description.pending_activities
        if pending.HasField("last_failure")
    ]


async def refuse_if_failed(handle: WorkflowHandle[Any, Any]) -> None:
    """Nothing, while a workflow runs or once it has completed.

    Raises:
        Refused: with the reason code of its failure; `not_running` where somebody ended it.
        Unavailable: Temporal did not answer; a retry helps.
    """
    try:
        status = (await handle.describe()).status
        if status == WorkflowExecutionStatus.FAILED:
            await handle.result()
    except WorkflowFailureError as error:
        raise refusal_in(error) from None
    except RPCError as error:
        raise _not_there(error, handle.id) from None
    if status in _ENDED_BY_SOMEBODY:
        raise Refused("not_running", f"The workflow {handle.id} was ended: {status.name.lower()}.")


def refusal_in(error: WorkflowUpdateFailedError | WorkflowFailureError) -> Refused:
    """The refusal that a failed update or workflow carries: its type is the reason code."""
    cause = error.cause
    if isinstance(cause, ApplicationError):
        details = cause.details[0] if cause.details and isinstance(cause.details[0], dict) else {}
        return Refused(cause.type or "malformed", cause.message, details.get("field"))
    return Refused("malformed", str(cause))


async def _unreached(error: RPCError, handle: WorkflowHandle[Any, Any]) -> Exception:
    """Why a command found nobody: it is over, it never was, or Temporal does not answer."""
    if error.status == RPCStatusCode.NOT_FOUND:
        with suppress(RPCError):
            if (await handle.describe()).status == WorkflowExecutionStatus.COMPLETED:
                code = "withdrawal_over" if handle.id.startswith("withdrawal-") else "order_over"
                return Refused(code, SENTENCES[code])
    return _not_there(error, handle.id)


def _not_there(error: RPCError, workflow_id: str) -> Exception:
    if error.status == RPCStatusCode.NOT_FOUND:
        return Refused("not_running", f"No workflow {workflow_id} runs.")
    return Unavailable(f"Temporal did not answer: {error.message}")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a program that uses a Client, and end it with the pause that keeps it from aborting."""

    async def paused() -> T:
        try:
            return await main
        finally:
            await asyncio.sleep(LAST_PAUSE)

    return asyncio.run(paused())
