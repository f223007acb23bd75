"""The books against a dictionary: any sequence of movements leaves the same balances and gives the same answers."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any, NamedTuple

from databases import Database
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_samples import NOW
from sizes import on_servers

from core import movements
from core.movements import Leg, Movement, Taken, adjustment
from ledger.book import Book

ORDERS = ("A1", "A2", "A3")
MERCHANTS = {"A1": "m-1", "A2": "m-1", "A3": "m-2"}
CREDIT_NORMAL = (
    "order/",
    *(f"merchant/{merchant}/{what}" for merchant in ("m-1", "m-2") for what in ("available", "deposit")),
    "withdrawal/",
    "income/",
    "suspense",
)


class Books:
    """What the books should do, in thirty lines without a database."""

    def __init__(self) -> None:
        self.balances: dict[str, int] = defaultdict(int)
        self.posted: dict[str, tuple[Any, ...]] = {}

    def post(self, movement: Movement) -> str:
        legs = tuple(leg for leg in movement.legs if leg.amount_minor)
        content = (movement.currency, legs)
        if movement.reference in self.posted:
            return "exists" if self.posted[movement.reference] == content else "conflict"
        after = self.balances.copy()
        for leg in legs:
            if not self._move(after, leg, movement.reference):
                return "insufficient_funds"
        guarded = {
            path for leg in legs for path in leg[:2] if path.split("/")[0] in {"order", "merchant", "withdrawal"}
        }
        if any(after[path] < 0 for path in guarded):
            return "insufficient_funds"
        if movement.emptied and legs and after[movement.emptied] > 0:
            return "conflict"
        self.balances = after
        self.posted[movement.reference] = content
        return "posted"

    @classmethod
    def _move(cls, balances: dict[str, int], leg: Leg, reference: str) -> bool:
        debit, credit, amount = leg
        if "/frozen" in credit or "/frozen" in debit:
            amount = min(amount, balances[debit])
            if amount <= 0:
                return False
        if debit.endswith("/receivable") and reference.startswith("order/"):
            merchant = debit.removesuffix("receivable")
            for place in (f"order/{reference.split('/')[1]}/frozen", f"{merchant}available", f"{merchant}deposit"):
                part = min(amount, max(0, balances[place]))
                cls._pay(balances, place, credit, part)
                amount -= part
        cls._pay(balances, debit, credit, amount)
        return True

    @staticmethod
    def _pay(balances: dict[str, int], debit: str, credit: str, amount: int) -> None:
        _add(balances, debit, -amount)
        owed = 0
        if credit.endswith("/available"):
            receivable = credit.replace("/available", "/receivable")
            owed = min(balances[receivable], amount)
            _add(balances, receivable, owed)
        _add(balances, credit, amount - owed)


def _add(balances: dict[str, int], path: str, credited: int) -> None:
    balances[path] += credited if path.startswith(CREDIT_NORMAL) else -credited


OF_ORDERS = ("fund", "credit", "settle", "refund", "refund_after", "take_back", "arrived", "freeze", "release")
KINDS = (*OF_ORDERS, "owe", "deposit", "reserve", "void", "pay")


class Wish(NamedTuple):
    kind: str
    order: str
    cause: str
    amount: int
    other: int


wishes = st.builds(
    Wish,
    st.sampled_from(KINDS),
    st.sampled_from(ORDERS),
    st.sampled_from(["c1", "c2"]),
    st.sampled_from([0, 1, 40, 60, 100]),
    st.sampled_from([0, 1, 40]),
)


def _movement(wish: Wish) -> Movement:
    common: dict[str, Any] = {"currency": "CNY", "occurred_at": NOW}
    order, merchant, amount, other = wish.order, MERCHANTS[wish.order], wish.amount, wish.other
    if wish.kind == "fund":
        return movements.fund(order, channel="wechat", amount_minor=amount, **common)
    if wish.kind == "credit":
        return movements.credit(order, proceeds_minor=amount, commission_minor=other, discount_minor=other, **common)
    if wish.kind == "settle":
        return movements.settle(order, merchant_id=merchant, amount_minor=amount, **common)
    if wish.kind == "refund":
        taken = Taken(place="escrow", merchant_minor=amount)
        return movements.refund(order, cause=wish.cause, merchant_id=merchant, taken=taken, **common)
    if wish.kind in {"refund_after", "take_back"}:
        place: Any = "proceeds" if wish.kind == "refund_after" else "merchant"
        taken = Taken(place=place, merchant_minor=amount, commission_minor=other, discount_minor=min(other, amount))
        return movements.refund(order, cause=wish.cause, merchant_id=merchant, taken=taken, **common)
    if wish.kind == "deposit":
        legs = [Leg(f"merchant/{merchant}/available", f"merchant/{merchant}/deposit", amount)]
        return adjustment(f"deposit/{wish.cause}", "CNY", NOW, legs)
    if wish.kind == "freeze":
        return movements.freeze(order, k=amount, merchant_id=merchant, amount_minor=amount, **common)
    if wish.kind == "release":
        return movements.release(order, k=amount, merchant_id=merchant, amount_minor=1000, **common)
    if wish.kind == "arrived":
        return movements.refund_arrived(order, cause=wish.cause, channel="wechat", amount_minor=amount, **common)
    if wish.kind == "owe":
        legs = [Leg(f"merchant/{merchant}/receivable", "suspense", amount)]
        return adjustment(f"adjust/{wish.cause}", "CNY", NOW, legs)
    withdrawal = f"W{wish.cause}"
    if wish.kind == "reserve":
        legs = [Leg(f"merchant/{merchant}/available", f"withdrawal/{withdrawal}/reserved", amount)]
        return adjustment(f"withdrawal/{withdrawal}/reserve", "CNY", NOW, legs)
    if wish.kind == "void":
        return movements.void(withdrawal, merchant_id=merchant, amount_minor=amount, **common)
    return movements.pay(withdrawal, rail="sandbox", amount_minor=amount, fee_minor=other, **common)


CLEAN = (
    "ALTER TABLE transfers DISABLE TRIGGER USER; ALTER TABLE movements DISABLE TRIGGER USER;"
    " ALTER TABLE accounts DISABLE TRIGGER USER; TRUNCATE transfers, movements, accounts CASCADE;"
    " ALTER TABLE transfers ENABLE TRIGGER USER; ALTER TABLE movements ENABLE TRIGGER USER;"
    " ALTER TABLE accounts ENABLE TRIGGER USER"
)


async def _balances(database: Database) -> dict[str, int]:
    rows = await database.pool.fetch(
        "SELECT a.path, coalesce(a.balance_minor, sum(e.delta_minor), 0)::BIGINT AS amount FROM accounts a"
        " LEFT JOIN entries e ON e.account_id = a.id GROUP BY a.id"
    )
    return {row["path"]: row["amount"] for row in rows if row["amount"]}


async def _same(database: Database, book: Book, wanted: list[Wish], batch: int) -> None:
    await database.owner.execute(CLEAN)
    model = Books()
    all_movements = [_movement(wish) for wish in wanted]
    # Without orders in the register they are adjustments, which the owner posts.
    all_movements = [one.model_copy(update={"kind": "adjustment"}) for one in all_movements]
    for start in range(0, len(all_movements), batch):
        group = all_movements[start : start + batch]
        answers = await book.post_all(group)
        in_order = sorted(range(len(group)), key=lambda n: (group[n].reference.encode(), n))
        expected = {n: model.post(group[n]) for n in in_order}
        assert [answer.outcome for answer in answers] == [expected[n] for n in range(len(group))]
        assert await _balances(database) == {path: amount for path, amount in model.balances.items() if amount}
        for merchant in ("m-1", "m-2"):
            owes = model.balances[f"merchant/{merchant}/receivable"]
            assert not (owes and model.balances[f"merchant/{merchant}/available"] and "adjust" not in str(group))


async def test_any_sequence_of_movements_does_what_a_dictionary_does(database: Database) -> None:
    """One by one and in arrays. The examples run in a thread: the loop of the test stays free for the database."""
    database.broken = True  # movements without orders, and debts while money is available
    book = Book(database.owner)
    loop = asyncio.get_running_loop()

    @settings(max_examples=on_servers(150), deadline=None)
    @given(wanted=st.lists(wishes, max_size=25), batch=st.sampled_from([1, 3, 25]))
    def example(wanted: list[Wish], batch: int) -> None:
        asyncio.run_coroutine_threadsafe(_same(database, book, wanted, batch), loop).result(60)

    await asyncio.to_thread(example)
