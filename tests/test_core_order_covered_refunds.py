"""A refund that the channel refused, and the buyer's bank took instead: borne by no one twice, and not sent again."""

from __future__ import annotations

import pytest
from case_driver import TOTAL, code
from charged_orders import PLACES, asked_back, charge, end, has, refund_of, settled

from core.order.claiming import claimable_minor
from core.order.recovering import follow, recover
from core.order.views import holds_of
from core.records import LedgerFacts


@pytest.mark.parametrize("bearer", ["platform", "merchant"])
@pytest.mark.parametrize("refused", ["before the chargeback", "while it is disputed", "after it is lost"])
@pytest.mark.parametrize("gone", [TOTAL, 4000])
@pytest.mark.parametrize("place", list(PLACES))
def test_a_refused_refund_that_the_bank_took_instead_is_borne_by_no_one_twice(
    place: str, gone: int, refused: str, bearer: str
) -> None:
    driver = asked_back(place, gone, chargeback_after_refund_borne_by=bearer)
    if refused == "before the chargeback":
        driver.channel_says("refused")
    charge(driver, TOTAL)
    if refused == "while it is disputed":
        driver.channel_says("refused")
    assert driver.books.payable() == gone, "it may be won, and is owed until then"
    helps = [view.what_helps for view in holds_of(driver.state) if view.reason in {"refund_stuck", "refund_failed"}]
    assert all("Wait for the end of case 1: lost" in one for one in helps)
    assert bool(helps) == (refused != "after it is lost")
    end(driver, "lost")
    if refused == "after it is lost":
        driver.channel_says("refused")
    plain = asked_back(place, gone)
    plain.channel_says("arrived")
    if gone < TOTAL:
        charge(plain, TOTAL - gone)
        end(plain, "lost")
    assert has(driver) == has(plain)
    assert (driver.state.closed, "refund_stuck" in driver.holds()) == (plain.state.closed, False)
    assert {refund.status for refund in driver.state.refunds} == {"arrived"}
    assert claimable_minor(driver.state) == 0, "only a channel's own refund is claimed back"
    driver.check()


def test_one_that_is_won_leaves_the_refund_owed_and_one_that_arrives_leaves_the_chargeback_borne() -> None:
    won = asked_back("settled", 4000)
    won.channel_says("refused")
    charge(won, TOTAL)
    end(won, "won")
    assert (won.books.payable(), won.refund_status()) == (4000, ["failed"])
    won.lift("refund_stuck")
    won.channel_says("arrived")
    assert (won.books.payable(), won.state.closed) == (0, True)
    won.check()
    arrived = asked_back("settled", 4000)
    charge(arrived, TOTAL)
    end(arrived, "lost")
    arrived.channel_says("arrived")
    assert -arrived.books.of("goodwill") == 4000
    arrived.check()


def test_a_chargeback_covers_refunds_up_to_what_it_took_above_and_no_one_who_votes_is_overtaken() -> None:
    driver = asked_back("settled", 4000)
    driver.channel_says("refused")
    charge(driver, TOTAL - 1)
    end(driver, "lost")
    assert (driver.books.payable(), driver.refund_status()[0]) == (4000, "failed"), "the bank took less than it"
    voted = asked_back("settled", 4000)
    voted.channel_says("refused")
    charge(voted, TOTAL)
    (cause,) = [refund.cause for refund in voted.state.refunds if refund.chargeback is None]
    said = {"cause": cause, "outcome": "arrived", "reference": "b-1", "reason": "paid by hand"}
    for person in ("ann", "bob"):
        assert code(voted.send("resolve_refund", "operator", actor={"role": "operator", "id": person}, **said))
        end(voted, "lost")
    assert -voted.books.of("goodwill") == 4000, "the buyer has both"
    voted.check()


def test_two_refunds_are_covered_by_one_chargeback_up_to_what_it_took_above() -> None:
    driver = asked_back("settled", 3000)
    refund_of(driver, 2000)
    while driver.channel_says("refused"):
        pass
    charge(driver, TOTAL - 1000)
    end(driver, "lost")
    assert (driver.books.payable(), driver.refund_status()[:2]) == (2000, ["arrived", "failed"])
    driver.check()


def test_a_refund_is_covered_by_what_two_chargebacks_took_together() -> None:
    driver = asked_back("settled", 4000)
    driver.channel_says("refused")
    charge(driver, TOTAL - 1)
    end(driver, "lost")
    charge(driver, 1, "wx-d-2")
    assert driver.books.payable() == 4000, "the second may be won"
    end(driver, "lost", "wx-d-2")
    plain = settled()
    charge(plain, TOTAL)
    end(plain, "lost")
    assert (driver.refund_status()[0], has(driver)) == ("arrived", has(plain))
    driver.check()


def test_who_lifts_the_hold_of_a_refund_that_the_bank_took_instead_asks_no_channel_again() -> None:
    """One person's word stood when the dispute was lost; what the channel never got would be sent as well."""
    driver = asked_back("settled", 4000)
    driver.channel_says("refused")
    charge(driver, TOTAL)
    (cause,) = [refund.cause for refund in driver.state.refunds if refund.chargeback is None]
    driver.send("resolve_refund", "operator", cause=cause, outcome="failed", reference="r-1", reason="never sent")
    end(driver, "lost")
    assert driver.refund_status()[0] == "failed"
    driver.lift("refund_stuck")
    assert (driver.refund_status()[0], driver.books.payable()) == ("arrived", 0)
    driver.check()


@pytest.mark.parametrize("before", ["a refund", "a lost chargeback"])
def test_what_is_won_of_a_kept_order_of_which_some_went_before_is_kept_again(before: str) -> None:
    driver = settled()
    driver.hold(scope="payout")
    if before == "a refund":
        refund_of(driver, 5000)
        driver.channel_says("arrived")
    else:
        charge(driver, 5000)
        end(driver, "lost")
    kept = driver.books.of("frozen")
    assert kept == 8190
    for number in (2, 3):
        charge(driver, 4000, f"wx-d-{number}")
        assert driver.books.of("frozen") == 4390
        end(driver, "won", f"wx-d-{number}")
        assert (driver.books.of("frozen"), driver.books.of("available")) == (kept, 0)
    driver.lift()
    assert (driver.books.of("frozen"), driver.books.of("available")) == (0, kept)
    driver.check()


def test_what_a_covered_refund_gives_back_of_a_kept_order_is_kept_again() -> None:
    """The platform bears the refund and the merchant the chargeback; a hold keeps the merchant's money of the order."""
    driver = settled(chargeback_after_refund_borne_by="merchant")
    driver.hold(scope="payout")
    refund_of(driver, 4000, bearer="platform")
    driver.channel_says("refused")
    charge(driver, TOTAL)
    end(driver, "lost")
    assert driver.refund_status()[0] == "arrived"
    assert (driver.books.of("frozen"), driver.books.of("available")) == (3799, 0), "what the sale of 40.00 brought in"
    driver.lift()
    assert (driver.books.of("frozen"), driver.state.closed) == (0, True)
    driver.check()


def test_an_order_that_was_set_back_behind_the_end_of_the_dispute_asks_the_register() -> None:
    """Its older state does not know that the dispute is lost: going on from it would forget that."""
    driver = asked_back("settled", 4000)
    driver.channel_says("refused")
    before = driver.state
    charge(driver, TOTAL)
    disputed = driver.state
    end(driver, "lost")
    assert [reference for reference in driver.books.movements if reference.endswith("/covered")]
    assert driver.record is not None
    standing = LedgerFacts(kept=False, revision=driver.record.revision, references=tuple(driver.books.movements))
    assert [follow(state, standing, driver.now) for state in (before, disputed)] == [None, None]
    assert follow(driver.state, standing, driver.now) is not None
    recovered = recover(driver.order, before.policy, driver.record.state, standing.references, driver.now)
    assert [(refund.status, refund.covered_by) for refund in recovered.refunds if refund.chargeback is None] == [
        ("arrived", 1)
    ]
