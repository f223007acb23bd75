"""A small folder of past orders, written by the tests themselves: one row of `orders` for each kind of life."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

HEADERS: Mapping[str, Sequence[str]] = {
    "orders": (
        "order_id",
        "customer_id",
        "order_status",
        "order_purchase_timestamp",
        "order_approved_at",
        "order_delivered_carrier_date",
        "order_delivered_customer_date",
        "order_estimated_delivery_date",
    ),
    "order_items": (
        "order_id",
        "order_item_id",
        "product_id",
        "seller_id",
        "shipping_limit_date",
        "price",
        "freight_value",
    ),
    "order_payments": (
        "order_id",
        "payment_sequential",
        "payment_type",
        "payment_installments",
        "payment_value",
    ),
    "customers": (
        "customer_id",
        "customer_unique_id",
        "customer_zip_code_prefix",
        "customer_city",
        "customer_state",
    ),
    "sellers": ("seller_id", "seller_zip_code_prefix", "seller_city", "seller_state"),
}

BOUGHT, PAID, PICKED, BROUGHT = (
    "2018-03-01 10:00:00",
    "2018-03-01 12:00:00",
    "2018-03-03 12:00:00",
    "2018-03-09 12:00:00",
)
LIMIT, PROMISED = "2018-03-06 12:00:00", "2018-03-22 00:00:00"


class Folder:
    """Rows of the five tables, to be written as files.

    `order` adds a whole order; the other methods are for malformed ones.
    """

    def __init__(self) -> None:
        self.rows: dict[str, list[list[str]]] = {name: [] for name in HEADERS}
        self.rows["sellers"] = [
            ["merchant-1", "04726", "sao paulo", "SP"],
            ["merchant-2", "80010", "curitiba", "PR"],
        ]

    def order(
        self,
        order_id: str,
        status: str = "delivered",
        *,
        paid: str = PAID,
        picked: str = "",
        delivered: str = "",
        limit: str = LIMIT,
        sellers: Sequence[str] = ("merchant-1",),
        price: str = "99.90",
        payment: str | None = None,
    ) -> Folder:
        """One order of one item a seller, price 99.90 and freight 10.10, by default paid exactly."""
        customer = f"customer-{order_id}"
        self.rows["customers"].append([customer, f"buyer-{order_id}", "20231", "rio de janeiro", "RJ"])
        self.rows["orders"].append([order_id, customer, status, BOUGHT, paid, picked, delivered, PROMISED])
        for number, seller in enumerate(sellers, start=1):
            self.rows["order_items"].append([order_id, str(number), f"p{number}", seller, limit, price, "10.10"])
        value = payment if payment is not None else f"{len(sellers) * 110}.00"
        self.rows["order_payments"].append([order_id, "1", "boleto", "1", value])
        return self

    def write(self, folder: Path, *, names: str = "{}.csv", packed: bool = False) -> Path:
        """Write the five files."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in self.rows.items():
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows([HEADERS[name], *rows])
            content = text.getvalue().encode()
            (folder / names.format(name)).write_bytes(gzip.compress(content) if packed else content)
        return folder
