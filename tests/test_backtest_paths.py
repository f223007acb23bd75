"""Past orders that share their lives: each ends as it does alone, and none is lived whose path is known."""

from __future__ import annotations

import ast
import operator
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest
import sizes
from past_orders import BROUGHT, PICKED, Folder

from backtest.building import unfit
from backtest.lives import Lived
from backtest.past import PastOrder, past_orders
from backtest.replaying import Pair
from backtest.rows import read_folder
from backtest.tracing import ShownNumber, Trail, Untraceable
from core.audit import places
from core.messages import Address
from core.policy import Policy, parse_policy

ROOT = Path(__file__).parents[1]
OLIST = (ROOT / "policies" / "olist.toml").read_text(encoding="utf-8")
HARSH = (
    OLIST.replace('receipt_within = "7d"', 'receipt_within = "4d"')
    .replace('undelivered_within = "82d"', 'undelivered_within = "9d"')
    .replace('early_weak = "5d"', 'early_weak = "4d7h"')
    .replace("[audit]", "[after_sale]\nlate_bps = 500\n\n[audit]")
)
DAY = timedelta(days=1)


def pair_of(one: str, other: str, *, sharing: bool = True) -> Pair:
    policies: list[Policy] = [parse_policy(text) for text in (one, other)]
    return Pair(*policies, sharing=sharing)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> list[PastOrder]:
    """One order of each kind of life."""
    folder = Folder()
    folder.order("settled", picked=PICKED, delivered=BROUGHT)
    folder.order("cancelled", status="canceled")
    folder.order("lost", status="shipped", picked=PICKED)
    folder.order("never-sent", status="processing")
    folder.order("unscanned", delivered=BROUGHT)
    folder.order("sent-back", status="canceled", picked=PICKED, delivered=BROUGHT)
    orders, bad_rows = past_orders(read_folder(folder.write(tmp_path_factory.mktemp("kinds"))))
    assert bad_rows == []
    return orders


def strange_lives(kinds: list[PastOrder], count: int) -> list[PastOrder]:
    """Orders with other times, places and amounts: some early, some late, some in a wrong order."""
    dice = random.Random(20261128)
    towns = [Address(country="BR", province=state, city=city) for city, state in TOWNS]
    return [_strange(dice, dice.choice(kinds), number, towns) for number in range(count)]


TOWNS = (("sao paulo", "SP"), ("campinas", "SP"), ("curitiba", "PR"), (None, "AM"), ("manaus", "AM"), (None, None))


def _strange(dice: random.Random, past: PastOrder, number: int, towns: list[Address]) -> PastOrder:
    def about(days: float) -> timedelta:
        return timedelta(seconds=round(dice.choice((0.001, 0.2, 1, 1, 1, 1, 3, 12)) * days * 86_400))

    assert past.paid_at is not None
    picked = past.paid_at + about(2) - dice.choice((0, 0, 0, 1, 5)) * DAY if past.picked_up_at else None
    delivered = (picked or past.paid_at) + about(6) - dice.choice((0, 0, 0, 0, 2)) * DAY if past.delivered_at else None
    beyond = dice.choice((0, 0, 0, 0, 500, -500))
    return replace(
        past,
        order_id=f"strange-{number}",
        picked_up_at=picked,
        delivered_at=delivered,
        ship_by=past.paid_at + about(5),
        promised_at=past.paid_at + about(20),
        ship_from=dice.choice(towns),
        ship_to=dice.choice(towns),
        paid_minor=past.paid_minor + beyond,
        payment_minor=past.payment_minor + beyond,
    )


def differences(one: Pair, other: Pair, orders: list[PastOrder]) -> list[tuple[object, object]]:
    both = ((one.live(past), other.live(past)) for past in orders)
    return [(shared, alone) for shared, alone in both if shared != alone]


@pytest.mark.parametrize("order", [(OLIST, HARSH), (HARSH, OLIST)], ids=["harsher", "milder"])
def test_strange_orders_that_share_their_lives_end_as_they_do_alone(
    kinds: list[PastOrder], order: tuple[str, str]
) -> None:
    orders = strange_lives(kinds, sizes.at_least(50))
    assert differences(pair_of(*order), pair_of(*order, sharing=False), orders) == []


def test_real_orders_that_share_their_lives_end_as_they_do_alone(shared_data: Path) -> None:
    orders, _ = past_orders(read_folder(shared_data / "olist"))
    paid = [past for past in orders if past.paid_at and unfit(past, "orders") is None]
    assert len(paid) > 3_000
    some = paid[:: max(1, len(paid) // sizes.at_least(50))]
    assert differences(pair_of(OLIST, HARSH), pair_of(OLIST, HARSH, sharing=False), some) == []


def test_an_order_whose_path_is_known_is_not_lived(kinds: list[PastOrder], monkeypatch: pytest.MonkeyPatch) -> None:
    """A few hours more or less change nothing that is asked, and move how long its money was held."""
    pair, settled = pair_of(OLIST, HARSH), kinds[0]
    (first, _), hours = pair.live(settled), timedelta(hours=5)
    assert settled.delivered_at is not None
    later = replace(settled, delivered_at=settled.delivered_at + hours)
    expected, _ = pair_of(OLIST, HARSH, sharing=False).live(later)

    def lived(*_: object) -> None:
        raise AssertionError("it was lived")

    monkeypatch.setattr(Pair, "_lives", lived)
    again, _ = pair.live(later)
    assert again == expected
    assert (first.held, again.held) != (None, None)
    assert _held(again) - _held(first) == hours


def _held(life: Lived) -> timedelta:
    assert life.held is not None
    return life.held


@pytest.mark.parametrize("asks", ["weekday", "date", "timestamp", "__hash__"])
def test_what_cannot_be_noted_of_a_time_is_refused(asks: str) -> None:
    at = Trail((0, 5)).time(1)
    with pytest.raises(Untraceable):
        getattr(at, asks)()


def test_a_time_is_not_compared_with_one_that_the_record_does_not_have() -> None:
    at, other = Trail((0, 5)).time(1), datetime(2026, 1, 1, tzinfo=UTC)
    for compare in (operator.lt, operator.ge, operator.eq, operator.sub):
        for one, two in ((at, other), (other, at)):
            with pytest.raises(Untraceable):
                compare(one, two)
    with pytest.raises(Untraceable):
        assert ShownNumber() > ShownNumber()


def test_traced_times_answer_as_real_ones_and_ask_each_thing_once() -> None:
    times = (0, 3, 3, 7)
    for one, other in permutations(range(len(times)), 2):
        trail = Trail(times)
        a, b = trail.time(one), trail.time(other)
        for by in range(-8, 9):
            span, real = timedelta(microseconds=by), times[one] - times[other]
            assert (a - b < span, a - b <= span, a - b == span) == (real < by, real <= by, real == by)
            assert (a < b + span, a >= b + span, a == b + span) == (real < by, real >= by, real == by)
            assert (bool(a - b - span), max(a - b, span) == span) == (real != by, real <= by)
        asked = len(trail.answers)
        assert a - b < timedelta(microseconds=9)
        assert len(trail.answers) == asked, "it is known"


def test_every_question_about_places_tells_kinds_of_orders_apart() -> None:
    """The rules ask them by name; a new one must be among what a path is found by."""
    asked = {"agreement", "same_province", "different_cities", "addresses_apart", "least_distance_km"}
    imported = set()
    for file in ("case", "contests", "truth_rules", "absence", "verdict", "rules"):
        tree = ast.parse((ROOT / "core" / "audit" / f"{file}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == places.__name__:
                imported |= {name.name for name in node.names if name.name[0].islower()}
    assert imported == asked
