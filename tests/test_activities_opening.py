"""Opening an order a second time: what was funded goes on, although the channel or the clock would refuse it now."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from databases import Database
from ledger_samples import NOW, a_record, an_order, credit, settle

from activities.by_name import ByName
from activities.channels.base import PaymentFact, RefundAnswer, RefundInstruction
from activities.opening import OpeningActivities
from activities.policies import ParsedPolicies
from activities.requests import Opened, OpenRequest
from activities.screening import ScreeningActivities
from core.messages import Actor, Order
from core.policy import policy_hash
from core.screening.matching import Screener
from core.screening.rules import NO_RULES
from ledger.book import Book
from ledger.register import Register

POLICY = 'name = "default"\n'


class ForgetfulChannel:
    """Knows every payment until it forgets them all."""

    def __init__(self) -> None:
        self.forgot = False

    async def payment(self, reference: str, currency: str, claimed_minor: int) -> PaymentFact | None:
        """What was paid."""
        fact = PaymentFact(reference=reference, paid_minor=claimed_minor, currency=currency, paid_at=NOW)
        return None if self.forgot else fact

    async def refund(self, instruction: RefundInstruction) -> RefundAnswer:
        """Asked by no opening."""
        raise AssertionError

    async def refund_status(self, key: str) -> RefundAnswer:
        """Asked by no opening."""
        raise AssertionError

    async def charge(self, instruction: RefundInstruction) -> RefundAnswer:
        """Asked by no opening."""
        raise AssertionError

    async def charge_status(self, key: str) -> RefundAnswer:
        """Asked by no opening."""
        raise AssertionError


class TwoNames(ForgetfulChannel):
    """Knows its one payment by its own number and by the storefront's, as WeChat Pay does."""

    async def payment(self, reference: str, currency: str, claimed_minor: int) -> PaymentFact | None:
        """The same payment under each name."""
        return PaymentFact(reference=reference, paid_minor=1000, currency=currency, paid_at=NOW, number="4200001")


@pytest.mark.parametrize("names", [("4200001", "shop-1"), ("shop-1", "4200001")])
async def test_a_payment_with_two_names_is_claimed_under_one(
    register: Register, database: Database, names: tuple[str, str]
) -> None:
    channel = TwoNames()
    first, second = (an_order(f"A{n}", payment=name) for n, name in enumerate(names, 1))
    opened = await asyncio.gather(open_it(register, channel, order=first), open_it(register, channel, order=second))
    refused = [one.refusal for one in opened if one.refusal is not None]
    assert [(one.code, one.field) for one in refused] == [("payment_over_claimed", "payment.reference")]
    assert "under the reference" in refused[0].message
    escrow = [await database.balance(f"order/{order_id}/escrow") for order_id in ("A1", "A2")]
    assert sum(escrow) == 1000, "no escrow without money"
    again = [await open_it(register, channel, order=one) for one in (first, second)]
    assert sorted(one.known for one in again) == [False, True], "a retry of the one that was opened goes on"


@pytest.mark.parametrize("code", ["merchant_frozen", "order_exists_with_different_content"])
async def test_a_refused_order_gives_its_payment_no_name(register: Register, database: Database, code: str) -> None:
    channel, refused = TwoNames(), an_order("A1", payment="shop-1", merchant_id="m-9")
    if code == "merchant_frozen":
        ann = Actor(role="operator", id="ann")
        await register.merchants.stop("m-9", "frozen", on=True, by=ann, why="looks odd", now=NOW)
    else:
        await open_it(register, ForgetfulChannel(), order=an_order("A1", payment="another"))
    before = await open_it(register, channel, order=refused)
    assert before.refusal is not None
    assert before.refusal.code == code
    opened = await open_it(register, channel, order=an_order("A2", payment="4200001"))
    assert opened.refusal is None, "the other name is as good"
    assert await database.balance("order/A2/escrow") == 1000
    after = await open_it(register, channel, order=an_order("A3", payment="shop-1"))
    assert after.refusal is not None
    assert after.refusal.message.endswith("Orders claim this payment under the reference 4200001.")


async def test_an_order_that_is_refused_beside_one_that_is_opened_leaves_one_name(
    register: Register, database: Database
) -> None:
    channel = TwoNames()
    await open_it(register, ForgetfulChannel(), order=an_order("A1", payment="another"))
    other, fits = an_order("A1", payment="shop-1"), an_order("A2", payment="4200001")
    answers = await asyncio.gather(*(open_it(register, channel, order=one) for one in (other, fits) * 3))
    assert [one.refusal is None for one in answers] == [False, True] * 3
    names = await database.owner.fetch("SELECT number, payment FROM payment_numbers")
    assert [tuple(row) for row in names] == [("4200001", "4200001")]
    assert await database.balance("order/A2/escrow") == 1000


async def open_it(
    register: Register,
    channel: ForgetfulChannel,
    *,
    by: str = "run-1",
    now: datetime = NOW,
    order: Order | None = None,
) -> Opened:
    await register.policies.keep("default", policy_hash(POLICY), POLICY)
    screening = ScreeningActivities(Screener(NO_RULES, {}), register.licences)
    opening = OpeningActivities(
        register, ParsedPolicies(register.policies), ByName(stand_in=lambda _: channel), screening
    )
    return await opening.open(OpenRequest(order=order or an_order(), opened_by=by, now=now))


@pytest.mark.parametrize("late", [timedelta(0), timedelta(days=4000)])
async def test_a_funded_order_goes_on_where_its_payment_is_refused_at_the_second_asking(
    register: Register, database: Database, late: timedelta
) -> None:
    channel = ForgetfulChannel()
    assert (await open_it(register, channel)).standing is not None
    # Its worker died before the report, so that it is opened again.
    channel.forgot = not late
    assert await open_it(register, channel, now=NOW + late) == Opened(known=True, knows_people=True)
    assert await database.balance("order/A1/escrow") == 1000


async def test_another_run_of_it_is_refused_as_before(register: Register, database: Database) -> None:
    channel = ForgetfulChannel()
    await open_it(register, channel)
    channel.forgot = True
    opened = await open_it(register, channel, by="run-2")
    assert opened.refusal is not None
    assert opened.refusal.code == "payment_not_found"


@pytest.mark.parametrize("late", [timedelta(0), timedelta(days=4000)])
async def test_an_order_that_is_over_is_known_as_such_however_old_its_payment(
    register: Register, database: Database, late: timedelta
) -> None:
    channel = ForgetfulChannel()
    await open_it(register, channel)
    fields: dict[str, Any] = {"audit": "approved", "receipt": "confirmed", "state": {"phase": "settled"}}
    end = a_record(revision=9, phase="settled", closed=True, **fields)
    await credit(Book(database.pool), an_order())
    await settle(Book(database.pool), an_order(), record=end)
    channel.forgot = not late
    opened = await open_it(register, channel, by="run-2", now=NOW + late)
    assert opened.refusal is not None
    assert opened.refusal.code == "order_over"


async def test_an_order_that_was_never_opened_is_refused(register: Register, database: Database) -> None:
    channel = ForgetfulChannel()
    channel.forgot = True
    opened = await open_it(register, channel)
    assert opened.refusal is not None
    assert opened.refusal.code == "payment_not_found"
    assert await register.orders.known("A1") is None
