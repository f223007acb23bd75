"""The findings of `doctor` after a restore: the database is behind Temporal, or Temporal behind the database.

Only a few are compared: those that began or ended last, and the head of the seals in the result of the last daily
comparison. So it costs the same for ten million orders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import gateway
from commands.postgres_findings import DoctorFinding
from core.errors import DakuanError
from core.ids import order_workflow_id, withdrawal_workflow_id
from core.texts import clock

if TYPE_CHECKING:
    from temporalio.client import Client

    from config import Settings
    from gateway.sightings import Sighting
    from ledger.register import Register

COMPARED = 20
"""Orders and withdrawals of each kind that are compared."""
SETTLED = timedelta(seconds=30)
"""What happened later may be under way: the list lags, and a record is kept before the list knows it."""
NAMED = 3
BEHIND = "follow `After a restore` in docs/operating.md, from `verify-chain` to `rescue --restored-to TIME`"
LOST = "`rescue --all` names what is lost, `rescue --all --apply` goes on with it"
REFUSED = "refused"


class RowOfSubject(NamedTuple):
    """What the register holds of a workflow's subject."""

    phase: str
    closed: bool
    recorded_at: datetime


async def look_for_restore(settings: Settings, client: Client) -> list[DoctorFinding]:
    """Whether one side was restored to an earlier moment than the other; nothing where one of them cannot be asked, or
    has no tables yet.
    """
    from ledger.inspecting import refuse_unready  # loaded when it looks
    from ledger.pool import open_pool
    from ledger.register import Register

    if settings.database_url is None:
        return []
    try:
        pool = await open_pool(settings.database_url, size=1)
        try:
            await refuse_unready(pool)
            register = Register(pool)
            return [await _lives(client, register), *await _seals(client, register)]
        finally:
            await pool.close()
    except DakuanError:
        return []  # it has a finding of its own


# --- the newest lives ------------------------------------------------------------------------------------


async def _lives(client: Client, register: Register) -> DoctorFinding:
    seen = await gateway.newest(client, COMPARED)
    sides = [(one.workflow_id, await _side(client, register, one)) for one in seen]
    database = [workflow_id for workflow_id, side in sides if side == "database"]
    temporal = [workflow_id for workflow_id, side in sides if side == "temporal"]
    temporal += await _absent(client, register, {one.workflow_id for one in seen if one.runs})
    name = "restored sides"
    if database:
        said = f"the database is behind Temporal, for {_named(database)}: was it restored to an earlier moment?"
        return DoctorFinding(name, False, said, BEHIND)
    if temporal:
        said = f"Temporal is behind the database, for {_named(temporal)}: was it restored, or lost?"
        return DoctorFinding(name, False, said, LOST)
    if early := sum(side == "too_early" for _, side in sides):
        agree = f"database and Temporal agree on {len(seen) - early} of the newest {len(seen)} orders and withdrawals"
        said = f"{agree}; of those that moved within {SETTLED.seconds} s it is too early to say: ask again then"
        return DoctorFinding(name, True, said)
    return DoctorFinding(name, True, f"database and Temporal agree on the newest {len(seen)} orders and withdrawals")


async def _side(
    client: Client, register: Register, seen: Sighting
) -> Literal["database", "temporal", "too_early"] | None:
    """Which side is behind; None: neither."""
    before = datetime.now(UTC) - SETTLED
    row = await _row(register, seen.workflow_id)
    if _agree(row, seen):
        return None
    now = await gateway.sighting(client, seen.workflow_id)
    if now is None or _agree(row, now):
        return None
    moved_at = await gateway.last_event_at(client, seen.workflow_id)
    if moved_at > before or (row is not None and row.recorded_at > before):
        return "too_early"
    return "database" if row is None or row.recorded_at < moved_at else "temporal"


def _agree(row: RowOfSubject | None, seen: Sighting) -> bool:
    """A workflow may outlive the closing of its subject: a withdrawal is watched for returns. A withdrawal that was
    refused at once leaves no row.
    """
    if row is None:
        return seen.phase == REFUSED
    return row.phase == seen.phase and (seen.runs or row.closed)


async def _row(register: Register, workflow_id: str) -> RowOfSubject | None:
    noun, _, id_ = workflow_id.partition("-")
    if noun == "order":
        order = await register.orders.row(id_)
        return None if order is None else RowOfSubject(order.phase, order.closed, order.recorded_at or order.opened_at)
    paid = await register.withdrawals.row(id_)
    return None if paid is None else RowOfSubject(paid.state_name, paid.closed, paid.recorded_at or paid.requested_at)


async def _absent(client: Client, register: Register, running: set[str]) -> list[str]:
    """The newest open ones of the register that Temporal does not run."""
    before = datetime.now(UTC) - SETTLED
    orders = await register.orders.rows(closed=False, limit=COMPARED)
    withdrawals = await register.withdrawals.rows(closed=False, limit=COMPARED)
    wanted = [order_workflow_id(row.order_id) for row in orders if row.opened_at < before]
    wanted += [withdrawal_workflow_id(row.withdrawal_id) for row in withdrawals if row.requested_at < before]
    found = []
    for workflow_id in wanted:
        if workflow_id in running or await _runs(client, workflow_id):
            continue
        row = await _row(register, workflow_id)  # it may have ended since
        if row is not None and not row.closed:
            found.append(workflow_id)
    return found


async def _runs(client: Client, workflow_id: str) -> bool:
    from temporalio.client import WorkflowExecutionStatus

    return await gateway.status_of(client, workflow_id) == WorkflowExecutionStatus.RUNNING


def _named(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    return f"{', '.join(ids[:NAMED])}{more}"


# --- the chain of seals ----------------------------------------------------------------------------------


async def _seals(client: Client, register: Register) -> list[DoctorFinding]:
    """Compare the database with what the last daily comparison left in Temporal; nothing where there was none."""
    proof = await gateway.last_proof(client)
    if proof is None or proof["head"] is None:
        return []
    name, head = "seals", str(proof["head"])
    number = int(head.partition(":")[0])
    here = await register.seals.head_of(number)
    if here is None:
        last = await register.seals.last()
        since = f"its last is {last.number} of {clock(last.sealed_at)}" if last is not None else "it has none"
        said = f"the database lacks seal {number}, which Temporal remembers ({since}): it was restored to before"
        return [DoctorFinding(name, False, said, BEHIND)]
    if here != head:
        said = f"seal {number} is another than Temporal remembers: the chain was written anew, or the books are others"
        return [DoctorFinding(name, False, said, "`verify-chain --heads FILE` with the heads that were kept elsewhere")]
    return [
        DoctorFinding(name, True, f"seal {number} is the one that Temporal remembers"),
        *await _cluster(register, proof),
    ]


async def _cluster(register: Register, proof: Mapping[str, Any]) -> list[DoctorFinding]:
    """A remark where the books moved to another server since."""
    from ledger.inspecting import cluster_of

    then, now = proof.get("cluster"), await cluster_of(register.pool)
    if then in (None, now):
        return []
    same = str(then).partition("/")[0] == now.partition("/")[0]
    moved = (
        "on another timeline than at the last daily comparison: a standby was promoted, or a backup restored"
        if same
        else "another server than at the last daily comparison: its data were moved or restored"
    )
    return [
        DoctorFinding("cluster", False, f"PostgreSQL is {moved}", "nothing, if the rows above are well", required=False)
    ]
