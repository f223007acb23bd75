"""What the next proof begins with: no one says that more was proven than there is, and all that came later is there."""

from __future__ import annotations

from databases import Database
from ledger_samples import NOW, a_record, funded, proven_so_far

from ledger.book import Book
from ledger.proving import Proven, prove_and_note
from ledger.register import Register

AHEAD = 10**9


async def _order(register: Register, book: Book, order_id: str) -> None:
    await funded(register, book, order_id)
    await register.orders.record(a_record(order_id, phase="awaiting_shipment", state={"funded": True}))


async def _proven(database: Database, register: Register, book: Book) -> Proven:
    await _order(register, book, "A1")
    await register.seals.seal()
    assert (await prove_and_note(database.pool)).hold
    return await proven_so_far(database)


async def test_a_position_that_does_not_exist_yet_hides_no_event_and_stops_no_later_proof(
    database: Database, register: Register, book: Book
) -> None:
    since = await _proven(database, register, book)
    await database.pool.execute("SELECT note_proven($1, $2)", since.seal, 2**62)
    await _order(register, book, "A2")
    said = await proven_so_far(database)
    newest = await database.owner.fetchval("SELECT max(position) FROM events")
    assert since.position <= said.position <= newest
    assert (await prove_and_note(database.pool)).hold
    assert newest < (await proven_so_far(database)).position


async def test_after_a_restore_into_another_server_new_events_come_after_what_was_proven(
    database: Database, register: Register, book: Book
) -> None:
    """Transactions without events moved the proof's position further than that of the last event."""
    since = await _proven(database, register, book)
    await database.owner.execute("UPDATE proven SET position = position + $1", AHEAD)
    assert await database.owner.fetchval("SELECT follow_event_clock()") is True
    assert await database.owner.fetchval("SELECT follow_event_clock()") is False
    await _order(register, book, "A2")
    newest = await database.owner.fetchval("SELECT max(position) FROM events")
    assert newest >= since.position + AHEAD


async def test_events_that_no_proof_has_seen_are_kept(database: Database, register: Register, book: Book) -> None:
    since = await _proven(database, register, book)
    await _order(register, book, "A2")
    await database.owner.execute("UPDATE events SET recorded_at = recorded_at - INTERVAL '40 days'")
    left = "SELECT array_agg(DISTINCT subject ORDER BY subject) FROM events WHERE subject LIKE 'order/%'"
    before = await database.owner.fetchval("SELECT count(*) FROM events WHERE position < $1", since.position)
    assert await database.pool.fetchval("SELECT purge_events($1)", NOW.replace(year=2999)) == before
    assert await database.owner.fetchval(left) == ["order/A2"]
    assert (await prove_and_note(database.pool)).hold
    assert await database.pool.fetchval("SELECT purge_events($1)", NOW.replace(year=2999)) > 0


async def test_a_proof_that_breaks_is_a_notice_once_and_a_gauge_until_it_holds_again(
    database: Database, register: Register, book: Book
) -> None:
    await _order(register, book, "A1")
    assert (await prove_and_note(database.pool)).broken == ()
    assert await _gauges(register) == {"last_proof_holds": 1.0}
    await database.owner.execute("UPDATE orders SET state = state - 'funded', phase = 'opening'")
    broken = (await prove_and_note(database.pool)).broken
    assert broken
    assert (await prove_and_note(database.pool)).broken == broken
    told = [one for one in await register.notices.read() if one.name == "proof_broken"]
    assert [(one.to, one.facts["proof"], one.subject) for one in told] == [
        ("operator", name, "reconciliation/books/proofs") for name in sorted(broken)
    ]
    assert await _gauges(register) == {"last_proof_holds": 0.0, **dict.fromkeys(broken, 1.0)}
    await database.owner.execute("UPDATE orders SET state = state || '{\"funded\": true}', phase = 'awaiting_shipment'")
    assert (await prove_and_note(database.pool)).hold
    assert await _gauges(register) == {"last_proof_holds": 1.0}


async def _gauges(register: Register) -> dict[str, float]:
    """What is shown of the last proof, and of each that is broken."""
    names = ("last_proof_holds", "broken_proofs")
    return {one.labels.get("proof", one.name): one.value for one in await register.gauges.read() if one.name in names}
