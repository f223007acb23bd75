"""An order that lost its workflow starts again from what register and ledger know."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
from order_driver import OrderDriver, verb_of
from order_samples import DAY, T0, WAYBILLS, a_parcel, a_policy, an_order

from core.answers import Answer
from core.order.bookings import Booking
from core.order.claims import standing_claims
from core.order.passing import pass_deadlines
from core.order.recovering import follow, recover
from core.order.state import OrderState
from core.order.steps import ReleaseClaims, finish, next_step, post, start
from core.records import LedgerFacts
from core.steps import KeepRecord, Post, Posted


def recovered(driver: OrderDriver, references: Collection[str] | None = None) -> OrderState:
    assert driver.record is not None
    known = driver.books.movements if references is None else references
    return recover(driver.order, driver.state.policy, driver.record.state, list(known), driver.now)


def at(stage: str) -> OrderDriver:
    driver = OrderDriver(policy=a_policy(auto_withdraw=True)).open()
    if stage == "opened":
        return driver
    if stage in {"cancelled", "stuck"}:
        driver.send("cancel_order", "buyer", reason="no")
        return driver.advance(3 * DAY) if stage == "stuck" else driver
    driver.ship()
    if stage == "shipped":
        return driver
    driver.deliver()
    if stage == "credited":
        driver.confirm()
    return driver


@pytest.mark.parametrize("stage", ["opened", "shipped", "delivered", "credited", "cancelled", "stuck"])
def test_recovered_order_is_the_lost_one_and_says_so_in_its_journal(stage: str) -> None:
    driver = at(stage)
    state = recovered(driver)
    assert state.inbox.journal[-1].verb == "rescue"
    assert state.revision == driver.state.revision + 1
    same = {name: getattr(driver.state, name) for name in ("inbox", "revision", "recorded_revision")}
    assert state.model_copy(update=same) == driver.state


@pytest.mark.parametrize(
    ("stage", "reference", "phase"),
    [
        ("credited", "order/A1001/settle", "settled"),
        ("delivered", "order/A1001/credit", "credited"),
    ],
)
def test_state_follows_a_posting_that_it_did_not_know(stage: str, reference: str, phase: str) -> None:
    driver = at(stage)
    state = recovered(driver, [*driver.books.movements, reference])
    assert state.phase == phase


def test_fund_that_stands_is_not_posted_again() -> None:
    driver = OrderDriver()
    driver.ledger_says.append("conflict")
    driver.open()
    state = recovered(driver, ["order/A1001/fund"])
    assert state.funded
    step = next_step(state, T0)
    assert step is not None
    assert verb_of(step) == "screen"


def test_refunds_that_were_booked_or_arrived_are_known() -> None:
    driver = OrderDriver().open()
    driver.hold(scope="all")
    driver.send("cancel_order", "buyer", reason="no")
    booked = recovered(driver, [*driver.books.movements, "order/A1001/refund/cancel"])
    assert [refund.status for refund in booked.refunds] == ["booked"]
    both = ["order/A1001/fund", "order/A1001/refund/cancel", "order/A1001/refund/cancel/paid"]
    arrived = recovered(driver, both)
    assert [refund.status for refund in arrived.refunds] == ["arrived"]
    assert arrived.closed


def test_stuck_refund_that_arrived_loses_its_hold() -> None:
    driver = at("stuck")
    state = recovered(driver, [*driver.books.movements, "order/A1001/refund/cancel/paid"])
    assert (state.closed, state.holds) == (True, ())


def test_step_that_was_under_way_is_decided_again() -> None:
    driver = at("delivered")
    driver.hold()
    driver.confirm()
    assert driver.record is not None
    ready = driver.state.without_hold("risk", "")
    under_way = start(ready, post(ready, Booking("credit"), driver.now))
    saved = under_way.model_dump(mode="json", exclude={"order"})
    state = recover(driver.order, driver.state.policy, saved, list(driver.books.movements), driver.now)
    assert state.doing is None
    step = next_step(state, driver.now)
    assert step is not None
    assert verb_of(step) == "credit"


def test_recovered_order_lives_on() -> None:
    driver = at("shipped")
    driver.state = recovered(driver)
    driver.do_what_is_due()
    driver.deliver()
    driver.confirm()
    driver.advance(8 * DAY)
    assert (driver.phase, driver.state.closed) == ("settled", True)
    driver.check()


# --- what stood as it was recorded -----------------------------------------------------------------------


def followed(driver: OrderDriver, *references: str, kept: bool = True, revision: int = 0) -> OrderState | None:
    known = (*driver.books.movements, *references)
    return follow(driver.state, LedgerFacts(kept=kept, revision=revision, references=known), driver.now)


@pytest.mark.parametrize("stage", ["opened", "shipped", "delivered", "credited", "cancelled", "stuck"])
def test_order_that_knows_all_movements_stays_as_it_is(stage: str) -> None:
    driver = at(stage)
    assert followed(driver) is driver.state


def test_hold_that_came_between_a_credit_and_its_report_finds_it_credited() -> None:
    driver = at("delivered")
    driver.hold()
    driver.confirm()
    state = followed(driver, "order/A1001/credit")
    assert state is not None
    assert (state.phase, {hold.name for hold in state.holds}) == ("credited", {"risk"})
    assert state.inbox.journal[-1].verb == "credit"
    assert isinstance(next_step(state, driver.now), KeepRecord)


def test_return_that_came_between_a_credit_and_its_report_came_too_late() -> None:
    driver = at("delivered")
    driver.hold()
    driver.confirm()
    rejected = driver.parcel().model_copy(update={"audit": "rejected"})
    driver.state = driver.state.with_parcel(rejected)
    state = followed(driver, "order/A1001/credit")
    assert state is not None
    assert (state.phase, state.audit) == ("credited", "approved")


@pytest.mark.parametrize(
    ("stage", "reference"),
    [("shipped", "order/A1001/credit"), ("opened", "order/A1001/credit"), ("shipped", "order/A1001/refund/cancel")],
)
def test_order_that_was_set_back_must_start_from_the_register(stage: str, reference: str) -> None:
    assert followed(at(stage), reference) is None


def test_order_that_follows_a_lost_report_is_recorded_under_a_higher_revision() -> None:
    driver = at("delivered")
    taken = driver.state.revision
    state = followed(driver, kept=False, revision=taken)
    assert state is not None
    assert state.revision == taken + 1
    driver.state = state
    driver.do_what_is_due()
    assert driver.record is not None
    assert driver.record.revision > taken


# --- another try was lost --------------------------------------------------------------------------------


def lost_try(driver: OrderDriver, verb: str, role: str, **fields: Any) -> LedgerFacts:
    """A command was decided and recorded by a worker that died before it reported; the order does not know of it."""
    other = driver.fork()
    assert isinstance(other.send(verb, role, **fields), Answer)
    assert other.record is not None
    first = driver.state.notice_seq + 1
    stored = tuple(notice for notice in other.noticed.values() if notice.seq >= first)
    return LedgerFacts(
        kept=False, revision=other.record.revision, references=tuple(driver.books.movements), notices=stored
    )


def decided(driver: OrderDriver, verb: str, role: str, **fields: Any) -> None:
    """A command is decided, and not recorded yet."""
    assert isinstance(driver.arrive(driver.command(verb, role, **fields)), Answer)


HOLD = {"name": "risk", "scope": "credit", "reason": "a tip"}


def test_notice_of_a_command_that_overtook_a_lost_try_gets_a_number_of_its_own() -> None:
    driver = at("delivered")
    standing = lost_try(driver, "place_hold", "operator", **HOLD)
    decided(driver, "confirm_receipt", "buyer")
    pending = [notice.name for notice in driver.state.notices]
    state = follow(driver.state, standing, driver.now)
    assert state is not None
    last = max(notice.seq for notice in standing.notices)
    assert [notice.name for notice in state.notices] == pending
    assert [notice.seq for notice in state.notices] == list(range(last + 1, last + 1 + len(pending)))
    assert state.notice_seq == last + len(pending)
    assert (state.recorded_revision, state.revision > standing.revision) == (standing.revision, True)


def test_notice_that_a_lost_try_stored_word_for_word_is_not_stored_twice() -> None:
    driver = at("delivered")
    standing = lost_try(driver, "place_hold", "operator", **HOLD)
    decided(driver, "place_hold", "operator", **HOLD)
    state = follow(driver.state, standing, driver.now)
    assert state is not None
    assert state.notices == ()
    assert state.notice_seq == max(notice.seq for notice in standing.notices)


def test_next_notice_after_a_lost_try_comes_after_those_that_it_stored() -> None:
    driver = at("delivered")
    standing = lost_try(driver, "place_hold", "operator", **HOLD)
    driver.state = driver.state.next_revision()
    state = follow(driver.state, standing, driver.now)
    assert state is not None
    assert state.with_notice("buyer", "x", driver.now).notices[-1].seq == standing.notices[-1].seq + 1


def test_order_after_a_lost_try_gives_up_what_no_parcel_of_it_stands_for() -> None:
    driver = at("opened")
    standing = lost_try(driver, "report_shipment", "merchant", parcels=[a_parcel(1)])
    decided(driver, "report_shipment", "merchant", parcels=[a_parcel(2)])
    state = follow(driver.state, standing, driver.now)
    assert state is not None
    assert isinstance(next_step(state, driver.now), ReleaseClaims)
    assert [claim.waybill for claim in standing_claims(state)] == [WAYBILLS[2]]
    driver.state = state
    driver.do_what_is_due()
    assert not driver.state.claims_unknown
    driver.check()


def test_record_that_was_not_kept_leaves_its_notices_to_the_next() -> None:
    driver = at("delivered")
    decided(driver, "place_hold", "operator", **HOLD)
    step = next_step(driver.state, driver.now)
    assert isinstance(step, KeepRecord)
    lost = finish(driver.state, step, LedgerFacts(kept=False, revision=step.record.revision), driver.now)
    assert lost.notices == driver.state.notices
    kept = finish(driver.state, step, LedgerFacts(kept=True, revision=step.record.revision), driver.now)
    assert kept.notices == ()


# --- a refund that was decided between a posting and its report -------------------------------------------


def unreported(driver: OrderDriver, kind: str) -> None:
    """The movement is due and stands in the books; the worker died before it reported it."""
    driver.state = pass_deadlines(driver.state, driver.now)
    step = next_step(driver.state, driver.now)
    assert isinstance(step, Post)
    assert step.movement.kind == kind
    assert driver.books.post(step.movement) == "posted"


def refunded_meanwhile(driver: OrderDriver, **fields: Any) -> None:
    """Two people decide a refund; the ledger refuses it, and the register says what stands in the books."""
    for person in ("ann", "bob"):
        actor = {"role": "operator", "id": person}
        driver.arrive(driver.command("refund_order", "operator", actor=actor, reason="dented", **fields))
    step = next_step(driver.state, driver.now)
    assert isinstance(step, Post)
    outcome = driver.books.post(step.movement)
    assert outcome == "insufficient_funds"
    posted = Posted(reference=step.movement.reference, outcome=outcome, account="escrow", short_by_minor=1)
    driver.state = finish(start(driver.state, step), step, posted, driver.now)
    assert driver.holds() == {"ledger_disagrees"}
    state = followed(driver, revision=driver.state.revision - 1)
    assert state is not None
    driver.state = state
    driver.do_what_is_due()


REFUNDS: dict[str, dict[str, Any]] = {
    "an amount": {"amount_minor": 1000},
    "a line": {"lines": [{"line_id": "2", "quantity": 1}]},
    "all": {},
}


@pytest.mark.parametrize("fields", REFUNDS.values(), ids=list(REFUNDS))
@pytest.mark.parametrize("discount", ["merchant", "platform"])
@pytest.mark.parametrize("kind", ["credit", "settle"])
def test_refund_decided_before_a_postings_report_comes_out_of_where_the_money_is(
    kind: str, discount: Any, fields: dict[str, Any]
) -> None:
    order = an_order(discount_minor=333, total_minor=13247, discount_funded_by=discount)
    driver = OrderDriver(order).open()
    driver.ship()
    driver.deliver()
    if kind == "credit":
        driver.arrive(driver.command("confirm_receipt", "buyer"))
    else:
        driver.confirm()
        driver.now += 8 * DAY
    unreported(driver, kind)
    refunded_meanwhile(driver, **fields)
    assert driver.holds() == set()
    assert [refund.source for refund in driver.state.refunds] == ["proceeds" if kind == "credit" else "merchant"]
    driver.channel_says("arrived")
    driver.check()
    driver.advance(8 * DAY)
    assert driver.state.closed
    assert driver.state.parcel("p1") is not None
    assert (driver.state.audit, driver.receipt) == ("approved", "confirmed")
    driver.check()


def test_case_decided_before_the_credits_report_is_paid_out_of_the_proceeds() -> None:
    driver = OrderDriver().open()
    driver.ship()
    driver.deliver()
    driver.arrive(driver.command("confirm_receipt", "buyer"))
    unreported(driver, "credit")
    driver.arrive(driver.command("open_after_sale", "buyer", kind="refund_only", reason="damaged", amount_minor=500))
    driver.arrive(driver.command("agree_after_sale", "merchant"))
    state = followed(driver, revision=driver.state.revision - 1)
    assert state is not None
    driver.state = state
    driver.do_what_is_due()
    assert [(refund.source, refund.status) for refund in driver.state.refunds] == [("proceeds", "booked")]
    assert driver.phase == "credited"
    driver.channel_says("arrived")
    driver.check()
