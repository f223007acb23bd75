"""Stripe's webhooks about disputes: each moves an order's money once, and anything odd about one moves nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from databases import Database
from ledger_samples import an_order, opened

from core.aftersale.messages import ReportChargeback
from core.errors import Refused, Unavailable, UnreadableAnswer
from core.messages import Order
from inbound.callbacks import CallbackDesk, Disputed, Unfollowed
from inbound.desk import VendorAnswer
from inbound.stripe import StripeDisputes
from ledger.register import Register
from local.stripe import dispute_event

SECRET = "whsec_of_tests"
AT = 1_796_000_000
READER = StripeDisputes("stripe", "wechat", SECRET)


class Orders:
    """A stand-in for orders: keeps what each got, and answers it."""

    def __init__(self) -> None:
        self.got: list[tuple[str, ReportChargeback]] = []
        self.errors: dict[str, Exception] = {}

    async def __call__(self, order: Order, report: ReportChargeback) -> Mapping[str, Any]:
        if order.order_id in self.errors:
            raise self.errors[order.order_id]
        self.got.append((order.order_id, report))
        return {"outcome": "accepted"}


class Ground:
    """A desk, and two orders of one payment."""

    def __init__(self, database: Database) -> None:
        self.database, self.register, self.orders = database, Register(database.pool), Orders()

        async def no_payout(withdrawal_id: str, event: object) -> None:
            raise AssertionError("no payout is reported here")

        self.desk = CallbackDesk(self.register, {"stripe": READER}, no_payout, self.orders)
        self.first = an_order("A1")
        self.payment = self.first.payment.reference

    async def open(self, *, orders: int = 1) -> None:
        paid = orders * self.first.total_minor
        for number in range(1, orders + 1):
            await opened(self.register, an_order(f"A{number}", payment=self.payment, paid=paid))

    async def hear(self, kind: str = "funds_withdrawn", amount: int = 100, **more: Any) -> VendorAnswer:
        given = {"at": AT, **more}
        return await self.desk.receive("stripe", *dispute_event(SECRET, kind, "du_1", self.payment, amount, **given))


@pytest.fixture
def ground(database: Database) -> Ground:
    return Ground(database)


# --- what is right ---------------------------------------------------------------------------------------


async def test_money_that_was_taken_opens_a_chargeback_with_its_fee_and_due_date(ground: Ground) -> None:
    await ground.open()
    answer = await ground.hear(fee_minor=15)
    assert (answer.status, answer.outcome, answer.subjects) == (200, "reported", ("A1",))
    assert answer.body == b'{"received":true}'
    ((order_id, report),) = ground.orders.got
    assert (order_id, report.case_reference, report.outcome) == ("A1", "du_1", "opened")
    assert (report.amount_minor, report.fee_minor, report.actor.id) == (100, 15, "wechat")
    assert report.evidence_due is not None
    assert int(report.evidence_due.timestamp()) == AT + 7 * 86_400


async def test_a_payment_of_two_orders_is_divided_over_both(ground: Ground) -> None:
    await ground.open(orders=2)
    await ground.hear(amount=101)
    assert [(order_id, report.amount_minor) for order_id, report in ground.orders.got] == [("A1", 51), ("A2", 50)]


@pytest.mark.parametrize(
    ("kind", "status", "outcome"), [("funds_reinstated", "won", "won"), ("closed", "lost", "lost")]
)
def test_its_end_is_what_moved_or_that_it_was_lost(kind: str, status: str, outcome: str) -> None:
    body, _ = dispute_event(SECRET, kind, "du_1", "pi_1", 100, at=AT, status=status)
    news = READER.read(body)
    assert isinstance(news, Disputed)
    assert (news.report.outcome, news.report.amount_minor, news.payments) == (status, None, ("pi_1", "ch_pi_1"))


@pytest.mark.parametrize(
    ("kind", "status"),
    [("created", "warning_needs_response"), ("created", "needs_response"), ("updated", "x"), ("closed", "won")],
)
async def test_what_moves_no_money_is_noted(ground: Ground, kind: str, status: str) -> None:
    await ground.open()
    answer = await ground.hear(kind, status=status)
    assert (answer.status, answer.outcome, ground.orders.got) == (200, "noted", [])


# --- again -----------------------------------------------------------------------------------------------


async def test_the_same_event_again_and_the_same_news_under_a_new_signature_count_once(ground: Ground) -> None:
    await ground.open()
    answers = [await ground.hear() for _ in range(2)] + [await ground.hear(at=AT + 60)]
    assert [answer.outcome for answer in answers] == ["reported", "reported", "repeated"]
    assert [answer.repeated for answer in answers] == [False, True, False]
    assert len(ground.orders.got) == 1


async def test_an_order_that_does_not_answer_leaves_it_unacknowledged_and_again_each_gets_the_same(
    ground: Ground,
) -> None:
    await ground.open(orders=2)
    ground.orders.errors["A2"] = Unavailable("Temporal is away")
    with pytest.raises(Unavailable):
        await ground.hear(amount=101)
    ground.orders.errors.clear()
    assert (await ground.hear(amount=101)).outcome == "reported"
    first, again, second = ground.orders.got
    assert first == again
    assert second[1].amount_minor == 50


async def test_an_order_whose_money_is_moving_is_asked_again(ground: Ground) -> None:
    await ground.open()
    ground.orders.errors["A1"] = Refused("too_early", "its money is being moved")
    with pytest.raises(Unavailable, match="Send du_1 again"):
        await ground.hear()
    ground.orders.errors.clear()
    assert (await ground.hear()).outcome == "reported"


# --- what is wrong ---------------------------------------------------------------------------------------


async def test_a_forged_one_moves_nothing(ground: Ground) -> None:
    await ground.open()
    body, headers = dispute_event("whsec_of_another", "funds_withdrawn", "du_1", ground.payment, 100, at=AT)
    forged = await ground.desk.receive("stripe", body, headers)
    body, headers = dispute_event(SECRET, "funds_withdrawn", "du_1", ground.payment, 100, at=AT)
    changed = await ground.desk.receive("stripe", body.replace(b"100", b"900", 1), headers)
    bare = await ground.desk.receive("stripe", body, {})
    assert [(one.status, one.outcome) for one in (forged, changed, bare)] == [(401, "wrong_signature")] * 3
    assert not ground.orders.got


async def test_a_payment_of_nobody_or_in_another_currency_moves_nothing(ground: Ground) -> None:
    unknown = await ground.hear()
    await ground.open()
    other = await ground.hear(currency="usd", at=AT + 1)
    assert [(one.status, one.outcome) for one in (unknown, other)] == [
        (200, "unknown_payment"),
        (200, "wrong_currency"),
    ]
    assert not ground.orders.got


async def test_one_order_that_refuses_is_named_and_stops_no_other(ground: Ground) -> None:
    await ground.open(orders=2)
    ground.orders.errors["A1"] = Refused("case_open", "disputed already")
    answer = await ground.hear(amount=101)
    assert (answer.outcome, answer.detail) == ("refused", "A1 case_open: du_1 opened")
    assert [order_id for order_id, _ in ground.orders.got] == ["A2"]
    (notice,) = await ground.register.notices.read()
    assert notice.facts["because"] == "A1 case_open: du_1 opened"


async def test_an_end_that_overtakes_its_beginning_is_asked_for_again(ground: Ground) -> None:
    await ground.open(orders=2)
    ground.orders.errors = {name: Refused("unknown_chargeback", "no such") for name in ("A1", "A2")}
    with pytest.raises(Unavailable, match="du_1 again"):
        await ground.hear("funds_reinstated")
    ground.orders.errors.clear()
    assert (await ground.hear("funds_reinstated")).outcome == "reported"


async def test_the_end_is_told_to_the_orders_that_have_a_part(ground: Ground) -> None:
    await ground.open(orders=2)
    ground.orders.errors = {"A1": Refused("unknown_chargeback", "it has no part of it")}
    answer = await ground.hear("funds_reinstated")
    assert (answer.outcome, answer.subjects) == ("reported", ("A2",))


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": -1},
        {"amount": None},
        {"currency": "mga"},
        {"payment_intent": None, "charge": None},
        {"id": "x" * 300},
    ],
)
def test_what_cannot_be_read_says_why(changed: dict[str, Any]) -> None:
    body, _ = dispute_event(SECRET, "funds_withdrawn", "du_1", "pi_1", 100, at=AT)
    event = json.loads(body)
    event["data"]["object"] |= changed
    with pytest.raises(UnreadableAnswer, match=r"dispute|event"):
        READER.read(json.dumps(event).encode())


def test_another_event_of_the_account_is_not_followed() -> None:
    assert READER.read(b'{"type": "charge.succeeded", "data": {"object": {}}}') == Unfollowed(about="charge.succeeded")
