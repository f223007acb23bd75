"""Workflows that were lost: what the register holds as open and Temporal does not run, and how each is started again.

Found from the register, page by page, so that a new and empty namespace is no obstacle. Started again, each goes on
from register and ledger; the keys of its effects do not depend on a run, so none happens twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import gateway
from core.account_drop.state import AccountDrop
from core.errors import DakuanError, Refused, Unavailable
from core.ids import order_workflow_id, payment_return_workflow_id, withdrawal_workflow_id
from core.messages import Actor, Order
from core.reasons import SENTENCES

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle

    from ledger.register import Register

Kind = Literal["order", "withdrawal", "account_drop", "payment_return"]
KINDS: tuple[Kind, ...] = ("order", "withdrawal", "account_drop", "payment_return")
PAGE = 1_000
AT_ONCE = 16
"""Workflows that are looked up, or started and waited for, at one time."""


class OpenSubject(NamedTuple):
    """Something open in the register, and the workflow that should follow it."""

    kind: Kind
    id: str
    workflow_id: str


class Restarted(NamedTuple):
    """How a start went: `goes_on`, `runs` (it was there after all), `over`, or `failed`, with the reason."""

    subject: OpenSubject
    outcome: Literal["goes_on", "runs", "over", "failed"]
    why: str = ""


# --- what is open ----------------------------------------------------------------------------------------


async def open_subjects(register: Register) -> AsyncIterator[OpenSubject]:
    """Everything that the register holds as open: orders (with their cases), withdrawals, penny drops, returns."""
    async for order_id in _order_ids(register):
        yield OpenSubject("order", order_id, order_workflow_id(order_id))
    async for withdrawal_id in _withdrawal_ids(register):
        yield OpenSubject("withdrawal", withdrawal_id, withdrawal_workflow_id(withdrawal_id))
    for drop in await register.drops.undecided():
        yield OpenSubject("account_drop", drop.key, f"account-drop-{drop.key}")
    for one in await register.payments.returns():
        if one.state == "owed":
            yield OpenSubject("payment_return", one.return_id, payment_return_workflow_id(one.return_id))


async def _order_ids(register: Register) -> AsyncIterator[str]:
    from ledger.register_part import Position  # loaded when it is needed: no help text needs the books

    last: Position | None = None
    while page := await register.orders.rows(closed=False, after=last, limit=PAGE):
        for row in page:
            yield row.order_id
        last = Position(page[-1].opened_at, page[-1].order_id)


async def _withdrawal_ids(register: Register) -> AsyncIterator[str]:
    from ledger.register_part import Position

    last: Position | None = None
    while page := await register.withdrawals.rows(closed=False, after=last, limit=PAGE):
        for row in page:
            yield row.withdrawal_id
        last = Position(page[-1].requested_at, page[-1].withdrawal_id)


async def find_lost(client: Client, register: Register, subjects: Sequence[OpenSubject]) -> list[OpenSubject]:
    """Those that are open, and whose workflow does not run.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    from temporalio.service import RPCError

    try:
        running = {run.id async for run in client.list_workflows("ExecutionStatus = 'Running'", page_size=PAGE)}
    except RPCError as error:
        raise Unavailable(f"Temporal did not answer: {error.message}") from None
    absent = [subject for subject in subjects if subject.workflow_id not in running]
    # The list lags behind, so a workflow that it lacks is looked up by name.
    limit = asyncio.Semaphore(AT_ONCE)

    async def runs(subject: OpenSubject) -> bool:
        async with limit:
            return await is_running(client, subject.workflow_id)

    there = await asyncio.gather(*(runs(subject) for subject in absent))
    stopped = [subject for subject, is_there in zip(absent, there, strict=True) if not is_there]
    if not stopped:
        return []
    # One that has ended since it was read as open is not lost.
    still_open = {subject async for subject in open_subjects(register)}
    return [subject for subject in stopped if subject in still_open]


async def is_running(client: Client, workflow_id: str) -> bool:
    """Whether Temporal runs this workflow.

    Raises:
        Unavailable: Temporal did not answer; a retry helps.
    """
    from temporalio.client import WorkflowExecutionStatus

    return await gateway.status_of(client, workflow_id) == WorkflowExecutionStatus.RUNNING


# --- starting again --------------------------------------------------------------------------------------


async def restart_all(
    client: Client, register: Register, lost: Sequence[OpenSubject], note: Callable[[Restarted], None]
) -> list[Restarted]:
    """Start each again, a few at a time, and wait until it is open.

    Args:
        note: called after each, for the progress.
    """
    waiting, results = iter(lost), list[Restarted]()

    async def one_after_the_other() -> None:
        for subject in waiting:
            result = await _restarted(client, register, subject)
            results.append(result)
            note(result)

    await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))
    return results


async def _restarted(client: Client, register: Register, subject: OpenSubject) -> Restarted:
    """One that fails does not stop the others."""
    try:
        if await is_running(client, subject.workflow_id):
            return Restarted(subject, "runs")
        await _start(client, register, subject)
    except Refused as error:
        return Restarted(subject, "over" if error.code == "order_over" else "failed", str(error))
    except DakuanError as error:
        return Restarted(subject, "failed", str(error))
    return Restarted(subject, "goes_on")


async def _start(client: Client, register: Register, subject: OpenSubject) -> None:
    if subject.kind == "order":
        await gateway.opened(await restart_order(client, register, subject.id))
    elif subject.kind == "withdrawal":
        await gateway.opened(await gateway.resume_withdrawal(client, subject.id), "withdrawal")
    elif subject.kind == "payment_return":
        await gateway.start_payment_return(client, subject.id)
    else:
        await _restart_drop(client, register, subject.id)


async def restart_order(client: Client, register: Register, order_id: str) -> WorkflowHandle[Any, Any]:
    """Start the workflow of an order again, from register and ledger; one that runs is returned.

    Raises:
        Refused: `unknown_order`, `order_over`; a retry does not help.
        Unavailable: the database or Temporal did not answer; a retry helps.
    """
    return await gateway.start_order(client, await refuse_ended(register, order_id), rescue=True)


async def refuse_ended(register: Register, order_id: str) -> Order:
    """The order, unless there is nothing to go on with.

    Raises:
        Refused: `unknown_order`, `order_over`.
    """
    known = await register.orders.known(order_id)
    if known is None:
        raise Refused("unknown_order", f"{SENTENCES['unknown_order']} {order_id}", "order_id")
    if known.closed:
        raise Refused("order_over", f"Order {order_id} is closed and its money is where it belongs.", "order_id")
    return known.order


async def _restart_drop(client: Client, register: Register, key: str) -> None:
    """The register's row wins over this request: it is looked up, or sent once where it never was."""
    row = await register.drops.get(key)
    if row is None:
        raise Refused("unknown_account", f"The register has no penny drop {key}.", "key")
    left = timedelta(seconds=max((row.valid_until - datetime.now(UTC)) // timedelta(seconds=1), 1))
    by = Actor(role="operator", id="rescue")
    drop = AccountDrop(key=key, account_id=row.account_id, valid=left, by=by, why="its workflow was lost")
    await gateway.start_account_drop(client, drop, again=True)
