"""What must be true of an order at any time: of its money, its waiting, its inbox, its parcels and its cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.aftersale.state import ClaimBack
from core.order.deadlines import wake_at
from core.order.shares import credit_shares
from core.order.steps import next_step
from core.order.watches import audit_watches, charge_watches, refund_watches
from core.records import OrderRecord
from core.steps import Post

if TYPE_CHECKING:
    from order_driver import OrderDriver


def check_order(driver: OrderDriver) -> None:
    """Everything that can be seen from one state and the books."""
    check_money(driver)
    check_accounts(driver)
    check_waiting(driver)
    check_inbox(driver)
    check_parcels(driver)
    check_cases(driver)


def check_votes(step: Post) -> None:
    """The database books no refund's arrival and no claim beside the vote of one person."""
    record = step.record
    assert isinstance(record, OrderRecord)
    votes: list[list[str]] = []
    if step.movement.kind == "refund_arrived":
        cause = step.movement.name("cause")
        votes = next(refund["votes"] for refund in record.state["refunds"] if refund["cause"] == cause)
    elif step.movement.kind == "claim_back":
        case = next(case for case in record.state["cases"] if str(case["case_id"]) == step.movement.name("k"))
        votes = case["claim"].get("votes", [])
    assert len(votes) != 1, f"{step.movement.reference} stands beside one person's vote"


def check_money(driver: OrderDriver) -> None:
    state, books = driver.state, driver.books
    assert sum(books.balances.values()) == 0
    posted = [refund for refund in state.refunds if refund.status != "owed"]
    booked = sum(refund.amount_minor for refund in posted)
    arrived = sum(refund.amount_minor for refund in state.refunds if refund.status == "arrived")
    assert books.payable() == booked - arrived
    total = driver.order.total_minor if state.funded else 0
    borne = sum(refund.amount_minor for refund in state.refunds if refund.bearer == "merchant")
    shares = credit_shares(state) if state.credited_at else None
    taken = shares.proceeds_minor + shares.commission_minor if shares else 0
    of_escrow = (refund for refund in posted if refund.bearer == "merchant" and refund.source == "escrow")
    held = total - sum(refund.amount_minor for refund in of_escrow)
    assert books.of("escrow") == (0 if state.credited_at else held)
    if state.phase == "credited":
        gone = sum(refund.from_merchant_minor for refund in posted if refund.source == "proceeds")
        assert books.of("proceeds") == state.credited_minor - gone
    assert borne + taken <= driver.order.total_minor
    assert state.frozen or books.of("frozen") == 0
    if state.closed:
        assert books.of("escrow") == 0
        assert books.of("proceeds") == 0
        assert books.payable() == 0
        assert borne + taken == driver.order.total_minor
    if state.phase in {"cancelled", "refused", "refunded"}:
        assert borne == driver.order.total_minor
    assert len({refund.cause for refund in state.refunds}) == len(state.refunds)


def check_accounts(driver: OrderDriver) -> None:
    """Every account stands where the order's own figures say; all together they are zero."""
    state, books = driver.state, driver.books
    posted = [refund for refund in state.refunds if refund.status != "owed"]
    taken_back = [refund for refund in posted if refund.source != "escrow"]
    arrived = sum(refund.amount_minor for refund in posted if refund.status == "arrived")
    fees = [case.dispute for case in state.cases if case.dispute is not None and case.dispute.fee_booked]
    fee = sum(dispute.fee_minor for dispute in fees)
    aboves = [case.dispute.above for case in state.cases if case.dispute is not None and case.dispute.above is not None]
    booked = [one for one in aboves if one.status == "booked"]
    above = {
        whose: sum(one.amount_minor - one.platform_minor for one in booked if one.bearer == whose)
        for whose in ("merchant", "platform")
    }
    above["platform"] += sum(one.platform_minor for one in booked)
    for refund in (refund for refund in posted if refund.covered_by is not None):
        dispute = next(case.dispute for case in state.cases if case.case_id == refund.covered_by)
        assert dispute is not None
        assert dispute.above is not None
        above[dispute.above.bearer] -= refund.amount_minor
    paid = driver.order.total_minor if state.funded else 0
    claims = [case.claim for case in state.cases if case.claim is not None and case.claim.status == "booked"]
    paid_again = sum(claim.amount_minor for claim in claims)
    assert paid_again <= arrived, "no more is claimed back than went back"
    assert -books.of("psp") == paid - arrived - fee - sum(above.values()) + paid_again
    kept = sum(case.amount_minor or 0 for case in state.cases if case.dispute and case.stage != "won")
    assert kept <= paid + paid_again
    again = sum(claim.commission_minor for claim in claims)
    assert books.of("commission") == state.commission_minor - sum(r.commission_minor for r in taken_back) + again
    not_yet = sum(refund.discount_minor for refund in state.refunds if refund.status == "owed")
    added = credit_shares(state).discount_minor + not_yet if state.credited_at else 0
    added += sum(claim.discount_minor for claim in claims)
    assert -books.of("discount") <= driver.order.discount_minor
    assert -books.of("discount") == added, "what the platform adds is what it added less what it took back"
    by_platform = sum(refund.amount_minor for refund in posted if refund.bearer == "platform")
    recovered = sum(claim.goodwill_minor for claim in claims)
    assert recovered <= by_platform
    assert -books.of("goodwill") == by_platform + above["platform"] - recovered
    if claims or state.settled_at is not None:
        taken = sum(refund.from_merchant_minor for refund in posted if refund.source == "merchant")
        of_merchant = sum(map(books.of, ("available", "frozen", "receivable", "spent")))
        taken += sum(dispute.fee_minor for dispute in fees if dispute.fee_bearer == "merchant") + above["merchant"]
        assert of_merchant == (state.settled_minor or 0) - taken + sum(map(_of_merchant, claims))
        assert not (books.of("available") and books.of("receivable")), "what is owed is taken first"
    assert (f"order/{driver.order.order_id}/credit" in books.movements) == (state.credited_at is not None)
    assert (f"order/{driver.order.order_id}/settle" in books.movements) == (state.settled_at is not None)
    for refund in posted:
        kind = f"refund/{refund.cause}" if refund.chargeback is None else f"chargeback/{refund.chargeback}"
        assert f"order/{driver.order.order_id}/{kind}" in books.movements
    assert 0 <= sum(refund.amount_minor for refund in state.refunds) <= driver.order.total_minor


def _of_merchant(claim: ClaimBack) -> int:
    """What a claim brings the merchant."""
    return claim.amount_minor - claim.commission_minor - claim.goodwill_minor + claim.discount_minor


def check_waiting(driver: OrderDriver) -> None:
    """An order that is not closed waits for a deadline, a watch or a named hold, and no step is left."""
    state = driver.state
    if state.closed:
        return
    assert next_step(state, driver.now) is None
    watches = (*audit_watches(state), *refund_watches(state), *charge_watches(state))
    waits = wake_at(state, driver.now) is not None or state.holds or watches
    assert waits, f"{state.phase} waits for nothing"
    assert all(hold.owner for hold in state.holds)
    assert state.recorded_revision == state.revision
    assert state.notices == ()
    assert driver.record is not None
    assert driver.record.revision == state.revision


def check_inbox(driver: OrderDriver) -> None:
    inbox, limits = driver.state.inbox, driver.state.policy.order
    assert inbox.seq == len(inbox.journal) + sum(inbox.dropped.values())
    assert [entry.seq for entry in inbox.journal] == list(range(inbox.seq - len(inbox.journal) + 1, inbox.seq + 1))
    assert len(inbox.answers) == inbox.counted
    assert inbox.counted - driver.state.staff_commands <= limits.commands_max
    assert driver.state.staff_commands <= 2 * limits.commands_max
    assert driver.state.scans_kept <= limits.scans_max


def check_parcels(driver: OrderDriver) -> None:
    state = driver.state
    left = state.left_to_ship()
    assert not (state.credited_at and left)
    for line in state.lines:
        assert left.get(line.line_id, 0) <= line.units_left
        units = (
            part.quantity for parcel in state.live_parcels for part in parcel.lines if part.line_id == line.line_id
        )
        assert 0 <= line.ended <= line.ended + line.returned <= line.quantity
        assert 0 <= line.refunded_minor <= line.paid_minor
        assert line.ended + sum(units) <= line.quantity
    live = bool(state.live_parcels)
    # An order's proceeds may be refunded after its credit; its parcels stay where they are.
    assert live == (state.phase in {"shipped", "credited", "settled"} or bool(state.over and state.credited_at))


def check_cases(driver: OrderDriver) -> None:
    """The clocks are paused exactly while a case is open, and no longer than allowed."""
    state, limits = driver.state, driver.state.policy.after_sale
    assert sum(case.open for case in state.cases) <= 1
    assert sum(case.dispute is None for case in state.cases) <= limits.cases_max
    assert state.paused_for <= limits.pause_most
    case = None if state.over else state.open_case
    assert (state.paused_since is not None) == (case is not None and state.paused_for < limits.pause_most)
    assert state.receipt.status != "paused" or state.paused_since is not None
    if state.paused_since is not None:
        assert state.receipt.status != "awaited"
        assert not {"receipt_by", "settle_at"} & driver.waits_for()
    if (case := state.open_case) is not None:
        overdue = "arbitration_overdue" if case.dispute is None else "chargeback_overdue"
        overdue = "claim_stuck" if case.stage == "charging" else overdue
        # The channel has the buyer's money, and a hold stops its posting.
        paid = case.claim is not None and case.claim.status == "confirmed" and bool(state.held("all"))
        assert case.due is not None or state.has_hold(overdue, case.subject) or paid
    for case in state.cases:
        refund = state.refund(case.cause) if case.cause is not None else None
        assert (refund is not None) == (case.stage in {"refunding", "refunded"})
        assert refund is None or case.stage != "refunded" or refund.status == "arrived"
