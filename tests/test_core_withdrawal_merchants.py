"""A withdrawal of a stopped merchant waits: nothing is sent, nothing is given back, and it goes on by itself."""

from __future__ import annotations

import pytest
from withdrawal_driver import LARGE, WithdrawalDriver, answered, asked, desk, names, reasons

from core.reasons import refuse
from core.withdrawal.views import holds_of

STOPS = ("merchant_frozen", "merchant_suspended")


def stopped(stop: str) -> WithdrawalDriver:
    """Reserved, and then its payout may not be opened."""
    made = WithdrawalDriver()
    made.account = made.standing = refuse(stop)
    return made.run()


@pytest.mark.parametrize("stop", STOPS)
def test_it_is_held_by_name_and_sent_once_the_merchant_is_let_go(stop: str) -> None:
    made = stopped(stop)
    assert (made.phase, reasons(made), made.sent) == ("approved", [stop], [])
    assert made.books.reserved == 10_000
    assert names(made) == [f"operator:{stop}"]
    made.wait(hours=30)
    assert (made.phase, names(made)) == ("approved", [f"operator:{stop}"]), "it is told once"
    made.account = made.standing = None
    made.wait(hours=6)
    assert (made.phase, reasons(made), len(made.sent)) == ("submitted", ["with_the_bank"], 1)


def test_it_is_sent_at_once_where_it_is_told() -> None:
    made = stopped("merchant_frozen")
    made.account = made.standing = None
    made.send("recheck", "system", "accounts")
    assert (made.phase, len(made.sent)) == ("submitted", 1)
    made.send("recheck", "system", "accounts")
    assert len(made.sent) == 1


def test_one_that_waits_for_approval_shows_the_freeze_and_is_not_given_back() -> None:
    made = desk(withdrawal=asked(LARGE))
    made.account = made.standing = refuse("merchant_frozen")
    made.send("recheck", "system", "accounts")
    assert (made.phase, reasons(made)) == ("in_approval", ["awaiting_approval", "merchant_frozen"])
    for person in ("bob", "cleo"):
        made.send("approve", "reviewer", person)
    assert (made.phase, reasons(made), made.sent) == ("approved", ["merchant_frozen"], [])
    assert names(made) == ["reviewer:approval_needed", "operator:merchant_frozen"]


def test_a_held_one_may_still_be_called_off() -> None:
    made = stopped("merchant_frozen")
    made.send("cancel", "merchant", "m-7")
    assert (made.phase, made.books.available, made.books.reserved) == ("cancelled", 5_000_000, 0)
    assert reasons(made) == []


def test_an_account_that_is_suspended_meanwhile_gives_the_money_back() -> None:
    made = stopped("merchant_frozen")
    made.standing = refuse("account_suspended")
    made.wait(hours=6)
    assert (made.phase, made.books.available) == ("cancelled", 5_000_000)


def test_a_freeze_after_a_failed_payout_holds_the_next_one() -> None:
    made = desk(answered("failed", "quota"))
    made.account = made.standing = refuse("merchant_frozen")
    made.wait(hours=30)
    assert (made.phase, len(made.sent)) == ("approved", 1)
    assert "merchant_frozen" in reasons(made)
    (view,) = [view for view in holds_of(made.state) if view.reason == "merchant_frozen"]
    assert "unfreeze" in view.what_helps
