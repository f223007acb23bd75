"""The events of an order: derived by the database from the records that lives of the core leave behind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pytest
from databases import Database
from ledger_samples import a_notice, a_record, an_order, funded, opened
from order_driver import OrderDriver
from order_walks import STARTS, a_driver, walks

from core.event_types import facts_of
from core.records import OrderRecord
from core.steps import KeepRecord, Post
from ledger.book import Book
from ledger.register import Register

_CHANGES = (
    "SELECT p.n, c ->> 'type' AS type, c -> 'data' AS data FROM jsonb_array_elements($1) WITH ORDINALITY AS p (pair, n)"
    " CROSS JOIN jsonb_populate_record(NULL::orders, p.pair -> 0) AS o"
    " CROSS JOIN jsonb_populate_record(NULL::orders, p.pair -> 1) AS n"
    " CROSS JOIN LATERAL unnest(order_changes(coalesce(o.state || '{}', empty_state()), n.state,"
    "  CASE WHEN o.revision >= 0 THEN o.phase END, n.phase, o.closed, n.closed)) AS c"
)


class Change(NamedTuple):
    """Two records that follow one another, and the events between them."""

    old: OrderRecord | None
    new: OrderRecord
    events: list[tuple[str, dict[str, Any]]]

    @property
    def types(self) -> list[str]:
        return [name for name, _ in self.events]


def _records(driver: OrderDriver) -> Iterator[OrderRecord]:
    """The records that the register kept."""
    last = -1
    for step in driver.steps:
        record = step.record if isinstance(step, Post | KeepRecord) else None
        if isinstance(record, OrderRecord) and record.revision > last == record.state["recorded_revision"]:
            last = record.revision
            yield record


def _row(record: OrderRecord | None) -> dict[str, Any]:
    return record.model_dump(mode="json", exclude={"hold_reasons", "notices"}) if record is not None else {}


async def _changes(database: Database, lives: Sequence[OrderDriver]) -> list[Change]:
    found = []
    for life in lives:
        records = list(_records(life))
        found += [Change(old, new, []) for old, new in zip([None, *records], records, strict=False)]
    rows = await database.pool.fetch(_CHANGES, [[_row(one.old), _row(one.new)] for one in found])
    for row in rows:
        found[row["n"] - 1].events.append((row["type"], _told(row["data"])))
    return found


def _told(data: Any) -> Any:
    """As `jsonb_strip_nulls` does."""
    return {key: _told(value) for key, value in data.items() if value is not None} if isinstance(data, dict) else data


async def test_the_events_of_a_happy_life(database: Database) -> None:
    settled = await _changes(database, [a_driver("settled", 1)])
    assert [name for change in settled for name in change.types] == [
        "order.opened",
        "order.awaiting_shipment",
        "parcel.reported",
        "order.shipped",
        "parcel.picked_up",
        "parcel.delivered",
        "audit.approved",
        "receipt.awaited",
        "receipt.confirmed",
        "order.credited",
        "order.settled",
        "order.closed",
    ]


_REGIONS = {"phase": "order", "audit": "audit", "receipt": "receipt"}


def _check(change: Change) -> None:
    """Each change of a region, a parcel, a hold, a case, a refund has one event, and nothing else has any."""
    new, old = change.new, change.old
    for name, data in change.events:
        assert data.keys() <= (facts_of(name, "order") or frozenset()), (name, data)
        assert len(json.dumps(data, ensure_ascii=False).encode()) < 1_000, (name, data)
    first = "opening" if new.phase == "opening" else "awaiting_shipment"
    before = old.phase if old is not None else first
    assert [f"order.{new.phase}"] * (new.phase != before) == [name for name in change.types if name in _PHASES]
    was: dict[str, Any] = old.state if old is not None else {}
    assert (new.receipt != (old.receipt if old else "not_due")) == (f"receipt.{new.receipt}" in change.types)
    for parcel in new.state["parcels"]:
        earlier = next((p for p in was.get("parcels", ()) if p["parcel_id"] == parcel["parcel_id"]), None)
        if parcel["audit"] != (earlier["audit"] if earlier else "collecting"):
            assert _has(change, f"audit.{parcel['audit']}", parcel_id=parcel["parcel_id"])
        assert (earlier is None) == _has(change, "parcel.reported", parcel_id=parcel["parcel_id"])
    for refund in new.state["refunds"]:
        earlier = next((r for r in was.get("refunds", ()) if r["cause"] == refund["cause"]), None)
        if earlier is None or refund["status"] != earlier["status"]:
            assert _has(change, f"refund.{refund['status']}", cause=refund["cause"])
    for case in new.state.get("cases", ()):
        earlier = next((c for c in was.get("cases", ()) if c["case_id"] == case["case_id"]), None)
        kind = "chargeback" if case["kind"] == "chargeback" else "case"
        assert (earlier is None) == _has(change, f"{kind}.opened", case_id=case["case_id"])
        if earlier is not None and case["stage"] != earlier["stage"]:
            assert _has(change, f"{kind}.{case['stage']}", case_id=case["case_id"])
    holds = [{(h["name"], h["subject"]) for h in state.get("holds", ())} for state in (was, new.state)]
    assert change.types.count("order.held") == len(holds[1] - holds[0])
    assert change.types.count("order.released") == len(holds[0] - holds[1])
    assert ("order.closed" in change.types) == (new.closed and not (old is not None and old.closed))


_PHASES = {
    f"order.{phase}"
    for phase in ("screening_held", "awaiting_shipment", "shipped", "credited", "settled", "refused", "cancelled")
} | {"order.refunded"}


def _has(change: Change, name: str, **facts: Any) -> bool:
    return any(kind == name and facts.items() <= data.items() for kind, data in change.events)


async def test_each_change_of_an_order_has_its_event_and_each_event_is_in_the_catalogue(database: Database) -> None:
    lives = [a_driver(start, kind) for kind, start in enumerate(STARTS)]
    lives += {id(driver): driver for driver, _ in walks(range(8))}.values()
    changes = await _changes(database, lives)
    for change in changes:
        _check(change)
    seen = {name for change in changes for name in change.types}
    assert len(seen) > 40, sorted(seen)


async def test_a_record_between_which_nothing_changed_tells_nothing(database: Database) -> None:
    for record in _records(a_driver("settled", 1)):
        later = record.model_copy(update={"revision": record.revision + 1})
        rows = await database.pool.fetch(_CHANGES, [[_row(record), _row(later)]])
        assert rows == []


@pytest.mark.parametrize("state", [None, {}, {"parcels": None, "holds": {}, "cases": 7, "refunds": [1], "receipt": []}])
async def test_an_odd_state_stops_no_record(database: Database, state: Any) -> None:
    """The money that a record belongs to moves all the same."""
    (first, *_) = _records(a_driver("settled", 1))
    odd = {**_row(first), "revision": 99, "phase": "shipped", "state": state}
    for pair in ([_row(first), odd], [odd, _row(first)], [{}, odd]):
        assert await database.pool.fetch(_CHANGES, [pair])


@pytest.mark.parametrize(
    "state",
    [
        {"shifts": None, "freeze": 3, "inbox": {"journal": [None]}},
        {"shifts": "x", "cases": ["x", {"case_id": 1, "due": "x"}]},
        {"parcels": [None, {"verdict": {"outcome": "rejected"}}]},
        {"parcels": [{"parcel_id": "p1", "decisions": [{"verdict": "approved"}, {"reviewer": "x"}, "x"]}]},
        {"parcels": [{"parcel_id": "p1", "verdict": {"outcome": "rejected", "judged_at": "2026-13-45T00:00:00Z"}}]},
        {"parcels": [{"parcel_id": "p1", "verdict": {"outcome": {}, "reasons": None, "judged_at": "now and then"}}]},
    ],
    ids=str,
)
async def test_an_odd_state_stops_no_trigger_of_a_record(
    database: Database, register: Register, book: Book, state: Any
) -> None:
    await funded(register, book)
    for revision, one in enumerate(({"parcels": [], "shifts": {"pickup_by": "1d"}}, state, {}), start=1):
        await register.orders.record(a_record(revision=revision, phase="shipped", state=one))
        assert await database.owner.fetchval("SELECT revision FROM orders WHERE order_id = 'A1'") == revision


async def test_orders_that_are_recorded_in_one_statement_tell_what_each_tells_alone(
    database: Database, register: Register
) -> None:
    """Also those that keep a verdict, notify somebody, or come with an older record, which is not kept."""
    lives = [list(_records(a_driver(start, kind))) for kind, start in enumerate(STARTS)]
    for way in ("together", "alone"):
        for number in range(len(lives)):
            order = an_order(f"{way}-{number}", 20_000, merchant_id=f"m-{number % 3}")
            assert await opened(register, order) == "registered"
        for place in range(max(map(len, lives))):
            of_life = {number: life[place] for number, life in enumerate(lives) if place < len(life)}
            records = [_renamed(record, f"{way}-{number}") for number, record in of_life.items()]
            records.reverse()
            records += [
                a_record(f"{way}-{number}", revision=0) for number in range(len(lives)) if number not in of_life
            ]
            for array in [records] if way == "together" else [[record] for record in records]:
                await database.owner.fetchval("SELECT record_orders($1::JSONB[])", array)
    events = {
        way: await database.owner.fetch(
            "SELECT substr(subject, length($1) + 1) AS of, seq, merchant_id, type, at, data FROM events"
            " WHERE starts_with(subject, $1) ORDER BY subject, seq",
            f"order/{way}-",
        )
        for way in ("together", "alone")
    }
    assert len(events["alone"]) > 200
    assert events["together"] == events["alone"]
    kept = "SELECT count(*) FROM verdicts WHERE starts_with(order_id, $1)"
    counts = [await database.owner.fetchval(kept, f"{way}-") for way in ("together", "alone")]
    assert counts[0] == counts[1] > 0
    out_of_order = "SELECT count(*) FROM events e JOIN events f USING (subject) WHERE e.id < f.id AND e.seq > f.seq"
    assert await database.owner.fetchval(out_of_order) == 0
    database.broken = True  # no money moved with these records


def _renamed(record: OrderRecord, order_id: str) -> OrderRecord:
    """The record as another order's, which also notifies two."""
    seq = 2 * record.revision + 2
    notices = (a_notice(seq, to="merchant"), a_notice(seq + 1, "delivered"))
    return record.model_copy(update={"order_id": order_id, "notices": notices})


async def test_a_new_order_that_has_a_record_tells_and_keeps_what_a_recorded_one_does(
    database: Database, register: Register, book: Book
) -> None:
    """As one that its owner brings from elsewhere."""
    await funded(register, book)
    parcel = {"parcel_id": "p1", "carrier": "yto", "waybill": "YT1", "audit": "in_review", "ended": False}
    parcel |= {"audit_since": "2026-11-22T08:00:00Z", "findings_of_review": ["moved"], "evidence_of_review": {}}
    parcel |= {"verdict": {"outcome": "review", "reasons": ["moved"], "judged_at": "2026-11-22T08:00:00Z"}}
    record = a_record(phase="shipped", audit="in_review", state={"parcels": [parcel]})
    await register.orders.record(record)
    await database.owner.execute(
        "CREATE TEMPORARY TABLE brought ON COMMIT DROP AS SELECT * FROM orders;"
        " UPDATE brought SET order_id = 'B1'; INSERT INTO orders SELECT * FROM brought"
    )
    kept = await database.owner.fetch("SELECT order_id FROM verdicts ORDER BY 1")
    assert [row["order_id"] for row in kept] == ["A1", "B1"]
    waits = await database.owner.fetch("SELECT order_id FROM review_queue ORDER BY 1")
    assert [row["order_id"] for row in waits] == ["A1", "B1"]
    query = "SELECT type, data FROM events WHERE subject = $1 ORDER BY seq"
    assert await database.owner.fetch(query, "order/B1") == await database.owner.fetch(query, "order/A1")
    database.broken = True  # two orders stand for one payment
