"""The review queue on a real database: what waits, the longest first, and one reviewer at a time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from databases import Database
from ledger_samples import NOW, a_record, funded
from order_driver import OrderDriver

from core.order.views import record_of
from ledger.book import Book
from ledger.register import Register


async def _waiting(register: Register, order_id: str, hours: int = 0) -> None:
    """An order whose parcel is in review since so many hours."""
    await funded(register, Book(register.pool), order_id)
    driver = OrderDriver().open()
    driver.ship()
    driver.hear("p1", "needs_review", "destination_matches")
    record = record_of(driver.state, NOW)
    parcels = record.state["parcels"]
    parcels[0]["audit_since"] = (NOW - timedelta(hours=hours)).isoformat()
    changed = {
        "order_id": order_id,
        "state": {**record.state, "recorded_revision": -1},
        "revision": 1,
        "notices": (),
        "refunded_minor": 0,
    }
    await register.orders.record(record.model_copy(update=changed))


async def test_what_waits_longest_comes_first_with_reasons_and_sla(database: Database) -> None:
    register = Register(database.pool)
    await _waiting(register, "new", hours=1)
    await _waiting(register, "old", hours=30)
    queue = await register.reviews.waiting()
    assert [(one.order_id, one.parcel_id, one.kind) for one in queue] == [
        ("old", "p1", "audit"),
        ("new", "p1", "audit"),
    ]
    assert queue[0].reasons == ("destination_matches",)
    assert queue[0].sla == timedelta(hours=24)
    assert queue[0].since == NOW - timedelta(hours=30)


async def test_goods_that_wait_for_screening_are_in_the_queue(database: Database) -> None:
    register = Register(database.pool)
    await funded(register, Book(register.pool), "held")
    state = {
        "parcels": [],
        "screening_reason": "medicine (line 1)",
        "screening_hits": [{"rule": "medicine", "rule_zh": "药品", "lines": ["1"]}],
        "screening_since": NOW.isoformat(),
        "policy": {"screening_sla": "24h"},
    }
    await register.orders.record(a_record("held", phase="screening_held", state=state))
    (only,) = await register.reviews.waiting()
    assert (only.kind, only.parcel_id, only.reasons) == ("screening", "", ("medicine (line 1)",))
    assert only.evidence == {"hits": state["screening_hits"]}


async def test_one_reviewer_has_a_review_however_many_reach_for_it(database: Database) -> None:
    register = Register(database.pool)
    await _waiting(register, "A1")
    people = [f"r-{number}" for number in range(8)]
    holders = await asyncio.gather(*(register.reviews.claim("A1", "p1", person, NOW) for person in people))
    assert len(set(holders)) == 1
    holder = holders[0]
    other = next(person for person in people if person != holder)
    assert await register.reviews.claim("A1", "p1", holder, NOW) == holder
    assert not await register.reviews.release("A1", "p1", other)
    assert await register.reviews.release("A1", "p1", holder)
    assert await register.reviews.claim("A1", "p1", other, NOW) == other
    assert [one.reviewer for one in await register.reviews.waiting()] == [other]


async def test_what_was_decided_leaves_the_queue(database: Database) -> None:
    register = Register(database.pool)
    await _waiting(register, "A1")
    parcels = [{"parcel_id": "p1", "audit": "approved", "ended": False}]
    await register.orders.record(
        a_record("A1", revision=9, phase="shipped", audit="approved", state={"parcels": parcels})
    )
    assert await register.reviews.waiting() == []


async def test_a_case_in_arbitration_waits_with_its_age_and_due_date(database: Database) -> None:
    register = Register(database.pool)
    await funded(register, Book(register.pool), "A1")
    driver = OrderDriver().open()
    driver.ship()
    driver.deliver()
    driver.send("open_after_sale", "buyer", kind="refund_only", reason="damaged")
    driver.send("refuse_after_sale", "merchant", reason="it left us whole")
    driver.send("escalate", "buyer", reason="the photo shows it")
    record = record_of(driver.state, NOW)
    changed = {
        "order_id": "A1",
        "state": {**record.state, "recorded_revision": -1},
        "revision": 1,
        "notices": (),
        "refunded_minor": 0,
    }
    await register.orders.record(record.model_copy(update=changed))
    (one,) = await register.reviews.waiting()
    assert (one.kind, one.parcel_id, one.reasons) == ("arbitration", "case-1", ("refund_only", "damaged"))
    assert (one.since, one.since + one.sla) == (driver.now, driver.deadline("evidence_by"))


@pytest.mark.parametrize("holds", [{"0": {"name": "merchant_frozen"}}, [7]])
@pytest.mark.parametrize(
    "parcels", [{}, "x", 7, None, [7], [{"audit": "in_review", "ended": "maybe", "findings_of_review": 7}]]
)
async def test_a_state_without_a_list_of_parcels_is_recorded_and_waits_for_nobody(
    parcels: object, holds: object, database: Database
) -> None:
    """Else no further record of the order would be taken, and its workflow would stand."""
    register = Register(database.pool)
    await funded(register, Book(register.pool), "odd")
    odd = a_record("odd", audit="in_review", state={"parcels": parcels, "holds": holds})
    assert (await register.orders.record(odd)).kept
    assert await register.reviews.waiting() == []
    assert (await register.orders.record(odd.model_copy(update={"revision": 2}))).kept


@pytest.mark.parametrize("odd", [{}, "x", 7, None, [7]])
async def test_what_is_read_of_orders_bears_a_state_without_lists(odd: object, database: Database) -> None:
    """One such order must not hide the others that have the same number, or were paid with the same payment."""
    register = Register(database.pool)
    await funded(register, Book(register.pool), "odd")
    await register.claims.claim("odd", "m-1", "b-1", "CN/1", [("p1", "sf", "SF1")], NOW)
    state = {"parcels": odd, "refunds": odd, "cases": odd}
    await register.orders.record(a_record("odd", phase="shipped", state=state))
    (claimant,) = await register.claims.claimants("SF1")
    assert (claimant.order_id, claimant.waits) == ("odd", False)
    assert await register.orders.parcel("odd", "p1") is None
    (charged,) = await register.payments.charged_orders("pay-odd", "du-1", None)
    assert (charged.left_minor, charged.charged_minor, charged.taken_minor) == (1000, 0, None)
