"""A payout that was given up unsent is known not to be on its way, also where it is asked about again."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ledger_samples import NOW, a_withdrawal, an_attempt, bound, earned
from temporalio.testing import ActivityEnvironment

from activities.by_name import ByName
from activities.rails.base import PayoutInstruction
from activities.withdrawal import LEASE, WithdrawalActivities
from core.policy import parse_policy
from core.withdrawal.opening import begin
from core.withdrawal.payouts import PayoutResult, RailTerms
from core.withdrawal.policy import WithdrawalPolicy
from core.withdrawal.steps import Pay
from core.withdrawal.views import record_of
from ledger.book import Book
from ledger.register import Register

KEY = "key1"
TERMS = RailTerms(dedup_window=timedelta(days=6))
TOO_LATE = datetime(1970, 1, 1, tzinfo=UTC)
"""When a test's activity begins."""


class Counting:
    """A rail that counts what it is asked."""

    name = "sandbox"
    terms = TERMS
    key_pattern = re.compile(r"[a-z0-9]{1,32}")

    def __init__(self) -> None:
        self.paid = self.looked = 0
        self.finds: Any = "not_found"

    async def pay(self, instruction: PayoutInstruction) -> PayoutResult:
        self.paid += 1
        return PayoutResult(outcome="unknown")

    async def query(self, instruction: PayoutInstruction) -> PayoutResult:
        self.looked += 1
        return PayoutResult(outcome=self.finds)


class Yen(Counting):
    """A rail that pays in yen only."""

    terms = RailTerms(currencies=("JPY",))


@pytest.fixture
def rail() -> Counting:
    return Counting()


def _pay(send_by: datetime, *, ask_first: bool = False) -> Pay:
    return Pay(
        at=NOW,
        withdrawal_id="W1",
        merchant_id="m-1",
        account_id="acc-m-1",
        account_version=1,
        number=1,
        key=KEY,
        rail="sandbox",
        amount_minor=500,
        currency="CNY",
        send_by=send_by,
        ask_first=ask_first,
    )


async def _opened(register: Register, book: Book) -> None:
    await earned(register, book, 1000)
    await bound(register)
    await register.withdrawals.reserve(a_withdrawal(), WithdrawalPolicy(), now=NOW)
    await register.payouts.open(an_attempt(a_withdrawal(), key=KEY), TERMS)


async def test_what_the_accounts_rail_can_never_pay_is_refused_before_it_is_reserved(
    register: Register, owners: Register, book: Book, rail: Counting
) -> None:
    await earned(register, book, 1000)
    await bound(register)
    text = 'name = "default"\n'
    await owners.policies.move(parse_policy(text), text, who="tests", why="one that can be read")
    asked = a_withdrawal()
    for rails, code in (
        ({"sandbox": rail}, None),
        ({"sandbox": Yen()}, "wrong_currency"),
        ({"other": rail}, "rail_cannot_pay"),
    ):
        activities = WithdrawalActivities(register, ByName(rails))
        opened = await ActivityEnvironment().run(activities.open_withdrawal, asked)
        assert (opened.refusal and opened.refusal.code) == code
    # A reserved withdrawal goes on, also after its rail's settings changed.
    record = record_of(begin(asked, WithdrawalPolicy(), NOW), NOW)
    await register.withdrawals.reserve(asked, WithdrawalPolicy(), now=NOW, record=record)
    activities = WithdrawalActivities(register, ByName({"sandbox": Yen()}))
    opened = await ActivityEnvironment().run(activities.open_withdrawal, asked)
    assert opened.refusal is None


async def test_a_try_whose_report_was_lost_is_told_again_that_nothing_was_sent(
    register: Register, book: Book, rail: Counting
) -> None:
    await _opened(register, book)
    activities = WithdrawalActivities(register, ByName(stand_in=lambda _: rail))
    answers = [await ActivityEnvironment().run(activities.pay, _pay(TOO_LATE)) for _ in range(3)]
    assert [answer.outcome for answer in answers] == ["not_sent"] * 3
    assert (rail.paid, rail.looked) == (0, 0)


async def test_a_try_that_may_have_sent_it_is_looked_up_however_late(
    register: Register, book: Book, rail: Counting
) -> None:
    await _opened(register, book)
    activities = WithdrawalActivities(register, ByName(stand_in=lambda _: rail))
    await ActivityEnvironment().run(activities.pay, _pay(NOW + timedelta(hours=1)))
    late = await ActivityEnvironment().run(activities.pay, _pay(TOO_LATE))
    assert (late.outcome, rail.paid, rail.looked) == ("not_found", 1, 1)


@pytest.mark.parametrize("send_by", [NOW + timedelta(hours=1), TOO_LATE], ids=["in time", "too late"])
@pytest.mark.parametrize("known", ["paid", "accepted", "unknown"])
async def test_what_a_restored_register_does_not_know_is_asked_for_and_not_sent(
    register: Register, book: Book, rail: Counting, send_by: datetime, known: Any
) -> None:
    """Its row says that nothing was sent. The bank may know better; without an answer, it may have been sent."""
    await _opened(register, book)
    rail.finds = known
    activities = WithdrawalActivities(register, ByName(stand_in=lambda _: rail))
    answer = await ActivityEnvironment().run(activities.pay, _pay(send_by, ask_first=True))
    row = await register.payouts.get(KEY)
    assert (answer.outcome, rail.paid, rail.looked) == (known, 0, 1)
    assert row is not None
    assert row.state == "sending"


async def test_what_the_bank_does_not_know_either_is_sent(register: Register, book: Book, rail: Counting) -> None:
    await _opened(register, book)
    activities = WithdrawalActivities(register, ByName(stand_in=lambda _: rail))
    await ActivityEnvironment().run(activities.pay, _pay(NOW + timedelta(hours=1), ask_first=True))
    assert (rail.paid, rail.looked) == (1, 1)


async def test_a_worker_that_slept_past_its_lease_sends_nothing(
    register: Register, book: Book, rail: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another may have looked the payout up meanwhile, and have found nothing."""
    await _opened(register, book)
    slept, update = [0.0], register.payouts.update

    async def then_sleeps(*arguments: Any, **named: Any) -> bool:
        moved = await update(*arguments, **named)
        slept[0] += LEASE.total_seconds()
        return moved

    monkeypatch.setattr(register.payouts, "update", then_sleeps)
    monkeypatch.setattr("activities.withdrawal.time.monotonic", lambda: slept[0])
    activities = WithdrawalActivities(register, ByName(stand_in=lambda _: rail))
    answer = await ActivityEnvironment().run(activities.pay, _pay(NOW + timedelta(hours=1)))
    assert (answer.outcome, rail.paid) == ("unknown", 0)
