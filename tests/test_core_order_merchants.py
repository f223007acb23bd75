"""An order of a stopped merchant: the ledger holds its money, the order shows it, and goes on once it is lifted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from order_driver import OrderDriver
from order_points import credited, delivered
from order_samples import DAY, T0, a_policy, an_order

from core.merchants import MERCHANT_FROZEN, MerchantTerms
from core.order.calling import merchant_hold
from core.order.folding import open_at_once
from core.order.opening import Screening, begin
from core.order.recovering import recover
from core.order.views import holds_of, record_of
from core.policy import Policy, resolve_recorded, with_terms
from core.steps import Posted


@pytest.mark.parametrize(
    ("live", "scope", "phase"), [(delivered, "credit", "shipped"), (credited, "payout", "credited")]
)
def test_money_of_a_frozen_merchant_is_held_by_name(live: Callable[[], OrderDriver], scope: str, phase: str) -> None:
    driver = live()
    driver.ledger_says.append("held")
    if phase == "shipped":
        driver.confirm()
    driver.advance(20 * DAY)
    assert (driver.phase, driver.holds()) == (phase, {MERCHANT_FROZEN})
    (hold,) = driver.state.holds
    assert (hold.scope, hold.owner) == (scope, "operator")
    assert [one.to for one in driver.notices("money_held")] == ["operator"]
    (view,) = [view for view in holds_of(driver.state) if view.reason == MERCHANT_FROZEN]
    assert "merchant unfreeze" in view.what_helps
    assert (view.what_helps_zh or "").startswith("商家已被冻结。")
    driver.lift(MERCHANT_FROZEN)
    assert driver.phase == ("credited" if phase == "shipped" else "settled")


def test_a_hold_that_is_lifted_while_the_merchant_is_frozen_comes_back() -> None:
    driver = delivered()
    driver.ledger_says.extend(["held", "held"])
    driver.confirm()
    driver.lift(MERCHANT_FROZEN)
    assert (driver.phase, driver.holds()) == ("shipped", {MERCHANT_FROZEN})
    driver.lift(MERCHANT_FROZEN)
    assert driver.phase == "credited"


@pytest.mark.parametrize(
    ("live", "phase"), [(delivered, "credited"), (credited, "settled")], ids=["credit", "settlement"]
)
def test_an_order_whose_merchant_was_let_go_before_its_hold_was_recorded_tries_again_at_once(
    live: Callable[[], OrderDriver], phase: str
) -> None:
    driver = live()
    driver.ledger_says.append("held")
    driver.let_go.add(MERCHANT_FROZEN)
    if phase == "credited":
        driver.confirm()
    else:
        driver.advance(20 * DAY)
    assert (driver.phase, driver.holds()) == (phase, set())
    noted = [one for one in driver.state.inbox.journal if one.verb == "lift_hold"]
    assert [one.message for one in noted] == ["merchant_frozen: not so any more."]


def test_a_hold_of_another_name_is_not_let_go_with_the_merchant() -> None:
    driver = OrderDriver().open()
    driver.let_go.add(MERCHANT_FROZEN)
    driver.hold("risk")
    driver.hold(MERCHANT_FROZEN)
    assert driver.holds() == {"risk"}


def test_a_frozen_merchants_buyer_still_gets_the_money_back() -> None:
    driver = OrderDriver().open()
    driver.hold(MERCHANT_FROZEN)
    driver.send("cancel_order", "buyer", reason="no")
    driver.channel_says("arrived")
    assert (driver.phase, driver.refund_status()) == ("cancelled", ["arrived"])


def test_the_hold_of_all_orders_of_a_merchant_tells_nobody_once_more() -> None:
    driver = delivered()
    driver.hold(MERCHANT_FROZEN)
    driver.lift(MERCHANT_FROZEN)
    assert not {"hold_placed", "hold_lifted", "money_held"} & {notice.name for notice in driver.noticed.values()}


def test_an_order_is_opened_with_what_its_money_is_held_for() -> None:
    hold = merchant_hold(MERCHANT_FROZEN, "credit", T0)
    state = open_at_once(an_order(), a_policy(), Screening(verdict="allow"), T0, (hold,))
    assert [one.name for one in state.holds] == [MERCHANT_FROZEN]
    assert {notice.name for notice in state.notices} == {"money_held", "ship"}


def test_a_merchants_own_terms_are_folded_in_and_kept_by_a_rescue() -> None:
    policy = Policy(name="default", commission_bps=500)
    order = an_order()
    terms = MerchantTerms(settlement_delay=9 * DAY, commission_bps=100, auto_withdraw=True)
    resolved = with_terms(resolve_recorded(policy, order, {}), order, terms)
    assert (resolved.order.settlement_delay, resolved.order.auto_withdraw) == (9 * DAY, True)
    assert {resolved.commission_for(order.merchant_id, line.category) for line in order.lines} == {100}
    saved = record_of(begin(order, resolved, T0), T0).state
    again = resolve_recorded(policy, order, saved["policy"])
    assert again == resolved
    assert recover(order, again, saved, (), T0).policy == resolved
    assert resolve_recorded(policy, order, {}).commission_for(order.merchant_id, "food") == 500


def test_no_terms_of_its_own_leave_the_policy_as_it_is() -> None:
    policy = a_policy()
    assert with_terms(policy, an_order(), MerchantTerms()) is policy
    assert Posted(reference="order/A1/credit", outcome="held").moved is False
