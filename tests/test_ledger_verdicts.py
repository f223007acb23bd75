"""Verdicts are kept with what they were made from; traces go by age."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from databases import Database
from ledger_samples import NOW, a_record, funded
from pydantic import SecretStr

from ledger.book import Book
from ledger.endpoints import NewEndpoint
from ledger.register import Register
from ledger.vault import Vault

TRACE = {"provider": "yto", "answer": "found", "fetched_at": NOW.isoformat(), "scans": [{"text": "揽收，电话1**"}]}


def _parcel(outcome: str, *reasons: str, **fields: Any) -> dict[str, Any]:
    verdict = {
        "outcome": outcome,
        "reasons": list(reasons),
        "rule_set": "3",
        "judged_at": "2026-11-22T08:00:00Z",
        "findings": [{"rule": one, "outcome": "fail"} for one in reasons],
    }
    return {"parcel_id": "p1", "carrier": "yto", "waybill": "YT1", "audit": "collecting", "verdict": verdict, **fields}


async def _polled(database: Database) -> None:
    look = "SELECT FROM keep_look('A1', 'p1', 'yto', 'YT1', $1, NULL, now(), INTERVAL '1 hour', 1)"
    await database.owner.execute(look, [TRACE])


async def _keep(register: Register, revision: int, parcel: dict[str, Any]) -> None:
    await register.orders.record(a_record(revision=revision, phase="shipped", state={"parcels": [parcel]}))


async def test_each_verdict_is_kept_once_with_its_traces_and_each_decision_with_its_person(
    database: Database, register: Register, book: Book
) -> None:
    await funded(register, book)
    await _polled(database)
    rejected = _parcel("rejected", "speed_possible")
    decision = {"verdict": "approved", "reviewer": "rose", "reason": "seen", "waybill": "YT1", "at": NOW.isoformat()}
    for revision, parcel in enumerate(
        (
            _parcel("pending", "no_scan_yet"),
            rejected,
            rejected | {"looked_at": "later"},
            rejected | {"decisions": [decision]},
            rejected | {"decisions": [decision], "audit": "approved"},
        ),
        start=1,
    ):
        await _keep(register, revision, parcel)
    kept = await register.verdicts.of_order("A1")
    assert [(one.n, one.outcome, one.reasons, one.decided_by, one.decision) for one in kept] == [
        (1, "rejected", ["speed_possible"], None, None),
        (2, "approved", ["speed_possible"], "rose", "seen"),
    ]
    assert kept[0].rule_set == "3"
    assert kept[0].findings == [{"rule": "speed_possible", "outcome": "fail"}]
    assert [trace["scans"] for trace in kept[0].traces or ()] == [TRACE["scans"]]


async def test_what_people_made_of_a_rules_objections_is_counted_with_the_money_that_waited(
    database: Database, register: Register, book: Book
) -> None:
    await funded(register, book)
    held = _parcel("rejected", "speed_possible", "keeps_moving")
    decision = {"verdict": "approved", "reviewer": "rose", "reason": "seen", "waybill": "YT1"}
    decided = held | {"decisions": [decision | {"at": "2026-11-24T08:00:00Z"}]}
    for revision, parcel in enumerate((_parcel("needs_review", "speed_possible"), held, decided), start=1):
        await _keep(register, revision, parcel)
    within, now = timedelta(days=30), datetime.now(UTC)
    rules = {one.rule: one for one in await register.figures.rules(now, within)}
    assert sorted(rules) == ["keeps_moving", "speed_possible"]
    for one in rules.values():
        assert (one.fired, one.decided, one.overturned, one.appeals, one.appeals_won) == (1, 1, 1, 1, 1)
        assert one.false_minor_days == {"CNY": 2 * 1_000}
    (false,) = await register.figures.false_holds(now, within)
    assert (false.currency, false.parcels, false.amount_minor, false.minor_days) == ("CNY", 1, 1_000, 2_000)
    await database.owner.execute("UPDATE verdicts SET recorded_at = now() - INTERVAL '31 days'")
    assert await register.figures.rules(now, within) == []
    assert await register.figures.false_holds(now, within) == []


async def test_what_the_rules_approved_or_a_person_rejected_was_no_false_hold(register: Register, book: Book) -> None:
    await funded(register, book)
    decision = {"verdict": "rejected", "reviewer": "rose", "reason": "no", "waybill": "YT1", "at": NOW.isoformat()}
    held = _parcel("needs_review", "speed_possible")
    await _keep(register, 1, held)
    await _keep(register, 2, held | {"decisions": [decision]})
    now, within = datetime.now(UTC), timedelta(days=30)
    (rule,) = await register.figures.rules(now, within)
    assert (rule.decided, rule.overturned, rule.appeals, rule.false_minor_days) == (1, 0, 0, {})
    assert await register.figures.false_holds(now, within) == []


async def test_another_number_is_judged_anew(register: Register, book: Book) -> None:
    await funded(register, book)
    await _keep(register, 1, _parcel("approved"))
    await _keep(register, 2, _parcel("approved") | {"waybill": "YT2"})
    assert [(one.n, one.waybill) for one in await register.verdicts.of_order("A1")] == [(1, "YT1"), (2, "YT2")]


async def test_an_odd_verdict_stops_no_record(register: Register, book: Book) -> None:
    await funded(register, book)
    odd = {"parcel_id": "p1", "verdict": {"outcome": "approved", "judged_at": "soon"}, "decisions": [7]}
    await _keep(register, 1, odd)
    kept = await register.verdicts.of_order("A1")
    assert [(one.outcome, one.judged_at) for one in kept][:1] == [("approved", NOW)]


async def test_traces_go_by_age_and_verdicts_stay(database: Database, register: Register, book: Book) -> None:
    await funded(register, book)
    await _polled(database)
    await _keep(register, 1, _parcel("approved"))
    now = datetime.now(UTC)
    assert await register.verdicts.purge_traces(now) == 0, "none is old enough, whatever the caller says"
    await database.owner.execute("UPDATE verdicts SET recorded_at = now() - INTERVAL '40 days'")
    assert await register.verdicts.purge_traces(now - timedelta(days=35)) == 1
    assert [(one.outcome, one.traces) for one in await register.verdicts.of_order("A1")] == [("approved", None)]


async def _endpoint(register: Register, now: datetime) -> None:
    new = NewEndpoint(
        endpoint_id="ep_1",
        merchant_id=None,
        url="https://shop.example/in",
        description="",
        types=(),
        signing="v1",
        created_by="operator:ann",
        digest="0" * 64,
        asked_as="key/1",
    )
    vault = Vault({"k": bytes(32)})
    assert await register.endpoints.add(new, SecretStr("whsec_" + "A" * 32), vault, at_most=5, now=now) == "added"


async def test_how_late_an_endpoint_is_is_measured(database: Database, register: Register, book: Book) -> None:
    await funded(register, book)
    await register.orders.record(a_record(revision=1))
    await _endpoint(register, datetime.now(UTC))
    run = database.owner.execute

    async def lag() -> float | None:
        found = [one for one in await register.gauges.read() if one.name == "webhook_lag_seconds"]
        assert all(one.labels == {"endpoint": "ep_1"} for one in found)
        return found[0].value if found else None

    await run("UPDATE events SET recorded_at = now() - INTERVAL '1 hour'")
    await run("UPDATE endpoints SET position = 0, state = 'active', echoed_at = now(), disabled_for = NULL")
    assert 3_600 <= (await lag() or 0) <= 3_700
    await run("UPDATE endpoints SET merchant_id = 'm-other'")
    assert await lag() is None, "it waits for nothing of its own"
    await run("UPDATE endpoints SET position = (SELECT max(position) FROM events), event = 9, merchant_id = NULL")
    assert await lag() is None
    await run(
        "INSERT INTO parked (endpoint_id, subject, seq, failures, next_at)"
        " SELECT 'ep_1', subject, seq, 1, now() FROM events LIMIT 1"
    )
    assert 3_600 <= (await lag() or 0) <= 3_700, "a subject waits"
    await run("UPDATE endpoints SET state = 'disabled', disabled_for = 'asked'")
    assert await lag() is None


async def test_events_go_by_age_but_none_that_an_endpoint_waits_for(
    database: Database, register: Register, book: Book
) -> None:
    await funded(register, book)
    await register.orders.record(a_record(revision=1))
    now = datetime.now(UTC)
    assert await register.events.purge(now) == 0
    await _endpoint(register, now)
    await database.owner.execute(
        "UPDATE endpoints SET position = 0, state = 'active', echoed_at = now(), disabled_for = NULL"
    )
    await database.owner.execute("UPDATE events SET recorded_at = now() - INTERVAL '400 days'")
    assert await register.events.purge(now - timedelta(days=90)) == 0, "an endpoint has not taken them"
    await database.owner.execute("UPDATE endpoints SET state = 'disabled', disabled_for = 'gone'")
    await database.owner.execute("UPDATE events SET recorded_at = now() - INTERVAL '300 days'")
    assert await register.events.purge(now - timedelta(days=90)) == 0, "it may be enabled again"
    await database.owner.execute("UPDATE events SET recorded_at = now() - INTERVAL '400 days'")
    assert await register.events.purge(now - timedelta(days=90)) == 1, (
        "a forgotten one keeps nothing for more than a year"
    )
    await register.orders.record(a_record(revision=2, phase="cancelled"))
    assert [event.seq for event in await register.events.of_subject("order/A1")] == [2], "the numbers go on"


async def test_a_quiet_merchants_endpoint_keeps_no_other_merchants_events(
    database: Database, register: Register
) -> None:
    now, owner = datetime.now(UTC), database.owner
    await _endpoint(register, now)
    for subject, merchant in (("order/A1", "m-1"), ("order/B1", "m-2"), ("order/A2", "m-1")):
        events = [{"type": "order.opened"}, {"type": "notice.sent", "merchant_id": None}]
        await owner.execute("SELECT add_events($1, $2, $3, $4)", subject, merchant, now, events)
    await owner.execute(
        "UPDATE endpoints n SET merchant_id = 'm-1', state = 'active', echoed_at = now(), disabled_for = NULL,"
        " position = e.position, event = e.id FROM events e WHERE e.subject = 'order/A1' AND e.seq = 2"
    )
    await owner.execute("UPDATE events SET recorded_at = now() - INTERVAL '40 days'")
    assert await register.events.purge(now) == 2
    left = [(event.subject, event.seq) for event in (await register.events.after()).events]
    assert left == [(f"order/A{order}", seq) for order in (1, 2) for seq in (1, 2)]
    await owner.execute("UPDATE endpoints SET position = position + 1000")
    place = (await register.events.after()).events[0].cursor
    assert await register.events.purge(now) == 4
    await owner.execute("SELECT add_events('order/C1', 'm-3', now(), '[{\"type\": \"order.opened\"}]')")
    assert await register.events.has_place(place), "older than what was never purged"
