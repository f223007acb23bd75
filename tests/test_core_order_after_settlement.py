"""After the settlement: cases of a closed order, money frozen while they are open, and what is used or released."""

from __future__ import annotations

import pytest
from case_driver import LINE_2, TOTAL, case, code, policy, say, send_back, stage
from order_driver import OrderDriver, verb_of
from order_samples import DAY, an_order

from core.messages import Order
from core.order.steps import OrderStep

LINE_2_OF_MERCHANT = LINE_2 - 440


def settled(order: Order | None = None, **limits: int) -> OrderDriver:
    """The merchant has the order's money available, and its workflow has ended."""
    driver = OrderDriver(order, policy=policy(**limits)).open()
    driver.ship()
    driver.deliver()
    driver.confirm()
    driver.advance(8 * DAY)
    assert (driver.phase, driver.state.closed) == ("settled", True)
    return driver


def line_2(driver: OrderDriver) -> None:
    """A case about the second line, within the time that there is for its reason."""
    lines = [{"line_id": "2", "quantity": 1}]
    assert code(case(driver, "return_and_refund", "quality", lines=lines)) == "accepted"


def spend(driver: OrderDriver, amount_minor: int) -> None:
    """The merchant withdraws so much."""
    driver.books.balances["available"] -= amount_minor
    driver.books.balances["spent"] = amount_minor


def money(driver: OrderDriver) -> tuple[int, int, int]:
    return driver.books.of("available"), driver.books.of("frozen"), -driver.books.of("receivable")


# --- who may, and until when -------------------------------------------------------------------------------


def test_the_buyer_may_ask_until_the_window_of_the_reason_ends() -> None:
    driver = settled()
    assert code(case(driver, "refund_only", "damaged")) == "after_sale_window_over"
    assert code(case(driver, "refund_only", "quality")) == "accepted"
    assert (driver.phase, driver.state.closed, driver.state.after_sale) == ("settled", False, "open")
    driver.check()


def test_after_every_window_only_an_operator_opens_a_case() -> None:
    driver = settled().advance(30 * DAY)
    assert code(case(driver, "refund_only", "quality")) == "after_sale_window_over"
    opened = driver.send("open_after_sale", "operator", kind="refund_only", reason="quality")
    assert code(opened) == "accepted"
    driver.check()


@pytest.mark.parametrize("way", ["cancelled", "refunded"])
def test_an_order_that_ended_without_a_settlement_takes_no_case(way: str) -> None:
    driver = OrderDriver().open()
    driver.send("cancel_order", "buyer", reason="no")
    if way == "refunded":
        driver = OrderDriver().open()
        for person in ("ann", "bob"):
            driver.send("refund_order", "operator", actor={"role": "operator", "id": person}, reason="x")
    assert driver.phase == way
    assert code(case(driver, "refund_only", "quality")) == "order_over"


def test_two_cases_at_once_are_refused() -> None:
    driver = settled()
    line_2(driver)
    assert code(case(driver, "refund_only", "quality")) == "case_open"


# --- freezing ----------------------------------------------------------------------------------------------


def test_what_the_case_is_about_is_frozen_and_no_more() -> None:
    driver = settled()
    before = driver.books.of("available")
    line_2(driver)
    assert money(driver) == (before - LINE_2_OF_MERCHANT, LINE_2_OF_MERCHANT, 0)
    assert [notice.facts for notice in driver.notices("frozen")] == [{"at_most_minor": str(LINE_2_OF_MERCHANT)}]
    driver.check()


def test_at_most_what_is_available_is_frozen() -> None:
    driver = settled()
    spend(driver, driver.books.of("available") - 1000)
    line_2(driver)
    assert money(driver) == (0, 1000, 0)
    driver.check()


def test_a_case_goes_on_where_nothing_is_available() -> None:
    driver = settled()
    spend(driver, driver.books.of("available"))
    line_2(driver)
    assert money(driver) == (0, 0, 0)
    assert driver.holds() == set()
    say(driver, "withdraw_after_sale", "buyer")
    assert (driver.state.closed, driver.state.frozen) == (True, False)
    driver.check()


@pytest.mark.parametrize("close", ["withdrawn", "not returned"])
def test_what_was_frozen_is_released_where_the_case_ends_with_nothing(close: str) -> None:
    driver = settled()
    before = driver.books.of("available")
    line_2(driver)
    if close == "withdrawn":
        say(driver, "withdraw_after_sale", "buyer")
    else:
        driver.advance(20 * DAY)
    assert stage(driver) == "closed"
    assert money(driver) == (before, 0, 0)
    assert driver.state.closed
    driver.check()


def test_a_second_case_freezes_again_under_another_number() -> None:
    driver = settled()
    for _ in range(2):
        line_2(driver)
        say(driver, "withdraw_after_sale", "buyer")
    numbers = [name for name in driver.books.movements if "/freeze/" in name or "/release/" in name]
    assert numbers == [f"order/A1001/{kind}/{n}" for n in (1, 2) for kind in ("freeze", "release")]
    driver.check()


def test_a_refund_uses_what_is_frozen_and_the_rest_is_released() -> None:
    driver = settled()
    before = driver.books.of("available")
    line_2(driver)
    say(driver, "refuse_after_sale", "merchant", reason="no")
    say(driver, "escalate", "buyer")
    driver.send("arbitrate", "reviewer", decision="part", amount_minor=1000, reason="half")
    driver.channel_says("arrived")
    share = driver.state.refunds[-1].commission_minor
    assert money(driver) == (before - 1000 + share, 0, 0)
    assert (stage(driver), driver.phase, driver.state.closed) == ("refunded", "settled", True)
    driver.check()


def test_money_that_came_meanwhile_stays_the_merchants_until_it_is_needed() -> None:
    """The merchant had little; what a refund takes beyond that is owed, and the next credit repays it."""
    driver = settled()
    spend(driver, driver.books.of("available") - 1000)
    line_2(driver)
    say(driver, "agree_after_sale", "merchant")
    send_back(driver)
    say(driver, "confirm_return", "merchant")
    driver.channel_says("arrived")
    assert money(driver) == (0, 0, LINE_2_OF_MERCHANT - 1000)
    driver.check()


def test_the_platform_bears_it_and_all_that_was_frozen_is_released() -> None:
    driver = settled()
    before = driver.books.of("available")
    line_2(driver)
    say(driver, "refuse_after_sale", "merchant", reason="no")
    say(driver, "escalate", "buyer")
    driver.send("arbitrate", "reviewer", decision="all", reason="goodwill", bears="platform")
    driver.channel_says("arrived")
    assert money(driver) == (before, 0, 0)
    assert driver.state.closed
    driver.check()


def test_a_hold_on_all_stops_the_refund_and_keeps_what_is_frozen() -> None:
    driver = settled()
    line_2(driver)
    driver.hold(scope="all")
    say(driver, "agree_after_sale", "merchant", with_return=False)
    assert driver.refund_status() == ["owed"]
    assert driver.books.of("frozen") >= LINE_2_OF_MERCHANT  # a hold freezes what the order brought in
    driver.lift()
    driver.channel_says("arrived")
    assert (driver.books.of("frozen"), driver.state.closed) == (0, True)
    driver.check()


def test_a_case_that_is_withdrawn_while_its_money_is_being_frozen_releases_it() -> None:
    driver = settled()
    before = driver.books.of("available")

    def during(step: OrderStep) -> None:
        if verb_of(step) == "freeze":
            driver.during = None
            driver.arrive(driver.command("withdraw_after_sale", "buyer"))

    driver.during = during
    line_2(driver)
    assert (stage(driver), money(driver)) == ("closed", (before, 0, 0))
    assert driver.state.closed
    driver.check()


def test_the_platforms_discount_is_frozen_with_the_price_that_it_lowered() -> None:
    driver = settled(an_order(discount_funded_by="platform", discount_minor=333, total_minor=TOTAL - 333))
    line_2(driver)
    frozen = driver.books.of("frozen")
    say(driver, "agree_after_sale", "merchant", with_return=False)
    driver.channel_says("arrived")
    assert driver.state.refunds[-1].from_merchant_minor == frozen
    assert driver.books.of("frozen") == 0
    driver.check()


# --- clocks ------------------------------------------------------------------------------------------------


def test_no_clock_of_a_settled_order_stands_for_its_case() -> None:
    driver = settled()
    line_2(driver)
    assert driver.state.paused_since is None
    assert driver.waits_for() == {"answer_by", "case_reminder"}


def test_a_silent_merchant_is_waited_for_no_longer_than_before_the_settlement() -> None:
    driver = settled()
    line_2(driver)
    driver.advance(3 * DAY)
    assert stage(driver) == "awaiting_return"
    driver.check()


def test_a_release_takes_all_that_is_frozen_also_what_a_lost_report_froze() -> None:
    """The state knows of 1; the books froze all that the case was about before the worker died."""
    driver = settled()
    before = driver.books.of("available")
    line_2(driver)
    driver.state = driver.state.changed(
        freeze=driver.state.freeze.changed(asked_minor=1) if driver.state.freeze else None
    )
    assert driver.books.of("frozen") == LINE_2_OF_MERCHANT
    say(driver, "withdraw_after_sale", "buyer")
    assert money(driver) == (before, 0, 0)
    assert driver.state.closed
