"""A chargeback of what a buyer paid again for a claim: known, and gone from those who got that money."""

from __future__ import annotations

from typing import Any

import pytest
from case_driver import code, say, stage
from claim_driver import COMMISSION, TOTAL, charging
from order_driver import OrderDriver

SECOND = "4200000042"


def paid_again() -> OrderDriver:
    """The buyer paid the claim with a payment that has this number at the channel."""
    driver = charging()
    assert driver.buyer_pays()
    (case,) = (case for case in driver.state.cases if case.claim is not None)
    assert case.claim is not None
    driver.state = driver.state.with_case(case.changed(claim=case.claim.changed(reference=SECOND)))
    driver.check()
    return driver


def charge_back(driver: OrderDriver, amount_minor: int, reference: str = "d-1", **more: Any) -> str:
    fields = {"case_reference": reference, "amount_minor": amount_minor, "payment": SECOND, **more}
    return code(say(driver, "report_chargeback", "operator", **fields))


def end(driver: OrderDriver, outcome: str) -> str:
    return code(say(driver, "report_chargeback", "operator", case_reference="d-1", outcome=outcome))


def moneys(driver: OrderDriver) -> tuple[int, int, int]:
    """What the merchant has, what it owes, and what the platform bears."""
    driver.check()
    books = driver.books
    return books.of("available"), -books.of("receivable"), -books.of("goodwill")


def test_it_goes_from_the_merchant_and_the_platform_its_commission() -> None:
    driver = paid_again()
    assert charge_back(driver, TOTAL) == "accepted"
    assert (stage(driver), moneys(driver)) == ("disputed", (0, 0, COMMISSION))
    assert not driver.notices("chargeback_above"), "the buyer had none of it back"
    assert end(driver, "lost") == "accepted"
    assert (moneys(driver), driver.state.closed) == ((0, 0, COMMISSION), True)
    driver.check_json()


def test_one_that_is_won_comes_back_to_where_it_was() -> None:
    driver = paid_again()
    before = moneys(driver)
    assert charge_back(driver, 1000) == "accepted"
    assert moneys(driver)[2] == 1000 * COMMISSION // TOTAL
    assert end(driver, "won") == "accepted"
    assert (moneys(driver), driver.state.closed) == (before, True)


def test_what_was_withdrawn_meanwhile_is_owed() -> None:
    driver = paid_again()
    driver.books.withdraw()
    assert charge_back(driver, TOTAL) == "accepted"
    assert moneys(driver) == (0, TOTAL - COMMISSION, COMMISSION)


def test_each_payment_is_charged_back_at_most_whole() -> None:
    driver = paid_again()
    assert charge_back(driver, TOTAL + 1) == "above_refundable"
    assert charge_back(driver, TOTAL) == "accepted"
    assert end(driver, "lost") == "accepted"
    assert charge_back(driver, 1, "d-2") == "above_refundable"
    assert charge_back(driver, 1, "d-2", payment="4200000043") == "unknown_payment"
    assert charge_back(driver, TOTAL, "d-2", payment=None) == "accepted", "the first payment, refunded before"
    driver.check()


@pytest.mark.parametrize("named", [False, True])
def test_a_payment_that_is_the_orders_own_is_not_a_claims(named: bool) -> None:
    driver = paid_again()
    assert charge_back(driver, TOTAL, payment=driver.order.payment.reference if named else None) == "accepted"
    assert driver.state.cases[-1].dispute is not None
    assert driver.state.cases[-1].dispute.claim is None
    assert driver.notices("chargeback_above")
