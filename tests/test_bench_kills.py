"""The bench of kills can fail: its judge finds each kind of broken promise among orders that share merchants."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from bench.faults.judging import AtBank, InBooks
from bench.kills.books import Evidence, SaleInBooks, Verdict, judge
from bench.kills.market import MERCHANTS, Sale, merchants, token_of
from bench.kills.watch import Watch, watching

SALES = [Sale(number) for number in range(3 * MERCHANTS)]
FIRST, SECOND = SALES[0], SALES[MERCHANTS]
"""Two orders of one merchant; the first is withdrawn."""
OTHER = SALES[4]
"""Of another merchant, withdrawn, too."""


def _kept() -> Evidence:
    """All promises are kept."""
    withdrawn = [sale for sale in SALES if sale.withdrawal_id is not None]
    available = Counter[str]()
    payouts = {merchant: list[int]() for merchant in merchants()}
    for sale in SALES:
        available[sale.merchant_id] += sale.due_minor
    for sale in withdrawn:
        available[sale.merchant_id] -= sale.withdrawn_minor
        payouts[sale.merchant_id].append(sale.withdrawn_minor)
    return Evidence(
        sales=SALES,
        orders={sale.order_id: SaleInBooks(sale.order.total_minor, sale.due_minor, True) for sale in SALES},
        withdrawals={sale.withdrawal_id or "": InBooks(paid_minor=sale.withdrawn_minor) for sale in withdrawn},
        available_minor=dict(available),
        bank={token_of(merchant): AtBank(tuple(paid)) for merchant, paid in payouts.items()},
    )


KEPT = _kept()


def _found(**changes: Any) -> tuple[Counter[str], Verdict]:
    """The kinds of breach if these entries were otherwise."""
    merged: dict[str, Any] = {name: {**getattr(KEPT, name), **entries} for name, entries in changes.items()}
    verdict = judge(KEPT._replace(**merged))
    return Counter(breach.kind for breach in verdict.breaches), verdict


def test_kept_promises_are_no_breach_and_all_is_counted() -> None:
    kinds, verdict = _found()
    assert not kinds
    assert (verdict.settled, verdict.paid_out, verdict.effects, verdict.lost_minor) == (120, 30, 30, 0)


def test_merchants_share_orders_and_their_withdrawals_differ() -> None:
    assert FIRST.merchant_id == SECOND.merchant_id != OTHER.merchant_id
    assert FIRST.withdrawal_id is not None
    assert OTHER.withdrawal_id is not None
    amounts = Counter((sale.merchant_id, sale.withdrawn_minor) for sale in map(Sale, range(4_000)))
    assert max(amounts.values()) == 1


def test_an_order_that_never_settles_is_stuck() -> None:
    open_one = SaleInBooks(FIRST.order.total_minor, 0, False)
    left = KEPT.available_minor[FIRST.merchant_id] - FIRST.due_minor
    kinds, verdict = _found(orders={FIRST.order_id: open_one}, available_minor={FIRST.merchant_id: left})
    assert (kinds, verdict.stuck) == ({"stuck": 1}, 1)


def test_an_order_that_pays_its_merchant_twice_is_found() -> None:
    twice = SaleInBooks(FIRST.order.total_minor, 2 * FIRST.due_minor, True)
    kinds, verdict = _found(orders={FIRST.order_id: twice})
    assert (kinds, verdict.double_effects, verdict.lost_minor) == ({"double_effect": 1}, 1, FIRST.due_minor)


def test_money_that_went_to_another_merchant_is_found_at_both() -> None:
    available = KEPT.available_minor
    swapped = {
        FIRST.merchant_id: available[FIRST.merchant_id] - 700,
        OTHER.merchant_id: available[OTHER.merchant_id] + 700,
    }
    kinds, verdict = _found(available_minor=swapped)
    assert (kinds, verdict.lost_minor) == ({"money_lost": 2}, 1_400)


def test_a_second_payout_of_one_withdrawal_is_found() -> None:
    token = token_of(FIRST.merchant_id)
    paid = AtBank((*KEPT.bank[token].payouts_minor, FIRST.withdrawn_minor))
    kinds, verdict = _found(bank={token: paid})
    assert (kinds, verdict.double_effects, verdict.lost_minor) == ({"double_effect": 1}, 1, FIRST.withdrawn_minor)


def test_a_payout_that_only_the_books_know_is_found() -> None:
    kinds, _ = _found(bank={token_of(FIRST.merchant_id): AtBank(())})
    assert set(kinds) == {"booked_not_paid"}


def test_a_withdrawal_that_is_held_for_ever_is_stuck_and_not_lost() -> None:
    assert FIRST.withdrawal_id is not None
    token = token_of(FIRST.merchant_id)
    rest = Counter(KEPT.bank[token].payouts_minor) - Counter([FIRST.withdrawn_minor])
    held = InBooks(held_minor=FIRST.withdrawn_minor)
    kinds, verdict = _found(withdrawals={FIRST.withdrawal_id: held}, bank={token: AtBank(tuple(rest.elements()))})
    assert (kinds, verdict.stuck, verdict.lost_minor) == ({"stuck": 1}, 1, 0)


def test_a_payee_of_none_of_the_merchants_is_found() -> None:
    kinds, _ = _found(bank={"tok-stranger": AtBank((5,))})
    assert kinds == {"stranger": 1}


def test_a_proof_that_fails_is_a_breach() -> None:
    assert [breach.kind for breach in judge(KEPT._replace(broken_proofs=["zero_sum"])).breaches] == ["proof"]


class _Register:
    """Rows that a watch reads, and how often it asked."""

    def __init__(self) -> None:
        self.phases = {"S1": "paid", "S2": "paid"}
        self.asked = list[list[str]]()

    async def fetch(self, _: str, subjects: list[str]) -> list[dict[str, Any]]:
        self.asked.append(subjects)
        return [{"id": subject, "phase": self.phases[subject], "audit": None} for subject in subjects]


async def test_one_look_serves_all_who_wait() -> None:
    register = _Register()
    async with watching(register) as watch:  # type: ignore[arg-type]  # all that it asks of a pool
        waits = [asyncio.create_task(_until_settled(watch, subject)) for subject in ("S1", "S2")]
        while not register.asked:  # noqa: ASYNC110  # the watch looks by itself
            await asyncio.sleep(0)
        register.phases["S2"] = "settled"
        await waits[1]
        assert not waits[0].done()
        register.phases["S1"] = "settled"
        await waits[0]
    assert sorted(register.asked[0]) == ["S1", "S2"]


async def _until_settled(watch: Watch, subject: str) -> None:
    await watch.until(subject, lambda row: row["phase"] == "settled")


async def test_a_watch_that_cannot_look_ends_those_who_wait() -> None:
    class Broken(_Register):
        async def fetch(self, _: str, subjects: list[str]) -> list[dict[str, Any]]:
            raise OSError("gone")

    with pytest.raises(ExceptionGroup):
        async with watching(Broken()) as watch:  # type: ignore[arg-type]  # all that it asks of a pool
            await _until_settled(watch, "S1")
