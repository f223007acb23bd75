"""An order that opens in one transaction: registered, funded and recorded, or nothing of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from databases import Database
from ledger_samples import NOW, POLICY_HASH, a_notice, a_record, an_order, opened

from core import movements
from core.messages import Order
from core.movements import Leg, adjustment
from core.reading import content_hash
from ledger.book import Book
from ledger.orders import NEVER_RECORDED, Opening
from ledger.register import Register


async def at_once(register: Register, order: Order, *, by: str = "run-1", **fields: Any) -> Opening:
    """Open the order as its workflow does; `fields` are of its first record."""
    await register.policies.keep("default", POLICY_HASH, f"text of {POLICY_HASH}")
    movement = movements.fund(
        order.order_id,
        channel=order.payment.channel,
        amount_minor=order.total_minor,
        currency=order.currency,
        occurred_at=NOW,
    )
    return await register.orders.open(
        order,
        content_hash(order),
        opened_by=by,
        paid_minor_confirmed=order.payment.paid_minor,
        policy_hash=POLICY_HASH,
        now=NOW,
        fund=movement,
        record=a_record(order.order_id, notices=(a_notice(1, "ship", "merchant"),), **fields),
    )


async def escrow(database: Database, order_id: str = "A1") -> int:
    return await database.balance(f"order/{order_id}/escrow")


async def test_a_new_order_is_registered_funded_and_recorded_at_once(register: Register, database: Database) -> None:
    opening = await at_once(register, an_order(), state={"funded": True})
    assert opening == Opening(outcome="registered", recorded=True, references=("order/A1/fund",))
    assert await escrow(database) == 1000
    known = await register.orders.known("A1")
    assert known is not None
    assert (known.revision, known.state) == (1, {"funded": True})
    assert [notice.name for notice in await register.notices.read()] == ["ship"]


async def test_the_same_run_again_finds_what_was_recorded_and_posts_nothing(
    register: Register, database: Database
) -> None:
    await at_once(register, an_order())
    opening = await at_once(register, an_order(), revision=5)
    assert (opening.outcome, opening.recorded) == ("same_run", True)
    assert await escrow(database) == 1000
    known = await register.orders.known("A1")
    assert known is not None
    assert known.revision == 1


async def test_a_run_that_was_lost_before_its_record_goes_on_step_by_step(
    register: Register, database: Database
) -> None:
    await opened(register, an_order(), by="lost")
    for by, outcome in (("next", "taken_over"), ("next", "same_run")):
        opening = await at_once(register, an_order(), by=by)
        assert opening == Opening(outcome=outcome, recorded=False, references=())
    assert await escrow(database) == 0
    known = await register.orders.known("A1")
    assert known is not None
    assert known.revision == NEVER_RECORDED


async def test_another_body_or_run_or_too_large_a_part_leaves_the_books_alone(
    register: Register, database: Database
) -> None:
    await at_once(register, an_order())
    assert (await at_once(register, an_order(buyer_id="b-2"))).outcome == "different_content"
    assert (await at_once(register, an_order(), by="run-2")).outcome == "money_moved"
    part = an_order("A2", payment="pay-A1")
    assert (await at_once(register, part)).outcome == "payment_over_claimed"
    assert await escrow(database) == 1000
    assert await escrow(database, "A2") == 0
    assert await register.orders.known("A2") is None


async def test_a_fund_that_cannot_be_posted_leaves_the_order_registered_alone(
    register: Register, book: Book, database: Database
) -> None:
    database.broken = True  # money came in for it that its order does not name
    legs = [Leg("psp/wechat", "order/A1/escrow", 7)]
    await Book(database.owner).post(adjustment("order/A1/fund", "CNY", NOW, legs))
    opening = await at_once(register, an_order())
    assert opening == Opening(outcome="registered", recorded=False, references=("order/A1/fund",))
    assert await escrow(database) == 7
    assert await register.notices.read() == []


async def test_a_record_that_cannot_be_kept_takes_registration_and_money_back(
    register: Register, database: Database
) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await at_once(register, an_order(), refunded_minor=1001)
    assert await register.orders.known("A1") is None
    assert await escrow(database) == 0
    assert (await at_once(register, an_order())).outcome == "registered"


async def test_many_runs_at_once_open_it_once(register: Register, database: Database) -> None:
    openings = await asyncio.gather(*(at_once(register, an_order(), by=f"run-{n}") for n in range(20)))
    assert Counter(opening.outcome for opening in openings) == {"registered": 1, "money_moved": 19}
    assert await escrow(database) == 1000


async def test_one_run_many_times_at_once_is_one_opening(register: Register, database: Database) -> None:
    openings = await asyncio.gather(*(at_once(register, an_order()) for _ in range(20)))
    assert Counter(opening.outcome for opening in openings) == {"registered": 1, "same_run": 19}
    assert all(opening.recorded for opening in openings)
    assert await escrow(database) == 1000


async def test_orders_that_race_for_one_payment_are_funded_up_to_it(register: Register, database: Database) -> None:
    parts = [an_order(f"P{n}", 300, paid=1000, payment="shared") for n in range(8)]
    openings = await asyncio.gather(*(at_once(register, part) for part in parts))
    assert Counter(opening.outcome for opening in openings) == {"registered": 3, "payment_over_claimed": 5}
    assert sum([await escrow(database, part.order_id) for part in parts]) == 900


async def test_a_time_of_the_order_is_the_movements(register: Register, database: Database) -> None:
    await at_once(register, an_order())
    assert await database.pool.fetchval("SELECT occurred_at FROM movements") == NOW
    assert await database.pool.fetchval("SELECT opened_at - $1 FROM orders", NOW) == timedelta(0)
