"""The register on a real PostgreSQL: opening once, records that never go back, policies, notices."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from databases import Database
from ledger_samples import NOW, a_notice, a_record, an_order, credit, fund, funded, opened, refund, settle

from core.policy import Policy
from ledger.book import Book
from ledger.register import Register

# --- opening ---------------------------------------------------------------------------------------------


async def test_an_order_is_registered_once_and_a_retry_gets_the_same_answer(register: Register) -> None:
    order = an_order()
    assert await opened(register, order) == "registered"
    assert await opened(register, order) == "same_run"
    assert await register.orders.stored("A1") == order


async def test_a_retry_after_the_money_moved_is_still_a_retry(book: Book, register: Register) -> None:
    order = await funded(register, book)
    assert await opened(register, order) == "same_run"


async def test_another_body_under_the_same_id_is_refused(register: Register) -> None:
    await opened(register, an_order())
    assert await opened(register, an_order(total=1001)) == "different_content"
    assert await opened(register, an_order(buyer_id="b-2"), by="run-2") == "different_content"


async def test_a_run_lost_before_money_moved_is_taken_over(register: Register) -> None:
    order = an_order()
    await opened(register, order)
    assert await opened(register, order, by="run-2") == "taken_over"
    assert await opened(register, order, by="run-2") == "same_run"
    assert await opened(register, order, by="run-1") == "taken_over"


async def test_an_order_whose_money_moved_opens_for_no_other_run(book: Book, register: Register) -> None:
    order = await funded(register, book)
    assert await opened(register, order, by="run-2") == "money_moved"


async def test_an_order_that_is_closed_is_over(book: Book, register: Register) -> None:
    order = await funded(register, book)
    await credit(book, order)
    done = a_record(phase="settled", audit="approved", receipt="confirmed", closed=True)
    await settle(book, order, record=done)
    assert await opened(register, order, by="run-2") == "over"


async def test_until_a_state_is_recorded_the_policy_of_the_last_answer_counts(
    register: Register, owners: Register
) -> None:
    order = an_order()
    await opened(register, order, policy_hash="1" * 64)
    text = f"text of {'2' * 64}"
    await owners.policies.move(Policy(name="default", content_hash="2" * 64), text, who="ann", why="new terms")
    await opened(register, order, policy_hash="2" * 64)
    known = await register.orders.known("A1")
    assert known is not None
    assert known.policy_hash == "2" * 64
    await register.orders.record(a_record())
    await opened(register, order, policy_hash="1" * 64)
    assert (await register.orders.known("A1")) == known.model_copy(update={"revision": 1, "state": {}})


async def test_the_same_order_many_times_at_once_is_registered_once(register: Register) -> None:
    order = an_order()
    answers = Counter(await asyncio.gather(*(opened(register, order, by=f"run-{n}") for n in range(20))))
    assert answers == {"registered": 1, "taken_over": 19}


async def test_two_bodies_under_one_id_at_once_leave_one_winner(register: Register) -> None:
    for n in range(10):
        bodies = [an_order(f"A{n}", 100, payment=f"p-{n}-1"), an_order(f"A{n}", 200, payment=f"p-{n}-2")]
        answers = await asyncio.gather(*(opened(register, body) for body in bodies))
        assert sorted(answers) == ["different_content", "registered"]


# --- payments --------------------------------------------------------------------------------------------


async def test_the_parts_of_a_payment_never_sum_to_more_than_the_payment(register: Register) -> None:
    def part(order_id: str, total: int) -> asyncio.Future[str]:
        return opened(register, an_order(order_id, total, paid=1000, payment="shared"))  # type: ignore[return-value]

    assert await part("A1", 600) == "registered"
    assert await part("A2", 500) == "payment_over_claimed"
    assert await part("A3", 400) == "registered"
    assert await part("A4", 1) == "payment_over_claimed"
    assert await register.orders.stored("A2") is None


async def test_what_the_channel_confirms_counts_not_what_the_storefront_says(register: Register) -> None:
    assert await opened(register, an_order(total=1000, paid=5000), paid=999) == "payment_over_claimed"
    assert await opened(register, an_order(total=1000, paid=5000), paid=5000) == "registered"


async def test_a_part_in_another_currency_is_over_claimed(register: Register) -> None:
    await opened(register, an_order("A1", 100, paid=1000, payment="shared"))
    other = an_order("A2", 100, paid=1000, payment="shared", currency="USD")
    assert await opened(register, other) == "payment_over_claimed"


async def test_the_same_reference_at_another_channel_is_another_payment(register: Register) -> None:
    assert await opened(register, an_order("A1", 100, payment="x", channel="wechat")) == "registered"
    assert await opened(register, an_order("A2", 100, payment="x", channel="alipay")) == "registered"


async def test_orders_racing_for_one_payment_never_claim_more_than_it(register: Register) -> None:
    orders = [an_order(f"A{n}", 300, paid=1000, payment="shared") for n in range(20)]
    answers = Counter(await asyncio.gather(*(opened(register, order) for order in orders)))
    assert answers == {"registered": 3, "payment_over_claimed": 17}


# --- records and rescue ----------------------------------------------------------------------------------


async def test_a_lower_revision_never_overwrites_a_higher_one(register: Register) -> None:
    await opened(register, an_order())
    newest = a_record(revision=5, phase="shipped", state={"phase": "shipped"})
    assert (await register.orders.record(newest)).kept
    for older in (4, 5):
        standing = await register.orders.record(a_record(revision=older, phase="awaiting_shipment"))
        assert (standing.kept, standing.revision) == (False, 5)
    assert (await register.orders.record(newest)).kept, "the same record again stands"
    row = await register.orders.row("A1")
    assert row is not None
    assert row.phase == "shipped"


async def test_records_in_any_order_end_at_the_newest(register: Register) -> None:
    await opened(register, an_order())
    records = [a_record(revision=n, receipt=f"r{n}", state={"receipt": {"status": f"r{n}"}}) for n in range(30)]
    await asyncio.gather(*(register.orders.record(record) for record in reversed(records)))
    row = await register.orders.row("A1")
    assert row is not None
    assert row.receipt == "r29"


async def test_everything_of_a_record_is_kept(register: Register) -> None:
    await opened(register, an_order())
    due = {"name": "ship_by", "at": NOW}
    state = {"a": [1, "茶"], "holds": [{"name": "fraud"}, {"name": "fraud"}]}
    record = a_record(next_deadline=due, hold_reasons=("shipment", "fraud"), state=state)
    await register.orders.record(record)
    row = await register.orders.row("A1")
    assert row is not None
    assert (row.next_deadline_name, row.next_deadline_at) == ("ship_by", NOW)
    assert (row.hold_reasons, row.holds) == (("shipment", "fraud"), ("fraud",))
    assert row.recorded_at == NOW
    known = await register.orders.known("A1")
    assert known is not None
    assert known.state == state


async def test_a_rescue_finds_order_state_and_every_movement(book: Book, register: Register) -> None:
    order = an_order("A_1")
    await opened(register, order)
    await funded(register, book, "AX1")  # `_` must not stand for any letter
    await funded(register, book, "A_10")
    await fund(book, order, record=a_record("A_1", revision=2, state={"phase": "x"}))
    record = a_record("A_1", revision=3, refunded_minor=10, state={"phase": "x"})
    await refund(book, order, "parcel-p1", 10, record=record)
    found = await register.orders.rescue("A_1", "run-9")
    assert found is not None
    assert found.order == order
    assert found.opened_by == "run-9"
    assert found.state == {"phase": "x"}
    assert found.references == ("order/A_1/fund", "order/A_1/refund/parcel-p1")
    assert await opened(register, order, by="run-9") == "same_run"


async def test_a_rescue_of_a_closed_order_takes_nothing_over(register: Register) -> None:
    await opened(register, an_order())
    await register.orders.record(a_record(phase="refused", closed=True))
    found = await register.orders.rescue("A1", "run-9")
    assert found is not None
    assert found.closed
    assert found.opened_by == "run-1"


async def test_an_order_that_nobody_registered_is_not_known(register: Register) -> None:
    assert await register.orders.rescue("A1", "run-9") is None
    assert await register.orders.known("A1") is None
    assert await register.orders.stored("A1") is None
    assert await register.orders.row("A1") is None


# --- policies --------------------------------------------------------------------------------------------


async def test_a_name_points_to_its_newest_text_and_old_texts_stay(register: Register, owners: Register) -> None:
    await register.policies.keep("default", "h1", "one")
    await owners.policies.move(Policy(name="default", content_hash="h2"), "two", who="ann", why="new terms")
    newest = await register.policies.newest(None)
    assert newest is not None
    assert (newest.name, newest.content_hash, newest.text) == ("default", "h2", "two")
    assert await register.policies.text("h1") == "one"
    await owners.policies.move(Policy(name="default", content_hash="h1"), "one", who="ann", why="the old ones")
    back = await register.policies.newest("default")
    assert back is not None
    assert back.content_hash == "h1"


async def test_a_policy_never_changes_under_its_hash(register: Register) -> None:
    await register.policies.keep("default", "h1", "one")
    with pytest.raises(Exception, match="another text under this hash"):
        await register.policies.keep("default", "h1", "two")
    assert await register.policies.text("h1") == "one"


async def test_one_text_may_have_two_names(register: Register) -> None:
    await register.policies.keep("a", "h1", "one")
    await register.policies.keep("b", "h1", "one")
    second = await register.policies.newest("b")
    assert second is not None
    assert second.name == "b"


async def test_an_unknown_policy_is_none(register: Register) -> None:
    assert await register.policies.newest("nope") is None
    with pytest.raises(LookupError):
        await register.policies.text("nope")


# --- notices ---------------------------------------------------------------------------------------------


async def test_a_notice_is_stored_once_and_read_in_order(register: Register) -> None:
    await opened(register, an_order())
    await register.orders.record(
        a_record(revision=1, notices=(a_notice(1, "shipped"), a_notice(2, "credited", "merchant")))
    )
    again = (a_notice(2, "credited", "merchant"), a_notice(3, "settled", "merchant"))
    await register.orders.record(a_record(revision=2, notices=again))
    found = await register.notices.read()
    assert [(n.seq, n.to, n.name) for n in found] == [
        (1, "buyer", "shipped"),
        (2, "merchant", "credited"),
        (3, "merchant", "settled"),
    ]
    assert (found[0].buyer_id, found[0].merchant_id, found[0].subject) == ("b-1", "m-1", "order/A1")
    assert [n.seq for n in await register.notices.read(after_id=found[0].notice_id, limit=1)] == [2]
    assert [n.seq for n in await register.notices.read(to="buyer")] == [1]
    assert await register.notices.read(subject="order/A2") == []


async def test_a_record_that_does_not_follow_the_registers_is_told_of_the_notices_under_its_numbers(
    register: Register,
) -> None:
    """Its worker did not know of the record that stands: the notices must come again, under other numbers."""
    await opened(register, an_order())
    lost = (a_notice(1, "delivered"), a_notice(2, "hold_lifted", "merchant"))
    await register.orders.record(a_record(revision=1, notices=lost, state={"notice_seq": 2}))
    for later in (1, 7):
        state = {"recorded_revision": 0, "notice_seq": 1}
        standing = await register.orders.record(a_record(revision=later, notices=(a_notice(1),), state=state))
        assert (standing.kept, standing.revision, standing.notices) == (False, 1, lost)
    quiet = a_record(revision=7, state={"recorded_revision": 0, "notice_seq": 1})
    assert (await register.orders.record(quiet)).notices == lost[1:], "the order's next notice would be the second"
    assert [(n.seq, n.name) for n in await register.notices.read()] == [(1, "delivered"), (2, "hold_lifted")]
    follows = a_record(revision=7, notices=(a_notice(3),), state={"recorded_revision": 1})
    assert (await register.orders.record(follows)).kept


async def test_a_reader_who_goes_on_from_the_last_id_misses_nothing(database: Database, register: Register) -> None:
    """A transaction that took its id first and ends last: readers wait for it instead of passing it over."""
    await opened(register, an_order("A1"))
    await opened(register, an_order("A2"))
    async with database.pool.acquire() as slow:
        began = slow.transaction()
        await began.start()
        await slow.execute("SELECT record_order($1)", a_record("A1", notices=(a_notice(1, "slow"),)))
        await register.orders.record(a_record("A2", notices=(a_notice(1, "quick"),)))
        assert await register.notices.read() == []
        await began.commit()
    assert [n.name for n in await register.notices.read()] == ["slow", "quick"]
