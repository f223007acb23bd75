"""Commands about payout accounts: once under an id, whole or not at all, and no other content under the same id."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from ledger_samples import NOW, bound

from core.account_commands import AccountCommand, account_command
from core.errors import Refused
from core.messages import Actor
from ledger.register import Register

ANN, BEN = Actor(role="operator", id="ann"), Actor(role="operator", id="ben")
OLD_KEY, NEW_KEY, OTHER = b"number under k1", b"number under k2", b"another number"


def suspending(why: str = "stolen", by: Actor = ANN, command_id: str = "c-1") -> AccountCommand:
    return account_command(command_id, by, "suspend", {"account": "acc-m-1", "why": why})


async def carried_out(register: Register, command: AccountCommand) -> bool:
    """Whether it was carried out now."""
    async with register.once(command, NOW) as taken:
        if taken is not None:
            await taken.accounts.suspend("acc-m-1", "stolen", NOW, by=ANN, why="stolen")
            await taken.accounts.resume("acc-m-1", by=ANN, why="found", now=NOW)
        return taken is not None


async def history(register: Register) -> Counter[str]:
    return Counter(change.what for change in await register.accounts.changes("m-1"))


ONCE = Counter({"bound": 1, "suspended": 1, "resumed": 1})


async def test_a_command_is_carried_out_once(register: Register) -> None:
    await bound(register)
    assert [await carried_out(register, suspending()) for _ in range(3)] == [True, False, False]
    assert await history(register) == ONCE


async def test_the_same_command_at_once_is_carried_out_once(register: Register) -> None:
    await bound(register)
    taken = await asyncio.gather(*(carried_out(register, suspending()) for _ in range(8)))
    assert Counter(taken) == {True: 1, False: 7}
    assert await history(register) == ONCE


async def test_another_content_under_the_same_id_is_refused(register: Register) -> None:
    await bound(register)
    await carried_out(register, suspending())
    with pytest.raises(Refused) as refused:
        await carried_out(register, suspending("asked by phone"))
    assert refused.value.code == "command_id_used_with_different_content"
    assert await history(register) == ONCE


async def test_an_id_is_its_senders(register: Register) -> None:
    await bound(register)
    assert await carried_out(register, suspending())
    assert await carried_out(register, suspending("asked by phone", by=BEN))


async def _breaking_off(register: Register) -> None:
    async with register.once(suspending(), NOW) as taken:
        assert taken is not None
        await taken.accounts.suspend("acc-m-1", "stolen", NOW, by=ANN, why="stolen")
        raise ZeroDivisionError


async def test_a_command_that_breaks_off_leaves_nothing_and_may_be_sent_again(register: Register) -> None:
    await bound(register)
    with pytest.raises(ZeroDivisionError):
        await _breaking_off(register)
    assert await history(register) == Counter({"bound": 1})
    assert await carried_out(register, suspending())
    assert await history(register) == ONCE


async def test_a_number_is_the_same_under_each_of_its_keys(register: Register) -> None:
    """A key may be put in front between a command and its repeat."""
    await bound(register)
    said = {"account": "acc-m-1"}
    first = account_command("c-1", ANN, "replace", said, [OLD_KEY])
    rotated = account_command("c-1", ANN, "replace", said, [NEW_KEY, OLD_KEY])
    other = account_command("c-1", ANN, "replace", said, [OTHER])
    assert await carried_out(register, first)
    assert not await carried_out(register, rotated)
    with pytest.raises(Refused):
        await carried_out(register, other)
