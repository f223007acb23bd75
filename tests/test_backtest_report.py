"""What became of a past order, beside what should have: outcomes, surprises, money, and the report's shape."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from past_orders import BROUGHT, PICKED, Folder
from rich.console import Console

from backtest.building import order_of
from backtest.comparing import ENDINGS, Fate, buyers_have_it, fate_of, fate_unpaid
from backtest.living import Life
from backtest.past import PastOrder, past_orders
from backtest.report import BacktestProof, Report
from backtest.rows import UnusableRow, read_folder

SETTLED: dict[str, Any] = {
    "phase": "settled",
    "closed": True,
    "funded": True,
    "credited_minor": 10000,
    "commission_minor": 1000,
    "refunds": [],
    "receipt": {"by": "buyer"},
    "settled_at": "2026-01-21T12:00:00Z",
}
REFUNDED: dict[str, Any] = {
    "phase": "refunded",
    "closed": True,
    "funded": True,
    "credited_minor": 0,
    "commission_minor": 0,
    "refunds": [
        {"status": "arrived", "amount_minor": 11000, "reason": "never delivered", "since": "2026-01-11T00:00:00Z"}
    ],
    "receipt": {},
}


@pytest.fixture
def delivered(tmp_path: Path) -> PastOrder:
    folder = Folder().order("o1", picked=PICKED, delivered=BROUGHT).write(tmp_path)
    return past_orders(read_folder(folder))[0][0]


def life(past: PastOrder, **known: Any) -> Life:
    return Life(past, order_of(past, datetime(2026, 1, 1, tzinfo=UTC), None), **known)


def test_delivered_and_settled_is_no_surprise(delivered: PastOrder) -> None:
    fate = fate_of(life(delivered, state=SETTLED))
    assert (fate.outcome, fate.expected, fate.surprising, fate.left_minor) == ("settled", "settled", False, 0)


def test_delivered_and_refunded_is_a_surprise_that_says_why(delivered: PastOrder) -> None:
    fate = fate_of(life(delivered, state=REFUNDED, refused=[("confirm_receipt", "order_over")]))
    assert fate.surprising
    assert fate.why == (
        "it was delivered; by the record: picked_up on day 2.0, upload on day 2.0, delivered on day 8.0,"
        " confirm on day 9.0; confirm_receipt was refused: order_over; refunded: never delivered"
    )


def test_settled_order_whose_money_is_not_all_there_is_a_surprise(delivered: PastOrder) -> None:
    fate = fate_of(life(delivered, state=SETTLED | {"credited_minor": 9000}))
    assert fate.outcome == "money_missing"
    assert "10.00 BRL is not accounted for" in fate.why


def test_refund_that_has_not_arrived_is_not_counted(delivered: PastOrder) -> None:
    refunds = [REFUNDED["refunds"][0] | {"status": "booked"}]
    fate = fate_of(life(delivered, state=REFUNDED | {"refunds": refunds, "closed": False}))
    assert (fate.outcome, fate.refunded_minor, fate.left_minor) == ("held", 0, 11000)


def test_open_order_says_what_it_waits_for(delivered: PastOrder) -> None:
    state = SETTLED | {"phase": "shipped", "closed": False, "credited_minor": 0, "commission_minor": 0}
    holds = [{"reason": "audit_in_review", "what_helps": "A reviewer sends decide_audit."}]
    fate = fate_of(life(delivered, state=state, holds=holds))
    assert fate.outcome == "held"
    assert fate.why.endswith("it is shipped and waits: audit_in_review: A reviewer sends decide_audit.")


def test_order_that_could_not_be_lived_says_why(delivered: PastOrder) -> None:
    fate = fate_of(life(delivered, failure="refused: payment_not_found"))
    assert (fate.outcome, fate.paid_minor) == ("not_lived", 0)
    assert fate.why.endswith("refused: payment_not_found")


def test_every_outcome_has_a_sentence(delivered: PastOrder) -> None:
    states = [SETTLED, REFUNDED, REFUNDED | {"phase": "cancelled"}, REFUNDED | {"closed": False}]
    fates = [fate_of(life(delivered, state=state)) for state in states]
    assert {fate.outcome for fate in fates} <= ENDINGS.keys()


def test_report_has_the_shape_that_scripts_read(delivered: PastOrder) -> None:
    fates = [
        fate_of(life(delivered, state=SETTLED)),
        fate_of(life(delivered, state=REFUNDED)),
        Fate("o3", "o3", "never_paid", expected="never_paid", why="the payment was never approved"),
    ]
    report = Report(
        fates, [UnusableRow("orders.csv", 7, "it has no items")], [BacktestProof("books balance", True)], seconds=0.5
    )
    found = json.loads(json.dumps(report.as_json()))
    assert found["orders"] == 3
    assert found["outcomes"] == {"never_paid": 1, "refunded": 1, "settled": 1}
    assert found["surprises"] == [
        {
            "order_id": "o1",
            "expected": "settled",
            "got": "refunded",
            "why": fates[1].why,
        }
    ]
    assert found["proofs"] == [{"name": "books balance", "holds": True}]
    assert found["orders_per_s"] == 4.0
    assert found["bad_rows"] == [{"file": "orders.csv", "line": 7, "reason": "it has no items"}]
    assert found["money"]["paid_minor"] == 22000
    assert found["money"]["open_minor"] == 0
    assert [line["got"] for line in found["lives"]] == ["settled", "refunded", "never_paid"]
    assert found["durations"]["held_until_settled"] == {"orders": 1, "p50_days": 20.5, "p90_days": 20.5}
    assert found["durations"]["held_until_sent_back"] == {"orders": 1, "p50_days": 10.0, "p90_days": 10.0}
    assert found["durations"]["buyer_waited"] == {"orders": 0, "p50_days": 0.0, "p90_days": 0.0}


def test_proof_that_fails_fails_the_report_and_a_surprise_does_not(delivered: PastOrder) -> None:
    surprise = [fate_of(life(delivered, state=REFUNDED))]
    assert Report(surprise, (), [BacktestProof("books balance", True)], 1.0).holds
    assert not Report(surprise, (), [BacktestProof("books balance", False)], 1.0).holds


def test_tables_show_outcomes_surprises_money_proofs_and_speed(delivered: PastOrder) -> None:
    fates = [fate_of(life(delivered, state=SETTLED)), fate_of(life(delivered, state=REFUNDED))]
    bad_rows = [UnusableRow("orders.csv", line, "it has no items") for line in range(2, 40)]
    text = io.StringIO()
    report = Report(fates, bad_rows, [BacktestProof("books balance", False)], seconds=1.0)
    report.show(Console(file=text, width=200, markup=False))
    shown = text.getvalue()
    assert "Surprises" in shown
    assert "Bad rows (the first 20 of 38)" in shown
    assert "110.00 BRL" in shown
    assert "FAILS" in shown
    assert "2 orders, 1 surprises, 38 bad rows, 2.0 orders/s" in shown


def test_never_paid_order_starts_nothing(tmp_path: Path) -> None:
    folder = Folder().order("o1", "canceled", paid="").write(tmp_path)
    fate = fate_unpaid(past_orders(read_folder(folder))[0][0])
    assert (fate.outcome, fate.surprising, fate.why) == ("never_paid", False, "the payment was never approved")


@pytest.mark.parametrize(
    ("sent_back", "agrees"),
    [
        ({"o1": 11000}, True),
        ({}, False),
        ({"o1": 22000}, False),
        ({"o1": 11000, "stranger": 1}, False),
    ],
)
def test_channel_must_have_sent_back_what_the_orders_say(
    delivered: PastOrder, sent_back: dict[str, int], agrees: bool
) -> None:
    assert buyers_have_it([fate_of(life(delivered, state=REFUNDED))], sent_back) is agrees


def test_refund_of_an_open_order_may_still_be_on_its_way(delivered: PastOrder) -> None:
    fate = fate_of(life(delivered, state=REFUNDED | {"closed": False, "refunds": []}))
    assert buyers_have_it([fate], {"o1": 11000})
