"""`docs/state-machine.md` draws what the core does: every arrow that is seen, and none that is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest
from order_driver import OrderDriver
from order_events import play
from order_samples import DAY, a_policy, failing
from order_walks import STARTS, a_driver
from refusals import codes_of, reached_from
from state_page import PAGE, REGIONS, SECTIONS, Watcher, drawn, names, own_holds, rows, watching

from core.aftersale import commands as case_commands
from core.aftersale.commands import CASE_VERBS
from core.aftersale.deadlines import AGAINST as CASE_AGAINST
from core.aftersale.deadlines import CASE_REMINDER
from core.aftersale.deadlines import PASSING as CASE_PASSING
from core.aftersale.limits import AfterSaleLimits
from core.aftersale.messages import OpenAfterSale
from core.aftersale.state import CaseStage
from core.durations import format_duration
from core.messages import PlaceHold
from core.order import (
    cases,
    holding,
    passing,
    shipping,
)
from core.order.commands import VERBS
from core.order.holds import (
    ARBITRATION_OVERDUE,
    CHARGEBACK_OVERDUE,
    CLAIM_STUCK,
    LATE_SCAN,
    LEDGER_DISAGREES,
    REFUND_STUCK,
    REVIEW_OVERDUE,
)
from core.order.refunds import Refund
from core.order.sparing import AGAINST
from core.order.state import AfterSale, Phase, Receipt
from core.parcels import AuditStage
from core.policy import OrderLimits


@pytest.fixture(scope="module")
def seen() -> Watcher:
    """What chosen lives show. What random lives show is compared in `test_core_order_machine`."""
    with watching() as watcher:
        for start in STARTS:
            a_driver(start, 1)
        chosen_lives()
    return watcher


_NEW = ("credited", "case: exchange line 1", "case: agree, no return")
_APPLIED = ("delivered", "case: exchange line 1")
_OFFERED = (*_APPLIED, "case: propose 300")
_REFUSED = (*_APPLIED, "case: refuse")
CASE_LIVES: tuple[tuple[str, ...], ...] = (
    ("case before shipment", "case: agree"),
    ("shipped", "case: refund", "cancel"),
    ("shipped", "case: refund", "case: refuse", "cancel"),
    (*_APPLIED, "case: agree, no return"),
    (*_OFFERED, "case: agree, no return"),
    (*_OFFERED, "case: agree"),
    (*_OFFERED, "case: accept", "refund arrives"),
    (*_OFFERED, "case: escalate"),
    (*_OFFERED, "case: withdraw"),
    (*_REFUSED, "case: agree, no return"),
    (*_REFUSED, "case: agree", "case: withdraw"),
    ("delivered", "case: refund 500", "case: refuse", "case: agree"),
    (*_REFUSED, "case: escalate", "case: all"),
    (*_REFUSED, "case: escalate", "case: all, after return"),
    ("case, arbitration", "five days", "five days"),
    ("case, arbitration", "case: withdraw"),
    ("delivered", "case: refund 500", "a day", "five days"),
    ("case, exchange", "case: confirm return"),
    ("case, exchange", "back: delivered", "case: confirm return"),
    ("case, exchange", "back: delivered", "case: withdraw"),
    ("case, on its way back", "back: delivered", "case: refuse return"),
    ("case, on its way back", "back: delivered", "case: confirm return"),
    ("in two parcels", "case: refund line 2", "case: refuse", "p2: rejected", "five days", "case: agree"),
    ("case, on its way back", "back: next look: no trace", "five days"),
    ("case, on its way back", "back: returned"),
    ("case, on its way back", "case: confirm return", "refund arrives"),
    ("charged back", "chargeback: won"),
    ("charged back", "chargeback: lost"),
    ("claimed, charging", "claim: paid"),
    ("claimed, charging", "claim: not paid"),
    ("claimed, charging", "five days", "five days"),
    ("claimed", "claim: withdraw"),
    ("claimed", "p1: scanned returned", "claim: accept"),
    ("claimed, contested", "claim: r-1 says all", "claim: r-2 says all"),
    ("charged back", "five days", "five days", "a month", "a month", "a month", "a month", "a month"),
    ("confirmed early", "case: exchange all", "case: agree, no return"),
    ("case, arbitration", "case: part"),
    *((*_NEW, event) for event in ("five days", "refund the rest", "chargeback: 700")),
    *((*_NEW, "case: send new", event) for event in ("case: confirm new", "a month", "chargeback: 700")),
    (*_NEW, "case: send new", "refund the rest"),
    (*_NEW, "case: send new", "back: next look: no trace", "five days", "a month"),
    (*_NEW, "case: send new", "back: delivered", "case: confirm new"),
    (*_NEW, "case: send new", "back: delivered", "case: escalate"),
    (*_NEW, "case: send new", "back: delivered", "refund the rest"),
    (*_NEW, "case: send new", "back: returned"),
    ("credited", "case: exchange line 1", "case: propose 300", "case: agree, no return"),
    ("credited", "case: exchange line 1", "case: refuse", "case: agree, no return"),
    ("credited", "case: exchange line 1", "case: refuse", "case: escalate", "case: agree, no return"),
    ("credited", "case: exchange line 1", "case: agree", "case: send back", "case: confirm return"),
    ("credited", "case: exchange line 1", "case: agree", "case: send back", "back: delivered", "case: confirm return"),
)


def chosen_lives() -> None:
    """Ways that chance finds seldom."""
    play(a_driver("not funded", 1), ["cancel"])
    play(a_driver("goods held", 1), ["cancel"])
    play(a_driver("goods held", 1), ["allow goods"])
    for start in ("not funded", "goods held", "new", "shipped", "credited"):
        play(a_driver(start, 1), ["refund the rest"])
    play(a_driver("goods refused, may appeal", 1), ["appeal goods", "refuse goods"])
    play(a_driver("refund refused", 1), ["o-1 says arrived", "o-2 says arrived"])
    play(a_driver("refund refused", 1), ["chargeback: all that was paid", "chargeback: lost"])
    play(a_driver("refund stuck", 1), ["o-1 says arrived", "o-2 says failed", "o-1 says arrived", "o-2 says arrived"])
    play(a_driver("refund stuck", 1), ["lift refund_stuck"])
    play(a_driver("refund stuck", 1), ["refund refused", "lift refund_stuck"])
    play(a_driver("partly shipped", 7), ["p1: rejected", "five days"])
    for audited in ("rejected", "to review"):
        play(a_driver("shipped", 1), [f"p1: {audited}", "correct p1"])
    play(a_driver("in review", 1), ["reject"])
    play(a_driver("delivered", 1), ["p1: scanned returned"])
    play(a_driver("delivered", 1), ["refund the rest"])
    play(a_driver("credited", 1), ["a day", "p1: scanned returned"])
    play(a_driver("rejected, delivered", 1), ["five days"])
    silence = ("p1: to review", "a month", "approve", "p1: next look: silent", "five days", "five days")
    play(a_driver("shipped", 1), silence)
    for start, *events in CASE_LIVES:
        play(a_driver(start, 1), events)
    driver = OrderDriver(policy=a_policy()).open()
    driver.ship()
    driver.hear("p1", "needs_review", "moved", findings=(failing("moved", "weak"),))
    driver.confirm()
    driver.advance(8 * DAY)


@pytest.mark.parametrize(("section", "region"), REGIONS.items())
def test_every_arrow_is_drawn_and_every_drawn_arrow_is_seen(seen: Watcher, section: str, region: str) -> None:
    assert drawn(section) == seen.edges[region]


def test_every_value_of_a_region_is_on_the_page() -> None:
    phases = {name for edge in drawn("Phase") for name in edge}
    assert phases == set(get_args(Phase))
    stages = {name for edge in drawn("Audit, by parcel") for name in edge}
    assert stages | {"not_started"} == set(get_args(AuditStage))
    receipts = {name for edge in drawn("Receipt") for name in edge}
    assert receipts == set(get_args(Receipt.model_fields["status"].annotation))
    refunds = {name for edge in drawn("A refund") for name in edge}
    assert refunds == set(get_args(Refund.model_fields["status"].annotation))
    stages = {name for edge in drawn("After-sale") for name in edge}
    assert stages == set(get_args(CaseStage))
    assert all(f"`{region}`" in SECTIONS["After-sale"] for region in get_args(AfterSale))


def test_every_verb_stands_with_its_senders() -> None:
    table = {next(iter(names(verb))): set(senders.split(", ")) for verb, senders, _ in rows("Commands")}
    assert table == {model.verb: set(verb.roles) for model, verb in VERBS.items()}


def test_every_refusal_of_a_verb_stands_with_it() -> None:
    """The codes that the source of a verb's check can give are those of its row."""
    for verb, _, codes in rows("Commands"):
        assert names(codes) == refusals_in_source(next(iter(names(verb)))), verb


def refusals_in_source(verb: str) -> set[str]:
    """What its check can give, and the checks of all verbs of a case, of claimed numbers, and of new holds."""
    [model] = [model for model in VERBS if model.verb == verb]
    check: Callable[..., Any] = VERBS[model].check
    beside: list[Callable[..., Any]] = []
    if model is OpenAfterSale:
        check = cases._check_opening
    elif model in CASE_VERBS:
        check, beside = CASE_VERBS[model].check, [cases.check, case_commands.refusal_of]
    if model in get_args(shipping.ClaimingCommand):
        beside.append(shipping.check_claims)
    if model is PlaceHold:
        beside.append(holding.object_to_place)
    return codes_of(*reached_from(check), *beside)


def test_every_deadline_stands_with_its_limit_and_default() -> None:
    table = {next(iter(names(row[0]))): (next(iter(names(row[1]))), row[2]) for row in rows("Deadlines")}
    assert set(table) == {*passing.PASSING, "settle_at"} - of_cases()
    assert table.pop("hold_review") == ("review_at", "none"), "the command's own, no limit of the policy"
    limits = OrderLimits()
    assert {limit: format_duration(getattr(limits, limit)) for limit, _ in table.values()} == dict(table.values())


def of_cases() -> set[str]:
    return {*CASE_PASSING, CASE_REMINDER, "pause_end"}


def test_every_deadline_of_a_case_stands_with_its_limit_and_default() -> None:
    table = {next(iter(names(row[0]))): (next(iter(names(row[1]))), row[2]) for row in rows("After-sale")}
    assert set(table) == of_cases()
    limits = AfterSaleLimits()
    assert {limit: format_duration(getattr(limits, limit)) for limit, _ in table.values()} == dict(table.values())


def test_the_page_names_what_moves_after_an_outage() -> None:
    after = " ".join(PAGE.split()).partition("A wake that comes")[2]
    said = after.partition("own length after it")[2].partition("Merchant and buyer")[0]
    assert names(said) == {*AGAINST, *CASE_AGAINST}


def test_every_hold_of_our_own_stands_with_scope_and_owner(seen: Watcher) -> None:
    table = own_holds()
    assert table == seen.holds
    overdue = {REVIEW_OVERDUE, ARBITRATION_OVERDUE, CHARGEBACK_OVERDUE}
    assert set(table) == overdue | {REFUND_STUCK, CLAIM_STUCK, LEDGER_DISAGREES, LATE_SCAN}
