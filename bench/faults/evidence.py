"""Collects the evidence for the judge: the bank's journal, the transfers, the register, the workflows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import asyncpg
from temporalio.client import Client

from bench.faults.judging import Asked, AtBank, Evidence, InBooks, InRegister
from bench.faults.pending import task_of
from bench.faults.plan import Fate
from config import Settings
from core.ids import order_workflow_id, withdrawal_workflow_id
from core.reconciliation.lines import Break, Comparison
from ledger.proofs import prove
from ledger.register import Register
from local.client import WorldClient
from local.journal import Effect
from wiring.desks import reconciliation_desk

IN_HAND = frozenset({"in_approval", "unknown", "in_suspense"})
"""States in which the people of a run act within seconds."""
OPENING = "opening"
"""The channel of the merchants' opening balances; it has no statement."""

_BOOKS = """
SELECT x.withdrawal_id,
       coalesce(sum(delta_minor) FILTER (WHERE path LIKE 'withdrawal/%/reserved' OR path = 'suspense'), 0)::BIGINT
           AS held_minor,
       coalesce(-sum(delta_minor) FILTER (WHERE path LIKE 'rail/%/cash' AND delta_minor < 0), 0)::BIGINT AS paid_minor,
       coalesce(sum(delta_minor) FILTER (WHERE path LIKE 'rail/%/cash' AND delta_minor > 0), 0)::BIGINT
           AS returned_minor,
       coalesce(sum(delta_minor) FILTER (WHERE path = 'income/withdrawal_fee'), 0)::BIGINT AS fee_minor
FROM (SELECT split_part(reference, '/', 2) AS withdrawal_id, path, delta_minor FROM entries
      WHERE reference LIKE 'withdrawal/%') AS x
GROUP BY 1
"""
_REGISTER = """
SELECT withdrawal_id, state_name, closed, next_deadline_name,
       ARRAY(SELECT hold ->> 'name' FROM jsonb_array_elements(coalesce(state -> 'holds', '[]')) AS hold) AS holds
FROM withdrawals
WHERE $1 OR NOT closed
"""
_SETTLED = "SELECT split_part(reference, '/', 2) AS order_id FROM movements WHERE reference LIKE 'order/%/settle'"
_AVAILABLE = """
SELECT split_part(path, '/', 2) AS merchant_id, balance_minor FROM accounts WHERE path LIKE 'merchant/%/available'
"""


async def collect(
    fates: Sequence[Fate],
    given_minor: Mapping[str, int],
    *,
    pool: asyncpg.Pool[Any],
    world: WorldClient,
    client: Client,
    settings: Settings,
) -> Evidence:
    """All evidence. Every server must be up, and no withdrawal may still change."""
    proofs = await prove(pool)
    register = await _with_tasks(await standings(pool, await _workflows(client)), client)
    unknown = [fate for fate in fates if fate.withdrawal_id not in register]
    settled = {row["order_id"] for row in await pool.fetch(_SETTLED)}
    # The money of an order that is not settled is not its merchant's yet. That it never was is a breach of its own.
    unearned = {fate.merchant_id for fate in fates if fate.order_id is not None and fate.order_id not in settled}
    return Evidence(
        asked=[Asked(fate.withdrawal_id, fate.merchant_id, fate.amount_minor, fate.token) for fate in fates],
        bank=at_bank(await world.journal("bank")),
        books=await books_of(pool),
        register=register,
        absent={fate.withdrawal_id: await _never_began(fate, client) for fate in unknown},
        given_minor={merchant: given for merchant, given in given_minor.items() if merchant not in unearned},
        available_minor={row["merchant_id"]: row["balance_minor"] for row in await pool.fetch(_AVAILABLE)},
        breaks=await product_breaks(settings, pool),
        broken_proofs=[(proof.name, proof.evidence) for proof in proofs if not proof.holds],
    )


def at_bank(effects: Iterable[Effect]) -> dict[str, AtBank]:
    """The journal by payee."""
    payouts: defaultdict[str, list[int]] = defaultdict(list)
    returned: defaultdict[str, int] = defaultdict(int)
    for effect in effects:
        if effect.effect == "payout":
            payouts[effect.subject].append(effect.amount_minor)
        else:
            returned[effect.subject] += effect.amount_minor
    return {token: AtBank(tuple(payouts[token]), returned[token]) for token in {*payouts, *returned}}


async def books_of(pool: asyncpg.Pool[Any]) -> dict[str, InBooks]:
    """The sums of each withdrawal's transfers."""
    rows = [dict(row) for row in await pool.fetch(_BOOKS)]
    return {row.pop("withdrawal_id"): InBooks(**row) for row in rows}


async def standings(
    pool: asyncpg.Pool[Any], workflows: Mapping[str, str] | None = None, *, only_open: bool = False
) -> dict[str, InRegister]:
    """The state of each withdrawal."""
    return {
        row["withdrawal_id"]: InRegister(
            phase=row["state_name"],
            closed=row["closed"],
            deadline=row["next_deadline_name"],
            holds=tuple(row["holds"]),
            workflow=(workflows or {}).get(row["withdrawal_id"], "RUNNING" if workflows is None else "unknown"),
        )
        for row in await pool.fetch(_REGISTER, not only_open)
    }


async def _never_began(fate: Fate, client: Client) -> str:
    """What Temporal has of it, and of the order whose money it was to pay out."""
    own = await task_of(client, withdrawal_workflow_id(fate.withdrawal_id))
    if fate.order_id is None:
        return own
    return f"{own}; its order: {await task_of(client, order_workflow_id(fate.order_id))}"


async def _with_tasks(found: dict[str, InRegister], client: Client) -> dict[str, InRegister]:
    """With the workflow task of each that is not at rest."""
    waiting = {
        name: replace(one, task=await task_of(client, withdrawal_workflow_id(name)))
        for name, one in found.items()
        if not one.at_rest
    }
    return found | waiting


async def product_breaks(settings: Settings, pool: asyncpg.Pool[Any]) -> list[tuple[str, str]]:
    """The breaks of the product's own reconciliation, by subject. Opening balances are left out."""
    register, found = Register(pool), list[Break]()
    async with reconciliation_desk(settings, register) as desk:
        for scope, name in await register.breaks.comparisons():
            if (scope, name) != ("channel", OPENING):
                asked = Comparison(scope=scope, name=name, now=datetime.now(UTC), days=2)
                await desk.fetch_statements(asked)
                found += (await desk.compare_all(asked))[0]
    return [(one.subject or one.key, f"{one.scope}/{one.name} {one.reason} {one.kind}: {one.figures}") for one in found]


async def resting(pool: asyncpg.Pool[Any]) -> int:
    """How many withdrawals no longer change, apart from those that the people of the run will still work on.

    It is called often, so the many closed ones are only counted.
    """
    closed = int(await pool.fetchval("SELECT count(*) FROM withdrawals WHERE closed"))
    opened = (await standings(pool, only_open=True)).values()
    return closed + sum(found.at_rest and found.phase not in IN_HAND for found in opened)


async def _workflows(client: Client) -> dict[str, str]:
    """The status of each withdrawal's last run."""
    found: dict[str, str] = {}
    async for execution in client.list_workflows("WorkflowType = 'WithdrawalWorkflow'"):
        status = execution.status.name if execution.status is not None else "unknown"
        found.setdefault(execution.id.removeprefix("withdrawal-"), status)  # the newest comes first
    return found
