"""Endpoints and `listen` from the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from command_line import ask, refusal
from consumer import FAILING, Consumer
from databases import Database
from hooks import SECRET, VAULT, Hooks, consumers, got
from up_stack import Up, started

from commands.listen import forwarded
from core.events import START
from ledger.register import Register
from ledger.vault import Vault
from storefront.signing import shown

PROJECT = Path(__file__).parents[1]


@pytest.mark.usefixtures("up")
def test_an_operator_makes_stops_and_starts_an_endpoint() -> None:
    consumer = Consumer()
    with consumer.in_a_thread():
        made = ask("endpoints", "add", consumer.url, "--by", "operator:ann", "--merchant", "m-cli", "--type", "order.*")
        assert (made["state"], made["types"]) == ("active", ["order.*"])
        assert made["verify_with"].startswith("whsec_")
        name = made["endpoint_id"]
        assert ask("endpoints", "disable", name)["disabled_for"] == "asked"
        assert ask("endpoints", "enable", name)["state"] == "active"
    (listed,) = ask("endpoints", "list", "--merchant", "m-cli")["endpoints"]
    assert (listed["endpoint_id"], listed["waiting"]) == (name, 0)
    assert "verify_with" not in listed
    attempts = ask("endpoints", "attempts", name)["attempts"]
    assert [(one["type"], one["status"]) for one in attempts] == [("endpoint.challenge", 200)] * 2
    ask("endpoints", "disable", name)
    assert refusal("endpoints", "enable", name) == "malformed"


@pytest.mark.usefixtures("up")
@pytest.mark.parametrize(
    "given",
    [
        ("enable", "unknown"),
        ("add", "https://10.0.0.1/", "--by", "ann"),
        ("add", "https://shop.example/", "--by", "ann", "--type", "Order"),
        ("add", "https://shop.example/", "--by", "ann", "--merchant", "m 1"),
    ],
)
def test_a_wrong_endpoint_is_refused(given: tuple[str, ...]) -> None:
    assert refusal("endpoints", *given) in {"malformed", "bad_input"}


@pytest.mark.usefixtures("up")
@pytest.mark.parametrize(
    "given", [("--forward", "http://shop.example/"), ("--forward", "http://localhost:1/", "--secret", "x")]
)
def test_a_wrong_listener_is_refused(given: tuple[str, ...]) -> None:
    assert refusal("listen", *given) in {"malformed", "bad_input"}


def test_a_listener_runs_until_ctrl_c_and_ends_in_peace(up: Up) -> None:
    """The program itself: what it prints first verifies what it sends."""
    consumer = Consumer()
    with consumer.in_a_thread():
        program = [sys.executable, "starter.py", "listen", "--forward", consumer.url, "--type", "order.*"]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        home = os.environ | {"DAKUAN_HOME": str(up.home)}
        with subprocess.Popen(program, cwd=PROJECT, env=home, **pipes) as run:
            try:
                assert run.stdout is not None
                assert run.stderr is not None
                assert run.stdout.readline().startswith(f"Events go to {consumer.url}")
                consumer.secret = run.stdout.readline().strip()
                order = started()["order_id"]
                # Orders of other tests, which live on, have events, too.
                first = next(line for line in run.stderr if f"order/{order} 1 " in line)
                run.send_signal(signal.SIGINT)
                _, errors = run.communicate(timeout=60)
            finally:
                run.kill()  # else a failure would wait for its end
    assert f"order/{order} 1  200" in first
    assert run.returncode in {0, 130}
    assert "Traceback" not in errors
    assert consumer.forged == 0
    assert f"evt_order_{order}_1" in got(consumer)


async def test_events_are_forwarded_signed_with_a_line_each(hooks: Hooks) -> None:
    consumer = Consumer(lambda event, count: FAILING if count == 2 else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    consumer.secret = shown(SECRET)
    await hooks.event("order/A1", "order.opened", "order.held")
    await hooks.event("order/A2", merchant="m-2")
    lines = []
    async with consumers(consumer):
        stream = forwarded(hooks.register, hooks.poster, consumer.url, SECRET, place=START, merchant="m-1")
        async with aclosing(stream):
            async for line in stream:
                lines.append(line)
                if len(lines) == 2:
                    break
    assert lines == ["order.opened  order/A1 1  200", "order.held  order/A1 2  500"]
    assert (got(consumer), consumer.forged) == (["evt_order_A1_1"], 0)


async def test_secrets_are_sealed_with_a_new_key(hooks: Hooks, database: Database) -> None:
    consumer, both = Consumer(), Vault({"new": b"n" * 32, "test": b"k" * 32})
    async with consumers(consumer):
        await hooks.add(consumer)
        assert await Register(database.owner).endpoints.reseal(both) == 1
        assert await Register(database.owner).endpoints.reseal(both) == 0
        (row,) = await hooks.register.endpoints.secrets("e1", hooks.clock())
        assert row.key_id == "new"
        assert row.open(both) == SECRET
        with pytest.raises(Exception, match="does not have"):
            row.open(VAULT)
