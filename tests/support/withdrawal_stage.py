"""A real Temporal, a real PostgreSQL and the stand-in bank over HTTP, for withdrawals."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from crashing_worker import crashing_worker
from databases import Database
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.testing import TimeSkipper
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy
from waiting import until

import gateway
from activities.by_name import ByName
from activities.http import HttpClient
from activities.money import MoneyActivities
from activities.payout import PayoutActivities
from activities.rails.sandbox import SandboxRail
from activities.withdrawal import WithdrawalActivities
from core.errors import Refused, Unavailable
from core.ids import TASK_QUEUE
from core.messages import Actor, Withdrawal
from core.movements import Leg, adjustment
from core.policy import policy_hash
from ledger.adjusting import post_adjustments
from ledger.book import Book
from ledger.payout_accounts import Binding
from ledger.register import Register
from local.client import WorldClient
from local.temporal import Temporal
from worker import plugin

PROJECT = Path(__file__).parents[2]
POLICY = 'name = "default"\n[withdrawal]\nmaximum_minor = 5000000\napproval_above_minor = 2000000\n'
_numbers = itertools.count(1)


STRICT = SandboxedWorkflowRunner(
    restrictions=replace(
        SandboxRestrictions.default,
        import_notification_policy=SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH,
    )
)
"""Refuses a module that a workflow passes through without declaring it."""


@dataclass
class WithdrawalStage:
    """One test's database, bank and clock; `m-…` has money, and an account `acc-…` at the bank."""

    client: Client
    book: Book
    register: Register
    world: WorldClient
    address: str
    worker_dsn: str
    owner_dsn: str
    number: int = field(default_factory=lambda: next(_numbers))
    withdrawals: int = 0
    commands: int = 0
    others: list[WithdrawalStage] = field(default_factory=list)
    """Those beside it."""

    def __post_init__(self) -> None:
        self.merchant, self.account = f"m-{self.number}", f"acc-{self.number}"
        self.token = f"tok-{self.number}"
        self.skipper = TimeSkipper(self.client)

    def beside(self) -> WithdrawalStage:
        """Another merchant with an account of its own, on the same servers."""
        servers = (self.client, self.book, self.register, self.world, self.address, self.worker_dsn, self.owner_dsn)
        self.others.append(WithdrawalStage(*servers))
        return self.others[-1]

    async def furnish(self, available: int = 5_000_000, token: str | None = None, policy: str = POLICY) -> None:
        """A policy, a payout account, and money that the merchant may withdraw."""
        self.token = f"{token}{self.number}" if token else self.token
        await self.register.policies.keep("default", policy_hash(policy), policy)
        await self.register.accounts.bind(
            Binding(
                account_id=self.account,
                merchant_id=self.merchant,
                kind="bank_card",
                currency="CNY",
                holder="Li Wei",
                last4="4242",
                rail="sandbox",
                rail_token=self.token,
            ),
            now=datetime.now(UTC),
        )
        await self.earn("opening", available)

    async def earn(self, why: str, amount_minor: int) -> None:
        """Money that the merchant may withdraw."""
        legs = [Leg("psp/sandbox", f"merchant/{self.merchant}/available", amount_minor)]
        await post_adjustments(self.owner_dsn, [adjustment(f"{why}/{self.merchant}", "CNY", datetime.now(UTC), legs)])

    def asked(self, amount_minor: int = 10_000, **fields: Any) -> Withdrawal:
        """A request of this stage's merchant, under an id of its own."""
        self.withdrawals += 1
        body = {
            "withdrawal_id": f"w-{self.number}-{self.withdrawals}",
            "merchant_id": self.merchant,
            "amount_minor": amount_minor,
            "currency": "CNY",
            "account_id": self.account,
            "requested_by": Actor(role="merchant", id=self.merchant),
        }
        return Withdrawal.model_validate({**body, **fields})

    async def start(self, amount_minor: int = 10_000, **fields: Any) -> WorkflowHandle[Any, Any]:
        return await gateway.start_withdrawal(self.client, self.asked(amount_minor, **fields))

    async def clear(self) -> None:
        """End workflows that still wait: they must not reach another test's worker."""
        for number in range(1, self.withdrawals + 1):
            with contextlib.suppress(RPCError):
                await self.client.get_workflow_handle(f"withdrawal-w-{self.number}-{number}").terminate()
        for other in self.others:
            await other.clear()

    # --- looking ---------------------------------------------------------------------------------------

    async def until(self, handle: WorkflowHandle[Any, Any], holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The state once it fits. The worker of a test may be dead meanwhile."""

        async def state() -> dict[str, Any]:
            return dict(await gateway.query(self.client, handle.id, "withdrawal"))

        return await until(state, holds, despite=(Unavailable,))

    async def journal(self, handle: WorkflowHandle[Any, Any], entries: int) -> list[dict[str, Any]]:
        """The journal once it has this many entries: a signal is answered after the register was asked."""
        return await until(lambda: handle.query("journal"), lambda found: len(found) >= entries)

    async def phase(self, handle: WorkflowHandle[Any, Any], *phases: str) -> dict[str, Any]:
        """The state once it is in one of these phases, in the register as well."""
        state = await self.until(handle, lambda state: state["phase"] in phases)
        withdrawal_id = state["withdrawal"]["withdrawal_id"]
        if state["phase"] != "refused":
            await until(
                lambda: self.register.withdrawals.row(withdrawal_id),
                lambda row: row is not None and row.state_name == state["phase"],
                despite=(Unavailable,),  # the line to the database may be cut just now
            )
        return dict(await handle.query("withdrawal"))

    async def at_rest(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Wait until the workflow only waits, so that the register has all that it knows.

        Its state is ahead: an account is suspended, and that is recorded, after a return is booked.
        """

        async def works() -> bool:
            seen = (await handle.describe()).raw_description
            return seen.HasField("pending_workflow_task") or bool(seen.pending_activities)

        await until(works, lambda at_work: not at_work)

    async def available(self) -> int:
        return await self.register.withdrawals.available(self.merchant, "CNY")

    async def effects(self) -> int:
        """How often the bank paid."""
        return await self.world.payout_effects(self.token)

    async def reasons(self, handle: WorkflowHandle[Any, Any]) -> list[str]:
        return [view["reason"] for view in await handle.query("holds")]

    # --- acting ----------------------------------------------------------------------------------------

    async def skip(self, handle: WorkflowHandle[Any, Any], **delta: float) -> None:
        """Time passes for this withdrawal."""
        await self.skipper.fast_forward(handle, timedelta(**delta))

    async def reset(self, handle: WorkflowHandle[Any, Any], run_id: str, event_id: int, *, again: bool = True) -> None:
        """An operator sets it back to the end of a run's workflow task.

        Args:
            again: whether the commands that came in later are given to it again.
        """
        kinds = (
            ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
            ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
        )
        self.commands += 1
        request = ResetWorkflowExecutionRequest(
            namespace=self.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=run_id),
            reason="an operator wants to see it again",
            workflow_task_finish_event_id=event_id,
            request_id=f"{handle.id}-{self.commands}",
            reset_reapply_exclude_types=() if again else kinds,
        )
        await self.client.workflow_service.reset_workflow_execution(request)

    def command(self, role: str, who: str | None = None, **fields: Any) -> dict[str, Any]:
        self.commands += 1
        actor = {"role": role, "id": who or (self.merchant if role == "merchant" else f"{role}-1")}
        return {"command_id": f"c-{self.commands}", "actor": actor, **fields}

    async def send(
        self, handle: WorkflowHandle[Any, Any], verb: str, role: str, who: str | None = None, **fields: Any
    ) -> dict[str, Any]:
        return await gateway.send(self.client, handle.id, verb, self.command(role, who, **fields))

    async def code(self, handle: WorkflowHandle[Any, Any], verb: str, body: Any) -> str:
        """The reason code of an update that is refused."""
        try:
            await gateway.send(self.client, handle.id, verb, body)
        except Refused as refusal:
            return refusal.code
        raise AssertionError(f"{verb} was accepted")

    async def report(
        self,
        handle: WorkflowHandle[Any, Any],
        outcome: str,
        event_id: str,
        amount_minor: int | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        """The bank calls back about the latest payout."""
        state = await handle.query("withdrawal")
        body = {
            "outcome": outcome,
            "event_id": event_id,
            "key": state["attempts"][-1]["key"],
            "amount_minor": state["net_minor"] if amount_minor is None else amount_minor,
            "currency": "CNY",
            **fields,
        }
        return await self.send(handle, "report_payout", "rail", "sandbox", **body)

    # --- workers ---------------------------------------------------------------------------------------

    @asynccontextmanager
    async def worker(self, *, cached: int = 100) -> AsyncIterator[Worker]:
        """A worker in this process, with the sandbox of production."""
        async with HttpClient(f"{self.world.url}/bank", name="bank") as bank:
            recheck = partial(gateway.recheck_withdrawal, self.client)
            payout = PayoutActivities(self.register, partial(gateway.start_withdrawal, self.client))
            activities: list[Callable[..., Any]] = [
                *WithdrawalActivities(self.register, ByName(stand_in=lambda _: SandboxRail(bank)), recheck).all,
                MoneyActivities(self.book, ByName()).post,
                *(payout.start_withdrawal, payout.start_scheduled_withdrawal),
            ]
            worker = Worker(
                self.client,
                task_queue=TASK_QUEUE,
                plugins=[plugin(activities)],
                max_cached_workflows=cached,
                graceful_shutdown_timeout=timedelta(seconds=5),
                sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
            )
            async with worker:
                yield worker

    def worker_process(self) -> subprocess.Popen[bytes]:
        """A worker of its own process, to be killed."""
        program = [sys.executable, "worker.py"]
        return subprocess.Popen(program, cwd=PROJECT, env=self.environment, stderr=subprocess.DEVNULL)

    @contextmanager
    def crashing_worker(self, folder: Path, effects: Mapping[str, str]) -> Iterator[None]:
        """One that dies right after each of these effects, for the withdrawal beside it; see `crashing_worker`."""
        with crashing_worker(folder, effects, self.environment):
            yield

    @property
    def environment(self) -> dict[str, str]:
        """Of a process that works on this stage."""
        return {
            **os.environ,
            "DATABASE_URL": self.worker_dsn,
            "DATABASE_OWNER_URL": self.owner_dsn,
            "TEMPORAL_ADDRESS": self.address,
            "DAKUAN_CARRIER_URL": f"{self.world.url}/carrier",
            "DAKUAN_CHANNEL_URL": f"{self.world.url}/channel",
            "DAKUAN_BANK_URL": f"{self.world.url}/bank",
            "PYTHONPATH": str(PROJECT),
        }


def kill(process: subprocess.Popen[bytes]) -> None:
    """As a power cut would."""
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="session")
def money_temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Temporal]:
    """A Temporal for withdrawals."""
    server = Temporal(tmp_path_factory.mktemp("money_temporal"))
    server.start()
    yield server
    server.remove()


@pytest_asyncio.fixture(loop_scope="session")
async def money_stage(
    money_temporal: Temporal, world: WorldClient, database: Database
) -> AsyncIterator[WithdrawalStage]:
    """One test's stage, not furnished yet."""
    address = money_temporal.address
    client = await Client.connect(address, data_converter=gateway.DATA_CONVERTER)
    book, register = Book(database.pool), Register(database.pool)
    made = WithdrawalStage(client, book, register, world, address, database.worker_dsn, database.owner_dsn)
    yield made
    await made.clear()
