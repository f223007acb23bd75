"""The order's core under anything that may arrive: what must always be true holds after every event."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from order_driver import OrderDriver
from order_events import (
    BUYER,
    CARRIER,
    CASES,
    MERCHANT,
    MONEY,
    PLATFORM,
    PROGRESS,
    TIME,
    happen,
    play,
)
from order_walks import STARTS, a_driver, walk
from sequences import ALPHABET, KIND, Way, explore, key_of, lengthen
from sizes import MACHINE_EXAMPLES, ORDER_WALKS
from state_page import watching

from core.order.views import holds_of
from core.order.watches import audit_watches, refund_watches


def any_of(events: Iterable[str]) -> st.SearchStrategy[str]:
    return st.sampled_from(list(events))


class OrderMachine(RuleBasedStateMachine):
    """One order somewhere in its life, and everybody who can do something to it, at any time and in any order."""

    driver: OrderDriver
    revision = 0

    @initialize(start=any_of(STARTS), kind=st.integers(0, 500))
    def begin(self, start: str, kind: int) -> None:
        self.driver = a_driver(start, kind)

    def happens(self, event: str) -> None:
        self.revision = self.driver.state.revision
        happen(self.driver, event)

    @rule(event=any_of({**MERCHANT, **BUYER, **PLATFORM}))
    def people(self, event: str) -> None:
        self.happens(event)

    @rule(event=any_of({**CARRIER, **MONEY}))
    def world(self, event: str) -> None:
        self.happens(event)

    @rule(event=any_of(CASES))
    def cases(self, event: str) -> None:
        self.happens(event)

    @rule(event=any_of({**TIME, **PROGRESS}))
    def time(self, event: str) -> None:
        self.happens(event)

    @invariant()
    def what_must_be_true(self) -> None:
        self.driver.check()
        assert self.driver.state.revision >= self.revision

    @precondition(lambda self: not self.driver.state.closed)
    @invariant()
    def an_open_order_says_why_its_money_is_not_there(self) -> None:
        views = holds_of(self.driver.state)
        assert views, self.driver.state.phase
        assert all(view.who_can_act and view.what_helps for view in views)

    @precondition(lambda self: self.driver.state.closed)
    @invariant()
    def a_closed_order_runs_nothing(self) -> None:
        assert not audit_watches(self.driver.state)
        assert not refund_watches(self.driver.state)

    def teardown(self) -> None:
        if hasattr(self, "driver"):
            self.driver.check_json()


TestOrderMachine = OrderMachine.TestCase
TestOrderMachine.settings = settings(
    max_examples=MACHINE_EXAMPLES, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("first", range(0, ORDER_WALKS, 100))
def test_nothing_breaks_on_a_long_random_walk(first: int) -> None:
    with watching() as watcher:
        assert sum(map(walk, range(first, first + 100))) > 100 * 5
    assert watcher.not_drawn() == {}, "docs/state-machine.md draws other arrows"


def test_every_sequence_of_four_events_keeps_what_must_be_true() -> None:
    found = explore("new", 4)
    assert found.sequences == sum(len(ALPHABET) ** length for length in range(1, 5))
    assert found.sequences > 60_000
    assert found.orders < found.events < found.sequences / 5


def test_sequences_that_lead_to_the_same_order_are_followed_once_and_none_is_lost() -> None:
    some = ("ship all", "all delivered", "confirm", "cancel", "hold all", "case: return", "refund an amount")
    reached = [Way(a_driver("new", KIND), ways=1)]
    for _ in range(3):
        reached = lengthen(reached, some)
    each = (play(a_driver("new", KIND), events) for events in itertools.product(some, repeat=3))
    assert {key_of(way.driver) for way in reached} == {key_of(driver) for driver in each}
    assert sum(way.ways for way in reached) == len(some) ** 3
