"""What `show` says of an order's after-sale cases."""

from __future__ import annotations

import io

from order_events import play
from order_walks import a_driver
from rich.console import Console

from commands.views import cases_table
from core.order.views import order_view


def test_show_says_what_each_case_is_about_where_it_stands_and_what_was_said_last() -> None:
    driver = a_driver("delivered", 1)
    play(driver, ["case: refund line 2", "case: propose 300", "case: accept", "case: return", "case: withdraw"])
    screen = Console(file=io.StringIO(), width=160)
    screen.print(cases_table(order_view(driver.state)["cases"], "CNY"))
    assert isinstance(screen.file, io.StringIO)
    shown = screen.file.getvalue()
    assert "1 of line 2" in shown
    assert "buyer accept_amount: 3.00 CNY" in shown
    assert "closed as withdrawn" in shown
    assert "the whole order" in shown
