"""The stream of events on a real PostgreSQL: its order, its cursors, and what a reader may rely on."""

from __future__ import annotations

import json
import time
from typing import Any

from databases import Database
from ledger_samples import NOW

from core.events import START, Cursor, read_cursor
from core.reasons import Refusal
from ledger.event_proofs import GAPS
from ledger.events import fits
from ledger.pool import Connected
from ledger.register import Register


async def _add(connection: Connected, subject: str, *types: str, merchant: str | None = "m-1", **data: Any) -> None:
    events = [{"type": one, "data": data} for one in types]
    await connection.execute("SELECT add_events($1, $2, $3, $4)", subject, merchant, NOW, events)


def _cursor(given: str) -> Cursor:
    found = read_cursor(given)
    assert not isinstance(found, Refusal)
    return found


async def test_a_subjects_events_are_numbered_without_gaps_and_read_in_order(
    database: Database, register: Register
) -> None:
    await _add(database.owner, "order/A1", "order.opened", "audit.approved")
    await _add(database.owner, "order/A2", "order.opened")
    await _add(database.owner, "order/A1", "order.credited", phase="credited")
    page = await register.events.after()
    assert [(e.event_id, e.type) for e in page.events] == [
        ("evt_order_A1_1", "order.opened"),
        ("evt_order_A1_2", "audit.approved"),
        ("evt_order_A2_1", "order.opened"),
        ("evt_order_A1_3", "order.credited"),
    ]
    assert page.events[3].body == {
        "id": "evt_order_A1_3",
        "type": "order.credited",
        "timestamp": "2026-11-22T08:00:00Z",
        "data": {"subject": "order/A1", "order_id": "A1", "merchant_id": "m-1", "seq": 3, "phase": "credited"},
    }
    assert not page.more


async def test_events_of_several_subjects_go_together_each_with_its_own_number_merchant_and_facts(
    database: Database, register: Register
) -> None:
    await _add(database.owner, "order/B", "order.opened", "order.shipped")
    subjects = {"order/C": "m-3", "order/A": None, "order/B": "m-2"}
    events = [[{"type": f"of.{one[-1]}{n}", "data": {"n": n}} for n in range(2)] for one in subjects]
    facts = [{"phase": one[-1], "left_out": None} for one in subjects]
    await database.owner.execute(
        "SELECT add_events_of(event_position(), $1, $2, $3, $4, ARRAY(SELECT jsonb_array_elements($5)))",
        *(list(subjects), list(subjects.values()), [NOW] * 3, facts, events),
    )
    page = await register.events.after(limit=10)
    assert [(e.event_id, e.merchant_id, e.type, e.data) for e in page.events[2:]] == [
        ("evt_order_C_1", "m-3", "of.C0", {"phase": "C", "n": 0}),
        ("evt_order_C_2", "m-3", "of.C1", {"phase": "C", "n": 1}),
        ("evt_order_A_1", None, "of.A0", {"phase": "A", "n": 0}),
        ("evt_order_A_2", None, "of.A1", {"phase": "A", "n": 1}),
        ("evt_order_B_3", "m-2", "of.B0", {"phase": "B", "n": 0}),
        ("evt_order_B_4", "m-2", "of.B1", {"phase": "B", "n": 1}),
    ]


async def test_a_reader_goes_on_where_it_was(database: Database, register: Register) -> None:
    await _add(database.owner, "order/A1", *(f"order.n{number}" for number in range(7)))
    cursor, seen = START, []
    while True:
        page = await register.events.after(cursor, limit=3)
        seen += [event.type for event in page.events]
        cursor = _cursor(page.next)
        if not page.more:
            break
    assert seen == [f"order.n{number}" for number in range(7)]
    assert (await register.events.after(cursor)).next == str(cursor)


async def test_filters_by_type_subject_and_merchant(database: Database, register: Register) -> None:
    await _add(database.owner, "order/A1", "order.opened", "audit.approved")
    await _add(database.owner, "order/A2", "order.opened", merchant="m-2")

    async def found(**filters: Any) -> list[str]:
        return [event.event_id for event in (await register.events.after(**filters)).events]

    assert await found(types=["audit.*"]) == ["evt_order_A1_2"]
    assert await found(types=["order.opened"]) == ["evt_order_A1_1", "evt_order_A2_1"]
    assert await found(subject="order/A1") == ["evt_order_A1_1", "evt_order_A1_2"]
    assert await found(merchant_id="m-2") == ["evt_order_A2_1"]
    passed = await register.events.after(types=["account.*"])
    assert (passed.events, passed.next) == ((), str(await register.events.newest())), "what is not wanted is passed"


async def test_no_event_is_passed_over_that_a_running_transaction_adds(database: Database, register: Register) -> None:
    """The late one has the lower id and the higher transaction: a reader by id alone would lose it."""
    async with database.owner.acquire() as early, database.owner.acquire() as late:
        first, second = early.transaction(), late.transaction()
        await first.start()
        await early.fetchval("SELECT pg_current_xact_id()")
        await second.start()
        await _add(late, "order/late", "order.opened")
        await _add(early, "order/early", "order.opened")
        await first.commit()
        page = await register.events.after()
        assert [e.subject for e in page.events] == ["order/early"]
        await second.commit()
        page = await register.events.after(_cursor(page.next))
        assert [e.subject for e in page.events] == ["order/late"]


async def test_no_notice_is_passed_over_that_a_running_transaction_adds(database: Database, register: Register) -> None:
    note = "SELECT add_notices($1, $2)"
    notices = [{"seq": 1, "to": "operator", "name": "slow", "at": NOW.isoformat(), "facts": {}}]
    async with database.owner.acquire() as early, database.owner.acquire() as late:
        first, second = early.transaction(), late.transaction()
        await first.start()
        await early.fetchval("SELECT pg_current_xact_id()")
        await second.start()
        await late.execute(note, "order/late", notices)
        await early.execute(note, "order/early", notices)
        await first.commit()
        (read,) = await register.notices.read()
        await second.commit()
        assert read.subject == "order/early"
    (left,) = await register.notices.read(after_id=read.notice_id)
    assert (left.subject, left.notice_id < read.notice_id) == ("order/late", True)
    assert await register.notices.read(after_id=left.notice_id) == []


async def test_a_subjects_order_holds_where_an_older_transaction_adds_later(
    database: Database, register: Register
) -> None:
    async with database.owner.acquire() as older, older.transaction():
        await older.fetchval("SELECT pg_current_xact_id()")
        await _add(database.owner, "merchant/m-1", "merchant.frozen")
        await _add(older, "merchant/m-1", "merchant.released")
    page = await register.events.after()
    assert [(e.seq, e.type) for e in page.events] == [(1, "merchant.frozen"), (2, "merchant.released")]


async def test_events_of_a_restored_database_come_before_the_new_ones(database: Database, register: Register) -> None:
    """Another server counts its transactions from a lower number."""
    await _add(database.owner, "order/A1", "order.opened")
    ahead = 10**9
    await database.owner.execute("UPDATE events SET position = position + $1", ahead)
    await database.owner.execute("UPDATE event_subjects SET position = position + $1", ahead)
    assert await database.owner.fetchval("SELECT follow_event_clock()") is True
    assert await database.owner.fetchval("SELECT follow_event_clock()") is False
    restored = await register.events.after()
    assert [e.event_id for e in restored.events] == ["evt_order_A1_1"]
    await _add(database.owner, "order/A2", "order.opened")
    await _add(database.owner, "order/A1", "order.credited")
    page = await register.events.after(_cursor(restored.next))
    assert [e.event_id for e in page.events] == ["evt_order_A2_1", "evt_order_A1_2"]


async def test_after_a_restore_no_event_and_no_notice_has_the_number_of_one_that_is_lost(
    database: Database, register: Register
) -> None:
    """A reader drops what has a number that it has seen, and goes on at a place that it has seen."""
    note = "SELECT add_notices($1, $2)"
    notice = {"seq": 1, "to": "operator", "name": "slow", "at": NOW.isoformat(), "facts": {}}
    await _add(database.owner, "order/A1", "order.opened")
    await database.owner.execute(note, "order/A1", [notice])
    restored, (read,) = await register.events.after(), await register.notices.read()
    for subject in ("order/A1", "order/A2"):  # these are lost
        await _add(database.owner, subject, "order.held")
    lost = (await register.events.after(_cursor(restored.next))).events
    await database.owner.execute("DELETE FROM events WHERE id > $1", restored.events[-1].id)
    await database.owner.execute("DELETE FROM event_subjects WHERE subject = 'order/A2'")
    await database.owner.execute("UPDATE event_subjects SET seq = 2 WHERE subject = 'order/A1'")
    began = time.time_ns() // 1_000
    await database.owner.execute("SELECT leave_lost_numbers()")
    for subject in ("order/A1", "order/A2", "order/A1"):
        await _add(database.owner, subject, "order.cancelled")
    await database.owner.execute(note, "order/A2", [notice])
    page = await register.events.after(_cursor(restored.next))
    ours = [e for e in page.events if e.type == "order.cancelled"]
    base = ours[0].seq - 1
    assert [(e.subject, e.seq) for e in ours] == [
        ("order/A1", base + 1),
        ("order/A2", base + 1),
        ("order/A1", base + 2),
    ]
    assert began <= base <= time.time_ns() // 1_000 + 1_000_000, "another restore of this backup has another"
    assert await register.events.find(ours[0].event_id) == ours[0]
    assert not {e.event_id for e in lost} & {e.event_id for e in ours}
    assert ours[0].position > max(lost[-1].position, base)
    assert await register.events.has_place(restored.events[-1].cursor)
    assert not await register.events.has_place(lost[-1].cursor)
    (later,) = await register.notices.read(after_id=read.notice_id + 2)
    assert (later.subject, later.notice_id > base) == ("order/A2", True)
    assert await database.owner.fetch(GAPS) == []


async def test_after_another_restore_the_numbers_go_on_again_also_where_the_clock_went_back(
    database: Database, register: Register
) -> None:
    far = 4_000_000_000_000_000
    await _add(database.owner, "order/A1", "order.opened")
    await database.owner.execute("SELECT set_event_clock($1::BIGINT, $1::BIGINT)", far)
    await _add(database.owner, "order/A1", "order.held")
    await database.owner.execute("SELECT leave_lost_numbers()")
    await _add(database.owner, "order/A1", "order.released")
    events = (await register.events.after()).events
    assert [e.seq for e in events] == [1, far + 1, far + 1_000_001]
    assert events[2].position > events[1].position + 10**11
    assert await database.owner.fetch(GAPS) == []


async def test_what_is_too_large_for_an_event_is_left_out_of_it(database: Database, register: Register) -> None:
    await _add(database.owner, "order/A1", "order.held", phase="shipped", reason="太长" * 2000)
    (event,) = (await register.events.after()).events
    assert event.data == {"phase": "shipped", "cut": True}
    assert len(json.dumps(event.body, ensure_ascii=False).encode()) < 4096


async def test_an_event_is_found_by_its_id_and_a_place_by_its_time(database: Database, register: Register) -> None:
    await _add(database.owner, "order/A_1", "order.opened", "order.credited")
    await _add(database.owner, "reconciliation/rail/bank_a", "reconciliation.break_found", merchant=None)
    for wanted in ("evt_order_A_1_2", "evt_reconciliation_rail_bank_a_1"):
        found = await register.events.find(wanted)
        assert found is not None
        assert found.event_id == wanted
    for unknown in ("evt_order_A_1_3", "evt_order_A_1", "order_A_1_1", "evt_order_A'1_1", ""):
        assert await register.events.find(unknown) is None
    assert [e.seq for e in await register.events.of_subject("order/A_1", after_seq=1)] == [2]
    begin = await database.owner.fetchval("SELECT min(recorded_at) FROM events")
    assert len((await register.events.after(await register.events.before(begin))).events) == 3
    end = await database.owner.fetchval("SELECT max(recorded_at) + INTERVAL '1 second' FROM events")
    assert (await register.events.after(await register.events.before(end))).events == ()


async def test_a_place_is_known_while_its_event_stands_and_after_it_was_purged(
    database: Database, register: Register
) -> None:
    assert await register.events.has_place(START)
    await _add(database.owner, "order/A1", "order.opened", "order.shipped", "order.credited")
    first, _, last = (await register.events.after()).events
    assert await register.events.has_place(last.cursor)
    database.broken = True  # the proof of the numbers would say so
    await database.owner.execute("DELETE FROM events WHERE seq = 1")
    await database.owner.execute("UPDATE events SET position = position + 1 WHERE seq > 1")
    assert await register.events.has_place(first.cursor), "purged by age"
    for other in (Cursor(10**15, 1), Cursor(last.position + 1, 10**9), Cursor(last.position + 2, 1)):
        assert not await register.events.has_place(other), "the stream was set back"


async def test_a_cursor_is_taken_as_it_was_given() -> None:
    assert read_cursor("17-4") == Cursor(17, 4)
    for wrong in ("", "17", "17-", "-4", "17-4-", "١٧-4", "1" * 19 + "-1", "17 - 4"):
        refused = read_cursor(wrong)
        assert isinstance(refused, Refusal), wrong
        assert refused.field == "after"


async def test_a_wanted_type_is_a_name_or_its_beginning() -> None:
    assert fits("order.opened", ())
    assert fits("order.opened", ("audit.approved", "order.*"))
    assert not fits("orders.opened", ("order.*",))
    assert not fits("order.opened", ("order", "order.open"))
