"""`prove`: every invariant of the books with its evidence, and every open order or withdrawal with its workflow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

import gateway
from commands.console import Failed, JsonFlag, command, print_answer, print_line
from commands.link import database
from core.errors import Unavailable
from core.texts import clock
from ledger.proofs import Proof
from screens import Cell, Listing, clean, table

if TYPE_CHECKING:
    from temporalio.client import Client

    from ledger.register import Register

OPEN_AT_MOST = 100_000
NAMED_AT_MOST = 20
ALL_RUN = "Each open order and withdrawal has a workflow that runs."
NONE_STUCK = "No workflow's task fails again and again."


@command
async def prove(
    all_books: Annotated[
        bool, typer.Option("--all", help="Read the whole books, also what was sealed and proven before.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Prove that no money was lost, created or paid twice, and that none is orphaned. Exit code 1 if a proof fails.

    What was sealed, proven and closed before is not read again: see `verify-chain`, and `--all`.
    """
    from config import load  # loaded when it proves: no help text needs the books or Temporal
    from ledger.proving import prove_and_note
    from ledger.register import Register

    async with database() as pool:
        books = await prove_and_note(pool, whole=all_books)
        proofs = list(books.proofs)
        try:
            async with gateway.connected(load()) as client:
                proofs.append(await prove_workflows(client, Register(pool)))
                proofs.append(await prove_progress(client))
        except Unavailable as error:
            print_line(f"Whether each open order has its workflow was not looked at: {error}")
    ok = all(proof.holds for proof in proofs)
    if books.since is not None:
        print_line(
            f"Read: what is open, and what moved since seal {books.since.seal}, up to which all was proven"
            f" {clock(books.since.proven_at)}. --all reads everything."
        )
    view = {
        "ok": ok,
        "since_seal": books.since.seal if books.since is not None else None,
        "proofs": [proof.model_dump(mode="json") for proof in proofs],
    }
    print_answer(view, lambda console: console.print(proofs_table(proofs)))
    if not ok:
        raise Failed


async def prove_workflows(client: Client, register: Register) -> Proof:
    """Each open order and withdrawal has a running workflow. Money without one is orphaned.

    Raises:
        Unavailable: Temporal did not answer.
    """
    from temporalio.service import RPCError

    from core.ids import order_workflow_id, withdrawal_workflow_id

    wanted = {order_workflow_id(row.order_id) for row in await register.orders.rows(closed=False, limit=OPEN_AT_MOST)}
    open_rows = await register.withdrawals.rows(closed=False, limit=OPEN_AT_MOST)
    wanted |= {withdrawal_workflow_id(row.withdrawal_id) for row in open_rows}
    try:
        running = {run.id async for run in client.list_workflows("ExecutionStatus = 'Running'", page_size=1000)}
        # The list lags behind, so a workflow that it lacks is looked up by name.
        orphans = [lost for lost in sorted(wanted - running) if await _is_orphan(client, register, lost)]
    except RPCError as error:
        raise Unavailable(f"Temporal did not answer: {error.message}") from None
    return Proof(
        name="workflows",
        sentence=ALL_RUN,
        holds=not orphans,
        evidence=tuple({"workflow_id": lost, "helps": _helps(lost)} for lost in orphans),
    )


async def prove_progress(client: Client) -> Proof:
    """No workflow is stuck: one whose task fails again and again moves no money and answers nothing.

    Raises:
        Unavailable: Temporal did not answer.
    """
    stuck = await gateway.failing(client, NAMED_AT_MOST)
    return Proof(
        name="progress",
        sentence=NONE_STUCK,
        holds=not stuck,
        evidence=tuple({"workflow_id": one.workflow_id, "why": one.why, "helps": "starter.py doctor"} for one in stuck),
    )


async def _is_orphan(client: Client, register: Register, workflow_id: str) -> bool:
    from temporalio.client import WorkflowExecutionStatus

    if await gateway.status_of(client, workflow_id) == WorkflowExecutionStatus.RUNNING:
        return False
    # It may have closed since the rows were read.
    noun, _, id_ = workflow_id.partition("-")
    row = await (register.orders.row(id_) if noun == "order" else register.withdrawals.row(id_))
    return row is not None and not row.closed


def _helps(workflow_id: str) -> str:
    return f"starter.py rescue {workflow_id.removeprefix('order-')}"


def proofs_table(proofs: Sequence[Proof]) -> Listing:
    """Name, whether it holds, and the findings where it does not."""
    rows = [
        (
            proof.name,
            Cell(("yes",), "green") if proof.holds else Cell(("NO",), "bold red"),
            proof.sentence,
            Cell(_shown(proof.evidence)),
        )
        for proof in proofs
    ]
    return table("Proofs", ("proof", "holds", "what it says", "evidence"), rows)


def _shown(evidence: Sequence[object]) -> tuple[str, ...]:
    """The first findings. Thousands of orders may lack a workflow; a full list helps no one."""
    first = tuple(clean(row) for row in evidence[:NAMED_AT_MOST])
    more = len(evidence) - len(first)
    return (*first, f"and {more:,} more; --json lists all") if more else first
