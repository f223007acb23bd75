"""Books in which anything happens in any order, on our side and in the statements of a rail and a channel."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from databases import Database
from ledger_samples import (
    LIMITS,
    NOW,
    a_record,
    a_withdrawal,
    a_withdrawal_record,
    an_attempt,
    an_order,
    bank_return,
    earned,
    fund,
    opened,
    pay,
    refund,
    refund_arrived,
    void,
)
from statement_lines import LATER, line

from core.ids import charge_key, refund_key
from core.messages import Actor, Order, Withdrawal
from core.movements import Leg, Taken, adjustment, chargeback, claim_back
from core.reconciliation.lines import Covered, Scope, Statement, TheirLine
from core.withdrawal.payouts import RailTerms
from ledger.book import Book
from ledger.register import Register

PERIODS = (
    (NOW - timedelta(days=1), NOW + timedelta(hours=12)),
    (NOW + timedelta(hours=12), datetime.now(UTC) + timedelta(hours=3)),
    (datetime.now(UTC) + timedelta(hours=3), LATER),
)
"""Periods of statements: together they cover all that happens, and an absence means nothing before all are loaded."""
NAMES: dict[Scope, str] = {"rail": "sandbox", "channel": "wechat"}


class RandomBooks:
    """What happens is chosen by a seed, so that a failure can be had again."""

    def __init__(self, scope: Scope, seed: int, database: Database, register: Register, book: Book) -> None:
        self._scope, self._random = scope, random.Random(seed)
        self._database, self._register, self._book = database, register, book
        self._count = 0
        self.now = datetime.now(UTC)
        self._open: list[tuple[Withdrawal, str]] = []
        self._paid: list[tuple[Withdrawal, str]] = []
        self._given_back: list[str] = []
        self._orders: list[Order] = []
        self._owed: list[Order] = []
        self._disputed: list[Order] = []
        self._known: list[tuple[Scope, str, str, int, str | None]] = []
        self._stated: list[tuple[Scope, str, str, int, str | None]] = []
        self._told: list[tuple[Scope, TheirLine]] = []
        self.done: list[str] = []

    async def begin(self) -> None:
        """A merchant with money, and a sealed beginning."""
        await earned(self._register, self._book, 900_000)
        await self._register.seals.seal()

    async def step(self) -> None:
        """One thing happens, and some time passes."""
        self.now += self._random.choice([timedelta(minutes=10), timedelta(minutes=20), timedelta(hours=6)])
        booked: dict[Scope, list[tuple[int, Callable[[], Awaitable[object]]]]] = {
            "rail": [
                (6, self._open_payout),
                (5, self._pay),
                (2, self._give_back),
                (2, self._bank_returns),
                (2, self._drop),
            ],
            "channel": [
                (8, self._order),
                (3, self._refund),
                (3, self._refund_arrives),
                (1, self._charge_back),
                (2, self._charge_again),
            ],
        }
        actions = [
            *booked[self._scope],
            (2, self._settle),
            (1, self._correct),
            (14, self._statement),
            (1, self._foreign_line),
            (1, self._late_period),
            (1, self._reload),
            (0.3, self._withdraw_load),
            (7, self._register.seals.seal),
        ]
        [action] = self._random.choices([one for _, one in actions], [weight for weight, _ in actions])
        self.done.append(action.__name__)
        await action()

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _taken(self, items: list[Any]) -> Any:
        return items.pop(self._random.randrange(len(items))) if items else None

    def _knows(self, scope: Scope, kind: str, key: str, amount: int, reference: str | None = None) -> None:
        """That a statement may tell of this."""
        self._known.append((scope, kind, key, amount, reference))

    # --- our side ---------------------------------------------------------------------------------------

    async def _open_payout(self) -> None:
        number = self._next()
        withdrawal, key = a_withdrawal(f"W{number}", 100 + number), f"key{number}"
        reserved = await self._register.withdrawals.reserve(withdrawal, LIMITS, now=NOW)
        if reserved.outcome != "reserved":  # the day's limit
            return
        await self._register.payouts.open(an_attempt(withdrawal, key=key), RailTerms())
        self._open.append((withdrawal, key))
        self._knows("rail", "payout", key, withdrawal.amount_minor)

    async def _pay(self) -> None:
        if (found := self._taken(self._open)) is None:
            return
        withdrawal, key = found
        state = {"booked": "paid", "attempts": [{"key": key, "outcome": "paid", "events": []}]}
        record = a_withdrawal_record(withdrawal.withdrawal_id, state_name="paid", closed=True, state=state)
        assert (await pay(self._book, withdrawal, record=record)).moved
        self._paid.append((withdrawal, key))

    async def _give_back(self) -> None:
        if (found := self._taken(self._open)) is None:
            return
        withdrawal, key = found
        state = {"booked": "void", "attempts": [{"key": key, "outcome": "failed", "events": []}]}
        record = a_withdrawal_record(withdrawal.withdrawal_id, state_name="failed", closed=True, state=state)
        assert (await void(self._book, withdrawal, record=record)).moved
        if self._random.random() < 0.3:  # a late word on a payout that ended
            await self._database.owner.execute("UPDATE payout_attempts SET state = 'unknown' WHERE key = $1", key)

    async def _bank_returns(self) -> None:
        if (found := self._taken(self._paid)) is None:
            return
        withdrawal, key = found
        amount = self._random.choice([withdrawal.amount_minor, 50])
        assert (await bank_return(self._book, withdrawal, amount)).moved
        self._knows("rail", "return", key, amount)

    async def _drop(self) -> None:
        number = self._next()
        await self._database.owner.execute(
            "INSERT INTO account_drops (key, account_id, version, drop_no, amount_minor, currency, rail, tries_left,"
            " valid_until, created_at, updated_at, state) VALUES ($1, 'acc-m-1', 1, $2, 7, 'CNY', 'sandbox', 0, $3, $3,"
            " $3, $4)",
            f"drop{number}",
            number,
            NOW,
            self._random.choice(["paid", "failed", "lost"]),
        )
        self._knows("rail", "payout", f"drop{number}", 7)

    async def _order(self) -> None:
        order = an_order(f"O{self._next()}", 1000)
        if self._random.random() < 0.2 and self._orders:  # of a payment that another order claimed
            first = self._random.choice(self._orders)
            order = an_order(order.order_id, 1000, payment=first.payment.reference, paid=first.payment.paid_minor)
        if self._random.random() < 0.2:
            order = an_order(order.order_id, 1000, paid=3000)
        if await opened(self._register, order) not in {"opened", "new"} and not await self._is_open(order):
            return
        closed = self._random.random() < 0.9
        record = a_record(order.order_id, closed=closed, state={"funded": True})
        assert (await fund(self._book, order, record=record)).moved
        self._orders.append(order)
        paid, reference = order.payment.paid_minor, order.payment.reference
        if self._random.random() < 0.5:
            self._knows("channel", "payment", reference, paid)
        else:
            self._knows("channel", "payment", f"tx-{reference}", paid, reference)

    async def _is_open(self, order: Order) -> bool:
        return bool(await self._database.pool.fetchval("SELECT 1 FROM orders WHERE order_id = $1", order.order_id))

    async def _refund(self) -> None:
        if (order := self._taken(self._orders)) is None:
            return
        assert (await refund(self._book, order)).moved
        self._owed.append(order)
        self._knows("channel", "refund", refund_key(order.order_id, "cancel"), 1000)

    async def _refund_arrives(self) -> None:
        if (order := self._taken(self._owed)) is not None:
            assert (await refund_arrived(self._book, order)).moved
            self._disputed.append(order)

    async def _charge_back(self) -> None:
        if (order := self._taken(self._orders)) is None:
            return
        names: dict[str, Any] = {"channel": "wechat", "merchant_id": "m-1", "currency": "CNY", "occurred_at": NOW}
        key = f"dispute{self._random.randrange(3)}"
        cases = [{"case_id": 1, "dispute": {"reference": key, "fee_minor": 0}}]
        record = a_record(order.order_id, 5, closed=True, state={"funded": True, "cases": cases})
        movement = chargeback(order.order_id, k=1, taken=Taken(place="escrow", merchant_minor=400), **names)
        assert (await self._book.post(movement)).moved
        await self._register.orders.record(record)
        self._knows("channel", "chargeback", key, 400)

    async def _charge_again(self) -> None:
        if (order := self._taken(self._disputed)) is None:
            return
        case = {"case_id": 1, "stage": "charging", "since": NOW.isoformat(), "claim": {"amount_minor": 1000}}
        given: dict[str, Any] = {"phase": "cancelled", "refunded_minor": 1000, "closed": True}
        key = charge_key(order.order_id, 1)
        self._knows("channel", "payment", key, 1000)
        state = {"funded": True, "cases": [case]}
        if self._random.random() < 0.5:
            await self._register.orders.record(a_record(order.order_id, 8, **{**given, "closed": False}, state=state))
            return
        again = claim_back(
            order.order_id,
            k=1,
            channel="wechat",
            merchant_id="m-1",
            amount_minor=1000,
            currency="CNY",
            occurred_at=NOW,
        )
        case["stage"] = "paid_back"
        assert (await self._book.post(again, a_record(order.order_id, 9, **given, state=state))).moved

    async def _settle(self) -> None:
        number = self._next()
        legs = [Leg("rail/sandbox/cash", "psp/wechat", 90), Leg("expense/psp_fee", "psp/wechat", 10)]
        movement = adjustment(f"psp/wechat/settlement/S{number}", "CNY", NOW, legs)
        await Book(self._database.owner).post_all([movement])
        self._knows("channel", "settlement", f"S{number}", 100)
        self._knows("rail", "funding", f"S{number}", 90)

    async def _correct(self) -> None:
        """A correction of a settlement, or of such a correction, as a movement alone: of any one, and of the same each
        time.
        """
        await self._database.owner.execute(
            "WITH s AS (SELECT * FROM movements s WHERE (reference LIKE 'psp/%/settlement/%' OR linked_to LIKE"
            " 'psp/%/settlement/%') AND NOT EXISTS"
            " (SELECT FROM movements k WHERE k.linked_to = s.reference) ORDER BY md5(s.reference) LIMIT 1), m AS ("
            " INSERT INTO movements (reference, currency, request_hash, linked_to, occurred_at)"
            " SELECT 'correction/' || s.id, 'CNY', s.request_hash, s.reference, now() FROM s RETURNING id, linked_to)"
            " INSERT INTO transfers (movement_id, leg, debit_account, credit_account, currency, amount_minor)"
            " SELECT m.id, t.leg, t.credit_account, t.debit_account, 'CNY', 5 FROM m, s, transfers t"
            " WHERE t.movement_id = s.id"
        )

    # --- their side --------------------------------------------------------------------------------------

    async def _load(self, scope: Scope, lines: tuple[TheirLine, ...], period: int | None = None) -> None:
        covered = Covered(since=PERIODS[period][0], until=PERIODS[period][1]) if period is not None else None
        statement = Statement(lines=lines, covered=covered)
        await self._register.statements.load(scope, NAMES[scope], statement, NOW)
        self._told += [(scope, one) for one in lines]

    async def _statement(self) -> None:
        """Lines of what may be known, mostly right, in any order, some twice."""
        untold = [one for one in self._known if one[0] == self._scope and one not in self._stated]
        told = [one for one in self._stated if one[0] == self._scope and self._random.random() < 0.05]
        chosen = [*self._random.sample(untold, min(len(untold), self._random.randint(1, 4))), *told]
        self._stated += [one for one in chosen if one not in told]
        lines = []
        for _, kind, key, amount, reference in chosen:
            wrong = self._random.choice([0] * 15 + [1])
            at = self._random.choice([NOW, self.now, self.now - timedelta(minutes=50)])
            lines.append(line(kind, key, amount + wrong, f"L{self._next()}", at=at, reference=reference))
        period = self._random.choice([None] * 8 + [0, 1, 2])
        await self._load(self._scope, tuple(lines), period)

    async def _foreign_line(self) -> None:
        number = self._next()
        key = self._random.choice([f"key{number + 1}", f"pay-O{number + 1}", f"S{number + 1}", None])
        scope = self._scope
        kind = self._random.choice(["payout", "return", "funding"] if scope == "rail" else ["payment", "settlement"])
        await self._load(scope, (line(kind, "none", 100 + number, f"L{number}").model_copy(update={"key": key}),))

    async def _late_period(self) -> None:
        await self._load(self._scope, (), self._random.randrange(len(PERIODS)))

    async def _reload(self) -> None:
        if self._told:
            scope, one = self._random.choice(self._told)
            await self._register.statements.load(scope, NAMES[scope], Statement(lines=(one,)), NOW)

    async def _withdraw_load(self) -> None:
        loads = [load for load in await self._register.statements.loads() if load.withdrawn_at is None]
        if not loads:
            return
        load = self._random.choice(loads)
        for person in ("one", "other"):
            await self._register.statements.withdraw(load.load_no, Actor(role="operator", id=person), "wrong", NOW)
        self._told = []
