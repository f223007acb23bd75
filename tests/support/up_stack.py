"""A running `up`, one a session, and orders of one's own beside it: each a merchant, a payment and a waybill new.

Files that use it go to the same process of the test run; see `sharing`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from command_line import ask
from order_bodies import order_body
from waiting import until_so

from config import STACK_FILE, load
from core.messages import Scan
from local.client import WorldClient
from local.postgres import Postgres

PROJECT = Path(__file__).parents[2]
COMES_UP_WITHIN = 90.0
"""Seconds."""
HIDING = ("DAKUAN_CARRIERS", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "DATABASE_URL", "DATABASE_OWNER_URL")
"""Settings that would point away from the stack."""
numbers = itertools.count(1)
"""No two tests have the same order, merchant or waybill."""


@dataclass
class Up:
    """A running `up`, as a program of its own."""

    home: Path
    process: subprocess.Popen[str] = field(init=False)

    def start(self) -> None:
        """Start it and wait until it says that it is up."""
        self.process = subprocess.Popen(
            [sys.executable, str(PROJECT / "starter.py"), "up", "--json"],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"DAKUAN_HOME": str(self.home)},
        )
        assert self.process.stdout is not None
        announced = json.loads(self.process.stdout.readline())
        assert announced["web_ui"].startswith("http://127.0.0.1:")

    def end(self, sign: signal.Signals) -> int:
        """End it and give its exit code."""
        self.process.send_signal(sign)
        code = self.process.wait(COMES_UP_WITHIN)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture(scope="session")
def up_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The stack and its worker."""
    found = Up(tmp_path_factory.mktemp("up"))
    with _at_home(found):
        found.start()
    yield found
    _ended(found)


def _ended(found: Up) -> None:
    assert found.end(signal.SIGTERM) == 0
    assert not (found.home / STACK_FILE).exists()
    Postgres(found.home).remove()


@contextmanager
def standing(found: Up) -> Iterator[None]:
    """A stack for the block, for programs that are no tests."""
    with _at_home(found):
        found.start()
        try:
            yield
        finally:
            _ended(found)


@pytest.fixture(scope="module")
def up(up_stack: Up) -> Iterator[Up]:
    """The stack; while a file of tests uses it, commands find it by its home, as in another terminal."""
    with _at_home(up_stack):
        yield up_stack


@contextmanager
def _at_home(up: Up) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in HIDING:
            patch.delenv(name, raising=False)
        patch.setenv("DAKUAN_HOME", str(up.home))
        yield


def fresh_order(**changes: Any) -> dict[str, Any]:
    """An order, a merchant and a payment that no other test has. None is the beginning of another, and as texts they
    are in the order of their numbers.
    """
    number = f"{next(numbers):05}"
    body = order_body(order_id=f"L{number}", merchant_id=f"m-{number}", buyer_id=f"b-{number}")
    paid_at = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    body["payment"] |= {"reference": f"life-{number}", "paid_at": paid_at}
    return body | changes


def fresh_waybill() -> str:
    """A number that the sandbox carrier could have given out: digits and their Luhn check digit."""
    digits = [int(digit) for digit in f"{next(numbers):010}"]
    doubled = [digit * 2 if index % 2 else digit for index, digit in enumerate(digits)]
    return "SBX" + "".join(map(str, digits)) + str(-sum(value - 9 if value > 9 else value for value in doubled) % 10)


def started(**changes: Any) -> dict[str, Any]:
    """An order that is open."""
    order = fresh_order(**changes)
    assert ask("start", "-", stdin=json.dumps(order))["phase"] == "awaiting_shipment"
    return order


REST = 2_000
"""What no order claims of a basket's payment, in minor units."""


def a_basket(orders: int = 2) -> tuple[str, list[dict[str, Any]]]:
    """Orders of one payment, each of a merchant of its own, and 20.00 beyond them; the payment's reference."""
    reference, total = f"basket-{next(numbers):05}", fresh_order()["total_minor"]
    play(lambda world: world.add_payment(reference, orders * total + REST, "CNY"))
    made = []
    for _ in range(orders):
        body = fresh_order()
        payment = body["payment"] | {"reference": reference, "paid_minor": orders * total + REST}
        made.append(started(payment=payment, **{name: body[name] for name in ("order_id", "merchant_id", "buyer_id")}))
    return reference, made


def ship(order: dict[str, Any], waybill: str, *more: str) -> dict[str, Any]:
    parcel = {"parcel_id": "p1", "carrier": "sandbox", "waybill": waybill, "lines": None}
    body = json.dumps({"parcels": [parcel]})
    return ask(
        "send", "report_shipment", order["order_id"], "--as", f"merchant:{order['merchant_id']}", "--body", body, *more
    )


def scan(order: dict[str, Any], waybill: str, stage: str, days: float) -> None:
    """The carrier scans the parcel, this many days from now."""
    city = order["ship_from"]["city"] if stage == "picked_up" else order["ship_to"]["city"]
    at = datetime.now(UTC) + timedelta(days=days)
    seen = Scan.model_validate({"at": at, "code": stage, "stage": stage, "city": city, "text": stage})

    play(lambda world: world.add_scans("sandbox", waybill, [seen]))


def play(act: Callable[[WorldClient], Awaitable[Any]]) -> None:
    """Play carrier, payer or bank."""

    async def playing() -> None:
        async with WorldClient(load().needed("world_url")) as world:
            await act(world)

    asyncio.run(playing())


def shown(subject: str, phase: str) -> dict[str, Any]:
    """What `show` says once the subject has come to a phase."""
    return until_so(lambda: ask("show", subject), lambda view: view["state"]["phase"] == phase)


def books_have(subject: str, *steps: str) -> None:
    """Wait until a withdrawal is booked so far. Its phase says what is decided; it is booked a moment later."""
    references = [f"withdrawal/{subject.removeprefix('withdrawal-')}/{step}" for step in steps]
    until_so(
        lambda: [row["reference"] for row in ask("show", subject)["money"]["transfers"]],
        lambda booked: booked == references,
    )


def settled(**changes: Any) -> dict[str, Any]:
    """An order that went through to its settlement."""
    order, waybill = started(**changes), fresh_waybill()
    ship(order, waybill)
    scan(order, waybill, "picked_up", 0)
    ask("advance", order["order_id"], "1d")
    scan(order, waybill, "delivered", 1)
    ask("advance", order["order_id"], "1d")
    ask("send", "confirm_receipt", order["order_id"], "--as", f"buyer:{order['buyer_id']}")
    assert ask("advance", order["order_id"], "8d")["phase"] == "settled"
    return order
