"""Withdrawals that ended long ago lose the lines of their journal that no person wrote, and can go on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from databases import Database
from ledger_samples import NOW, a_withdrawal, a_withdrawal_record, an_attempt, bank_return, earned, pay
from withdrawal_driver import WithdrawalDriver, answered, asked, desk

from core.messages import Withdrawal
from core.withdrawal.payouts import RailTerms
from core.withdrawal.policy import WithdrawalPolicy
from core.withdrawal.recovering import resume
from core.withdrawal.views import journal_view, record_of
from ledger.book import Book
from ledger.register import Register

ENDED: dict[str, Any] = {"state_name": "paid", "closed": True}
JOURNAL = [{"seq": 1, "verb": "query_at"}]


def _paid() -> WithdrawalDriver:
    driver = desk(answered("accepted")).run().wait(minutes=2)
    driver.report("paid")
    return driver.wait(days=20)


# --- what is kept ------------------------------------------------------------------------------------------


async def _rest(database: Database, state: dict[str, Any]) -> dict[str, Any]:
    return dict(await database.pool.fetchval("SELECT rest_of_withdrawal($1)", state))


async def test_a_rest_is_the_state_without_the_lines_of_rails_and_deadlines(database: Database) -> None:
    driver = _paid()
    whole = record_of(driver.state, driver.now).state
    rest = await _rest(database, whole)
    assert {**rest, "inbox": None} == {**whole, "inbox": None}
    state = resume(rest, driver.state.revision)
    assert state.inbox.answers == driver.state.inbox.answers
    lines = len(whole["inbox"]["journal"])
    assert lines > 3
    assert journal_view(state) == [{"dropped": {"emptied": lines}}]
    assert await _rest(database, rest) == rest, "a second time takes nothing"
    assert await _rest(database, {"inbox": {}}) == {"inbox": {}}, "an odd state stays"


async def test_the_words_of_people_stay(database: Database) -> None:
    driver = desk(withdrawal=asked(3_000_000))
    driver.send("cancel", "merchant", "m-8", "signal")
    driver.send("approve", "reviewer", "bob")
    whole = record_of(driver.state, driver.now).state
    state = resume(await _rest(database, whole), driver.state.revision)
    said = [line for line in whole["inbox"]["journal"] if (line["actor"] or {}).get("role") == "reviewer"]
    assert [entry.seq for entry in state.inbox.journal] == [line["seq"] for line in said] != []
    assert state.inbox.weight > 0
    assert state.inbox.dropped["emptied"] == len(whole["inbox"]["journal"]) - len(said) > 0


async def test_a_late_return_is_booked_from_a_rest_as_from_a_whole_state(database: Database) -> None:
    whole, emptied = _paid(), _paid()
    record = record_of(emptied.state, emptied.now)
    emptied.state = resume(await _rest(database, record.state), record.revision)
    for driver in (whole, emptied):
        driver.now += timedelta(days=200)
        driver.report("returned", "e-2", 4_000)
        driver.run()
    assert (emptied.phase, emptied.state.returns_minor) == (whole.phase, whole.state.returns_minor)
    assert emptied.books.__dict__ == whole.books.__dict__


# --- in the register ---------------------------------------------------------------------------------------


async def _ended(register: Register, book: Book, database: Database, **state: Any) -> Withdrawal:
    """A paid withdrawal with a journal, recorded long ago."""
    await earned(register, book, 1000)
    withdrawal = a_withdrawal()
    assert (await register.withdrawals.reserve(withdrawal, WithdrawalPolicy(), now=NOW)).outcome == "reserved"
    await register.payouts.open(an_attempt(withdrawal), RailTerms())
    body = {
        "booked": "paid",
        "attempts": [{"key": "k1", "outcome": "paid", "events": []}],
        "inbox": {"journal": JOURNAL},
    }
    assert (await pay(book, withdrawal, record=a_withdrawal_record(**ENDED, state={**body, **state}))).moved
    await _age(database)
    return withdrawal


async def _age(database: Database, when: str = "'2020-01-01'::TIMESTAMPTZ") -> None:
    await database.owner.execute(f"UPDATE withdrawals SET recorded_at = {when}")


async def _journal(database: Database) -> Any:
    return await database.pool.fetchval("SELECT state #> '{inbox,journal}' FROM withdrawals")


async def test_a_withdrawal_is_emptied_once_and_whole_again_where_it_goes_on(
    database: Database, register: Register, book: Book
) -> None:
    withdrawal = await _ended(register, book, database)
    events = await database.pool.fetchval("SELECT count(*) FROM events")
    assert (await register.rests.due(NOW)).withdrawals == ["W1"]
    assert await _journal(database) == JOURNAL, "a dry run takes nothing"
    assert await register.rests.empty(NOW) == 1
    assert await _journal(database) == []
    assert await register.rests.empty(NOW) == 0
    assert await database.pool.fetchval("SELECT count(*) FROM events") == events
    state = {"booked": "paid", "returns_minor": [100], "inbox": {"journal": JOURNAL}, "attempts": []}
    record = a_withdrawal_record(revision=2, follows=1, state_name="returned", closed=True, state=state)
    assert (await bank_return(book, withdrawal, 100, record=record)).moved
    assert await _journal(database) == JOURNAL
    await _age(database)
    assert await register.rests.empty(NOW) == 1


async def test_no_withdrawal_younger_than_thirty_days_is_emptied(
    database: Database, register: Register, book: Book
) -> None:
    await _ended(register, book, database)
    await _age(database, "clock_timestamp() - INTERVAL '29 days'")
    assert await register.rests.empty(NOW.replace(year=2999)) == 0
    await _age(database, "clock_timestamp() - INTERVAL '31 days'")
    assert await register.rests.empty(NOW.replace(year=2999)) == 1


async def _differing(database: Database) -> None:
    await database.owner.execute(
        "INSERT INTO reconciliation_breaks (break_id, scope, name, reason, body, first_seen_at, last_seen_at)"
        " VALUES ('b', 'rail', 'sandbox', 'amount', '{\"subject\": \"withdrawal/W1\"}', now(), now())"
    )


async def _under_way(database: Database) -> None:
    await database.owner.execute("UPDATE payout_attempts SET state = 'unknown'")


async def _open_again(database: Database) -> None:
    await database.owner.execute("UPDATE withdrawals SET closed = FALSE")
    database.broken = True  # no software opens one without a movement


OPEN: dict[str, dict[str, Any]] = {
    "watched": {"watch_until": "2030-01-01T00:00:00Z"},
    "held": {"holds": [{"name": "our_side"}]},
    "an incident": {"incident": 1},
    "an account to suspend": {"account_suspension": "wanted"},
    "a look that is due": {"attempts": [{"key": "k1", "outcome": "paid", "events": [], "look_due": True}]},
}


@pytest.mark.parametrize("state", OPEN.values(), ids=OPEN.keys())
async def test_a_withdrawal_that_waits_for_something_keeps_its_state(
    state: dict[str, Any], database: Database, register: Register, book: Book
) -> None:
    await _ended(register, book, database, **state)
    assert (await register.rests.due(NOW)).withdrawals == []
    await register.rests.empty(NOW)
    assert await _journal(database) == JOURNAL


@pytest.mark.parametrize("happens", [_differing, _under_way, _open_again])
async def test_a_withdrawal_that_others_still_speak_of_keeps_its_state(
    happens: Callable[[Database], Awaitable[None]], database: Database, register: Register, book: Book
) -> None:
    await _ended(register, book, database)
    await happens(database)
    await register.rests.empty(NOW)
    assert await _journal(database) == JOURNAL


async def test_the_gauge_counts_withdrawals_too(database: Database, register: Register, book: Book) -> None:
    await _ended(register, book, database)
    gauges = {gauge.name: gauge.value for gauge in await register.gauges.read()}
    assert gauges["oldest_whole_state_seconds"] > timedelta(days=400).total_seconds()
