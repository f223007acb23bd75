"""Webhooks are delivered at least once, each subject in order, and nothing is skipped."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest
from consumer import FAILING, OK, Consumer, status
from hooks import Hooks, consumers, got, order_kept

from core.webhooks import DISABLED_AFTER, RETRIES
from ledger.vault import Vault
from storefront.delivery import TAKEN_FOR, Deliveries

LONG = timedelta(days=2)


async def test_an_event_arrives_once_signed_and_in_order(hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.add(consumer)
        await hooks.event("order/A1", "order.opened", "order.held")
        await hooks.event("order/A2")
        await hooks.event("order/A1", "order.released")
        await hooks.deliver()
        await hooks.deliver()
    assert sorted(got(consumer)) == ["evt_order_A1_1", "evt_order_A1_2", "evt_order_A1_3", "evt_order_A2_1"]
    assert order_kept(consumer)
    assert consumer.forged == 0
    assert await hooks.register.endpoints.attempts("e1") == []


async def test_an_endpoint_begins_with_what_comes_after_it(hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.event("order/A1")
        await hooks.add(consumer)
        await hooks.event("order/A2")
        await hooks.deliver()
    assert got(consumer) == ["evt_order_A2_1"]


async def test_after_a_restore_into_another_server_it_goes_on_with_what_comes(hooks: Hooks) -> None:
    """Transactions without events moved its place further than that of the last event."""
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.event("order/A1")
        await hooks.add(consumer)
        await hooks.database.owner.execute("UPDATE endpoints SET position = position + 1000000000")
        assert await hooks.database.owner.fetchval("SELECT follow_event_clock()") is True
        assert await hooks.database.owner.fetchval("SELECT follow_event_clock()") is False
        await hooks.event("order/A2")
        await hooks.deliver()
    assert got(consumer) == ["evt_order_A2_1"]


async def test_a_merchants_endpoint_sees_that_merchants_events_alone(hooks: Hooks) -> None:
    mine, all_of_them = Consumer(), Consumer()
    async with consumers(mine, all_of_them):
        await hooks.add(mine, "mine", merchant_id="m-2")
        await hooks.add(all_of_them, "all")
        await hooks.event("order/A1", merchant="m-1")
        await hooks.event("order/A2", merchant="m-2")
        await hooks.event("reconciliation/bank/x", "reconciliation.break_found", merchant=None)
        await hooks.deliver()
    assert got(mine) == ["evt_order_A2_1"]
    assert len(got(all_of_them)) == 3


async def test_only_the_types_that_were_asked_for_are_sent(hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.add(consumer, types=("order.held", "withdrawal.*"))
        await hooks.event("order/A1", "order.opened", "order.held", "order.released")
        await hooks.event("withdrawal/W1", "withdrawal.requested")
        await hooks.deliver()
        newest = await hooks.register.events.newest()
        assert (await hooks.endpoint()).cursor >= newest
    assert sorted(got(consumer)) == ["evt_order_A1_2", "evt_withdrawal_W1_1"]


async def test_a_failed_event_holds_back_its_subject_and_no_other(hooks: Hooks) -> None:
    broken = {"evt_order_A1_1"}
    consumer = Consumer(lambda event, count: FAILING if event["id"] in broken else OK)
    async with consumers(consumer):
        await hooks.add(consumer)
        await hooks.event("order/A1", "order.opened", "order.held")
        await hooks.event("order/A2", "order.opened")
        await hooks.deliver()
        assert got(consumer) == ["evt_order_A2_1"]
        await hooks.event("order/A1", "order.released")
        await hooks.event("order/A2", "order.held")
        await hooks.deliver()
        assert got(consumer) == ["evt_order_A2_1", "evt_order_A2_2"]
        broken.clear()
        await hooks.deliver(LONG)
    assert got(consumer)[2:] == ["evt_order_A1_1", "evt_order_A1_2", "evt_order_A1_3"]
    assert await hooks.register.endpoints.count_parked("e1") == 0


async def test_each_failure_waits_longer_and_is_kept(hooks: Hooks) -> None:
    consumer = Consumer(lambda event, count: status(500, body="no"))
    async with consumers(consumer):
        await hooks.add(consumer)
        await hooks.event("order/A1")
        await hooks.deliver()
        for number, delay in enumerate(RETRIES[:3], start=1):
            (parked,) = await hooks.register.endpoints.parked("e1")
            assert (parked.failures, parked.next_at, parked.last_status) == (number, hooks.clock() + delay, 500)
            await hooks.deliver(delay - timedelta(seconds=1))
            assert consumer.asked == number
            await hooks.deliver(timedelta(seconds=1))
    attempts = await hooks.register.endpoints.attempts("e1")
    assert [(one.event_id, one.status, one.answer) for one in attempts] == [("evt_order_A1_1", 500, "no")] * 4
    assert (await hooks.endpoint()).state == "failing"


async def test_an_endpoint_that_answers_again_gets_what_waited_at_once(hooks: Hooks) -> None:
    well = False
    consumer = Consumer(lambda event, count: OK if well else FAILING)
    async with consumers(consumer):
        await hooks.add(consumer)
        for number in range(5):
            await hooks.event(f"order/A{number}")
        await hooks.deliver()
        await hooks.deliver(timedelta(seconds=6))
        well = True
        await hooks.event("order/B1")
        await hooks.deliver()
    assert sorted(got(consumer)) == [*(f"evt_order_A{number}_1" for number in range(5)), "evt_order_B1_1"]
    assert (await hooks.endpoint()).state == "active"
    mended = [one for one in await hooks.register.endpoints.attempts("e1") if one.status == 200]
    assert len(mended) >= 5


async def test_five_days_of_failures_disable_it_and_nothing_is_skipped(hooks: Hooks) -> None:
    well = False
    consumer = Consumer(lambda event, count: OK if well else FAILING)
    async with consumers(consumer):
        await hooks.add(consumer)
        await hooks.event("order/A1", "order.opened", "order.held")
        began = hooks.clock()
        await hooks.deliver()
        await hooks.deliver(DISABLED_AFTER)
        ended = await hooks.endpoint()
        assert (ended.state, ended.disabled_for, ended.failing_since) == ("disabled", "failing", began)
        asked = consumer.asked
        await hooks.event("order/A2")
        await hooks.deliver(LONG)
        assert consumer.asked == asked
        well = True
        assert await hooks.register.endpoints.enable("e1", consumer.url, hooks.clock())
        await hooks.deliver()
    assert {"evt_order_A1_1", "evt_order_A1_2", "evt_order_A2_1"} <= set(got(consumer))
    assert order_kept(consumer)


async def test_a_disabled_endpoint_is_an_event_and_a_notice(hooks: Hooks) -> None:
    consumer, watcher = Consumer(lambda event, count: status(410)), Consumer()
    async with consumers(consumer, watcher):
        await hooks.add(consumer, "gone")
        await hooks.event("order/A1")
        await hooks.deliver()
        await hooks.add(watcher, "watcher")
        await hooks.register.endpoints.enable("gone", consumer.url, hooks.clock())
        await hooks.event("order/A2")
        await hooks.deliver()
    assert (await hooks.endpoint("gone")).disabled_for == "gone"
    (ended,) = [event for event in watcher.events if event["type"] == "endpoint.disabled"]
    assert ended["data"]["why"] == "gone"
    assert ended["data"]["endpoint_id"] == "gone"
    assert "hooks" not in ended["data"]["host"]
    notices = await hooks.register.notices.read(to="operator", subject="endpoint/gone")
    assert [notice.name for notice in notices] == ["endpoint_disabled"] * 2


async def test_a_consumer_may_ask_for_time(hooks: Hooks) -> None:
    consumer = Consumer(lambda event, count: status(503, "Retry-After: 120"))
    async with consumers(consumer):
        await hooks.add(consumer)
        await hooks.event("order/A1")
        await hooks.deliver()
        (parked,) = await hooks.register.endpoints.parked("e1")
        assert timedelta(minutes=1, seconds=58) < parked.next_at - hooks.clock() <= timedelta(minutes=2)
        await hooks.event("order/A2")
        await hooks.deliver(timedelta(minutes=1))
        assert consumer.asked == 1
        await hooks.deliver(timedelta(minutes=1))
        assert consumer.asked > 1


async def test_a_subject_can_be_sent_again_from_its_beginning(hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.add(consumer)
        await hooks.event("order/A1", "order.opened", "order.held")
        await hooks.event("order/A2")
        await hooks.deliver()
        consumer.events.clear()
        assert await hooks.register.endpoints.resend("e1", "order/A1", 1, hooks.clock())
        await hooks.event("order/A1", "order.released")
        await hooks.deliver()
    assert got(consumer) == ["evt_order_A1_1", "evt_order_A1_2", "evt_order_A1_3"]


async def test_a_subject_waits_and_is_sent_again_under_a_number_of_after_a_restore(hooks: Hooks) -> None:
    answers = [FAILING, OK, OK, OK, OK]
    consumer = Consumer(lambda event, count: answers.pop(0))
    async with consumers(consumer):
        await hooks.add(consumer)
        await hooks.database.owner.execute("SELECT leave_lost_numbers()")
        await hooks.event("order/A1", "order.opened", "order.held")
        await hooks.deliver()
        (parked,) = await hooks.register.endpoints.parked("e1")
        await hooks.deliver(LONG)
        assert [event["data"]["seq"] for event in consumer.events] == [parked.seq, parked.seq + 1]
        assert await hooks.register.endpoints.resend("e1", "order/A1", parked.seq, hooks.clock())
        await hooks.deliver()
    assert got(consumer) == [f"evt_order_A1_{parked.seq}", f"evt_order_A1_{parked.seq + 1}"] * 2
    assert parked.seq > 10**15


async def test_all_can_be_sent_again_from_a_place(hooks: Hooks) -> None:
    consumer = Consumer(lambda event, count: FAILING if event["id"] == "evt_order_A3_1" and count < 5 else OK)
    async with consumers(consumer):
        await hooks.add(consumer)
        for number in range(1, 4):
            await hooks.event(f"order/A{number}")
        await hooks.deliver()
        assert await hooks.register.endpoints.count_parked("e1") == 1
        second = await hooks.register.events.find("evt_order_A2_1")
        assert second is not None
        consumer.events.clear()
        assert await hooks.register.endpoints.rewind("e1", second.cursor._replace(id=second.id - 1), hooks.clock())
        await hooks.deliver()
    assert sorted(got(consumer)) == ["evt_order_A2_1", "evt_order_A3_1"]
    assert await hooks.register.endpoints.count_parked("e1") == 0


async def test_two_gateways_deliver_each_event_once(hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.add(consumer)
        for number in range(40):
            await hooks.event(f"order/A{number % 8}")
        await asyncio.gather(hooks.deliveries.settle(), hooks.another().settle())
    assert len(got(consumer)) == len(set(got(consumer))) == 40
    assert order_kept(consumer)


async def test_what_a_dead_gateway_held_is_taken_over_after_its_lease(hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.add(consumer)
        await hooks.event("order/A1")
        until = hooks.clock() + TAKEN_FOR
        taken = await hooks.register.endpoints.take("dead", failing=False, at_most=8, until=until, now=hooks.clock())
        assert [one.endpoint_id for one in taken] == ["e1"]
        await hooks.deliver()
        assert got(consumer) == []
        await hooks.deliver(TAKEN_FOR)
    assert got(consumer) == ["evt_order_A1_1"]


async def test_a_gateway_that_lost_its_lease_writes_nothing(hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.add(consumer)
        await hooks.event("order/A1")
        until = hooks.clock() + TAKEN_FOR
        await hooks.register.endpoints.take("slow", failing=False, at_most=8, until=until, now=hooks.clock())
        lease, before = hooks.register.endpoints.lease("e1", "slow"), await hooks.endpoint()
        await hooks.deliver(TAKEN_FOR)
        after = await hooks.endpoint()
        assert after.cursor > before.cursor
        assert not await lease.advance(before.cursor, hooks.clock())
        assert not await lease.unpark("order/A1")
        assert not await lease.mend(hooks.clock())
    assert (await hooks.endpoint()).cursor == after.cursor


async def test_a_change_ends_the_round_that_is_under_way(hooks: Hooks) -> None:
    """Else the cursor that it knows would undo a rewind."""
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.add(consumer)
        await hooks.event("order/A1")
        until = hooks.clock() + TAKEN_FOR
        await hooks.register.endpoints.take("one", failing=False, at_most=8, until=until, now=hooks.clock())
        lease = hooks.register.endpoints.lease("e1", "one")
        assert await hooks.register.endpoints.resend("e1", "order/A1", 1, hooks.clock())
        assert not await lease.advance((await hooks.endpoint()).cursor, hooks.clock())
        await hooks.deliver()
        assert got(consumer) == []
        await lease.release(hooks.clock())
        await hooks.deliver()
    assert set(got(consumer)) == {"evt_order_A1_1"}


async def test_an_endpoint_that_is_down_keeps_few_rows(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.endpoints.PARKED_AT_MOST", 3)
    monkeypatch.setattr("storefront.delivery.BATCH", 2)
    well = False
    consumer = Consumer(lambda event, count: OK if well else FAILING)
    async with consumers(consumer):
        await hooks.add(consumer)
        for number in range(9):
            await hooks.event(f"order/A{number}")
        await hooks.deliver()
        assert await hooks.register.endpoints.count_parked("e1") == 4
        well = True
        await hooks.deliver(LONG)
    assert sorted(got(consumer)) == [f"evt_order_A{number}_1" for number in range(9)]


async def test_a_gateway_without_the_key_leaves_an_endpoint_to_others(hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.add(consumer)
        await hooks.event("order/A1")
        await Deliveries(hooks.register, Vault({"other": b"o" * 32}), hooks.poster, now=hooks.clock).settle()
        await hooks.deliver(TAKEN_FOR)
    assert got(consumer) == ["evt_order_A1_1"]


async def test_a_round_ends_before_its_lease_does(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many subjects wait for their turn while the consumer lets each post take its longest."""
    monkeypatch.setattr("storefront.delivery.ROUND_WITHIN", 0.0)
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.add(consumer)
        for number in range(8):
            await hooks.event(f"order/A{number}")
        await hooks.deliveries.start()
        await hooks.deliveries.finish()
        assert consumer.asked == 0
        monkeypatch.setattr("storefront.delivery.ROUND_WITHIN", 30.0)
        await hooks.deliver()
    assert len(got(consumer)) == 8


async def test_an_endpoint_that_begins_to_fail_leaves_its_place_to_others(hooks: Hooks) -> None:
    """Else endpoints that hang would take all places of those that answer."""
    consumer = Consumer(lambda event, count: FAILING)
    async with consumers(consumer):
        await hooks.add(consumer)
        for number in range(20):
            await hooks.event(f"order/A{number}")
        await hooks.deliveries.start()
        await hooks.deliveries.finish()
        assert consumer.asked <= 4
        await hooks.deliver()
        assert consumer.asked == 20
    assert await hooks.register.endpoints.count_parked("e1") == 20


async def test_an_endpoint_with_nothing_to_send_costs_few_pages(hooks: Hooks) -> None:
    """It is looked for twice a second, also in a long stream."""
    consumer = Consumer()
    many = [{"type": "order.held", "data": {}}] * 4_000
    for merchant in ("m-1", "m-2"):
        subject = f"order/{merchant}"
        await hooks.database.owner.execute("SELECT add_events($1, $2, $3, $4)", subject, merchant, hooks.clock(), many)
    await hooks.database.owner.execute("ANALYZE events")
    for number in range(20):
        await hooks.add(consumer, f"e{number}", merchant_id="m-1" if number % 2 else None)
    said = await hooks.database.owner.fetchval(
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT json) SELECT take_endpoints('x', FALSE, 8, 1000, $1, $1)", hooks.clock()
    )
    plan = json.loads(said)[0]["Plan"]
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 20 * 40


async def _taken(hooks: Hooks) -> list[str]:
    rows = await hooks.database.pool.fetch(
        "SELECT * FROM take_endpoints('x', FALSE, 50, 1000, $1, $1)", hooks.clock() + TAKEN_FOR
    )
    return sorted(row["take_endpoints"] for row in rows)


async def _with_news(hooks: Hooks) -> list[str]:
    rows = await hooks.database.owner.fetch("SELECT endpoint_id FROM endpoints_with_news ORDER BY endpoint_id")
    return [row["endpoint_id"] for row in rows]


async def test_endpoints_of_merchants_without_news_are_not_looked_at(hooks: Hooks) -> None:
    consumer = Consumer()
    await hooks.add(consumer, merchant_id="m-1")
    names = await hooks.database.owner.fetchval(
        "SELECT string_agg(attname, ', ') FROM pg_attribute WHERE attrelid = 'endpoints'::REGCLASS AND attnum > 0"
        " AND attname NOT IN ('endpoint_id', 'merchant_id')"
    )
    await hooks.database.owner.execute(
        f"INSERT INTO endpoints (endpoint_id, merchant_id, {names})"
        f" SELECT 'f' || n, 'f-' || n, {names} FROM endpoints CROSS JOIN generate_series(1, 400) AS s (n)"
    )
    await hooks.event("order/A1", merchant="f-7")
    await hooks.event("order/A2", merchant="f-no-one")
    assert await _taken(hooks) == ["f7"]
    taking = "EXPLAIN (ANALYZE, BUFFERS, FORMAT json) SELECT take_endpoints('x', FALSE, 8, 1000, $1, $1)"
    async with hooks.database.owner.acquire() as owner:
        await owner.fetchval(taking, hooks.clock())  # a session's first call reads the catalogue
        plan = json.loads(await owner.fetchval(taking, hooks.clock()))[0]["Plan"]
        async with owner.transaction():
            await owner.fetch("SELECT take_endpoints('x', FALSE, 8, 1000, $1, $1)", hooks.clock())
            assert await owner.fetchval("SELECT pg_current_xact_id_if_assigned()") is None, "it writes nothing"
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 50, "three for each would be over a thousand"
    assert await _with_news(hooks) == ["f7"], "its event is not delivered"


async def test_an_endpoint_that_was_told_everything_is_looked_at_when_there_is_more(hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.add(consumer, merchant_id="m-1")
        await hooks.event("order/A1", "order.opened", "order.held")
        for told, more in (
            (2, "SELECT rewind_endpoint('e1', 0, 0, $1)"),
            (4, "SELECT resend_subject('e1', 'order/A1', 2, $1)"),
            (5, "SELECT disable_endpoint('e1', 'asked', $1)"),
        ):
            await hooks.deliver()
            await hooks.deliver()
            assert (len(consumer.events), await _with_news(hooks)) == (told, [])
            await hooks.database.owner.execute(more, hooks.clock())
        await hooks.event("order/A2")
        await hooks.deliver()
        assert (len(consumer.events), await _with_news(hooks)) == (5, [])
        await hooks.register.endpoints.enable("e1", consumer.url, hooks.clock())
        await hooks.deliver()
    assert sorted(got(consumer)[5:]) == ["evt_endpoint_e1_1", "evt_order_A2_1"]


async def test_news_that_another_gateway_notes_now_are_not_waited_for_and_not_lost(hooks: Hooks) -> None:
    consumer = Consumer()
    await hooks.add(consumer, merchant_id="m-1")
    await hooks.add(consumer, "all")
    await _taken(hooks)
    await hooks.event("order/A1")
    async with hooks.database.owner.acquire() as other:
        transaction = other.transaction()
        await transaction.start()
        assert await other.fetchval("SELECT note_news()") is True
        assert await _taken(hooks) == ["all"], "the platform's own are always looked at"
        await transaction.rollback()
    assert await _taken(hooks) == ["all", "e1"]


async def test_what_is_given_to_an_endpoint_while_it_is_found_idle_is_not_lost(hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.add(consumer, merchant_id="m-1")
        await hooks.event("order/A1")
        await hooks.deliver()
        async with hooks.database.owner.acquire() as other:
            transaction = other.transaction()
            await transaction.start()
            await other.execute("SELECT rewind_endpoint('e1', 0, 0, $1)", hooks.clock())
            assert await _taken(hooks) == []
            await transaction.commit()
        await hooks.deliver()
        await hooks.register.endpoints.remove("e1")
        await hooks.database.owner.execute("INSERT INTO endpoints_with_news VALUES ('e1')")
        await hooks.deliver()
    assert (len(consumer.events), await _with_news(hooks)) == (2, [])
