"""The chart of accounts is one: what the database makes of a path is what `core.chart` says."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from itertools import product
from typing import Any, Literal

from databases import Database
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_samples import NOW, a_withdrawal, account_of

from core import movements
from core.chart import ACCOUNTS, KINDS, KINDS_BY_NAME, ChartLeg, kind_of, names_in
from core.movements import Movement

IDS = ("A1", "a-b_c", "Z" * 64, "0")
ODD = ("", "a/b", "a b", "é", "a.b", "a\n", "{order}", "%", "order")
NAMES = st.text(string.ascii_letters + string.digits + "_-/ .\n%", max_size=8)


def paths() -> list[str]:
    """Paths of every line of the chart, with ids as they may be and as they may not, and paths that nearly fit."""
    found = []
    for account in ACCOUNTS:
        names = sorted(names_in(account.path, account.path.replace("{", "").replace("}", "")) or {})
        for values in product((*IDS, *ODD), repeat=len(names)):
            path = account.path.format(**dict(zip(names, values, strict=True)))
            found += [path, path + "/", "/" + path, path + "x", path.upper(), path + "\n"]
    return list(dict.fromkeys(path for path in found if "\x00" not in path))


async def _of_database(database: Database, wanted: list[str]) -> list[tuple[str | None, bool]]:
    rows = await database.pool.fetch(
        "SELECT account_kind(p) AS kind, account_guarded(p) AS guarded"
        " FROM unnest($1::TEXT[]) WITH ORDINALITY AS w (p, n) ORDER BY n",
        wanted,
    )
    return [(row["kind"], row["guarded"]) for row in rows]


async def test_the_database_opens_the_accounts_of_the_chart_and_no_others(database: Database) -> None:
    wanted = paths()
    assert len(wanted) > 1_000
    for path, (kind, guarded) in zip(wanted, await _of_database(database, wanted), strict=True):
        account = account_of(path)
        assert (account.kind if account else None) == kind, path
        assert account is None or account.guarded == guarded, path


def _shape(path: str) -> str:
    if path.startswith(("income/", "expense/")):
        return path
    head, rest = ("account/", path[8:]) if path.startswith("account/") else ("", path)
    rest = re.sub(r"^[^/]+/", "*/", rest) if head else rest
    return head + re.sub(r"([^/]+/)[^/]+", r"\1*", rest)


async def test_the_database_finds_the_shape_of_a_path_the_short_way_as_by_the_pattern(database: Database) -> None:
    wanted = [*paths(), *(kind.reference for kind in KINDS), "a", "a/b/c/d/e/f", "a//b", "/", "", "account/a/b/c/d"]
    rows = await database.pool.fetch("SELECT shape_of(p) AS shape FROM unnest($1::TEXT[]) AS w (p)", wanted)
    assert [row["shape"] for row in rows] == [_shape(path) for path in wanted]


TAKEN: dict[str, Any] = {"merchant_minor": 4, "commission_minor": 1, "discount_minor": 1, "goodwill_minor": 1}
BY_THE_DATABASE = {
    *("account_drop", "adjustment", "chargeback_won", "correction", "deposit_back", "rest", "rest_closed"),
    "write_off",
    "chargeback_above_won",
}
"""Kinds that no builder makes here."""


def _taken() -> Iterator[movements.Taken]:
    """From each place that an order's money can stand at."""
    places: tuple[Literal["escrow", "proceeds", "merchant"], ...] = ("escrow", "proceeds", "merchant")
    for place in places:
        yield movements.Taken(place=place, **TAKEN)


def _samples() -> list[Movement]:
    """One of each kind that is built here."""
    at: dict[str, Any] = {"currency": "CNY", "occurred_at": NOW}
    return [
        movements.fund("A1", channel="wechat", amount_minor=9, **at),
        movements.credit("A1", proceeds_minor=7, commission_minor=1, discount_minor=1, **at),
        movements.settle("A1", merchant_id="m-1", amount_minor=8, **at),
        *(movements.refund("A1", cause="c", merchant_id="m-1", taken=taken, **at) for taken in _taken()),
        movements.refund_arrived("A1", cause="c", channel="wechat", amount_minor=3, **at),
        movements.refund_covered("A1", cause="c", merchant_id="m-1", platform_minor=2, merchant_minor=1, **at),
        movements.freeze("A1", k=1, merchant_id="m-1", amount_minor=3, **at),
        movements.release("A1", k=1, merchant_id="m-1", amount_minor=3, **at),
        *(
            movements.chargeback("A1", k=1, channel="wechat", merchant_id="m-1", taken=taken, **at)
            for taken in _taken()
        ),
        movements.chargeback_fee(
            "A1", k=1, channel="wechat", merchant_id="m-1", platform_minor=1, merchant_minor=1, **at
        ),
        movements.chargeback_above(
            "A1", k=1, channel="wechat", merchant_id="m-1", platform_minor=1, merchant_minor=1, **at
        ),
        *(
            movements.claim_back(
                "A1",
                k=1,
                channel="wechat",
                merchant_id="m-1",
                amount_minor=9,
                commission_minor=1,
                discount_minor=1,
                goodwill_minor=1,
                frozen=frozen,
                **at,
            )
            for frozen in (False, True)
        ),
        movements.paid_in("m-1", "R1", channel="wechat", amount_minor=5, **at),
        movements.paid_in("m-1", "R2", rail="sandbox", amount_minor=5, **at),
        movements.reserve("W1", merchant_id="m-1", amount_minor=5, **at),
        movements.pay("W1", rail="sandbox", amount_minor=4, fee_minor=1, **at),
        movements.void("W1", merchant_id="m-1", amount_minor=5, **at),
        movements.move_to_suspense("W1", amount_minor=5, **at),
        movements.bank_return(
            a_withdrawal(), k=1, rail="sandbox", amount_minor=3, occurred_at=NOW, fee_back_minor=1, shortfall_minor=1
        ),
        movements.psp_settlement("wechat", "S1", rail="sandbox", net_minor=8, fee_minor=1, **at),
    ]


def test_every_kind_has_a_builder_or_is_posted_by_the_database_alone() -> None:
    built = {movement.kind for movement in _samples()}
    assert built == set(KINDS_BY_NAME) - BY_THE_DATABASE


def test_every_leg_of_a_movement_moves_between_accounts_of_the_chart() -> None:
    for movement in _samples():
        of_kind = KINDS_BY_NAME[movement.kind].legs
        assert all(any(_is_of(leg, one) for one in of_kind) for leg in movement.legs), movement
        assert all(account_of(leg.debit) and account_of(leg.credit) for leg in movement.legs), movement
        assert names_in(KINDS_BY_NAME[movement.kind].reference, movement.reference) is not None


def test_each_leg_of_a_movement_says_its_kind() -> None:
    """Also of a refund that arrived, and of a withdrawal whose close may be either."""
    for movement in _samples():
        assert {kind_of(movement.reference, leg.credit).name for leg in movement.legs} == {movement.kind}
    assert kind_of("return-of-july", "expense/goodwill").name == "adjustment"


def _is_of(leg: movements.Leg, pattern: ChartLeg) -> bool:
    return names_in(pattern.debit, leg.debit) is not None and names_in(pattern.credit, leg.credit) is not None


def test_each_leg_of_a_kind_is_made_by_a_builder() -> None:
    made = _samples()
    for kind in KINDS:
        if kind.name not in BY_THE_DATABASE:
            legs = [leg for movement in made if movement.kind == kind.name for leg in movement.legs]
            assert all(any(_is_of(leg, pattern) for leg in legs) for pattern in kind.legs), kind.name


def test_a_kind_names_only_what_its_reference_or_its_subject_knows() -> None:
    """The database must find each name in the row of the order, the withdrawal or the channel."""
    of_subject = {
        "order": {"order", "cause", "k", "merchant", "channel"},
        "withdrawal": {"withdrawal", "k", "merchant", "rail"},
        "channel": {"channel", "settlement", "rail"},
        "account": {"account", "version", "drop", "rail"},
        "merchant": {"merchant", "receipt", "request", "k", "channel", "rail"},
        "payment": {"request", "channel"},
        "none": {"reference", "request"},
    }
    for kind in KINDS:
        patterns = [kind.reference, *(path for leg in kind.legs for path in leg), kind.emptied or ""]
        named = {name for pattern in patterns for _, name, _, _ in string.Formatter().parse(pattern) if name}
        assert named <= of_subject[kind.subject], kind.name


@settings(max_examples=300)
@given(path=NAMES, order=NAMES)
def test_a_path_is_of_at_most_one_line_of_the_chart(path: str, order: str) -> None:
    for candidate in (path, f"order/{order}/escrow", f"psp/{order}", f"rail/{order}/{path}"):
        lines = [account for account in ACCOUNTS if names_in(account.path, candidate) is not None]
        assert len(lines) <= 1


def test_a_movement_without_an_amount_for_a_leg_leaves_it_out() -> None:
    movement = movements.credit(
        "A1", proceeds_minor=7, commission_minor=0, discount_minor=0, currency="CNY", occurred_at=NOW
    )
    assert movement.legs == (("order/A1/escrow", "order/A1/proceeds", 7),)
    assert movement.emptied == "order/A1/escrow"


def test_a_movement_survives_its_own_json() -> None:
    for movement in _samples():
        assert Movement.model_validate_json(movement.model_dump_json()) == movement
