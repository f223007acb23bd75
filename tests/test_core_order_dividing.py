"""A chargeback of a payment of several orders: exact parts by what is left of each, and the same parts again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.aftersale.messages import ReportChargeback
from core.command import Actor
from core.order.dividing import ChargedOrder, divide, reports_of
from core.reasons import SENTENCES, Refusal


def order(number: int, left: int, taken: int | None = None, **more: Any) -> ChargedOrder:
    fields = {"channel": "wechat", "currency": "CNY", "total_minor": 10_000, **more}
    return ChargedOrder(order_id=f"A{number}", left_minor=left, taken_minor=taken, **fields)


def report(amount: int | None = 100, outcome: str = "opened", fee: int = 0) -> ReportChargeback:
    fields = {"amount_minor": amount, "fee_minor": fee} if outcome == "opened" else {}
    return ReportChargeback.model_validate(
        {
            "command_id": "c-1",
            "actor": Actor(role="operator", id="o-1"),
            "case_reference": "d-1",
            "outcome": outcome,
            **fields,
        }
    )


def parts(amount: int, fee: int, *orders: ChargedOrder) -> list[tuple[str, int, int]]:
    found = divide(amount, fee, orders)
    assert not isinstance(found, Refusal)
    return [(part.order_id, part.amount_minor, part.fee_minor) for part in found]


def test_it_follows_what_is_left_and_an_order_with_nothing_left_gets_no_part() -> None:
    assert parts(300, 10, order(1, 200), order(2, 0), order(3, 100)) == [("A1", 200, 7), ("A3", 100, 3)]
    assert parts(100, 0, order(1, 50), order(2, 50), order(3, 50)) == [("A1", 34, 0), ("A2", 33, 0), ("A3", 33, 0)]


def test_what_a_channel_took_before_it_takes_of_no_order_again() -> None:
    lost, refunded = order(1, 0, total_minor=100, charged_minor=100), order(2, 0, total_minor=100)
    assert parts(100, 0, lost, refunded) == [("A2", 100, 0)]
    assert parts(150, 0, lost, refunded, order(3, 60, total_minor=90)) == [("A2", 69, 0), ("A3", 81, 0)]


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 10**9)), min_size=1, max_size=9),
    st.integers(1, 10**10),
    st.integers(0, 10**6),
)
def test_parts_are_exact_and_those_sent_already_stay(orders: list[tuple[int, int]], amount: int, fee: int) -> None:
    known = [order(number, left, total_minor=total) for number, (left, total) in enumerate(orders)]
    found = parts(amount, fee, *known)
    assert (sum(part[1] for part in found), sum(part[2] for part in found)) == (amount, fee)
    if amount <= sum(left for left, _ in orders):
        assert all(part[1] <= known[int(part[0][1:])].left_minor for part in found)
    sent, taken, its_fee = found[0]
    after = [
        one.model_copy(update={"left_minor": one.left_minor - taken, "taken_minor": taken, "fee_minor": its_fee})
        if one.order_id == sent
        else one
        for one in known
    ]
    again = parts(amount, fee, *after)
    assert (sent, taken, its_fee) in again
    assert (sum(part[1] for part in again), sum(part[2] for part in again)) == (amount, fee)


def test_a_fee_that_comes_later_is_divided_by_what_was_taken_also_where_one_order_has_its_part() -> None:
    with_fee = [("A1", 200, 7), ("A2", 100, 3)]
    assert parts(300, 10, order(1, 0, 200), order(2, 0, 100)) == with_fee
    assert parts(300, 10, order(1, 0, 200, fee_minor=7), order(2, 0, 100)) == with_fee
    assert parts(300, 10, order(1, 0, 200, fee_minor=7), order(2, 0, 100, fee_minor=3)) == with_fee


@pytest.mark.parametrize(("amount", "fee"), [(299, 2), (301, 2), (300, 1), (300, 4)])
def test_another_amount_under_the_same_reference_is_refused_once_all_have_theirs(amount: int, fee: int) -> None:
    found = divide(amount, fee, (order(1, 0, 200, fee_minor=2), order(2, 0, 100)))
    assert isinstance(found, Refusal)
    assert found.code == "chargeback_exists_with_different_content"


def test_each_order_gets_its_own_command_under_an_id_that_does_not_change() -> None:
    first, second = (reports_of(report(150), (order(1, 200), order(2, 100))) for _ in range(2))
    assert first == second
    assert not isinstance(first, Refusal)
    assert [(order_id, one.amount_minor) for order_id, one in first] == [("A1", 100), ("A2", 50)]
    ids = {one.command_id for _, one in first}
    assert len(ids) == 2
    assert "c-1" not in ids


def test_a_payment_of_one_order_is_reported_as_it_is() -> None:
    given_report = report(9_999, fee=3)
    assert reports_of(given_report, (order(1, 5),)) == (("A1", given_report),)


def test_more_than_its_orders_claim_of_a_payment_is_refused_before_any_order_is_asked() -> None:
    """A basket of 300 of which only two orders of 100 came to be."""
    orders = [order(1, 100, total_minor=100), order(2, 60, total_minor=100, charged_minor=40)]
    for some, most in ((orders[:1], 100), (orders, 160)):
        refused = reports_of(report(most + 1), some)
        assert isinstance(refused, Refusal)
        assert (refused.code, refused.field) == ("above_refundable", "amount_minor")
        assert f"The channel can take {most / 100:.2f} CNY of the orders" in refused.message
        assert not isinstance(reports_of(report(most), some), Refusal)


def test_its_end_goes_to_every_order_whatever_the_register_knows_yet() -> None:
    ended = reports_of(report(outcome="won"), (order(1, 0, 200), order(2, 50), order(3, 0, 100)))
    assert not isinstance(ended, Refusal)
    assert [order_id for order_id, _ in ended] == ["A1", "A2", "A3"]
    assert {one.amount_minor for _, one in ended} == {None}
    assert len({one.command_id for _, one in ended}) == 3


@pytest.mark.parametrize("outcome", ["opened", "won"])
def test_a_payment_of_two_claims_is_charged_to_neither_orders_own_payment(outcome: str) -> None:
    paid = [one.model_copy(update={"claimed_with": "4200000042"}) for one in (order(1, 0, 200), order(2, 0, 100))]
    refused = reports_of(report(150) if outcome == "opened" else report(outcome="won"), paid)
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.message) == ("several_orders", f"{SENTENCES['several_orders']} A1, A2")
