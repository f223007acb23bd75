"""The worker's role sets no terms: how long an account cools off, what a policy's name points to, what is kept."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from databases import Database
from ledger_samples import (
    DAY,
    LIMITS,
    NOW,
    POLICY_HASH,
    a_withdrawal,
    an_attempt,
    an_order,
    bound,
    earned,
    opened,
)
from pydantic import SecretStr

from core.messages import Actor
from core.policy import Policy, parse_policy
from core.withdrawal.payouts import RailTerms
from ledger.book import Book
from ledger.migrate import OWNERS_ALONE
from ledger.payout_accounts import PayoutAccount, SealedNumber
from ledger.payouts import PayoutAttempt
from ledger.register import Register
from ledger.vault import Vault
from ledger.withdrawals import Reserved

REFUSED = asyncpg.InsufficientPrivilegeError
COOLING = timedelta(hours=72)
ANN = Actor(role="operator", id="ann")
LATER, EARLIER = timedelta(days=3650), timedelta(days=-3650)


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _safe(database: Database) -> None:
    """The safeguards' defaults."""
    await database.owner.execute(
        "SELECT set_safeguard('cooling', INTERVAL '72 hours', 'tests', 'as shipped'),"
        " set_safeguard('clock_skew', INTERVAL '5 minutes', 'tests', 'as shipped')"
    )


def now() -> datetime:
    return datetime.now(UTC)


async def account(register: Register, account_id: str = "acc-m-1") -> PayoutAccount:
    known = await register.accounts.get(account_id)
    assert known is not None
    return known


async def asks(register: Register, ahead: timedelta = timedelta(0), name: str = "W1") -> Reserved:
    """A withdrawal, by a caller whose clock is so far ahead."""
    return await register.withdrawals.reserve(a_withdrawal(name), LIMITS, now=now() + ahead)


async def history(register: Register) -> list[str]:
    return [change.what for change in await register.accounts.changes("m-1")]


# --- how long an account cools off -----------------------------------------------------------------------


@pytest.mark.parametrize("clock", [EARLIER, timedelta(0), LATER], ids=["long ago", "now", "far ahead"])
@pytest.mark.parametrize("asked", [None, EARLIER, timedelta(seconds=1)], ids=["no cooling", "over", "a second"])
async def test_a_bound_account_cools_off_as_long_as_the_safeguard_says(
    register: Register, clock: timedelta, asked: timedelta | None
) -> None:
    began = now()
    await bound(register, now=began + clock, cooling_until=asked and began + asked)
    until = (await account(register)).cooling_until
    assert until is not None
    assert until >= began + COOLING


async def test_an_account_that_is_changed_cools_off_again_and_one_bound_again_goes_on(
    register: Register, owners: Register
) -> None:
    await bound(register)
    await owners.accounts.shorten_cooling("acc-m-1", 1, None, by=ANN, why="known for years", now=now())
    assert (await account(register)).cooling_until is None
    assert await bound(register) == 1
    assert (await account(register)).cooling_until is None
    assert await bound(register, rail_token="mine") == 2
    until = (await account(register)).cooling_until
    assert until is not None
    assert until > now() + COOLING - timedelta(minutes=1)


async def test_accounts_bound_at_once_all_cool_off(register: Register) -> None:
    versions = await asyncio.gather(*(bound(register, rail_token=f"tok-{n}") for n in range(8)))
    assert sorted(versions) == list(range(1, 9))
    for version in versions:
        row = await register.accounts.get("acc-m-1", version)
        assert row is not None
        assert row.cooling_until is not None


async def test_a_longer_cooling_is_kept(register: Register) -> None:
    asked = now() + timedelta(days=30)
    await bound(register, cooling_until=asked)
    assert (await account(register)).cooling_until == asked


@pytest.mark.parametrize("ahead", [timedelta(0), COOLING + DAY, LATER])
async def test_no_clock_that_is_ahead_ends_the_cooling(
    database: Database, book: Book, register: Register, ahead: timedelta
) -> None:
    await earned(register, book, 1000)
    refusals = [await asks(register, ahead, f"W{n}") for n in range(2)]
    refusals += await asyncio.gather(*(asks(register, ahead, f"V{n}") for n in range(4)))
    assert {answer.refusal.code for answer in refusals if answer.refusal} == {"account_cooling"}
    assert all(answer.refusal for answer in refusals)
    assert await database.balance("merchant/m-1/available") == 1000
    strict = LIMITS.model_copy(update={"accounts_must_be_verified": True})
    await register.accounts.verify("acc-m-1", 1, how="by hand", by=ANN, why="seen", now=now())
    verified = await register.withdrawals.reserve(a_withdrawal("S1"), strict, now=now() + ahead)
    assert verified.refusal is not None
    assert verified.refusal.code == "account_cooling"


async def test_a_withdrawal_is_not_asked_for_in_the_future(
    database: Database, book: Book, register: Register, owners: Register
) -> None:
    await earned(register, book, 1000)
    await owners.accounts.shorten_cooling("acc-m-1", 1, None, by=ANN, why="known for years", now=now())
    assert (await asks(register, LATER)).outcome == "reserved"
    asked = await database.pool.fetchval("SELECT requested_at FROM withdrawals")
    booked = await database.pool.fetchval("SELECT occurred_at FROM movements WHERE reference LIKE 'withdrawal/%'")
    assert asked == booked <= now() + timedelta(minutes=5)
    assert (await asks(register, timedelta(minutes=1), "W2")).outcome == "reserved"


# --- who lets it cool off for less long ------------------------------------------------------------------


async def test_an_operator_shortens_the_cooling_once_and_it_is_kept_who_and_why(
    book: Book, register: Register, owners: Register
) -> None:
    await earned(register, book, 1000)
    before, until = (await account(register)).cooling_until, now() - timedelta(seconds=1)
    shortened = await asyncio.gather(
        *(owners.accounts.shorten_cooling("acc-m-1", 1, until, by=ANN, why="seen", now=now()) for _ in range(4))
    )
    assert Counter(shortened) == {True: 1, False: 3}
    assert not await owners.accounts.shorten_cooling("acc-m-1", 1, before, by=ANN, why="again", now=now())
    assert not await owners.accounts.shorten_cooling("acc-m-1", 2, None, by=ANN, why="not yet there", now=now())
    assert await history(register) == ["bound", "cooling_shortened"]
    change = (await register.accounts.changes("m-1"))[-1]
    assert (change.role, change.who, change.why, change.version) == ("operator", "ann", "seen", 1)
    assert before is not None
    assert change.detail == f"{before:%Y-%m-%d %H:%M} UTC → {until:%Y-%m-%d %H:%M} UTC"
    assert (await asks(register)).outcome == "reserved"


@pytest.mark.parametrize("role", ["merchant", "reviewer", "system"])
async def test_only_an_operator_shortens_the_cooling(register: Register, owners: Register, role: Any) -> None:
    await bound(register)
    someone = Actor(role=role, id="m-1")
    with pytest.raises(REFUSED, match="only an operator"):
        await owners.accounts.shorten_cooling("acc-m-1", 1, None, by=someone, why="mine", now=now())
    assert await history(register) == ["bound"]


@pytest.mark.parametrize("why", ["", "x" * 501])
async def test_a_cooling_is_not_shortened_without_a_reason(register: Register, owners: Register, why: str) -> None:
    await bound(register)
    with pytest.raises(asyncpg.CheckViolationError, match="changes_have_a_reason"):
        await owners.accounts.shorten_cooling("acc-m-1", 1, None, by=ANN, why=why, now=now())
    assert (await account(register)).cooling_until is not None


# --- what only the owner decides -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("shorten_cooling", ("acc-m-1", 1, None, "operator", "ann", "mine", NOW)),
        ("set_safeguard", ("cooling", timedelta(0), "ann", "mine")),
        ("move_policy", ("default", "h", "mine", timedelta(0), "ann", "mine")),
        ("name_policy", ("mine", POLICY_HASH, "ann", "mine")),
        ("keep_policy", ("mine", "h", "mine")),
        ("reseal_account", ("acc-m-1", 1, b"", "k", bytes(12), bytes(17), b"", "operator", "ann", "mine", NOW)),
    ],
)
async def test_the_worker_decides_none_of_it(
    database: Database, register: Register, function: str, arguments: Sequence[Any]
) -> None:
    await bound(register)
    places = ", ".join(f"${n}" for n in range(1, len(arguments) + 1))
    with pytest.raises(REFUSED, match=f"permission denied for function {function}"):
        await database.pool.execute(f"SELECT {function}({places})", *arguments)
    assert function in OWNERS_ALONE


async def test_a_workers_role_cannot_put_another_number_in_an_accounts_place(
    register: Register, owners: Register
) -> None:
    """It has the key, as workers do: only the right to call is between it and the number."""
    vault = Vault({"k1": bytes(32)})
    with pytest.raises(REFUSED):
        await register.accounts._reseal(_a_row(vault), vault, ANN, "mine", now())
    assert await owners.accounts.reseal(vault, by=ANN, why="rotation", now=now()) == 0


def _a_row(vault: Vault) -> Any:
    sealed = vault.seal(SecretStr("6222021234567894"), "acc-m-1", 1)
    return SealedNumber(
        account_id="acc-m-1", version=1, key_id=sealed.key_id, nonce=sealed.nonce, ciphertext=sealed.ciphertext
    )


@pytest.mark.parametrize("table", ["safeguards", "policy_moves"])
async def test_not_even_the_owner_edits_what_was_decided(database: Database, register: Register, table: str) -> None:
    await register.policies.keep("default", "h1", "one")
    for statement in (f"UPDATE {table} SET who = 'eve'", f"DELETE FROM {table}", f"TRUNCATE {table}"):
        with pytest.raises(REFUSED, match="only added to"):
            await database.owner.execute(statement)


async def test_a_safeguard_is_set_once_and_says_who_and_why(database: Database) -> None:
    before = await database.pool.fetchval("SELECT count(*) FROM safeguards")
    answers = await asyncio.gather(
        *(database.owner.fetchval("SELECT set_safeguard('cooling', '5 days', 'ann', 'theft')") for _ in range(4))
    )
    assert Counter(answers) == {True: 1, False: 3}
    assert await database.pool.fetchval("SELECT count(*) FROM safeguards") == before + 1
    newest: Any = await database.pool.fetchrow("SELECT name, value, who, why FROM safeguards ORDER BY id DESC LIMIT 1")
    assert tuple(newest) == ("cooling", timedelta(days=5), "ann", "theft")
    with pytest.raises(asyncpg.CheckViolationError):
        await database.owner.execute("SELECT set_safeguard('no such', '1 day', 'ann', 'x')")
    with pytest.raises(asyncpg.CheckViolationError):
        await database.owner.execute("SELECT set_safeguard('kept', '-1 day', 'ann', 'x')")


# --- where a policy's name points -------------------------------------------------------------------------


async def test_a_worker_registers_a_text_and_moves_no_name(register: Register) -> None:
    assert await register.policies.keep("default", "h1", "one")
    assert await register.policies.keep("default", "h1", "one")
    assert not await register.policies.keep("default", "h2", "two")
    assert await asyncio.gather(*(register.policies.keep("default", f"t{n}", f"t{n}") for n in range(6))) == [False] * 6
    newest = await register.policies.newest("default")
    assert newest is not None
    assert newest.content_hash == "h1"
    assert await register.policies.text("h2") == "two"
    (move,) = await register.policies.moves("default")
    assert (move.from_hash, move.to_hash, move.role) == (None, "h1", "dakuan_worker")


async def test_of_many_workers_that_bring_a_new_name_one_gives_it(register: Register) -> None:
    pointed = await asyncio.gather(*(register.policies.keep("fresh", f"h{n}", f"text {n}") for n in range(8)))
    assert Counter(pointed) == {True: 1, False: 7}
    assert len(await register.policies.moves("fresh")) == 1


async def test_the_owner_moves_a_name_and_each_move_is_kept(register: Register, owners: Register) -> None:
    await register.policies.keep("default", "h1", "one")
    second, first = Policy(name="default", content_hash="h2"), Policy(name="default", content_hash="h1")
    assert await owners.policies.move(second, "two", who="operator:ann", why="lower fees") == "h1"
    assert await owners.policies.move(second, "two", who="operator:ann", why="again") == "h2"
    assert not await register.policies.keep("default", "h1", "one")
    assert await owners.policies.move(first, "one", who="operator:ben", why="they were better") == "h2"
    assert [(move.from_hash, move.to_hash, move.who, move.why) for move in await register.policies.moves("default")][
        1:
    ] == [("h1", "h2", "operator:ann", "lower fees"), ("h2", "h1", "operator:ben", "they were better")]
    new = Policy(name="new", content_hash="h1")
    assert await owners.policies.move(new, "one", who="operator:ben", why="for m-7") is None
    assert [move.who for move in await register.policies.moves("new")] == ["operator:ben"]


async def test_moves_at_once_leave_one_unbroken_history(register: Register, owners: Register) -> None:
    """The proof `policies` looks at the chain when this test ends."""
    texts = [Policy(name="default", content_hash=f"h{n}") for n in range(8)]
    await asyncio.gather(
        *(owners.policies.move(policy, policy.content_hash, who="ann", why="race") for policy in texts),
        *(register.policies.keep("default", f"w{n}", f"w{n}") for n in range(4)),
    )
    moves, newest = await register.policies.moves("default"), await register.policies.newest("default")
    assert newest is not None
    assert newest.content_hash == moves[-1].to_hash
    assert sum(move.who == "ann" for move in moves) == 8


async def test_the_default_policys_cooling_is_every_accounts(database: Database, owners: Register) -> None:
    text = 'name = "default"\n[withdrawal]\ncooling = "5d"\n'
    await owners.policies.move(parse_policy(text), text, who="operator:ann", why="theft")
    other = text.replace("default", "fast").replace("5d", "0s")
    await owners.policies.move(parse_policy(other), other, who="operator:ann", why="for m-7")
    assert await database.pool.fetchval("SELECT safeguard('cooling')") == timedelta(days=5)


@pytest.mark.parametrize(("named", "under"), [(None, "mine"), ("fast", POLICY_HASH), ("unknown", POLICY_HASH)], ids=str)
async def test_an_order_opens_under_no_text_that_its_policys_name_never_led_to(
    database: Database, register: Register, named: str | None, under: str
) -> None:
    await register.policies.keep("default", POLICY_HASH, f"text of {POLICY_HASH}")
    await register.policies.keep("fast", "f" * 64, "fast")
    await register.policies.keep("default", "mine", "text of mine")
    order = an_order("A1", policy=named)
    with pytest.raises(REFUSED, match="no policy"):
        await opened(register, order, policy_hash=under)
    assert await database.pool.fetchval("SELECT count(*) FROM orders") == 0
    assert await database.pool.fetchval("SELECT count(*) FROM payments") == 0


async def test_an_order_opens_under_the_text_that_its_policys_name_led_to_a_moment_ago(
    register: Register, owners: Register
) -> None:
    await register.policies.keep("default", POLICY_HASH, f"text of {POLICY_HASH}")
    await owners.policies.move(Policy(name="default", content_hash="new"), "new", who="ann", why="new terms")
    assert await opened(register, an_order("A1")) == "registered"


# --- what is kept, and what else a caller could say ------------------------------------------------------


async def test_a_purge_takes_nothing_younger_than_the_owner_says(database: Database, register: Register) -> None:
    await database.owner.execute("SELECT set_safeguard('kept', '30 days', 'tests', 'an audit runs')")
    for days in (20, 40):
        await register.callbacks.journal("wechatpay", f"d{days}", b"body", {}, now() - days * DAY)
        await register.pushes.journal("kdniao", f"d{days}", b"body", {}, now() - days * DAY)
    for when in (now(), now() + LATER):
        await register.callbacks.purge(when)
        await register.providers.purge(when, when)
    kept = await database.pool.fetch("SELECT digest FROM callbacks WHERE body IS NOT NULL")
    assert [row["digest"] for row in kept] == ["d20"]
    assert [row["digest"] for row in await database.pool.fetch("SELECT digest FROM pushes")] == ["d20"]


async def test_no_payout_is_larger_than_its_withdrawal(
    database: Database, book: Book, register: Register, owners: Register
) -> None:
    await earned(register, book, 1000)
    await owners.accounts.shorten_cooling("acc-m-1", 1, None, by=ANN, why="known for years", now=now())
    await asks(register)
    for _ in range(2):
        with pytest.raises(REFUSED, match="its payout of 501 is refused"):
            await register.payouts.open(an_attempt(a_withdrawal(), amount_minor=501), RailTerms())
    assert await database.pool.fetchval("SELECT count(*) FROM payout_attempts") == 0
    assert isinstance(await register.payouts.open(an_attempt(a_withdrawal()), RailTerms()), PayoutAttempt)


async def test_a_comparison_from_the_future_silences_none_that_comes_after(database: Database) -> None:
    found = [{"break_id": "b1", "reason": "missing", "kind": "payout", "key": "k"}]
    call = "SELECT record_breaks('rail', 'sandbox', $1, 0, 1, $2)"
    assert await database.pool.fetchval(call, [], now() + LATER) == []
    run = await database.pool.fetchval("SELECT ran_at FROM reconciliation_runs")
    assert run <= now() + timedelta(minutes=5)
    assert await database.pool.fetchval(call, found, run + timedelta(seconds=1)) == ["b1"]
