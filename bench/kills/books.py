"""What books and bank say at the end, compared with what must stand there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import asyncpg

from bench.crowd import Crowd
from bench.faults.evidence import at_bank, books_of
from bench.faults.judging import AtBank, Breach, InBooks
from bench.kills.market import Sale, merchants, token_of
from ledger.proofs import prove
from local.client import WorldClient

_ORDERS = """
SELECT split_part(reference, '/', 2) AS order_id,
       coalesce(sum(delta_minor) FILTER (WHERE path = 'psp/bench'), 0)::BIGINT AS paid_minor,
       coalesce(sum(delta_minor) FILTER (WHERE path LIKE 'merchant/%/available'), 0)::BIGINT AS earned_minor,
       bool_or(reference LIKE '%/settle') AS settled
FROM entries WHERE reference LIKE 'order/%' GROUP BY 1
"""
_AVAILABLE = "SELECT path, balance_minor FROM accounts WHERE path LIKE 'merchant/%/available'"


class SaleInBooks(NamedTuple):
    """What one order's movements took in from its buyer and gave to a merchant."""

    paid_minor: int = 0
    earned_minor: int = 0
    settled: bool = False


class Evidence(NamedTuple):
    """What was found once nothing moved any more. Keys are order ids, withdrawal ids, merchant ids and tokens."""

    sales: Sequence[Sale]
    orders: Mapping[str, SaleInBooks]
    withdrawals: Mapping[str, InBooks]
    available_minor: Mapping[str, int]
    bank: Mapping[str, AtBank]
    broken_proofs: Sequence[str] = ()


class Verdict(NamedTuple):
    """What the judge found. `lost_minor`: what is away from the one right sum, lost or created."""

    settled: int
    paid_out: int
    """Withdrawals that stand in the books as paid."""
    effects: int
    """Payouts that the bank carried out."""
    double_effects: int
    lost_minor: int
    stuck: int
    breaches: Sequence[Breach]


async def collect(people: Crowd, world: WorldClient, sales: Sequence[Sale]) -> Evidence:
    """All evidence; every server is up."""
    pool: asyncpg.Pool[Any] = people.pool
    orders = {row["order_id"]: SaleInBooks(*list(row)[1:]) for row in await pool.fetch(_ORDERS)}
    return Evidence(
        sales=sales,
        orders=orders,
        withdrawals=await books_of(pool),
        available_minor={row["path"].split("/")[1]: row["balance_minor"] for row in await pool.fetch(_AVAILABLE)},
        bank=at_bank(await world.journal("bank")),
        broken_proofs=[proof.name for proof in await prove(pool) if not proof.holds],
    )


def judge(found: Evidence) -> Verdict:
    """Compare each order, each withdrawal, and each merchant's sums in the books and at the bank."""
    lives = [(sale, found.orders.get(sale.order_id, SaleInBooks())) for sale in found.sales]
    wanted = [sale for sale in found.sales if sale.withdrawal_id is not None]
    of_orders = [breach for sale, order in lives for breach in _order(sale, order)]
    of_withdrawals = [breach for sale in wanted for breach in _withdrawal(sale, found.withdrawals)]
    lost, of_merchants = 0, list[Breach]()
    for merchant_id in merchants():
        more, breaches = _merchant(merchant_id, [one for one in lives if one[0].merchant_id == merchant_id], found)
        lost, of_merchants = lost + more, of_merchants + breaches
    breaches = [*of_orders, *of_withdrawals, *of_merchants, *_strangers(found)]
    lost += sum(
        abs(order.paid_minor - sale.order.total_minor) + abs(order.earned_minor - sale.due_minor)
        for sale, order in lives
        if order.settled
    )
    return Verdict(
        settled=sum(order.settled for _, order in lives),
        paid_out=sum(_paid_minor(sale, found.withdrawals) > 0 for sale in wanted),
        effects=sum(len(one.payouts_minor) for one in found.bank.values()),
        double_effects=sum(breach.kind == "double_effect" for breach in breaches),
        lost_minor=lost,
        stuck=sum(breach.kind == "stuck" for breach in breaches),
        breaches=breaches + [Breach("proof", name, "does not hold") for name in found.broken_proofs],
    )


def _order(sale: Sale, order: SaleInBooks) -> Iterator[Breach]:
    total, due = sale.order.total_minor, sale.due_minor
    if not order.settled:
        yield Breach("stuck", sale.order_id, f"it is not settled; it took in {order.paid_minor}")
    if order.paid_minor > total or order.earned_minor > due:
        yield Breach("double_effect", sale.order_id, f"it took in {order.paid_minor} and gave {order.earned_minor}")
    elif order.settled and (order.paid_minor, order.earned_minor) != (total, due):
        what = f"it took in {order.paid_minor}, not {total}, and gave {order.earned_minor}, not {due}"
        yield Breach("wrong_amount", sale.order_id, what)


def _withdrawal(sale: Sale, books: Mapping[str, InBooks]) -> Iterator[Breach]:
    assert sale.withdrawal_id is not None
    one = books.get(sale.withdrawal_id, InBooks())
    if one.held_minor or not one.paid_minor:
        yield Breach("stuck", sale.withdrawal_id, f"{one.paid_minor} was paid, {one.held_minor} is still held")
    elif one.paid_minor != sale.withdrawn_minor:
        yield Breach("wrong_amount", sale.withdrawal_id, f"{one.paid_minor} was paid, not {sale.withdrawn_minor}")


def _merchant(merchant_id: str, lives: Sequence[tuple[Sale, SaleInBooks]], found: Evidence) -> tuple[int, list[Breach]]:
    """What a merchant lacks or has too much, in its balance and at the bank; minor units, and why."""
    earned = sum(sale.due_minor for sale, order in lives if order.settled)
    wanted = [sale for sale, _ in lives if sale.withdrawal_id is not None]
    gone = sum(_paid_minor(sale, found.withdrawals) + _held_minor(sale, found.withdrawals) for sale in wanted)
    away = earned - gone - found.available_minor.get(merchant_id, 0)
    breaches = []
    if away:
        breaches.append(Breach("money_lost", merchant_id, f"{away} of {earned} is nowhere"))
    booked = Counter(minor for sale in wanted if (minor := _paid_minor(sale, found.withdrawals)))
    paid = Counter(found.bank.get(token_of(merchant_id), AtBank()).payouts_minor)
    for minor, times in (paid - booked).items():
        kind = "double_effect" if paid[minor] > 1 else "paid_not_booked"
        breaches.append(Breach(kind, merchant_id, f"the bank paid {minor} {times} times more than the books say"))
    unpaid = (booked - paid).elements()
    breaches += [Breach("booked_not_paid", merchant_id, f"the bank did not pay {minor}") for minor in unpaid]
    differing = (paid - booked) + (booked - paid)
    return abs(away) + sum(differing.elements()), breaches


def _strangers(found: Evidence) -> Iterator[Breach]:
    """Payees, withdrawals and orders that nobody made."""
    known = {sale.order_id for sale in found.sales} | {sale.withdrawal_id for sale in found.sales}
    known |= {token_of(merchant_id) for merchant_id in merchants()}
    for name in sorted({*found.orders, *found.withdrawals, *found.bank} - known):
        yield Breach("stranger", name, "money moved for it, and it is none of this run")


def _paid_minor(sale: Sale, books: Mapping[str, InBooks]) -> int:
    return books.get(sale.withdrawal_id or "", InBooks()).net_minor


def _held_minor(sale: Sale, books: Mapping[str, InBooks]) -> int:
    return books.get(sale.withdrawal_id or "", InBooks()).held_minor
