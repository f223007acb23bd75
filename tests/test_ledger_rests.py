"""Orders that ended long ago lose their journal and findings, keep their money, and can go on from what is left."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from case_driver import code, opened, say
from databases import Database
from ledger_samples import NOW, a_record, credit, funded, refund, settle
from order_driver import OrderDriver
from order_samples import DAY as A_DAY
from order_samples import WAYBILLS

from core import movements
from core.audit.findings import Finding
from core.inbox import JOURNAL_KEPT
from core.messages import Order
from core.order.recovering import recover
from core.order.views import journal_view, record_of
from ledger.book import Book
from ledger.register import Register

LONG_AGO = NOW - timedelta(days=400)
FINDINGS = tuple(Finding(f"rule_{n}", "fail", evidence={"seen": "杭州市" * 9}) for n in range(9))


def _settled() -> OrderDriver:
    driver = opened()
    driver.ship()
    driver.hear(
        "p1",
        "approved",
        delivered_at=driver.now,
        first_physical_at=driver.now,
        last_scan_at=driver.now,
        findings=FINDINGS,
    )
    driver.confirm()
    return driver.advance(8 * A_DAY)


def _refunded() -> OrderDriver:
    driver = opened()
    driver.ship()
    driver.hear("p1", "pending", findings=FINDINGS)
    say(driver, "open_after_sale", "buyer", kind="refund_only", reason="not_received")
    say(driver, "agree_after_sale", "merchant")
    driver.channel_says("arrived")
    return driver


def _comes_late(driver: OrderDriver) -> str:
    scan = {"at": driver.now.isoformat(), "code": "d", "stage": "returning", "city": None}
    fields = {"carrier": "sandbox", "waybill": WAYBILLS[1], "scans": [scan], "provider": "sandbox"}
    return code(say(driver, "report_scan", "carrier", **fields))


def _is_charged_back(driver: OrderDriver) -> str:
    return code(say(driver, "report_chargeback", "channel", case_reference="wx-1", amount_minor=500))


def _is_refunded_again(driver: OrderDriver) -> str:
    return code(say(driver, "refund_order", "operator", amount_minor=300, reason="dented"))


def _is_confirmed_again(driver: OrderDriver) -> str:
    return code(driver.confirm())


LATER: dict[str, Callable[[OrderDriver], str]] = {
    "a late scan": _comes_late,
    "a chargeback": _is_charged_back,
    "a refund by people": _is_refunded_again,
    "a command of the buyer": _is_confirmed_again,
}


@pytest.mark.parametrize("later", LATER.values(), ids=LATER.keys())
@pytest.mark.parametrize("ended", [_settled, _refunded])
async def test_an_emptied_order_goes_on_as_a_whole_one_would(
    ended: Callable[[], OrderDriver], later: Callable[[OrderDriver], str], database: Database
) -> None:
    whole = ended()
    assert whole.state.closed
    emptied = whole.fork()
    assert emptied.record is not None
    rest = await database.pool.fetchval("SELECT rest_of_state($1)", emptied.record.state)
    emptied.record = emptied.record.model_copy(update={"state": rest})
    for driver in (whole, emptied):
        driver.now += timedelta(days=200)
        driver.reopen()
    assert later(emptied) == later(whole)
    assert _money(emptied) == _money(whole)
    assert emptied.books.movements == whole.books.movements
    assert [notice.name for notice in emptied.noticed.values()] == [notice.name for notice in whole.noticed.values()]


def _money(driver: OrderDriver) -> dict[str, Any]:
    """What the record says, but for what an emptied order has no longer."""
    said: dict[str, Any] = record_of(driver.state, driver.now).model_dump(mode="json")
    said["state"]["inbox"] = {name: said["state"]["inbox"][name] for name in ("answers", "digests", "seq", "counted")}
    for parcel in said["state"]["parcels"]:
        parcel.pop("evidence_of_review")
        parcel["verdict"] = {**(parcel["verdict"] or {}), "findings": []}
    return said


async def test_a_rest_is_small_and_counts_the_lines_of_its_journal(database: Database) -> None:
    driver = _settled()
    assert driver.record is not None
    whole = driver.record.state
    rest = await database.pool.fetchval("SELECT rest_of_state($1)", whole)
    assert len(json.dumps(rest)) < 3_000 < 5_000 < len(json.dumps(whole))
    state = recover(driver.order, driver.state.policy, rest, [], driver.now)
    lines = len(whole["inbox"]["journal"])
    assert 0 < lines < JOURNAL_KEPT
    assert journal_view(state)[-1] == {"dropped": {"emptied": lines}}
    again = await database.pool.fetchval("SELECT rest_of_state($1)", rest)
    assert again == rest, "a second time takes nothing"
    assert await database.pool.fetchval("SELECT rest_of_state($1)", {}) == {}, "an odd state stays"


# --- in the register -----------------------------------------------------------------------------------------


async def _ended(database: Database, register: Register, book: Book, order_id: str = "A1", **fields: Any) -> Order:
    """A settled, closed order with a journal, recorded long ago."""
    order = await funded(register, book, order_id, **fields)
    await credit(book, order)
    await settle(book, order)
    state = {"funded": True, "credited_minor": 950, "settled_minor": 950, "inbox": {"journal": [{"seq": 1}], "seq": 1}}
    ended = {"phase": "settled", "audit": "approved", "receipt": "confirmed", "closed": True, "state": state}
    assert (await register.orders.record(a_record(order_id, 3, **ended))).kept
    await _age(database)
    return order


async def _age(database: Database) -> None:
    await database.owner.execute("UPDATE orders SET recorded_at = $1", LONG_AGO)


async def _journal(database: Database, order_id: str = "A1") -> list[Any]:
    return list(
        await database.pool.fetchval("SELECT state #> '{inbox,journal}' FROM orders WHERE order_id = $1", order_id)
    )


async def test_an_order_is_emptied_once_without_an_event_and_the_proofs_and_the_comparison_hold(
    database: Database, register: Register, book: Book
) -> None:
    await _ended(database, register, book)
    events = await database.pool.fetchval("SELECT count(*) FROM events")
    assert await register.rests.due(NOW) == (["A1"], [])
    assert len(await _journal(database)) == 1, "a dry run takes nothing"
    assert await register.rests.empty(NOW) == 1
    assert await _journal(database) == []
    assert await register.rests.empty(NOW) == 0
    assert await database.pool.fetchval("SELECT count(*) FROM events") == events
    assert (await database.pool.fetchval("SELECT state ->> 'settled_minor' FROM orders")) == "950"


async def test_an_order_that_went_on_is_whole_again_and_emptied_in_its_time(
    database: Database, register: Register, book: Book
) -> None:
    await _ended(database, register, book)
    assert await register.rests.empty(NOW) == 1
    state = {"funded": True, "recorded_revision": 3, "inbox": {"journal": [{"seq": 2}], "seq": 2}}
    more = {"phase": "settled", "audit": "approved", "receipt": "confirmed", "closed": True, "state": state}
    assert (await register.orders.record(a_record("A1", 4, **more))).kept
    await database.owner.execute("UPDATE orders SET recorded_at = clock_timestamp()")
    assert await register.rests.due(NOW) == ([], []), "it ended again just now"
    await _age(database)
    assert await register.rests.empty(NOW) == 1


async def test_nothing_younger_than_thirty_days_is_emptied_whatever_the_caller_says(
    database: Database, register: Register, book: Book
) -> None:
    await _ended(database, register, book)
    await database.owner.execute("UPDATE orders SET recorded_at = clock_timestamp() - INTERVAL '29 days'")
    assert await register.rests.empty(NOW.replace(year=2999)) == 0
    await database.owner.execute("UPDATE orders SET recorded_at = clock_timestamp() - INTERVAL '31 days'")
    assert await register.rests.empty(NOW.replace(year=2999)) == 1


async def _held(database: Database, register: Register, book: Book) -> None:
    await _ended(database, register, book)
    await database.owner.execute("UPDATE orders SET holds = '{late_scan}', hold_reasons = '{late_scan}'")


async def _open_again(database: Database, register: Register, book: Book) -> None:
    await _ended(database, register, book)
    await register.orders.record(a_record("A1", 4, phase="settled", audit="approved", receipt="confirmed"))
    await _age(database)


async def _refund_under_way(database: Database, register: Register, book: Book) -> None:
    order = await funded(register, book)
    await refund(book, order)
    await database.owner.execute(
        "UPDATE orders SET closed = TRUE, revision = 1, phase = 'refunded', refunded_minor = 1000, state = '{}'"
    )
    await _age(database)
    database.broken = True  # no software closes it so early


async def _partly_claimed(database: Database, register: Register, book: Book) -> None:
    await _ended(database, register, book, paid=1500)


async def _owing(database: Database, register: Register, book: Book) -> None:
    await _ended(database, register, book)
    debt = movements.adjustment(
        "debt/1",
        "CNY",
        NOW,
        [
            movements.Leg("merchant/m-1/available", "psp/wechat", 950),
            movements.Leg("merchant/m-1/receivable", "psp/wechat", 50),
        ],
    )
    assert (await Book(database.owner).post_alone(debt)).outcome == "posted"
    database.broken = True  # money that no channel took


async def _differing(database: Database, register: Register, book: Book) -> None:
    await _ended(database, register, book)
    await database.owner.execute(
        "INSERT INTO reconciliation_breaks (break_id, scope, name, reason, body, first_seen_at, last_seen_at)"
        " VALUES ('b', 'channel', 'wechat', 'amount', '{\"subject\": \"order/A1\"}', now(), now())"
    )


@pytest.mark.parametrize("open_", [_held, _open_again, _refund_under_way, _partly_claimed, _owing, _differing])
async def test_an_order_with_anything_open_keeps_its_state(
    open_: Callable[..., Any], database: Database, register: Register, book: Book
) -> None:
    await open_(database, register, book)
    before = await database.pool.fetchval("SELECT state FROM orders")
    assert await register.rests.due(NOW) == ([], [])
    assert await register.rests.empty(NOW) == 0
    assert await database.pool.fetchval("SELECT state FROM orders") == before


async def test_the_gauge_shows_the_oldest_state_that_is_whole(
    database: Database, register: Register, book: Book
) -> None:
    await _ended(database, register, book)
    gauges = {gauge.name: gauge.value for gauge in await register.gauges.read()}
    assert gauges["oldest_whole_state_seconds"] > timedelta(days=400).total_seconds()
    await register.rests.empty(NOW)
    assert "oldest_whole_state_seconds" not in {gauge.name for gauge in await register.gauges.read()}
