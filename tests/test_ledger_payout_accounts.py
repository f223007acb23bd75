"""Payout accounts in the register: sealed numbers, versions, suspensions, names, and a history without edits."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from databases import Database
from ledger_samples import DAY, LIMITS, NOW, a_withdrawal, bound, earned

from core.errors import Misconfigured, Refused, Unavailable
from core.messages import Actor
from core.payout_accounts import Bank, judge_number
from ledger.book import Book
from ledger.register import Register
from ledger.vault import Vault

CARD, OTHER_CARD = "6222021234567894", "4111111111111111"
VAULT = Vault({"k1": bytes(range(32))})
ROTATED = Vault({"k2": bytes(range(2, 34)), "k1": bytes(range(32))})
ANN = Actor(role="operator", id="ann")
STRICT = LIMITS.model_copy(update={"accounts_must_be_verified": True})


async def keep(register: Register, card: str = CARD, vault: Vault = VAULT, **fields: Any) -> int:
    return await bound(register, number=judge_number("bank_card", card), vault=vault, **fields)


async def kept(register: Register, version: int, account: str = "acc-m-1", vault: Vault = VAULT) -> str:
    row = await register.accounts.sealed_number(account, version)
    assert row is not None
    return row.open(vault).get_secret_value()


async def history(register: Register, merchant: str = "m-1") -> list[str]:
    return [change.what for change in await register.accounts.changes(merchant)]


# --- numbers ---------------------------------------------------------------------------------------------


async def test_a_number_is_sealed_and_only_its_last_four_are_shown(database: Database, register: Register) -> None:
    assert await keep(register) == 1
    account = await register.accounts.get("acc-m-1")
    assert account is not None
    assert (account.last4, account.has_number) == ("7894", True)
    assert await kept(register, 1) == CARD
    assert CARD not in await _dump(database)


async def test_the_same_number_again_is_the_same_version_under_any_key(register: Register, owners: Register) -> None:
    assert await keep(register) == 1
    assert await keep(register) == 1
    assert await keep(register, vault=ROTATED) == 1
    await owners.accounts.reseal(ROTATED, by=ANN, why="rotation", now=NOW)
    assert await keep(register, vault=ROTATED) == 1
    assert await history(register) == ["bound", "resealed"]


async def test_a_number_that_differs_before_its_last_four_is_another(register: Register) -> None:
    one, other = "6222021234567894", "6222000634567894"
    assert other[-4:] == one[-4:]
    assert await keep(register, one) == 1
    assert await keep(register, other) == 2
    assert (await kept(register, 1), await kept(register, 2)) == (one, other)


async def test_a_number_takes_the_place_of_a_token_and_the_other_way_round(register: Register) -> None:
    assert await bound(register, last4="7894") == 1
    assert await keep(register) == 2
    assert await bound(register, last4="7894") == 3
    assert await register.accounts.sealed_number("acc-m-1", 3) is None
    assert await kept(register, 2) == CARD


async def test_without_a_key_no_number_is_bound(register: Register) -> None:
    with pytest.raises(Misconfigured, match="DAKUAN_ACCOUNT_KEYS"):
        await keep(register, vault=Vault({}))
    assert await register.accounts.get("acc-m-1") is None


async def test_changes_at_once_each_open_in_their_own_version(register: Register) -> None:
    cards = [CARD, OTHER_CARD, "5555555555554444", "3528000000000007"]
    versions = await asyncio.gather(*(keep(register, card) for card in cards))
    assert sorted(versions) == [1, 2, 3, 4]
    assert [await kept(register, version) for version in versions] == cards
    assert Counter(await history(register)) == {"bound": 1, "replaced": 3}


async def test_the_same_number_bound_at_once_is_one_version(register: Register) -> None:
    assert set(await asyncio.gather(*(keep(register) for _ in range(4)))) == {1}
    assert await history(register) == ["bound"]


async def test_a_row_that_was_moved_to_another_account_does_not_open(database: Database, register: Register) -> None:
    await keep(register)
    await keep(register, OTHER_CARD, account_id="b")
    await database.owner.execute(
        "UPDATE payout_account_numbers SET (nonce, ciphertext) = (SELECT nonce, ciphertext FROM payout_account_numbers"
        " WHERE account_id = 'b') WHERE account_id = 'acc-m-1'"
    )
    with pytest.raises(Unavailable, match="does not open"):
        await kept(register, 1)


# --- rotation --------------------------------------------------------------------------------------------


async def test_all_versions_are_sealed_again_under_the_newest_key(register: Register, owners: Register) -> None:
    await keep(register)
    await keep(register, OTHER_CARD)
    await keep(register, CARD, account_id="b")
    assert await owners.accounts.reseal(ROTATED, by=ANN, why="rotation", now=NOW) == 3
    assert await owners.accounts.reseal(ROTATED, by=ANN, why="rotation", now=NOW) == 0
    alone = Vault({"k2": bytes(range(2, 34))})
    assert [await kept(register, version, vault=alone) for version in (1, 2)] == [CARD, OTHER_CARD]
    changes = [change for change in await register.accounts.changes("m-1") if change.what == "resealed"]
    assert {(change.detail, change.role, change.who, change.why) for change in changes} == {
        ("k1 → k2", "operator", "ann", "rotation")
    }


async def test_two_rotations_at_once_seal_each_number_once(register: Register, owners: Register) -> None:
    for index in range(12):
        await keep(register, account_id=f"a{index}")
    counts = await asyncio.gather(*(owners.accounts.reseal(ROTATED, by=ANN, why="rotation", now=NOW) for _ in range(3)))
    assert sum(counts) == 12
    assert (await history(register)).count("resealed") == 12


async def test_a_rotation_without_the_old_key_says_so_and_breaks_nothing(register: Register, owners: Register) -> None:
    await keep(register)
    with pytest.raises(Unavailable, match="sealed with the key k1"):
        await owners.accounts.reseal(Vault({"k2": bytes(32)}), by=ANN, why="rotation", now=NOW)
    assert await kept(register, 1) == CARD


# --- versions, defaults ----------------------------------------------------------------------------------


async def test_who_insists_on_a_new_account_changes_none(register: Register) -> None:
    assert await keep(register, must_be="new") == 1
    assert await keep(register, must_be="new") == 1
    with pytest.raises(Refused) as caught:
        await keep(register, OTHER_CARD, must_be="new")
    assert caught.value.code == "account_exists"
    with pytest.raises(Refused) as caught:
        await keep(register, account_id="b", must_be="known")
    assert caught.value.code == "unknown_account"
    assert await keep(register, OTHER_CARD, must_be="known") == 2


async def test_another_merchants_account_is_nobody_elses(register: Register) -> None:
    await keep(register, merchant="m-1", account_id="a")
    with pytest.raises(Refused) as caught:
        await keep(register, OTHER_CARD, merchant="m-2", account_id="a")
    assert caught.value.code == "unknown_account"
    assert await history(register, "m-2") == []


async def test_a_bank_is_a_part_of_the_account(register: Register) -> None:
    assert await keep(register, bank=Bank("中国银行")) == 1
    assert await keep(register, bank=Bank("中国银行")) == 1
    assert await keep(register, bank=Bank("中国银行", "102331000013")) == 2


async def test_moving_the_default_is_a_change_of_both(register: Register) -> None:
    await keep(register, account_id="a")
    await keep(register, account_id="b")
    await keep(register, account_id="a")
    changes = [(change.what, change.account_id) for change in await register.accounts.changes("m-1")]
    assert changes == [
        ("bound", "a"),
        ("no_longer_default", "a"),
        ("bound", "b"),
        ("no_longer_default", "b"),
        ("made_default", "a"),
    ]


async def test_a_withdrawal_keeps_the_number_it_was_asked_for(book: Book, register: Register) -> None:
    await earned(register, book, 1000)
    assert await keep(register) == 2
    assert (await register.withdrawals.reserve(a_withdrawal(), LIMITS, now=NOW)).refusal is None
    assert await keep(register, OTHER_CARD) == 3
    known = await register.withdrawals.known("W1")
    assert known is not None
    assert await kept(register, known.account_version) == CARD


async def test_a_changed_account_cools_off_again(book: Book, register: Register) -> None:
    await earned(register, book, 1000)
    await keep(register, cooling_until=NOW + 3 * DAY)
    refusal = (await register.withdrawals.reserve(a_withdrawal(), LIMITS, now=NOW)).refusal
    assert refusal is not None
    assert refusal.code == "account_cooling"
    assert (await register.withdrawals.reserve(a_withdrawal(), LIMITS, now=NOW + 3 * DAY)).refusal is None


# --- suspension ------------------------------------------------------------------------------------------


async def test_a_change_lifts_what_a_rail_suspended_and_not_what_a_person_did(register: Register) -> None:
    await keep(register)
    assert await register.accounts.suspend("acc-m-1", "returned", NOW)
    await keep(register, OTHER_CARD)
    account = await register.accounts.get("acc-m-1")
    assert account is not None
    assert account.suspended_at is None

    assert await register.accounts.suspend("acc-m-1", "stolen card", NOW, by=ANN, why="stolen card")
    await keep(register)
    account = await register.accounts.get("acc-m-1")
    assert account is not None
    assert (account.suspended_at, account.suspended_for, account.suspended_by) == (NOW, "stolen card", "operator:ann")
    assert await register.accounts.resume("acc-m-1", by=ANN, why="card is back", now=NOW)
    assert not await register.accounts.resume("acc-m-1", by=ANN, why="card is back", now=NOW)


async def test_a_person_takes_over_a_rails_suspension_and_no_rail_a_persons(register: Register) -> None:
    await keep(register)
    assert await register.accounts.suspend("acc-m-1", "returned", NOW)
    assert not await register.accounts.suspend("acc-m-1", "returned again", NOW)
    assert await register.accounts.suspend("acc-m-1", "fraud", NOW, by=ANN)
    assert not await register.accounts.suspend("acc-m-1", "returned again", NOW)
    assert not await register.accounts.suspend("acc-m-1", "fraud", NOW, by=ANN)
    account = await register.accounts.get("acc-m-1")
    assert account is not None
    assert account.suspended_for == "fraud"
    assert await history(register) == ["bound", "suspended", "suspended"]


async def test_a_rails_reason_may_be_long(register: Register) -> None:
    await keep(register)
    assert await register.accounts.suspend("acc-m-1", "x" * 2000, NOW)


# --- verification ----------------------------------------------------------------------------------------


async def test_an_unverified_account_is_refused_where_the_policy_says_so(book: Book, register: Register) -> None:
    await earned(register, book, 1000)
    await keep(register)
    refusal = (await register.withdrawals.reserve(a_withdrawal(), STRICT, now=NOW)).refusal
    assert refusal is not None
    assert refusal.code == "account_unverified"
    assert await register.accounts.verify("acc-m-1", 2, how="by hand", by=ANN, why="seen the passbook", now=NOW)
    assert not await register.accounts.verify("acc-m-1", 2, how="by hand", by=ANN, why="again", now=NOW)
    assert (await register.withdrawals.reserve(a_withdrawal(), STRICT, now=NOW)).outcome == "reserved"
    assert (await register.withdrawals.reserve(a_withdrawal(), STRICT, now=NOW)).outcome == "exists"


async def test_a_change_of_a_verified_account_is_not_verified(book: Book, register: Register) -> None:
    await earned(register, book, 1000)
    await register.accounts.verify("acc-m-1", 1, how="by hand", by=ANN, why="seen", now=NOW)
    assert (await register.withdrawals.reserve(a_withdrawal("W1"), STRICT, now=NOW)).refusal is None
    await keep(register)
    assert (await register.withdrawals.reserve(a_withdrawal("W1"), STRICT, now=NOW)).outcome == "exists"
    refusal = (await register.withdrawals.reserve(a_withdrawal("W2"), STRICT, now=NOW)).refusal
    assert refusal is not None
    assert refusal.code == "account_unverified"
    assert not await register.accounts.verify("acc-m-1", 1, how="by hand", by=ANN, why="late", now=NOW)


async def test_other_refusals_come_as_they_did(book: Book, register: Register) -> None:
    await earned(register, book, 1000)
    await register.accounts.suspend("acc-m-1", "returned", NOW)
    refusal = (await register.withdrawals.reserve(a_withdrawal(), STRICT, now=NOW)).refusal
    assert refusal is not None
    assert refusal.code == "account_suspended"
    refusal = (await register.withdrawals.reserve(a_withdrawal(account_id="nowhere"), STRICT, now=NOW)).refusal
    assert refusal is not None
    assert refusal.code == "unknown_account"


# --- names and history -----------------------------------------------------------------------------------


async def test_a_merchant_is_named_and_accounts_of_others_are_suspended(register: Register) -> None:
    await keep(register, account_id="a")
    await keep(register, account_id="b", merchant="m-2")
    assert await register.accounts.legal_name("m-1") is None
    assert await register.accounts.name_merchant(
        "m-1", "茶店", held_by_others=["a", "b"], by=ANN, why="licence", now=NOW
    )
    assert not await register.accounts.name_merchant("m-1", "茶店", by=ANN, why="licence", now=NOW)
    assert await register.accounts.name_merchant("m-1", "新茶店", by=ANN, why="renamed", now=NOW)
    assert await register.accounts.legal_name("m-1") == "新茶店"
    mine, theirs = await register.accounts.get("a"), await register.accounts.get("b")
    assert mine is not None
    assert theirs is not None
    assert (mine.suspended_for, theirs.suspended_for) == ("holder_mismatch", None)
    changes = [(change.what, change.detail) for change in await register.accounts.changes("m-1")]
    assert changes[1:] == [("suspended", "holder_mismatch"), ("named", "茶店"), ("named", "茶店 → 新茶店")]


async def test_every_change_says_who_and_why(register: Register) -> None:
    await keep(register, by=ANN, why="by phone", cooling_until=NOW + timedelta(hours=72))
    (change,) = await register.accounts.changes("m-1", "acc-m-1")
    assert (change.role, change.who, change.why, change.version) == ("operator", "ann", "by phone", 1)
    assert change.detail.startswith("bank_card …7894 cools off until 20")
    assert await register.accounts.changes("m-1", "other") == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE payout_account_changes SET who = 'nobody'",
        "DELETE FROM payout_account_changes",
        "TRUNCATE payout_account_changes",
    ],
)
async def test_nobody_edits_the_history(database: Database, register: Register, statement: str) -> None:
    await keep(register)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only added to"):
        await database.owner.execute(statement)


async def _dump(database: Database) -> str:
    """Every row of every table as text, and every binary column as the characters it might be."""
    tables = await database.owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'dakuan'")
    rows = [await database.owner.fetch(f"SELECT t::TEXT AS row FROM {table['tablename']} t") for table in tables]
    text = "\n".join(row["row"] for found in rows for row in found)
    assert "7894" in text
    return text + "".join(bytes.fromhex(word).decode("latin-1") for word in re.findall(r"\\x((?:[0-9a-f]{2})+)", text))


# --- versions -------------------------------------------------------------------------------------------


async def test_a_change_of_an_account_is_a_new_version_and_the_same_again_is_not(register: Register) -> None:
    assert await bound(register, cooling_until=NOW + DAY) == 1
    assert await bound(register, cooling_until=NOW + 9 * DAY) == 1
    same = await register.accounts.get("acc-m-1")
    assert same is not None
    assert same.cooling_until == NOW + DAY
    assert await bound(register, last4="1111") == 2
    newest, first = await register.accounts.get("acc-m-1"), await register.accounts.get("acc-m-1", 1)
    assert newest is not None
    assert first is not None
    assert (newest.last4, first.last4) == ("1111", "4242")


async def test_a_merchant_has_one_default_account(register: Register) -> None:
    await bound(register, "m-1", "a")
    await bound(register, "m-1", "b")
    default = await register.accounts.default("m-1", "CNY")
    assert default is not None
    assert default.account_id == "b"
    assert [account.is_default for account in await register.accounts.of_merchant("m-1")] == [True, False]
    assert await register.accounts.default("m-1", "USD") is None
    await register.accounts.suspend("b", "returned", NOW)
    assert await register.accounts.default("m-1", "CNY") is None


async def test_defaults_bound_at_once_leave_one(register: Register) -> None:
    await asyncio.gather(*(bound(register, "m-1", f"a{n}") for n in range(10)))
    assert [account.is_default for account in await register.accounts.of_merchant("m-1")] == [True] + [False] * 9


async def test_a_change_lifts_a_suspension(register: Register) -> None:
    await bound(register)
    await register.accounts.suspend("acc-m-1", "closed at the bank", NOW)
    await bound(register, last4="1111")
    account = await register.accounts.get("acc-m-1")
    assert account is not None
    assert account.suspended_at is None


async def test_an_account_id_belongs_to_one_merchant(register: Register) -> None:
    await bound(register, "m-1", "acc")
    with pytest.raises(Refused) as refused:
        await bound(register, "m-2", "acc")
    assert refused.value.code == "unknown_account"
    account = await register.accounts.get("acc")
    assert account is not None
    assert account.merchant_id == "m-1"
