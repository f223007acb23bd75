"""Every operation of the OpenAPI document, with an address that exists and a body that can be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from http_in_process import Gateway
from ledger_samples import LIMITS, NOW, a_withdrawal, an_order, earned, opened

from docs.examples import COMMANDS, ORDER
from ledger.book import Book
from ledger.register import Register
from storefront.api.documents import document_of

IDS = {"order_id": "A1", "withdrawal_id": "W1", "merchant_id": "m-1", "parcel_id": "p1", "number": "SF1234567890123"}
IDS |= {
    "idempotency_key": "k-0",
    "endpoint_id": "ep-1",
    "account_id": "acc-m-1",
    "channel": "wechat",
    "code": "too_early",
}


@dataclass(frozen=True)
class Operation:
    """One operation of the document, with its address filled in."""

    name: str
    method: str
    path: str
    said: dict[str, Any]
    """What the document says of it."""

    @property
    def body(self) -> dict[str, Any] | None:
        """The schema of its body; None where it takes none."""
        content = self.said.get("requestBody", {}).get("content", {})
        found: dict[str, Any] | None = content.get("application/json", {}).get("schema")
        return found


def operations(gateway: Gateway) -> dict[str, Operation]:
    """The operations by their names."""
    document = document_of(gateway.asker._transport.app)  # type: ignore[attr-defined]  # of an ASGI transport
    found = {}
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            for name, value in IDS.items():
                path = path.replace(f"{{{name}}}", value)
            name = said["operationId"]
            found[name] = Operation(name, method.upper(), path, said)
    return found


def body_for(name: str) -> dict[str, Any]:
    """A body that can be read, from a merchant's own key."""
    if name == "start_order":
        return ORDER
    if name in {"start_withdrawal", "estimate_withdrawal"}:
        return {"amount_minor": 100, "currency": "CNY", "account_id": "acc-m-1"}
    example = COMMANDS.get(name.removeprefix("withdrawal_"), {})
    return {field: value for field, value in example.items() if field != "actor"}


@pytest.fixture
async def books(register: Register, book: Book) -> None:
    """An order and a withdrawal of m-1."""
    await opened(register, an_order("A1"))
    await earned(register, book, 1_000)
    assert (await register.withdrawals.reserve(a_withdrawal(), LIMITS, now=NOW)).outcome == "reserved"
