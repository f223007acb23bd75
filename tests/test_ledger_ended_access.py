"""Decisions of two people in the database, one of whom has left: a first word that no longer counts moves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from databases import Database
from ledger_samples import NOW, OWES, a_withdrawal, bound, earned, funded
from statement_lines import line, loaded
from temporalio.testing import ActivityEnvironment

from activities.by_name import ByName
from activities.withdrawal import WithdrawalActivities
from core.errors import Refused
from core.messages import Actor, ApproveWithdrawal
from core.movements import Leg, adjustment
from core.withdrawal.opening import begin
from core.withdrawal.policy import WithdrawalPolicy
from core.withdrawal.recovering import ask_register
from core.withdrawal.state import Approval
from core.withdrawal.views import record_of
from core.withdrawal.voting import voters_of
from ledger.book import Book
from ledger.register import Register

Say = Callable[[Register, str], Awaitable[str]]
WHY: dict[str, Any] = {"reason": "wrong", "now": NOW}


async def _written_off(register: Register, person: str) -> str:
    debt: dict[str, Any] = {"amount_minor": 300, "currency": "CNY"}
    return (await register.receivables.write_off("R1", "m-1", person=person, **debt, **WHY)).outcome


async def _corrected(register: Register, person: str) -> str:
    return (await register.corrections.correct("K1", "adjust/1", person=person, **WHY)).outcome


async def _returned(register: Register, person: str) -> str:
    return (await register.payments.return_rest("B1", "wechat", "pay-1", person=person, **WHY)).outcome


async def _withdrawn(register: Register, person: str) -> str:
    try:
        (load,) = await register.statements.loads()
        return await register.statements.withdraw(load.load_no, Actor(role="operator", id=person), "wrong", NOW)
    except Refused as refused:
        return {"wrong_actor": "access_ended", "needs_other_person": "same_person"}[refused.code]


DECISIONS: dict[str, tuple[Say, str]] = {
    "a debt is given up": (_written_off, "written_off"),
    "a movement is corrected": (_corrected, "corrected"),
    "a rest is given back": (_returned, "owed"),
    "a load is withdrawn": (_withdrawn, "withdrawn"),
}


async def _with_ann(database: Database) -> Register:
    owners = Register(database.owner)
    given: dict[str, Any] = {"merchant_id": None, "issuer": "https://id.example", "by": "owner", "now": NOW}
    assert await owners.people.add("ann", "Ann", "operator", subject="ann", **given)
    return owners


@pytest_asyncio.fixture(loop_scope="session")
async def people(database: Database, register: Register, book: Book) -> Register:
    """What the decisions are about; ann, who may decide, and the owner's register, which ends access."""
    legs = [Leg(OWES, "suspense", 500)]
    await Book(database.owner).post_all([adjustment("adjust/1", "CNY", NOW, legs)])
    await Book(database.owner).post_all([adjustment("adjust/2", "CNY", NOW, legs)])
    await funded(register, book, "A1", 1000, paid=3000, payment="pay-1")
    await loaded(register, "channel", "wechat", line("payment", "k1", 3000))
    return await _with_ann(database)


@pytest.mark.parametrize("what", DECISIONS)
async def test_the_word_of_who_has_left_does_not_count(register: Register, people: Register, what: str) -> None:
    say, done = DECISIONS[what]
    assert await say(register, "ann") == "asked"
    await people.people.end("ann", NOW, "owner")
    before = await register.balances.by_purpose()
    assert [await say(register, who) for who in ("ann", "bob", "bob")] == ["access_ended", "asked", "same_person"]
    assert await register.balances.by_purpose() == before
    assert [await say(register, who) for who in ("cleo", "cleo")] == [done, "already"]


@pytest.mark.parametrize("what", DECISIONS)
async def test_of_two_who_come_at_once_after_the_first_has_left_one_asks_and_one_does_it(
    register: Register, people: Register, what: str
) -> None:
    say, done = DECISIONS[what]
    assert await say(register, "ann") == "asked"
    await people.people.end("ann", NOW, "owner")
    answers = await asyncio.gather(*(say(register, who) for who in ("bob", "cleo")))
    assert sorted(answers) == sorted(["asked", done])


@pytest.mark.parametrize("what", DECISIONS)
async def test_what_was_carried_out_stays(register: Register, people: Register, what: str) -> None:
    say, done = DECISIONS[what]
    assert [await say(register, who) for who in ("ann", "bob")] == ["asked", done]
    await people.people.end("ann", NOW, "owner")
    assert await say(register, "cleo") == "already"


async def test_whose_words_only_the_register_has_are_asked_about_too(
    database: Database, register: Register, book: Book
) -> None:
    """A withdrawal that was set back: its own state has no approval, and the register's has ann's."""
    await earned(register, book, 1000)
    await bound(register)
    asked = begin(a_withdrawal(), WithdrawalPolicy(), NOW)
    approved = Approval(actor=Actor(role="operator", id="ann"), at=NOW)
    ahead = asked.changed(phase="in_approval", approvals=(approved,), revision=5)
    kept = await register.withdrawals.reserve(a_withdrawal(), WithdrawalPolicy(), now=NOW, record=record_of(ahead, NOW))
    assert kept.outcome == "reserved"
    owners = await _with_ann(database)
    await owners.people.end("ann", NOW, "owner")
    bob = ApproveWithdrawal(command_id="c1", actor=Actor(role="operator", id="bob"))
    activities = WithdrawalActivities(register, ByName({}))
    question = ask_register(asked, voters=voters_of(asked, bob))
    answer = await ActivityEnvironment().run(activities.follow_withdrawal, question)
    assert answer.overtaken is not None
    assert answer.left == ("ann",)
