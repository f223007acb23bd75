"""From a past order to an order, its timeline and what should become of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from past_orders import BROUGHT, PAID, PICKED, Folder

from backtest.building import confirms_after, order_of, unfit, waybill_of
from backtest.expecting import expectation
from backtest.past import PastOrder, past_orders
from backtest.rows import read_folder
from backtest.timeline import timeline
from core.audit.waybills import judge

NOW = datetime(2026, 11, 22, 16, tzinfo=UTC)
HOUR = timedelta(hours=1)


def lived(folder: Folder, tmp_path: Path) -> list[PastOrder]:
    orders, bad_rows = past_orders(read_folder(folder.write(tmp_path)))
    assert bad_rows == []
    return orders


def one(folder: Folder, tmp_path: Path) -> PastOrder:
    (order,) = lived(folder, tmp_path)
    return order


# --- the order -------------------------------------------------------------------------------------------


def test_order_has_the_amounts_addresses_and_limit_of_the_data(tmp_path: Path) -> None:
    order = order_of(one(Folder().order("o1"), tmp_path), NOW, "olist")
    assert (order.total_minor, order.freight_minor, order.lines[0].unit_price_minor) == (11000, 1010, 9990)
    assert order.payment.paid_minor == 11000
    assert order.payment.paid_at == NOW
    assert order.ship_by == NOW + timedelta(days=5)
    assert (order.ship_from.city, order.ship_from.province) == ("sao paulo", "SP")
    assert (order.ship_to.country, order.ship_to.city, order.ship_to.province) == ("BR", "rio de janeiro", "RJ")
    assert order.policy == "olist"


def test_what_was_paid_beyond_the_goods_is_a_line_of_its_own(tmp_path: Path) -> None:
    order = order_of(one(Folder().order("o1", payment="121.89"), tmp_path), NOW, None)
    assert order.total_minor == 12189
    assert (order.lines[1].category, order.lines[1].price_minor) == ("surcharge", 1189)


def test_what_was_not_paid_is_the_merchants_discount(tmp_path: Path) -> None:
    order = order_of(one(Folder().order("o1", payment="109.98"), tmp_path), NOW, None)
    assert (order.total_minor, order.discount_minor, order.discount_funded_by) == (10998, 2, "merchant")


def test_amounts_that_no_binary_fraction_holds_are_exact(tmp_path: Path) -> None:
    order = order_of(one(Folder().order("o1", price="1.15", payment="11.25"), tmp_path), NOW, None)
    assert order.lines[0].unit_price_minor == 115
    assert order.discount_minor == 0


def test_order_of_two_merchants_becomes_two_that_share_the_payment(tmp_path: Path) -> None:
    folder = Folder().order("o1", sellers=("merchant-1", "merchant-2", "merchant-1"), payment="330.01")
    first, second = (order_of(past, NOW, None) for past in lived(folder, tmp_path))
    assert (first.order_id, second.order_id) == ("o1-1", "o1-2")
    assert (first.merchant_id, second.merchant_id) == ("merchant-1", "merchant-2")
    assert (len(first.lines), len(second.lines)) == (3, 1)
    assert first.total_minor + second.total_minor == 33001
    assert first.payment == second.payment
    assert first.payment.paid_minor == 33001
    assert second.ship_from.city == "curitiba"


def test_order_with_more_lines_than_the_contract_allows_is_a_bad_row(tmp_path: Path) -> None:
    past = one(Folder().order("o1", sellers=("merchant-1",) * 201), tmp_path)
    bad = unfit(past, "orders.csv")
    assert bad is not None
    assert (bad.line, "lines" in bad.reason) == (2, True)
    assert unfit(one(Folder().order("o1"), tmp_path), "orders.csv") is None


def test_waybills_have_a_right_check_digit_and_differ_by_order() -> None:
    numbers = {waybill_of(f"{order}-{part}") for order in range(1000) for part in (1, 2)}
    assert len(numbers) == 2000
    assert all(judge("olist_post", number).answer == "possible" for number in list(numbers)[:50])
    assert waybill_of("o1") == waybill_of("o1")


def test_half_of_the_buyers_confirm_within_two_days() -> None:
    waits = [confirms_after(f"order-{number}") for number in range(4000)]
    confirming = [wait for wait in waits if wait is not None]
    assert 1800 < len(confirming) < 2200
    assert timedelta(0) < min(confirming) < HOUR
    assert 47 * HOUR < max(confirming) <= 48 * HOUR


# --- the timeline and the expectation ----------------------------------------------------------------------

LIVES = {
    "delivered": (
        Folder().order("silent-1", picked=PICKED, delivered=BROUGHT),
        ["picked_up 48", "upload 48", "delivered 192"],
        "settled",
    ),
    "delivered and confirmed": (
        Folder().order("o1", picked=PICKED, delivered=BROUGHT),
        ["picked_up 48", "upload 48", "delivered 192", "confirm +"],
        "settled",
    ),
    "picked up after the limit": (
        Folder().order("o1", "shipped", picked="2018-03-08 12:00:00"),
        ["upload 119", "picked_up 168"],
        "refunded",
    ),
    "picked up before the payment": (
        Folder().order("o1", "shipped", picked="2018-03-01 11:00:00"),
        ["picked_up -1", "upload 0"],
        "refunded",
    ),
    "limit before the payment": (
        Folder().order("o1", "shipped", picked=PICKED, limit="2018-03-01 09:00:00"),
        ["upload 0", "picked_up 48"],
        "refunded",
    ),
    "delivered before picked up": (
        Folder().order("silent-1", picked=PICKED, delivered="2018-03-02 12:00:00"),
        ["delivered 24", "upload 24", "picked_up 48"],
        "settled",
    ),
    "delivered, never picked up": (
        Folder().order("silent-1", delivered=BROUGHT),
        ["upload 119", "delivered 192"],
        "settled",
    ),
    "delivered, but nobody knows when": (Folder().order("o1", picked=PICKED), ["picked_up 48", "upload 48"], "settled"),
    "shipped, but never picked up": (Folder().order("o1", "shipped"), [], "cancelled"),
    "never shipped": (Folder().order("o1", "invoiced"), [], "cancelled"),
    "unavailable": (Folder().order("o1", "unavailable"), [], "cancelled"),
    "canceled": (Folder().order("o1", "canceled"), ["cancel 60"], "cancelled"),
    "canceled after pickup": (
        Folder().order("o1", "canceled", picked=PICKED),
        ["picked_up 48", "upload 48", "complain 270"],
        "refunded",
    ),
    "canceled after delivery, goods kept": (
        Folder().order("canceled-late", "canceled", picked=PICKED, delivered=BROUGHT),
        ["picked_up 48", "upload 48", "delivered 192", "complain 216", "agree 240"],
        "refunded",
    ),
    "canceled after delivery, goods sent back": (
        Folder().order("o1", "canceled", picked=PICKED, delivered=BROUGHT),
        [
            *("picked_up 48", "upload 48", "delivered 192", "complain 216", "agree 240"),
            *("back_picked_up 264", "send_back 264", "back_delivered 408", "confirm_return 432"),
        ],
        "refunded",
    ),
}


@pytest.mark.parametrize("life", LIVES)
def test_life_has_these_events_and_this_ending(life: str, tmp_path: Path) -> None:
    folder, events, ending = LIVES[life]
    past = one(folder, tmp_path)
    seen = [
        f"{event.what} +" if event.what == "confirm" else f"{event.what} {event.after / HOUR:.0f}"
        for event in timeline(past)
    ]
    assert seen == events
    assert expectation(past).ending == ending


def test_never_approved_order_is_none_of_ours(tmp_path: Path) -> None:
    assert expectation(one(Folder().order("o1", "canceled", paid=""), tmp_path)).ending == "never_paid"


def test_confirmation_never_comes_before_the_number(tmp_path: Path) -> None:
    past = one(Folder().order("o1", delivered="2018-02-20 12:00:00"), tmp_path)
    whats = [event.what for event in timeline(past)]
    assert whats == ["delivered", "upload", "confirm"]
    assert all(event.after >= timedelta(0) for event in timeline(past)[1:])
    assert PAID  # the payment came nine days after the delivery
