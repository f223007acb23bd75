"""A run: build the stack, let the faults happen, wait until nothing changes any more, skip days, and judge.

It runs the product itself, only faster: the policy's business times are in seconds, and the limits after which a dead
worker or a silent bank is noticed are a quarter of the real ones.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from temporalio.client import Client

import gateway
from bench.faults.evidence import OPENING, at_bank, books_of, collect, resting
from bench.faults.judging import AtBank, Evidence, InBooks, Verdict, judge
from bench.faults.killing import MortalWorker, Reaper, until_all_poll
from bench.faults.people import Desk, Merchants, patiently
from bench.faults.plan import Fate, Storm, bank_faults, fates, own_faults
from bench.faults.postman import Postman
from bench.faults.report import Board, RunFacts
from bench.faults.returns import Buyers, going_back, judge_returns, returned
from bench.quiet import deaths_intended
from config import PROJECT, Settings
from core.errors import Refused
from core.ids import withdrawal_workflow_id
from core.movements import Leg, adjustment
from ledger.adjusting import post_adjustments
from ledger.migrate import migrate
from ledger.payout_accounts import Binding
from ledger.pool import open_pool
from ledger.register import Register
from ledger.safeguards import set_safeguard
from local.client import WorldClient
from local.stack import LocalStack
from wiring.database import register_policies

WORKERS = 2
CONNECTIONS = 24
SETTLES_WITHIN = 120.0
"""Seconds from the end of the storm."""
LOOKS_EVERY = 0.5
QUIET_FOR = 1.5
DAYS_AFTER = timedelta(days=1, hours=1)
"""Later than the first query that looks for returns whose callback was lost."""
POLICY = """
name = "default"
commission_bps = 500
[order]
settlement_delay = "200ms"
after_sale_window = "0s"
[audit]
look_first = "1s"
look_longest = "1s"
[withdrawal]
daily_count_max = 100000
approval_above_minor = 2000000
query_after = ["1s", "3s", "8s"]
query_every = "10s"
not_found_apart = "1500ms"
person_after = "{person_after}s"
resolve_margin = "{margin}s"
suspense_for = "{margin}s"
"""


@dataclass
class Scene:
    """The shared parts of a run."""

    stack: LocalStack
    settings: Settings
    pool: asyncpg.Pool[Any]
    client: Client
    world: WorldClient
    fates: Sequence[Fate]
    storm: Storm
    facts: RunFacts
    board: Board


async def under_fire(
    seed: int, withdrawals: int, board: Board, *, storm: Storm | None = None, bug: str | None = None
) -> tuple[RunFacts, Evidence, Verdict]:
    """One run on a temporary stack."""
    storm = storm or Storm.over(withdrawals)
    async with AsyncExitStack() as opened:
        opened.enter_context(deaths_intended())
        scene = await _open(opened, seed, withdrawals, storm, board)
        given = await _furnish(scene)
        workers = [
            await opened.enter_async_context(MortalWorker.running(number, scene.settings, storm, bug))
            for number in range(1, WORKERS + 1)
        ]
        await until_all_poll(scene.client, workers)
        postman = Postman(scene.world, Register(scene.pool), scene.client)
        desk = Desk(scene.client, scene.pool, scene.world, scene.fates)
        busy = [asyncio.create_task(work) for work in (postman.walk(), desk.sit())]
        try:
            async with asyncio.TaskGroup() as asking:
                merchants = Merchants(scene.client, scene.pool, scene.world, storm)
                buyers = Buyers(scene.client, scene.pool, scene.world, storm)
                backs = going_back(seed, withdrawals)
                all_begun = asking.create_task(_together(merchants.ask(scene.fates), buyers.ask_back(backs)))
                await _storm(scene, workers, merchants)
                await _settle(scene, all_begun)
                all_begun.cancel()  # a withdrawal that has not begun by now never will; the judge reports it
            await _days_after(scene)
        finally:
            for task in busy:
                task.cancel()
            await asyncio.wait(busy)
        scene.facts.back = len(backs)
        scene.facts.tally = await scene.world.tally()
        scene.facts.callbacks, scene.facts.people = postman.delivered, desk.acts
        evidence = await collect(
            scene.fates, given, pool=scene.pool, world=scene.world, client=scene.client, settings=scene.settings
        )
        verdict = judge(evidence)
        journal = await scene.world.journal("channel")
        judge_returns(await returned(backs, journal, scene.pool, scene.client), verdict)
    return scene.facts, evidence, verdict


async def _together(*works: Coroutine[Any, Any, None]) -> None:
    await asyncio.gather(*works)


# --- preparing ----------------------------------------------------------------------------------------------


async def _open(opened: AsyncExitStack, seed: int, withdrawals: int, storm: Storm, board: Board) -> Scene:
    stack = LocalStack.temporary(base=Settings(screening=PROJECT / "policies" / "screening.toml"))
    board.show("starting servers", 0, 1)
    await opened.enter_async_context(stack)
    folder = stack.home / "policies"
    folder.mkdir()
    (folder / "default.toml").write_text(
        POLICY.format(person_after=math.ceil(storm.key_window * 1.5), margin=math.ceil(storm.key_window / 6))
    )
    settings = stack.settings.model_copy(update={"policies": folder})
    owner, at_once = settings.needed("database_owner_url"), timedelta(0)
    await migrate(owner)
    await set_safeguard(owner, "cooling", at_once, who="bench", why="new accounts are paid")
    pool = await open_pool(settings.needed("database_url"), size=CONNECTIONS)
    opened.push_async_callback(pool.close)
    await register_policies(Register(pool), settings)
    client = await opened.enter_async_context(gateway.connected(settings))
    await gateway.register_search_attributes(client)
    world = await opened.enter_async_context(WorldClient(stack.standins.url))
    board.show("starting servers", 1, 1)
    return Scene(
        stack, settings, pool, client, world, fates(seed, withdrawals), storm, RunFacts(seed, withdrawals), board
    )


async def _furnish(scene: Scene) -> dict[str, int]:
    """Bind accounts, give money, and plan the bank's behaviour for each payee; returns each merchant's money."""
    now, given = datetime.now(UTC), dict[str, int]()
    for fate in scene.fates:
        given[fate.merchant_id] = given.get(fate.merchant_id, 0) + fate.amount_minor
    await _all(_furnished(scene, fate, now) for fate in scene.fates)
    sold = {fate.merchant_id for fate in scene.fates if fate.order_id is not None}
    scene.facts.orders = len(sold)
    movements = [
        adjustment(f"opening/{merchant}", "CNY", now, [Leg(f"psp/{OPENING}", f"merchant/{merchant}/available", amount)])
        for merchant, amount in given.items()
        if merchant not in sold
    ]
    await post_adjustments(scene.settings.needed("database_owner_url"), movements)
    await scene.world.remember_keys(scene.storm.key_window)
    own = [fault for fate in scene.fates for fault in own_faults(fate, scene.storm)]
    for fault in (*own, *bank_faults(scene.facts.seed)):  # the first match strikes
        await scene.world.fault("bank", **fault)
    return given


async def _furnished(scene: Scene, fate: Fate, now: datetime) -> None:
    await Register(scene.pool).accounts.bind(
        Binding(
            account_id=fate.account_id,
            merchant_id=fate.merchant_id,
            currency="CNY",
            holder="Li Wei",
            last4=f"{fate.number % 10_000:04}",
            rail="sandbox",
            rail_token=fate.token,
            is_default=False,
        ),
        now=now,
    )
    await scene.world.plan_payouts(fate.token, **fate.bank)


async def _all(works: Iterable[Any], at_once: int = CONNECTIONS) -> None:
    gate = asyncio.Semaphore(at_once)

    async def one(work: Any) -> None:
        async with gate:
            await work

    await asyncio.gather(*map(one, works))


# --- the storm -------------------------------------------------------------------------------------------


async def _storm(scene: Scene, workers: list[MortalWorker], merchants: Merchants) -> None:
    """Wait for the planned duration and until every withdrawal has begun, but with a limit, in case some never do."""
    began, total, planned = time.monotonic(), len(scene.fates), scene.storm.seconds
    reaper = Reaper(scene.stack, workers, scene.facts.seed, scene.storm)
    async with asyncio.TaskGroup() as raging:
        raging.create_task(reaper.strike())
        try:
            while (passed := time.monotonic() - began) < planned or (merchants.begun < total and passed < 2 * planned):
                down = f", {', '.join(sorted(reaper.down))} down" if reaper.down else ""
                more = f"({reaper.kills.total()} killed{down})"
                scene.board.show("storm: begun", merchants.begun, total, more)
                await asyncio.sleep(LOOKS_EVERY)
        finally:
            reaper.end()
    scene.board.show("storm: begun", merchants.begun, total, f"({reaper.kills.total()} killed)")
    scene.facts.kills, scene.facts.storm_s = reaper.kills, time.monotonic() - began
    await patiently(scene.world.clear_faults)


async def _settle(scene: Scene, all_begun: asyncio.Task[None]) -> None:
    """Wait until no withdrawal changes and every callback is delivered, or the time is up."""
    began = time.monotonic()
    total = len(scene.fates)
    while time.monotonic() - began < SETTLES_WITHIN:
        with suppress(
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError
        ):
            there = await resting(scene.pool)
            _, left = await patiently(scene.world.callbacks)
            scene.board.show("settling: at rest", there, total)
            if all_begun.done() and there == total and not left:
                break
        await asyncio.sleep(LOOKS_EVERY)
    scene.facts.settle_s = time.monotonic() - began


# --- the days after ------------------------------------------------------------------------------------------


async def _days_after(scene: Scene) -> None:
    """Banks return money days later. A return whose callback was lost is found by the next day's query."""
    register = Register(scene.pool)
    for fate in scene.fates:
        if fate.comes_back_later_minor is not None:
            paid = [one for one in await register.payouts.of_withdrawal(fate.withdrawal_id) if one.state == "paid"]
            if paid:
                await _let_pass(scene, fate.withdrawal_id, fate.comes_back_after)
                await scene.world.return_payout(paid[0].key, fate.comes_back_later_minor)
    await _until_quiet(scene)
    for withdrawal_id in await _behind(scene):
        await _let_pass(scene, withdrawal_id, DAYS_AFTER)
    await _until_quiet(scene)


async def _let_pass(scene: Scene, withdrawal_id: str, time: timedelta) -> None:
    """One that has just ended needs no more time."""
    with suppress(Refused):
        await gateway.skip_time(scene.client, withdrawal_workflow_id(withdrawal_id), time)
    scene.facts.skipped += 1
    scene.board.show("days after: let pass", scene.facts.skipped, scene.facts.skipped)


async def _behind(scene: Scene) -> list[str]:
    """Withdrawals with a bank return that our books do not have."""
    bank = at_bank(await scene.world.journal("bank"))
    books = await books_of(scene.pool)
    return [
        fate.withdrawal_id
        for fate in scene.fates
        if bank.get(fate.token, AtBank()).returned_minor != books.get(fate.withdrawal_id, InBooks()).returned_minor
    ]


async def _until_quiet(scene: Scene) -> None:
    """Wait until the bank has no callbacks left, and for a moment no withdrawal changes."""
    last, since = None, time.monotonic()
    until = since + SETTLES_WITHIN / 4
    while time.monotonic() < until:
        now = (await scene.world.callbacks())[1], await scene.pool.fetchval("SELECT max(id) FROM movements")
        if now != last:
            last, since = now, time.monotonic()
        elif not now[0] and time.monotonic() - since > QUIET_FOR:
            return
        await asyncio.sleep(LOOKS_EVERY)
