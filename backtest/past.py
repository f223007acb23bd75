"""Past orders, joined from the rows of the tables: one for each merchant of a row of `orders`.

A row that cannot be joined or read is reported as bad, and its order is left out: half an order would have another
outcome.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Literal

from pydantic import ValidationError

from backtest.rows import PastRow, Tables, UnusableRow
from core.messages import Address
from core.money import MAX_AMOUNT_MINOR, format_minor, spread

CURRENCY = "BRL"
COUNTRY = "BR"
LONGEST_LIFE = timedelta(days=3650)
"""The longest time from purchase to any other time of an order; a longer one is a typing error."""

Status = Literal["created", "approved", "processing", "invoiced", "shipped", "delivered", "unavailable", "canceled"]
STATUSES: frozenset[str] = frozenset(
    {"created", "approved", "processing", "invoiced", "shipped", "delivered", "unavailable", "canceled"}
)

_ID = re.compile(r"[A-Za-z0-9_-]{1,60}")
"""Four characters shorter than the contract's ids: the suffix `-k` distinguishes the merchants of one order."""
_TIME = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}", re.ASCII)
_AMOUNT = re.compile(r"\d{1,13}(\.\d{1,6})?", re.ASCII)


@dataclass(frozen=True)
class Item:
    """One unit of goods."""

    item_id: str
    product_id: str
    price_minor: int
    freight_minor: int


@dataclass(frozen=True)
class PastOrder:
    """One past order of one merchant, with its recorded times; None where none is recorded.

    `paid_minor` is the payment for this merchant's part, `payment_minor` the whole payment.
    """

    order_id: str
    payment_id: str
    line: int
    status: Status
    merchant_id: str
    buyer_id: str
    ship_from: Address
    ship_to: Address
    items: tuple[Item, ...]
    paid_minor: int
    payment_minor: int
    purchased_at: datetime
    paid_at: datetime | None
    picked_up_at: datetime | None
    delivered_at: datetime | None
    promised_at: datetime
    ship_by: datetime

    @property
    def due_minor(self) -> int:
        """Goods and freight; the payment may differ."""
        return sum(item.price_minor + item.freight_minor for item in self.items)


class _Unreadable(Exception):
    """This row cannot be used."""

    def __init__(self, reason: str, row: PastRow | None = None) -> None:
        super().__init__(reason)
        self.reason, self.row = reason, row


def past_orders(tables: Tables) -> tuple[list[PastOrder], list[UnusableRow]]:
    """All past orders that can be played, in the order of their rows, and every unusable row."""
    joined = _Joined(tables)
    orders: list[PastOrder] = []
    for row in joined.orders:
        try:
            orders.extend(_of_row(row, joined))
        except _Unreadable as error:
            where = error.row or row
            joined.bad_rows.append(where.bad(f"order {row['order_id'][:60]}: {error.reason}"))
            if where.file != row.file:
                joined.bad_rows.append(
                    row.bad(f"order {row['order_id']}: left out, see {where.file} line {where.line}")
                )
    return orders, [*tables.bad_rows, *joined.bad_rows]


class _Joined:
    """The tables by their keys. Of a repeated key the first row counts; the second is reported as bad."""

    def __init__(self, tables: Tables) -> None:
        self.bad_rows: list[UnusableRow] = []
        self.orders = list(self._by("order_id", tables.rows["orders"]).values())
        self.customers = self._by("customer_id", tables.rows["customers"])
        self.sellers = self._by("seller_id", tables.rows["sellers"])
        self.items = self._of_orders("order_item_id", tables.rows["order_items"])
        self.payments = self._of_orders("payment_sequential", tables.rows["order_payments"])

    def _by(self, column: str, rows: list[PastRow]) -> dict[str, PastRow]:
        found: dict[str, PastRow] = {}
        for row in rows:
            first = found.setdefault(row[column], row)
            if first is not row:
                self.bad_rows.append(row.bad(f"{column} {row[column]} stands in line {first.line} already"))
        return found

    def _of_orders(self, column: str, rows: list[PastRow]) -> Mapping[str, list[PastRow]]:
        known = {row["order_id"] for row in self.orders}
        found: dict[str, dict[str, PastRow]] = {}
        strangers: list[PastRow] = []
        for row in rows:
            order_id = row["order_id"]
            if order_id not in known:
                strangers.append(row)
                continue
            first = found.setdefault(order_id, {}).setdefault(row[column], row)
            if first is not row:
                problem = f"{column} {row[column]} of order {order_id} stands in line {first.line} already"
                self.bad_rows.append(row.bad(problem))
        if strangers:
            # A sample of the orders leaves thousands of such rows: report them in one line.
            problem = f"order {strangers[0]['order_id']} is not among the orders; so it is with {len(strangers)} rows"
            self.bad_rows.append(strangers[0].bad(problem))
        return {order_id: list(by_number.values()) for order_id, by_number in found.items()}


# --- one row of orders -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Share:
    """A merchant's part of an order."""

    merchant_id: str
    ship_from: Address
    items: tuple[Item, ...]
    ship_by: datetime

    @property
    def due_minor(self) -> int:
        return sum(item.price_minor + item.freight_minor for item in self.items)


def _of_row(row: PastRow, joined: _Joined) -> list[PastOrder]:
    order_id = _id(row, "order_id")
    if row["order_status"] not in STATUSES:
        raise _Unreadable(f"order_status: {row['order_status'][:40]!r} is none that is known")
    purchased_at = _time(row, "order_purchase_timestamp")
    if purchased_at is None:
        raise _Unreadable("order_purchase_timestamp: it is empty")
    paid_at = _time(row, "order_approved_at", near=purchased_at)
    if order_id not in joined.items:
        raise _Unreadable("it has no items" if paid_at else "it has no items, and was never paid")
    shares = _shares(joined.items[order_id], purchased_at, joined)
    customer = joined.customers.get(row["customer_id"])
    if customer is None:
        raise _Unreadable(f"customer_id: {row['customer_id'][:40]!r} is not among the customers")
    payment = _payment(order_id, shares, joined, paid=paid_at is not None)
    whole = PastOrder(
        order_id=order_id,
        payment_id=order_id,
        line=row.line,
        status=row["order_status"],  # type: ignore[arg-type]  # one of STATUSES, as was seen above
        merchant_id=shares[0].merchant_id,
        buyer_id=_id(customer, "customer_unique_id"),
        ship_from=shares[0].ship_from,
        ship_to=_address(customer, "customer_city", "customer_state"),
        items=shares[0].items,
        paid_minor=payment,
        payment_minor=payment,
        purchased_at=purchased_at,
        paid_at=paid_at,
        picked_up_at=_time(row, "order_delivered_carrier_date", near=purchased_at),
        delivered_at=_time(row, "order_delivered_customer_date", near=purchased_at),
        promised_at=_time(row, "order_estimated_delivery_date", near=purchased_at) or purchased_at,
        ship_by=shares[0].ship_by,
    )
    return [whole] if len(shares) == 1 else _split(whole, shares)


def _split(whole: PastOrder, shares: list[_Share]) -> list[PastOrder]:
    """One order for each merchant, numbered from 1; the payment is divided by the amounts due."""
    parts = _parts(whole.payment_minor, shares)
    return [
        replace(
            whole,
            order_id=f"{whole.order_id}-{number}",
            merchant_id=share.merchant_id,
            ship_from=share.ship_from,
            items=share.items,
            paid_minor=part,
            ship_by=share.ship_by,
        )
        for number, (share, part) in enumerate(zip(shares, parts, strict=True), start=1)
    ]


def _shares(items: list[PastRow], near: datetime, joined: _Joined) -> list[_Share]:
    """The items by merchant, in the order of the rows."""
    by_merchant: dict[str, list[PastRow]] = {}
    for row in items:
        by_merchant.setdefault(_id(row, "seller_id"), []).append(row)
    return [_share(rows, near, joined) for rows in by_merchant.values()]


def _share(rows: list[PastRow], near: datetime, joined: _Joined) -> _Share:
    seller = joined.sellers.get(rows[0]["seller_id"])
    if seller is None:
        raise _Unreadable(f"seller_id: {rows[0]['seller_id']} is not among the sellers", rows[0])
    limits = []
    for row in rows:
        limit = _time(row, "shipping_limit_date", near=near)
        if limit is None:
            raise _Unreadable("shipping_limit_date: it is empty", row)
        limits.append(limit)
    items = tuple(
        Item(
            item_id=_id(row, "order_item_id"),
            product_id=_id(row, "product_id"),
            price_minor=_amount(row, "price"),
            freight_minor=_amount(row, "freight_value"),
        )
        for row in rows
    )
    address = _address(seller, "seller_city", "seller_state")
    return _Share(merchant_id=_id(seller, "seller_id"), ship_from=address, items=items, ship_by=max(limits))


def _payment(order_id: str, shares: list[_Share], joined: _Joined, *, paid: bool) -> int:
    """The buyer's whole payment. It may differ from the amount due by at most the value of the goods."""
    total = sum(_amount(row, "payment_value") for row in joined.payments.get(order_id, []))
    goods = sum(item.price_minor for share in shares for item in share.items)
    due = sum(share.due_minor for share in shares)
    if paid and not total:
        raise _Unreadable("it was approved, but nothing was paid for it")
    if paid and due - total > goods:
        raise _Unreadable(f"only {_money(total)} of {_money(due)} was paid")
    return total


def _money(amount_minor: int) -> str:
    return format_minor(amount_minor, CURRENCY)


def _parts(payment_minor: int, shares: list[_Share]) -> list[int]:
    """The payment by merchant: the amount due to each, plus a proportional share of the difference."""
    due = [share.due_minor for share in shares]
    if not payment_minor:
        return [0] * len(shares)
    difference = payment_minor - sum(due)
    spared = spread(abs(difference), due)
    parts = [amount + (part if difference > 0 else -part) for amount, part in zip(due, spared, strict=True)]
    if min(parts) <= 0:
        raise _Unreadable(f"only {_money(payment_minor)} of {_money(sum(due))} was paid, to {len(shares)} merchants")
    return parts


# --- cells -----------------------------------------------------------------------------------------------


def _id(row: PastRow, column: str) -> str:
    if not _ID.fullmatch(row[column]):
        raise _Unreadable(f"{column}: {row[column][:40]!r} is no id", row)
    return row[column]


def _time(row: PastRow, column: str, near: datetime | None = None) -> datetime | None:
    """The time of a cell, read as UTC: only distances matter. None if it is empty."""
    text = row[column]
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text).replace(tzinfo=UTC) if _TIME.fullmatch(text) else None
    except ValueError:
        at = None
    if at is None:
        raise _Unreadable(f"{column}: {text[:40]!r} is no time such as 2017-05-14 20:28:25", row)
    if near is not None and abs(at - near) > LONGEST_LIFE:
        raise _Unreadable(f"{column}: {text} is more than ten years from the purchase", row)
    return at


def _amount(row: PastRow, column: str) -> int:
    """The amount of a cell in centavos; never a binary fraction."""
    text = row[column]
    try:
        minor = Decimal(text).scaleb(2) if _AMOUNT.fullmatch(text) else None
    except InvalidOperation:
        minor = None
    if minor is None or minor != minor.to_integral_value() or minor > MAX_AMOUNT_MINOR:
        raise _Unreadable(f"{column}: {text[:40]!r} is no amount of {CURRENCY} such as 128.45", row)
    return int(minor)


def _address(row: PastRow, city: str, state: str) -> Address:
    for column in (city, state):
        if len(row[column]) > 80:
            raise _Unreadable(f"{column}: it is longer than 80 characters", row)
    places = {"province": row[state] or None, "city": row[city] or None}
    try:
        return Address(country=COUNTRY, **places)
    except ValidationError as error:
        # Some rows have a number instead of a city. The order is real, but its place is not known.
        wrong = {detail["loc"][0] for detail in error.errors(include_input=False)}
        return Address(country=COUNTRY, **{field: place for field, place in places.items() if field not in wrong})
