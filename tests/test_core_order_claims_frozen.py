"""What a buyer pays again while the merchant is frozen: kept for the order, shown, and let go with the merchant."""

from __future__ import annotations

from typing import Any

import pytest
from case_driver import code, say, stage
from claim_driver import COMMISSION, TOTAL, charging, claim, settled_money
from order_driver import OrderDriver
from order_points import credited
from order_samples import DAY

from core.movements import Movement
from core.order.recovering import follow
from core.records import LedgerFacts
from core.steps import Posted


def frozen_merchant(driver: OrderDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger makes nothing available to the merchant until `undo`."""
    posted = driver.books.post

    def post(movement: Movement) -> Posted:
        to_available = any(leg.credit.endswith("/available") for leg in movement.legs)
        return Posted(reference=movement.reference, outcome="held" if to_available else posted(movement))

    monkeypatch.setattr(driver, "_posted", post)


def test_what_a_buyer_pays_again_stays_frozen_with_the_order_until_its_merchant_is_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = charging()
    frozen_merchant(driver, monkeypatch)
    assert driver.buyer_pays()
    assert (stage(driver), driver.holds()) == ("paid_back", {"merchant_frozen"})
    assert settled_money(driver) == (0, COMMISSION)
    assert (driver.books.of("frozen"), driver.state.closed) == (TOTAL - COMMISSION, False)
    driver.lift("merchant_frozen")
    assert (driver.holds(), driver.books.of("frozen")) == ({"merchant_frozen"}, TOTAL - COMMISSION), "lifted too early"
    monkeypatch.undo()
    driver.lift("merchant_frozen")
    assert settled_money(driver) == (TOTAL - COMMISSION, COMMISSION)
    assert (driver.books.of("frozen"), driver.state.closed) == (0, True)
    driver.check_json()


def test_what_a_buyer_pays_again_is_available_where_the_merchant_was_let_go_before_the_hold_was_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = charging()
    driver.let_go.add("merchant_frozen")
    posted, held = driver.books.post, ["held"]

    def post(movement: Movement) -> Posted:
        waits = movement.kind == "claim_back" and held
        return Posted(reference=movement.reference, outcome="held" if waits and held.pop() else posted(movement))

    monkeypatch.setattr(driver, "_posted", post)
    assert driver.buyer_pays()
    assert (driver.holds(), driver.books.of("frozen"), driver.state.closed) == (set(), 0, True)
    assert settled_money(driver) == (TOTAL - COMMISSION, COMMISSION)


def test_it_is_frozen_beside_what_a_hold_keeps_of_a_settled_order_and_all_goes_back_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = credited().advance(8 * DAY)
    available = driver.books.of("available")
    for person in ("ann", "bob"):
        actor = {"role": "operator", "id": person}
        say(driver, "refund_order", "operator", actor=actor, amount_minor=1000, reason="it never came")
    assert driver.channel_says("arrived")
    assert code(claim(driver)) == "accepted"
    say(driver, "accept_claim_back", "buyer")
    kept = driver.books.of("available")
    driver.hold(scope="payout")
    assert driver.books.of("frozen") == kept
    frozen_merchant(driver, monkeypatch)
    assert driver.buyer_pays()
    assert driver.books.of("frozen") == available
    monkeypatch.undo()
    driver.lift("merchant_frozen")
    assert driver.books.of("frozen") == available, "the other hold keeps all of it"
    driver.lift()
    assert (driver.books.of("available"), driver.books.of("frozen")) == (available, 0)
    assert driver.state.closed


def test_a_claim_that_was_booked_before_its_report_is_released_although_the_hold_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = charging()
    frozen_merchant(driver, monkeypatch)
    before = driver.state
    assert driver.buyer_pays()
    monkeypatch.undo()
    (case,) = (case for case in driver.state.cases if case.claim is not None)
    assert case.claim is not None
    asked = before.with_case(before.cases[-1].changed(claim=case.claim.changed(status="confirmed")))
    standing = LedgerFacts(kept=True, revision=before.revision, references=tuple(driver.books.movements))
    after = follow(asked, standing, driver.now)
    assert after is not None
    assert after.frozen
    driver.state = after
    driver.do_what_is_due()
    assert (driver.books.of("frozen"), driver.state.closed) == (0, True)
    assert settled_money(driver) == (TOTAL - COMMISSION, COMMISSION)


def dispute(driver: OrderDriver, outcome: str, **fields: Any) -> str:
    return code(say(driver, "report_chargeback", "operator", case_reference="d-1", outcome=outcome, **fields))


def numbered(driver: OrderDriver, payment: str) -> None:
    """The channel's number of the payment for the claim."""
    (case,) = (case for case in driver.state.cases if case.claim is not None)
    assert case.claim is not None
    driver.state = driver.state.with_case(case.changed(claim=case.claim.changed(reference=payment)))


@pytest.mark.parametrize("amount", [1000, TOTAL])
def test_what_was_charged_back_of_a_claim_and_won_is_frozen_again_while_its_merchant_is(
    amount: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = charging()
    frozen_merchant(driver, monkeypatch)
    assert driver.buyer_pays()
    numbered(driver, "4200000042")
    monkeypatch.undo()  # the books know that a reverse does not wait for the merchant
    assert dispute(driver, "opened", amount_minor=amount, payment="4200000042") == "accepted"
    assert driver.books.of("frozen") == TOTAL - COMMISSION - (amount - amount * COMMISSION // TOTAL)
    assert dispute(driver, "won") == "accepted"
    assert (settled_money(driver)[0], driver.books.of("frozen")) == (0, TOTAL - COMMISSION)
    assert not driver.state.closed
    driver.lift("merchant_frozen")
    assert (settled_money(driver)[0], driver.books.of("frozen")) == (TOTAL - COMMISSION, 0)
    assert driver.state.closed


def test_what_was_charged_back_of_a_claim_and_won_after_the_freeze_is_available(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = charging()
    frozen_merchant(driver, monkeypatch)
    assert driver.buyer_pays()
    numbered(driver, "4200000042")
    monkeypatch.undo()
    assert dispute(driver, "opened", amount_minor=1000, payment="4200000042") == "accepted"
    driver.lift("merchant_frozen")
    assert dispute(driver, "won") == "accepted"
    assert (settled_money(driver)[0], driver.books.of("frozen")) == (TOTAL - COMMISSION, 0)
    assert driver.state.closed
