"""An instruction that certainly was not sent is not "perhaps paid": it is sent soon, once, also if a worker dies
between.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from ledger_samples import NOW, a_withdrawal, an_attempt, bound, earned
from malformed_answers import answering, http
from temporalio.testing import ActivityEnvironment
from waiting import ANSWERS_WITHIN, WITHIN

from activities.by_name import ByName
from activities.channels.sandbox import SandboxChannel
from activities.http import HttpClient
from activities.money import MoneyActivities
from activities.rails.base import no_answer
from activities.rails.sandbox import SandboxRail
from activities.requests import RefundRequest
from activities.withdrawal import WithdrawalActivities
from core.errors import NotSent, Unavailable
from core.withdrawal.payouts import PayoutResult
from core.withdrawal.policy import WithdrawalPolicy
from core.withdrawal.steps import Pay
from ledger.book import Book
from ledger.register import Register

KEY = "key1"


@contextmanager
def no_tls() -> Iterator[str]:
    """An address for HTTPS where something else is spoken at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"220 mail ready\r\n")
                connection.recv(65536)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"https://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


async def test_a_refused_connection_was_not_sent() -> None:
    async with HttpClient("http://127.0.0.1:1", name="bank") as client:
        with pytest.raises(NotSent, match="cannot be reached"):
            await client.post("payouts", {})


async def test_a_name_that_does_not_resolve_was_not_sent() -> None:
    async with HttpClient("http://bank.invalid", name="bank") as client:
        with pytest.raises(NotSent):
            await client.post("payouts", {})


async def test_a_failed_tls_handshake_was_not_sent() -> None:
    with no_tls() as url:
        async with HttpClient(url, name="bank") as client:
            with pytest.raises(NotSent):
                await client.post("payouts", {})


@pytest.mark.parametrize("answer", [b"", http(b"", "500 No"), b"SSH-2.0"])
async def test_what_may_have_been_read_is_not_called_unsent(answer: bytes) -> None:
    async with answering(answer) as url, HttpClient(url, name="bank", answers_within=ANSWERS_WITHIN) as client:
        with pytest.raises(Unavailable) as caught:
            await client.post("payouts", {})
        assert not isinstance(caught.value, NotSent)


async def test_a_look_up_that_was_not_sent_says_nothing_about_the_payout() -> None:
    assert no_answer(NotSent("x")).outcome == "unknown"
    assert no_answer(NotSent("x"), paying=True).outcome == "not_sent"
    assert no_answer(Unavailable("x"), paying=True).outcome == "unknown"


# --- payouts ---------------------------------------------------------------------------------------------


def _pay(*, resend: bool = False) -> Pay:
    return Pay(
        at=NOW,
        withdrawal_id="W1",
        merchant_id="m-1",
        account_id="acc-m-1",
        account_version=1,
        number=1,
        key=KEY,
        rail="sandbox",
        amount_minor=500,
        currency="CNY",
        send_by=NOW + timedelta(hours=1),
        resend=resend,
    )


@pytest.fixture
async def opened(register: Register, book: Book) -> Register:
    await earned(register, book, 1000)
    await bound(register)
    await register.withdrawals.reserve(a_withdrawal(), WithdrawalPolicy(), now=NOW)
    await register.payouts.open(an_attempt(a_withdrawal(), key=KEY), SandboxRail.terms)
    return register


async def _state(register: Register) -> str:
    row = await register.payouts.get(KEY)
    assert row is not None
    return row.state


async def test_a_bank_that_is_away_is_paid_over_soon_and_once(opened: Register, book: Book) -> None:
    """The same try twice while the bank is away, and once when it is back."""
    paid = b'{"key": "key1", "state": "paid", "amount_minor": 500, "currency": "CNY", "reference": "r"}'
    async with HttpClient("http://127.0.0.1:1", name="bank") as client:
        activities = WithdrawalActivities(opened, ByName(stand_in=lambda _: SandboxRail(client)))
        for _ in range(2):
            with pytest.raises(NotSent):
                await ActivityEnvironment().run(activities.pay, _pay())
            assert await _state(opened) == "open"
    async with answering(http(paid)) as url, HttpClient(url, name="bank") as client:
        activities = WithdrawalActivities(opened, ByName(stand_in=lambda _: SandboxRail(client)))
        assert (await ActivityEnvironment().run(activities.pay, _pay())).outcome == "paid"
        assert await _state(opened) == "sending"


async def test_killed_before_the_row_is_given_back_it_counts_as_perhaps_sent(opened: Register, book: Book) -> None:
    async with HttpClient("http://127.0.0.1:1", name="bank") as client:
        activities = WithdrawalActivities(opened, ByName(stand_in=lambda _: SandboxRail(client)))
        await opened.payouts.update(KEY, "sending", when=["open"], lease_until=None, now=NOW)
        assert (await ActivityEnvironment().run(activities.pay, _pay())).outcome == "unknown"
        assert await _state(opened) == "sending"


async def test_a_second_sending_that_did_not_leave_leaves_the_first_in_doubt(opened: Register, book: Book) -> None:
    await opened.payouts.update(KEY, "unknown", when=["open"], lease_until=None, now=NOW)
    async with HttpClient("http://127.0.0.1:1", name="bank") as client:
        activities = WithdrawalActivities(opened, ByName(stand_in=lambda _: SandboxRail(client)))
        assert (await ActivityEnvironment().run(activities.pay, _pay(resend=True))).outcome == "not_sent"
    assert await _state(opened) == "unknown"


async def test_two_tries_side_by_side_send_once(opened: Register, book: Book) -> None:
    sent: list[str] = []
    looked = asyncio.Event()

    class Slow(SandboxRail):
        async def pay(self, instruction: object) -> PayoutResult:
            sent.append("x")
            await asyncio.wait_for(looked.wait(), WITHIN)
            return PayoutResult(outcome="not_sent")

        async def query(self, instruction: object) -> PayoutResult:
            looked.set()
            return PayoutResult(outcome="not_found")

    async with HttpClient("http://127.0.0.1:9", name="bank") as client:
        activities = WithdrawalActivities(opened, ByName(stand_in=lambda _: Slow(client)))
        tries = [ActivityEnvironment().run(activities.pay, _pay()) for _ in range(2)]
        first, second = await asyncio.gather(*tries, return_exceptions=True)
    assert {type(first), type(second)} == {NotSent, PayoutResult}
    assert len(sent) == 1


# --- refunds ---------------------------------------------------------------------------------------------


async def test_a_refund_that_did_not_leave_is_tried_again_soon(book: Book) -> None:
    request = RefundRequest(
        order_id="A1",
        cause="cancel",
        channel="card",
        payment_reference="p",
        amount_minor=1,
        currency="CNY",
        reason="x",
    )
    async with HttpClient("http://127.0.0.1:1", name="channel") as client:
        activities = MoneyActivities(book, ByName(stand_in=lambda _: SandboxChannel(client, "wechat")))
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, attempt=9)
        with pytest.raises(Exception, match="NotSent") as caught:
            await environment.run(activities.pay_refund, request)
    assert getattr(caught.value, "next_retry_delay", None) == timedelta(minutes=1)
