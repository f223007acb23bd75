"""Every movement of money: asked for by many at once, asked for again, and by callers who are killed."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from all_paths import PATHS
from databases import WAITING, Database, line_to, until_a_lock_is_waited_for
from money_paths import Ask, Caller, MoneyPath, standing

from core.errors import Unavailable
from ledger.pool import open_pool

AT_ONCE = 3
"""Calls of each of two processes."""
TRIES = 5
"""A caller who meets another one that has just posted the same is to ask again, as a worker does."""

every_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())


async def prepared(database: Database, path: MoneyPath) -> tuple[Counter[str], Counter[str]]:
    """What stands before the movement, and what must stand after it."""
    owner = Caller.over(database.owner)
    for ask in path.before:
        assert await ask(owner) not in {"insufficient_funds", "conflict", "not_posted", "held"}
    before = await standing(database)
    after = Counter(before)
    after.update({**path.moves, "movements": 1})
    return before, Counter({name: amount for name, amount in after.items() if amount})


def callers(database: Database, path: MoneyPath, count: int) -> list[Caller]:
    """So many processes that may ask for it."""
    return [Caller.over(database.owner if path.of_owner else database.pool) for _ in range(count)]


async def answered(ask: Ask, caller: Caller) -> str:
    """The answer, once there is one."""
    for _ in range(TRIES - 1):
        try:
            return await ask(caller)
        except Unavailable:
            continue
    return await ask(caller)


@every_path
async def test_of_all_who_ask_one_moves_it(database: Database, path: MoneyPath) -> None:
    """Many at once, then once more, then with another content, which is refused by name."""
    _, after = await prepared(database, path)
    both = callers(database, path, 2)
    answers = await asyncio.gather(*(answered(path.ask, caller) for caller in both for _ in range(AT_ONCE)))
    assert sorted(answers) == sorted([path.first, *[path.again] * (2 * AT_ONCE - 1)])
    assert await standing(database) == after
    assert await path.ask(both[0]) == path.again
    if path.otherwise is not None:
        assert await path.otherwise(both[0]) == path.refused
    assert await standing(database) == after


@every_path
async def test_a_caller_that_is_killed_moves_it_once(database: Database, path: MoneyPath) -> None:
    """Before COMMIT nothing has moved. After it, the answer is lost, and the next one to ask learns that it has."""
    before, after = await prepared(database, path)
    async with line_to(database, owner=path.of_owner) as (line, address):
        pool = await open_pool(address, size=1)
        far = Caller.over(pool)
        await _kill_before_commit(database, path.ask, far)
        assert await standing(database) == before

        async def committed() -> bool:
            return bool(await database.owner.fetchval("SELECT 1 FROM movements WHERE reference = $1", path.reference))

        line.cut_when = committed
        with pytest.raises(Unavailable):
            await path.ask(far)
        pool.terminate()
    assert await standing(database) == after
    assert await path.ask(callers(database, path, 1)[0]) == path.again
    assert await standing(database) == after


async def _kill_before_commit(database: Database, ask: Ask, caller: Caller) -> None:
    """End the caller's session while it writes its transfers; the movement itself it has written."""
    async with database.owner.acquire() as blocker:
        began = blocker.transaction()
        await began.start()
        await blocker.execute("LOCK TABLE transfers IN SHARE MODE")
        asking = asyncio.create_task(ask(caller))
        await until_a_lock_is_waited_for(database)
        async with database.owner.acquire() as operator:
            await operator.execute(f"SELECT pg_terminate_backend(pid) {WAITING}")
        with pytest.raises(Unavailable):
            await asking
        await began.rollback()
