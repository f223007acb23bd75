"""A hold on a settled order: what the order brought is kept from being withdrawn, at most what is there, and let go."""

from __future__ import annotations

from typing import Any

import pytest
from order_driver import OrderDriver
from order_points import credited
from order_samples import DAY

from core.answers import Answer
from core.movements import Movement, freeze
from core.order.recovering import follow
from core.order.steps import OrderStep
from core.reasons import Refusal
from core.records import LedgerFacts
from core.states import Hold
from core.steps import Post, Posted, PostingOutcome

BROUGHT = 12_941
"""What the order of the samples brings its merchant."""


def settled() -> OrderDriver:
    driver = credited().advance(8 * DAY)
    assert (driver.phase, driver.state.closed) == ("settled", True)
    return driver


def frozen(driver: OrderDriver) -> tuple[int, int]:
    """What is available, and what is frozen."""
    return driver.books.of("available"), driver.books.of("frozen")


@pytest.mark.parametrize("scope", ["payout", "all"])
def test_a_hold_freezes_what_the_order_brought_and_lifting_gives_it_back(scope: str) -> None:
    driver = settled()
    assert isinstance(driver.hold(scope=scope), Answer)
    assert frozen(driver) == (0, BROUGHT)
    assert not driver.state.closed
    assert isinstance(driver.lift(), Answer)
    assert (frozen(driver), driver.state.closed) == ((BROUGHT, 0), True)


def test_a_second_hold_freezes_nothing_more_and_the_last_that_is_lifted_releases() -> None:
    driver = settled()
    driver.hold(scope="payout")
    driver.hold("second", scope="payout")
    assert frozen(driver) == (0, BROUGHT)
    driver.lift()
    assert (frozen(driver), driver.state.closed) == ((0, BROUGHT), False)
    driver.lift("second")
    assert (frozen(driver), driver.state.closed) == ((BROUGHT, 0), True)


def test_money_that_was_withdrawn_cannot_be_frozen() -> None:
    driver = settled()
    driver.books.balances["available"] = 100
    driver.books.balances["rail"] = BROUGHT - 100
    driver.hold(scope="payout")
    assert frozen(driver) == (0, 100)
    driver.lift()
    assert frozen(driver) == (100, 0)


def test_a_hold_where_nothing_is_left_stands_and_is_lifted() -> None:
    driver = settled()
    driver.books.balances["available"], driver.books.balances["rail"] = 0, BROUGHT
    driver.hold(scope="payout")
    assert (driver.holds(), frozen(driver), driver.state.closed) == ({"risk"}, (0, 0), False)
    driver.lift()
    assert (driver.holds(), frozen(driver), driver.state.closed) == (set(), (0, 0), True)


def test_a_refund_uses_what_the_hold_froze() -> None:
    driver = settled()
    driver.hold(scope="payout")
    for person in ("ann", "bob"):
        actor = {"role": "operator", "id": person}
        driver.send("refund_order", "operator", actor=actor, amount_minor=1000, reason="dented")
    driver.channel_says("arrived")
    available, kept = frozen(driver)
    assert (available, 0 < kept < BROUGHT) == (0, True)
    driver.lift()
    assert (frozen(driver), driver.state.closed) == ((kept, 0), True)


@pytest.mark.parametrize("amount", [1000, 13_580])
@pytest.mark.parametrize("withdrawn", [0, 5_000])
def test_what_was_charged_back_and_won_is_kept_again_by_a_hold_that_stands(amount: int, withdrawn: int) -> None:
    driver = settled()
    driver.books.balances["available"] -= withdrawn
    driver.books.balances["rail"] = withdrawn
    driver.hold(scope="payout")
    kept = driver.books.of("frozen")
    fields = {"case_reference": "d-1", "amount_minor": amount}
    assert isinstance(driver.send("report_chargeback", "operator", outcome="opened", **fields), Answer)
    assert driver.books.of("frozen") < kept
    assert isinstance(driver.send("report_chargeback", "operator", case_reference="d-1", outcome="won"), Answer)
    assert frozen(driver) == (0, kept)
    driver.lift()
    assert (frozen(driver), driver.state.closed) == ((kept, 0), True)


def test_what_was_frozen_after_a_chargeback_is_released_once_that_was_won() -> None:
    """The channel took nothing of it: it is frozen yet when what was taken comes back."""
    driver = settled()
    opened = {"case_reference": "d-1", "amount_minor": 12_000, "outcome": "opened"}
    assert isinstance(driver.send("report_chargeback", "operator", **opened), Answer)
    left = driver.books.of("available")
    driver.hold(scope="all")
    assert (left > 0, frozen(driver)) == (True, (0, left))
    driver.send("report_chargeback", "operator", case_reference="d-1", outcome="won")
    driver.lift()
    assert (frozen(driver), driver.state.closed) == ((BROUGHT, 0), True)


@pytest.mark.parametrize("withdrawn", [0, 400])
def test_a_worker_that_dies_once_a_dispute_is_won_freezes_again_what_is_there(withdrawn: int) -> None:
    driver = settled()
    driver.hold(scope="payout")
    opened = {"case_reference": "d-1", "amount_minor": 1000, "outcome": "opened"}
    assert isinstance(driver.send("report_chargeback", "operator", **opened), Answer)

    def dies(step: OrderStep) -> None:
        """It posts this and dies before it says so; the merchant withdraws, and the next worker posts again."""
        driver.during, driver._unheard = None, True
        assert isinstance(step, Post)
        assert (step.movement.kind, driver.books.post(step.movement)) == ("chargeback_won", "posted")
        driver.books.balances["available"] -= withdrawn
        driver.books.balances["rail"] = withdrawn

    driver.during = dies
    for _again in range(2):
        driver.send("report_chargeback", "operator", case_reference="d-1", outcome="won")
    assert frozen(driver) == (0, BROUGHT - withdrawn)
    driver.lift()
    assert (frozen(driver), driver.state.closed) == ((BROUGHT - withdrawn, 0), True)


def test_a_case_that_ends_leaves_what_a_hold_still_keeps() -> None:
    driver = settled()
    driver.send("open_after_sale", "buyer", kind="refund_only", reason="quality", amount_minor=500, text="it tears")
    kept_for_case = driver.books.of("frozen")
    assert 0 < kept_for_case < BROUGHT
    driver.hold(scope="payout")
    assert frozen(driver) == (0, BROUGHT)
    driver.send("withdraw_after_sale", "buyer")
    assert frozen(driver) == (0, BROUGHT)
    driver.lift()
    assert (frozen(driver), driver.state.closed) == ((BROUGHT, 0), True)


def test_a_hold_on_the_credit_of_a_settled_order_comes_too_late() -> None:
    answer = settled().hold(scope="credit")
    assert isinstance(answer, Refusal)
    assert answer.code == "already_credited"


def test_an_order_that_ended_otherwise_takes_no_hold_once_it_is_closed() -> None:
    driver = OrderDriver().open()
    driver.send("cancel_order", "buyer", reason="no")
    driver.channel_says("arrived")
    answer = driver.hold(scope="payout")
    assert isinstance(answer, Refusal)
    assert answer.code == "order_over"


def _froze_before(driver: OrderDriver, amount: int) -> None:
    """A try whose worker died froze this much under the number that comes next; the order does not know of it."""
    names: dict[str, Any] = {"k": 1, "merchant_id": "m-1", "currency": "CNY", "occurred_at": driver.now}
    assert driver.books.post(freeze("A1001", amount_minor=amount, **names)) == "posted"
    driver._unheard = True


@pytest.mark.parametrize("already", [1, 500, BROUGHT])
def test_a_freeze_that_stands_with_another_amount_needs_no_person(already: int) -> None:
    driver = settled()
    _froze_before(driver, already)
    driver.hold(scope="payout")
    assert driver.holds() == {"risk"}
    assert frozen(driver) == (0, BROUGHT)
    driver.lift()
    assert (frozen(driver), driver.state.closed) == ((BROUGHT, 0), True)


def test_a_freeze_that_stands_is_released_though_nothing_is_disputed_any_more() -> None:
    driver = settled()
    _froze_before(driver, 500)

    def during(step: OrderStep) -> None:
        driver.during = None
        driver.arrive(driver.command("lift_hold", "operator", name="risk", reason="checked"))

    driver.during = during
    driver.hold(scope="payout")
    assert (driver.holds(), frozen(driver), driver.state.closed) == (set(), (BROUGHT, 0), True)


def test_an_order_that_was_set_back_starts_again_where_the_register_knows_what_was_frozen() -> None:
    driver = settled()
    _froze_before(driver, 500)
    given = {"name": "ledger_disagrees", "scope": "all", "reason": "x", "owner": "operator", "since": driver.now}
    conflict = Hold.model_validate({**given, "facts": {"movement": "freeze"}})
    references = tuple(driver.books.movements)
    for kept, known in ((False, False), (True, True)):
        standing = LedgerFacts(kept=kept, revision=99, references=references)
        assert (follow(driver.state.with_hold(conflict), standing, driver.now) is not None) == known


def test_what_is_frozen_waits_while_its_merchant_is_frozen_and_goes_back_after_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = settled()
    driver.hold(scope="payout")
    posted = driver.books.post

    def frozen_merchant(movement: Movement) -> PostingOutcome:
        return "held" if movement.kind == "release" else posted(movement)

    monkeypatch.setattr(driver.books, "post", frozen_merchant)
    monkeypatch.setattr(driver, "_posted", lambda movement: _answer(driver, movement))
    driver.lift()
    assert (driver.holds(), frozen(driver), driver.state.closed) == ({"merchant_frozen"}, (0, BROUGHT), False)
    monkeypatch.undo()
    driver.lift("merchant_frozen")
    assert (frozen(driver), driver.state.closed) == ((BROUGHT, 0), True)


def _answer(driver: OrderDriver, movement: Movement) -> Posted:
    return Posted(reference=movement.reference, outcome=driver.books.post(movement))
