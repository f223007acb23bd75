"""Withdrawals and payouts in the register and the books: reserved once, tried one at a time, closed once."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from databases import Database
from ledger_samples import (
    DAY,
    LIMITS,
    NOW,
    a_notice,
    a_withdrawal,
    a_withdrawal_record,
    an_attempt,
    bank_return,
    bound,
    earned,
    pay,
    void,
)

from core.messages import Actor, Withdrawal
from core.movements import Leg, adjustment
from core.reasons import SENTENCES, Refusal
from core.withdrawal.payouts import RailTerms
from core.withdrawal.policy import WithdrawalPolicy
from ledger.book import Book
from ledger.payouts import PayoutAttempt
from ledger.register import Register

TERMS = RailTerms(dedup_window=timedelta(days=6))
ANNA, BEN = Actor(role="reviewer", id="anna"), Actor(role="operator", id="ben")


async def _reserve(register: Register, withdrawal: Withdrawal, policy: WithdrawalPolicy = LIMITS, **fields: Any) -> str:
    """`reserved`, `exists`, or the reason code."""
    answer = await register.withdrawals.reserve(withdrawal, policy, **{"now": NOW, **fields})
    return answer.refusal.code if answer.refusal else answer.outcome


async def _open(register: Register, number: int = 1, key: str = "k1", **fields: Any) -> PayoutAttempt | str:
    """The attempt, or the reason code."""
    given = {"amount_minor": 500, **fields}
    opened = await register.payouts.open(an_attempt(a_withdrawal(), number, key, **given), TERMS)
    return opened.code if isinstance(opened, Refusal) else opened


# --- reserve ---------------------------------------------------------------------------------------------


async def test_a_withdrawal_sets_its_amount_aside_with_row_and_record(
    database: Database, book: Book, register: Register
) -> None:
    await earned(register, book, 2000)
    record = a_withdrawal_record(revision=1, state={"attempts": [], "x": 1}, notices=(a_notice(1, to="merchant"),))
    assert await _reserve(register, a_withdrawal(), record=record) == "reserved"
    assert await database.balance("withdrawal/W1/reserved") == 500
    assert await register.withdrawals.available("m-1", "CNY") == 1500
    known = await register.withdrawals.known("W1")
    assert known is not None
    assert known.withdrawal == a_withdrawal()
    assert (known.account_version, known.revision, known.closed) == (1, 1, False)
    assert known.state == {"attempts": [], "x": 1}
    (notice,) = await register.notices.read()
    assert (notice.subject, notice.merchant_id, notice.buyer_id) == ("withdrawal/W1", "m-1", None)


async def test_the_same_withdrawal_again_exists_and_another_body_is_refused(book: Book, register: Register) -> None:
    await earned(register, book, 2000)
    assert await _reserve(register, a_withdrawal()) == "reserved"
    assert await _reserve(register, a_withdrawal()) == "exists"
    assert await _reserve(register, a_withdrawal(amount=501)) == "withdrawal_exists_with_different_content"
    assert await register.withdrawals.available("m-1", "CNY") == 1500


async def test_a_withdrawal_beyond_what_is_available_leaves_nothing_behind(book: Book, register: Register) -> None:
    await earned(register, book, 499)
    answer = await register.withdrawals.reserve(a_withdrawal(), LIMITS, now=NOW, record=a_withdrawal_record())
    assert answer.refusal is not None
    assert answer.refusal.code == "insufficient_funds"
    assert "short by 0.01 CNY" in answer.refusal.message
    assert await register.withdrawals.known("W1") is None
    assert await register.withdrawals.row("W1") is None


async def test_limits_and_accounts_are_checked_with_their_reason_codes(book: Book, register: Register) -> None:
    await earned(register, book, 90_000)
    await bound(register, "m-2")
    await bound(register, "m-1", "usd", currency="USD", is_default=False)
    await bound(register, "m-1", "cooling", is_default=False, cooling_until=NOW + DAY)
    await bound(register, "m-1", "bad", is_default=False)
    await register.accounts.suspend("bad", "returned", NOW)
    limits = WithdrawalPolicy(minimum_minor=100, maximum_minor=50_000)
    wanted = {
        "below_minimum": a_withdrawal(amount=99),
        "above_maximum": a_withdrawal(amount=50_001),
        "unknown_account": a_withdrawal(account_id="nobody"),
        "wrong_currency": a_withdrawal(account_id="usd"),
        "account_cooling": a_withdrawal(account_id="cooling"),
        "account_suspended": a_withdrawal(account_id="bad"),
    }
    assert {code: await _reserve(register, w, limits) for code, w in wanted.items()} == {code: code for code in wanted}
    refused = [(await register.withdrawals.reserve(w, limits, now=NOW)).refusal for w in wanted.values()]
    said = {one.code: (one.message.removeprefix(SENTENCES[one.code]).strip(), one.field) for one in refused if one}
    assert said["wrong_currency"] == ("The account is in USD.", "currency")
    assert said["below_minimum"] == ("At least 1.00 CNY.", "amount_minor")
    assert said["account_cooling"][0].startswith("Until ")
    assert {said[code][1] for code in ("unknown_account", "account_cooling", "account_suspended")} == {"account_id"}
    assert await _reserve(register, a_withdrawal(account_id="acc-m-2")) == "unknown_account"
    assert await _reserve(register, a_withdrawal(account_id="cooling"), now=NOW + DAY) == "reserved"


async def test_who_owes_money_withdraws_nothing(database: Database, book: Book, register: Register) -> None:
    await earned(register, book, 1000)
    database.broken = True  # has and owes, on purpose
    await Book(database.owner).post_all(
        [adjustment("adjust/1", "CNY", NOW, [Leg("merchant/m-1/receivable", "suspense", 1)])]
    )
    assert await _reserve(register, a_withdrawal()) == "receivable_outstanding"


async def test_the_days_count_and_sum_turn_over_at_the_policys_midnight(book: Book, register: Register) -> None:
    await earned(register, book, 90_000)
    policy = WithdrawalPolicy(daily_count_max=2, daily_sum_max_minor=1500, day_offset=timedelta(hours=8))
    midnight = NOW.replace(hour=16, minute=0)  # in Shanghai
    assert await _reserve(register, a_withdrawal("W1", 1000), policy) == "reserved"
    assert await _reserve(register, a_withdrawal("W2", 501), policy) == "daily_limit"
    assert await _reserve(register, a_withdrawal("W3", 500), policy) == "reserved"
    assert (
        await _reserve(register, a_withdrawal("W4", 100), policy, now=midnight - timedelta(seconds=1)) == "daily_limit"
    )
    assert await _reserve(register, a_withdrawal("W4", 100), policy, now=midnight) == "reserved"


async def test_what_was_given_back_does_not_count_for_the_day(book: Book, register: Register) -> None:
    await earned(register, book, 2000)
    policy = WithdrawalPolicy(daily_count_max=1)
    await _reserve(register, a_withdrawal("W1"), policy)
    cancelled = a_withdrawal_record("W1", 2, state_name="cancelled", closed=True)
    assert (await void(book, a_withdrawal("W1"), record=cancelled)).outcome == "posted"
    assert await _reserve(register, a_withdrawal("W2"), policy) == "reserved"


async def test_racing_withdrawals_never_reserve_the_same_money(
    database: Database, book: Book, register: Register
) -> None:
    await earned(register, book, 1000)
    answers = Counter(await asyncio.gather(*(_reserve(register, a_withdrawal(f"W{n}", 300)) for n in range(12))))
    assert answers == {"reserved": 3, "insufficient_funds": 9}
    assert await register.withdrawals.available("m-1", "CNY") == 100


async def test_racing_withdrawals_never_pass_the_days_count(book: Book, register: Register) -> None:
    await earned(register, book, 9000)
    policy = WithdrawalPolicy(daily_count_max=2)
    answers = Counter(
        await asyncio.gather(*(_reserve(register, a_withdrawal(f"W{n}", 100), policy) for n in range(12)))
    )
    assert answers == {"reserved": 2, "daily_limit": 10}


async def test_the_same_withdrawal_many_times_at_once_is_reserved_once(book: Book, register: Register) -> None:
    await earned(register, book, 9000)
    answers = Counter(await asyncio.gather(*(_reserve(register, a_withdrawal()) for _ in range(12))))
    assert answers == {"reserved": 1, "exists": 11}


# --- close and return ------------------------------------------------------------------------------------


async def test_a_paid_withdrawal_leaves_for_the_rail_and_its_fee_stays(
    database: Database, book: Book, register: Register
) -> None:
    await earned(register, book, 1000)
    await _reserve(register, a_withdrawal())
    paid = a_withdrawal_record(revision=2, state_name="paid", closed=True)
    assert (await pay(book, a_withdrawal(), fee=20, record=paid)).outcome == "posted"
    assert await database.balance("rail/sandbox/cash") == -480
    assert await database.balance("income/withdrawal_fee") == 20
    assert (await pay(book, a_withdrawal(), fee=20)).outcome == "exists"
    assert (await pay(book, a_withdrawal(), fee=21)).outcome == "conflict"
    row = await register.withdrawals.row("W1")
    assert row is not None
    assert (row.state_name, row.closed, row.last4) == ("paid", True, "4242")


async def test_pay_and_void_share_one_reference_and_only_one_can_stand(
    database: Database, book: Book, register: Register
) -> None:
    await earned(register, book, 9000)
    for n in range(10):
        withdrawal = a_withdrawal(f"W{n}", 100)
        await _reserve(register, withdrawal)
        answers = await asyncio.gather(pay(book, withdrawal), void(book, withdrawal))
        assert sorted(answer.outcome for answer in answers) == ["conflict", "posted"]


async def test_a_pay_of_another_amount_than_was_reserved_is_refused(book: Book, register: Register) -> None:
    await earned(register, book, 1000)
    await _reserve(register, a_withdrawal())
    less = await pay(book, a_withdrawal(amount=400))
    assert (less.outcome, less.account, less.short_by_minor) == ("conflict", "withdrawal/W1/reserved", 100)
    assert (await pay(book, a_withdrawal(amount=600))).outcome == "insufficient_funds"


async def test_what_is_given_back_repays_first_what_the_merchant_owes(
    database: Database, book: Book, register: Register
) -> None:
    await earned(register, book, 500)
    await _reserve(register, a_withdrawal())
    await Book(database.owner).post_all(
        [adjustment("adjust/1", "CNY", NOW, [Leg("merchant/m-1/receivable", "suspense", 200)])]
    )
    assert (await void(book, a_withdrawal())).outcome == "posted"
    assert await register.withdrawals.available("m-1", "CNY") == 300
    assert await database.balance("merchant/m-1/receivable") == 0
    assert (await void(book, a_withdrawal())).outcome == "exists"


async def test_a_bank_returns_only_what_was_paid_and_never_more(
    database: Database, book: Book, register: Register
) -> None:
    await earned(register, book, 500)
    await _reserve(register, a_withdrawal())
    early = await bank_return(book, a_withdrawal(), 100)
    assert (early.outcome, early.account, early.short_by_minor) == ("conflict", "rail/sandbox/cash", 100)
    await pay(book, a_withdrawal(), fee=20)
    assert (await bank_return(book, a_withdrawal(), 300, k=1)).outcome == "posted"
    assert (await bank_return(book, a_withdrawal(), 300, k=1)).outcome == "exists"
    assert (await bank_return(book, a_withdrawal(), 181, k=2)).outcome == "conflict"
    assert (await bank_return(book, a_withdrawal(), 180, k=2)).outcome == "posted"
    assert await register.withdrawals.available("m-1", "CNY") == 480


async def test_a_return_after_a_void_is_refused(book: Book, register: Register) -> None:
    await earned(register, book, 500)
    await _reserve(register, a_withdrawal())
    await void(book, a_withdrawal())
    assert (await bank_return(book, a_withdrawal(), 1)).outcome == "conflict"


async def test_a_rail_at_fault_gives_the_fee_back_and_we_make_good_what_a_bank_kept(
    database: Database, book: Book, register: Register
) -> None:
    await earned(register, book, 500)
    await _reserve(register, a_withdrawal())
    await pay(book, a_withdrawal(), fee=20)
    assert (await bank_return(book, a_withdrawal(), 470, fee_back_minor=20, shortfall_minor=10)).outcome == "posted"
    assert await register.withdrawals.available("m-1", "CNY") == 500
    assert await database.balance("expense/rail_fee") == 10


async def test_returns_racing_each_other_never_exceed_what_was_paid(
    database: Database, book: Book, register: Register
) -> None:
    await earned(register, book, 500)
    await _reserve(register, a_withdrawal())
    await pay(book, a_withdrawal())
    answers = await asyncio.gather(*(bank_return(book, a_withdrawal(), 200, k=k) for k in range(1, 8)))
    assert Counter(answer.outcome for answer in answers) == {"posted": 2, "conflict": 5}


async def test_a_withdrawal_that_nobody_reserved_cannot_be_closed(book: Book) -> None:
    with pytest.raises(Exception, match="withdrawal W1 is not registered"):
        await pay(book, a_withdrawal())


# --- attempts --------------------------------------------------------------------------------------------


async def test_an_attempt_is_written_with_the_account_as_it_was_asked_for(book: Book, register: Register) -> None:
    await earned(register, book, 1000)
    await _reserve(register, a_withdrawal())
    await bound(register, last4="9999", rail_token="new")
    attempt = await _open(register)
    assert isinstance(attempt, PayoutAttempt)
    assert (attempt.account_version, attempt.last4, attempt.rail, attempt.rail_token) == (1, "4242", "sandbox", "tok")
    assert (attempt.state, attempt.terms) == ("open", TERMS)
    assert await register.payouts.get("k1") == attempt
    assert await register.payouts.of_withdrawal("W1") == [attempt]


async def test_the_attempt_that_exists_wins_over_another_key(book: Book, register: Register) -> None:
    await earned(register, book, 1000)
    await _reserve(register, a_withdrawal())
    first = await _open(register)
    assert await _open(register, key="k2") == first
    assert await register.payouts.get("k2") is None


async def test_a_second_attempt_waits_until_the_first_is_known_to_be_dead(book: Book, register: Register) -> None:
    await earned(register, book, 1000)
    await _reserve(register, a_withdrawal())
    await _open(register)
    with pytest.raises(Exception, match="one_live_attempt_a_withdrawal"):
        await _open(register, 2, "k2")
    failed = a_withdrawal_record(revision=2, state={"attempts": [{"key": "k1", "outcome": "failed", "events": []}]})
    second = await _open(register, 2, "k2", record=failed)
    assert isinstance(second, PayoutAttempt)
    assert [attempt.state for attempt in await register.payouts.of_withdrawal("W1")] == ["failed", "open"]


async def test_a_key_is_used_once_for_ever(book: Book, register: Register) -> None:
    await earned(register, book, 1000)
    await _reserve(register, a_withdrawal("W1"))
    await _reserve(register, a_withdrawal("W2", 100))
    await _open(register)
    with pytest.raises(Exception, match="payout_attempts_pkey"):
        await register.payouts.open(an_attempt(a_withdrawal("W2", 100)), TERMS)
    with pytest.raises(Exception, match="key_fits_every_rail"):
        await register.payouts.open(an_attempt(a_withdrawal("W2", 100), key="k" * 33), TERMS)


async def test_only_one_of_many_moves_an_attempt(book: Book, register: Register) -> None:
    await earned(register, book, 1000)
    await _reserve(register, a_withdrawal())
    await _open(register)
    moves = await asyncio.gather(
        *(register.payouts.update("k1", "sending", when=["open"], lease_until=NOW, now=NOW) for _ in range(8))
    )
    assert sorted(moves) == [False] * 7 + [True]
    assert not await register.payouts.update("nope", "sending", now=NOW)
    assert await register.payouts.update("k1", "unknown", now=NOW)
    moved = await register.payouts.get("k1")
    assert moved is not None
    assert (moved.state, moved.lease_until) == ("unknown", None)


async def test_nothing_is_sent_for_a_withdrawal_that_was_given_back(book: Book, register: Register) -> None:
    await earned(register, book, 1000)
    await _reserve(register, a_withdrawal())
    await void(book, a_withdrawal())
    assert await _open(register) == "withdrawal_over"


async def test_nothing_is_given_back_while_a_payout_may_still_arrive(book: Book, register: Register) -> None:
    await earned(register, book, 1000)
    await _reserve(register, a_withdrawal())
    await _open(register)
    assert (await void(book, a_withdrawal())).outcome == "conflict"
    failed = a_withdrawal_record(
        revision=2, state_name="failed", state={"attempts": [{"key": "k1", "outcome": "failed", "events": []}]}
    )
    assert (await void(book, a_withdrawal(), record=failed)).outcome == "posted"
    attempt = await register.payouts.get("k1")
    assert attempt is not None
    assert attempt.state == "failed"


async def test_a_void_racing_an_attempt_leaves_one_of_them(book: Book, register: Register) -> None:
    await earned(register, book, 9000)
    for n in range(10):
        withdrawal = a_withdrawal(f"V{n}", 100)
        await _reserve(register, withdrawal)
        given_back, opened = await asyncio.gather(
            void(book, withdrawal),
            register.payouts.open(an_attempt(withdrawal, key=f"key{n}"), TERMS),
        )
        assert (given_back.outcome == "posted") == isinstance(opened, Refusal)


async def test_an_account_suspended_meanwhile_gets_no_money(book: Book, register: Register) -> None:
    await earned(register, book, 1000)
    await _reserve(register, a_withdrawal())
    assert await register.accounts.suspend("acc-m-1", "returned", NOW)
    assert not await register.accounts.suspend("acc-m-1", "again", NOW)
    assert await _open(register) == "account_suspended"


async def test_a_debt_that_arose_meanwhile_stops_the_payout(database: Database, book: Book, register: Register) -> None:
    await earned(register, book, 500)
    await _reserve(register, a_withdrawal())
    await Book(database.owner).post_all(
        [adjustment("adjust/1", "CNY", NOW, [Leg("merchant/m-1/receivable", "suspense", 200)])]
    )
    assert await _open(register) == "receivable_outstanding"


# --- approvals and events --------------------------------------------------------------------------------


async def test_a_large_withdrawal_is_sent_only_with_two_peoples_approval(book: Book, register: Register) -> None:
    await earned(register, book, 1000)
    policy = WithdrawalPolicy(approval_above_minor=499)
    await _reserve(register, a_withdrawal(), policy)
    assert await _open(register) == "needs_other_person"
    assert await _open(register, approvals=[ANNA]) == "needs_other_person"
    assert await _open(register, approvals=[ANNA, ANNA]) == "needs_other_person"
    spelled = Actor(role="reviewer", id=ANNA.id.upper())
    assert await _open(register, approvals=[ANNA, spelled]) == "needs_other_person"
    assert isinstance(await _open(register, approvals=[ANNA, BEN]), PayoutAttempt)


async def test_an_approval_counts_until_the_money_leaves_and_no_longer_than_its_persons_access(
    database: Database, book: Book, register: Register
) -> None:
    """It may wait for a day's limit or a merchant who is stopped, after the second person has approved it."""
    await earned(register, book, 1000)
    await _reserve(register, a_withdrawal(), WithdrawalPolicy(approval_above_minor=499))
    owners = Register(database.owner).people
    given: dict[str, Any] = {"merchant_id": None, "issuer": "https://id.example", "by": "owner", "now": NOW}
    await owners.add(ANNA.id, "Anna", "reviewer", subject="a", **given)
    await owners.end(ANNA.id, NOW, "owner")
    assert await _open(register, approvals=[ANNA, BEN]) == "needs_other_person"
    assert await _open(register, approvals=[ANNA, BEN]) == "needs_other_person"
    await owners.add(ANNA.id, "Anna", "reviewer", subject="a", **given, again=True)
    assert isinstance(await _open(register, approvals=[ANNA, BEN]), PayoutAttempt)
    await owners.end(ANNA.id, NOW, "owner")
    assert isinstance(await _open(register, approvals=[ANNA, BEN]), PayoutAttempt), "what was opened stays"


async def test_the_database_lets_nobody_approve_what_they_asked_for(book: Book, register: Register) -> None:
    await earned(register, book, 1000)
    asked = a_withdrawal(requested_by=ANNA.model_copy(update={"role": "operator"}))
    await _reserve(register, asked, WithdrawalPolicy(approval_above_minor=0))
    with pytest.raises(Exception, match="nobody_approves_what_they_asked_for"):
        await _open(register, approvals=[BEN, ANNA])


async def test_each_event_of_a_rail_counts_once(book: Book, register: Register) -> None:
    await earned(register, book, 1000)
    await _reserve(register, a_withdrawal())
    await _open(register)
    event = {"event_id": "e1", "outcome": "paid", "amount_minor": 500, "at": NOW.isoformat()}
    state = {"attempts": [{"key": "k1", "outcome": "paid", "events": [event]}]}
    await register.withdrawals.record(a_withdrawal_record(revision=2, state_name="submitted", state=state))
    await register.withdrawals.record(a_withdrawal_record(revision=3, state_name="submitted", state=state))
    assert [found["event_id"] for found in await register.payouts.events("W1")] == ["e1"]


async def test_a_lower_revision_of_a_withdrawal_changes_nothing(book: Book, register: Register) -> None:
    await earned(register, book, 1000)
    await _reserve(register, a_withdrawal())
    assert await register.withdrawals.record(a_withdrawal_record(revision=4, state_name="submitted"))
    assert not await register.withdrawals.record(a_withdrawal_record(revision=3, state_name="approved"))
    row = await register.withdrawals.row("W1")
    assert row is not None
    assert row.state_name == "submitted"


async def test_nothing_is_kept_or_moved_that_follows_another_record(
    database: Database, book: Book, register: Register
) -> None:
    """As a workflow asks for it that was set back: no row, no notice, no movement."""
    await earned(register, book, 1000)
    await _reserve(register, a_withdrawal(), record=a_withdrawal_record(revision=1, follows=-1))
    assert await register.withdrawals.record(a_withdrawal_record(revision=4, follows=1, state_name="approved"))
    notice = a_notice(7, to="merchant", name="withdrawal_cancelled")
    stale = a_withdrawal_record(revision=9, follows=2, state_name="cancelled", closed=True, notices=(notice,))
    assert not await register.withdrawals.record(stale)
    assert (await void(book, a_withdrawal(), record=stale)).outcome == "conflict"
    assert (await pay(book, a_withdrawal(), record=stale)).outcome == "conflict"
    row = await register.withdrawals.row("W1")
    assert row is not None
    assert (row.state_name, row.closed, await register.notices.read()) == ("approved", False, [])
    assert await database.balance("withdrawal/W1/reserved") == 500
    right = stale.model_copy(update={"follows": 4})
    posted = [await void(book, a_withdrawal(), record=right) for _ in range(2)]
    assert [(one.outcome, one.overtaken) for one in posted] == [("posted", False), ("exists", True)]
    assert [notice.name for notice in await register.notices.read()] == ["withdrawal_cancelled"]


async def test_a_record_of_an_unknown_withdrawal_is_a_defect_and_loud(register: Register) -> None:
    with pytest.raises(Exception, match="withdrawal W9 is not registered"):
        await register.withdrawals.record(a_withdrawal_record("W9"))
