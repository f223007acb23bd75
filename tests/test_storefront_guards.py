"""What the gateway refuses before it asks anyone: foreign hosts, guessed keys, too many commands, ports in use."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from databases import Database
from http_in_process import in_process
from rate_clock import hold_rates
from starlette.requests import Request

from commands import up
from config import Settings
from config.gateway import Connections, parse_connections, parse_hosts, parse_peppers
from core.errors import Misconfigured, PortInUse
from ledger.register import Register
from storefront.api.documents import document_of
from storefront.app import application
from storefront.changing import Changes, Sender
from storefront.headers import VERSION, check_headers, host_in
from storefront.limits import COMMANDS, READS, WRITES, WRONG_KEYS, Limits
from storefront.problems import ProblemError
from storefront.serving import listen

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NOTHING: Any = None


# --- ports -----------------------------------------------------------------------------------------------


class Taken:
    """A stack whose first answer is a port that another program has just taken."""

    def __init__(self, *ports: int) -> None:
        self.ports = list(ports)

    def port(self, name: str, usual: int) -> int:
        return self.ports.pop(0)


def test_a_port_that_another_program_took_ends_nothing() -> None:
    with listen("127.0.0.1", 0) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUse, match=f"port {port} of 127.0.0.1: choose another with --port"):
            listen("127.0.0.1", port)
        stack: Any = Taken(port, 0)
        with up._listener(stack) as found:
            assert found.getsockname()[1] != port


def test_an_address_of_another_machine_is_no_place_to_listen() -> None:
    with pytest.raises(Misconfigured, match=r"cannot listen at port 0 of 192\.0\.2\.1"):
        listen("192.0.2.1", 0)


# --- hosts and versions ----------------------------------------------------------------------------------


def _asked(path: str = "/v1/orders", **headers: str) -> Request:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "path": path, "headers": pairs, "query_string": b"", "server": ("x", 80)})


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("pay.example", "pay.example"),
        ("Pay.Example:8420", "pay.example"),
        ("pay.example.", "pay.example"),
        ("[::1]:8420", "::1"),
        ("127.0.0.1:8420", "127.0.0.1"),
        ("", ""),
    ],
)
def test_the_name_of_a_host_is_read_without_its_port(header: str, name: str) -> None:
    assert host_in(header) == name


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "pay.example.evil", "", "localhost@evil"])
def test_a_request_for_another_host_is_refused(host: str) -> None:
    hosts = parse_hosts({"DAKUAN_HTTP_HOSTS": "pay.example"})
    with pytest.raises(ProblemError, match="DAKUAN_HTTP_HOSTS"):
        check_headers(_asked(host=host), hosts)
    check_headers(_asked(host="pay.example:443"), hosts)
    check_headers(_asked(host="localhost:8420"), hosts)
    check_headers(_asked("/healthz", host=host), hosts)


def test_a_body_with_two_ends_is_refused_and_its_connection_closed() -> None:
    with pytest.raises(ProblemError, match="not both") as refused:
        check_headers(_asked(host="localhost", content_length="9", transfer_encoding="chunked"), {"localhost"})
    assert refused.value.problem.status == 400
    assert refused.value.headers == {"Connection": "close"}


def test_a_version_that_is_not_served_is_refused() -> None:
    check_headers(_asked(host="localhost", dakuan_version=VERSION), {"localhost"})
    with pytest.raises(ProblemError, match=f"'2025-01-01' is not served; {VERSION} is"):
        check_headers(_asked(host="localhost", dakuan_version="2025-01-01"), {"localhost"})


def test_how_many_connections_there_may_be_is_a_setting() -> None:
    assert parse_connections("5000, 800") == Connections(5_000, 800)
    assert Settings.from_env({"DAKUAN_HTTP_CONNECTIONS": "20,5"}).http_connections == Connections(20, 5)
    assert Settings.from_env({}).http_connections == Settings().http_connections == Connections(1_000, 200)


@pytest.mark.parametrize("given", ["", "100", "100,", "5,6", "0,0", "1e3,2", "-5,1", "1000000,1", "²,1", "9,8,7"])
def test_other_numbers_of_connections_are_refused(given: str) -> None:
    with pytest.raises(Misconfigured, match="DAKUAN_HTTP_CONNECTIONS"):
        parse_connections(given)


@pytest.mark.parametrize("given", ["https://pay.example", "pay.example:443", "a b", "*", "-x"])
def test_a_host_in_the_settings_is_a_name_alone(given: str) -> None:
    with pytest.raises(Misconfigured, match="DAKUAN_HTTP_HOSTS"):
        parse_hosts({"DAKUAN_HTTP_HOSTS": given})


# --- limits ----------------------------------------------------------------------------------------------


def test_a_key_has_its_limits_a_second_for_writes_and_reads_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    hold_rates(monkeypatch)
    limits = Limits()
    for _ in range(WRITES.burst):
        limits.count("k", changing=True)
    with pytest.raises(ProblemError) as slowed:
        limits.count("k", changing=True)
    assert slowed.value.headers == {"Retry-After": "1"}
    limits.count("other", changing=True)
    for _ in range(READS.burst):
        limits.count("k", changing=False)
    with pytest.raises(ProblemError, match="At most 100 reads a second"):
        limits.count("k", changing=False)


def test_an_order_takes_twenty_commands_of_a_sender_an_hour() -> None:
    limits = Limits()
    assert all(limits.takes_command("k1", "order", "A1") for _ in range(COMMANDS.burst))
    assert not limits.takes_command("k1", "order", "A1")
    assert limits.takes_command("k1", "order", "A2")
    assert limits.takes_command("k1", "withdrawal", "A1")
    problem = limits.refuse_command("k1", "order", "A1")
    assert 60 < int(problem.headers["Retry-After"]) <= 180, "twenty of them are an hour"


def test_a_merchant_in_a_loop_does_not_silence_the_buyer() -> None:
    """The buyer speaks through the storefront: a case that cannot be applied for in time would be lost."""
    limits = Limits()
    while limits.takes_command("merchant", "order", "A1"):
        pass
    assert limits.takes_command("storefront", "order", "A1")


def test_guesses_of_keys_end_and_a_right_key_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    hold_rates(monkeypatch)
    limits = Limits()
    limits.note_right([b"right"])
    for _ in range(WRONG_KEYS.burst):
        limits.refuse_guessing("1.2.3.4", [b"wrong"])
        limits.note_wrong("1.2.3.4")
    for digests in ([b"wrong"], []):
        with pytest.raises(ProblemError, match="Too many wrong keys") as refused:
            limits.refuse_guessing("1.2.3.4", digests)
        assert refused.value.problem.status == 429
    limits.refuse_guessing("1.2.3.4", [b"right"])
    limits.refuse_guessing("5.6.7.8", [b"wrong"])


async def test_what_is_no_key_is_no_guess(database: Database) -> None:
    """A client without its key hears each time that the key is what it lacks: nothing was looked up."""
    async with in_process(database, limits=Limits()) as gateway:
        for number in range(WRONG_KEYS.burst + 5):
            headers = {"Authorization": f"Bearer guess-{number}"} if number % 2 else {}
            assert (await gateway.asker.get("/v1/orders", headers=headers)).status_code == 401


# --- peppers and ends ------------------------------------------------------------------------------------


class Anyone:
    sender = "abcdefgh"


async def test_a_request_under_way_outlives_a_new_pepper(register: Register) -> None:
    sender: Sender = Anyone()
    old, new = b"o" * 32, b"n" * 32
    before = Changes(register, NOTHING, (old,)).pending(sender, "k-1", "order", "A1", {"a": 1})
    assert (await register.requests.take(before, taken_until=NOW, now=NOW)).outcome == "taken"
    both, alone = Changes(register, NOTHING, (new, old)), Changes(register, NOTHING, (new,))
    assert both._is_ours(before)
    assert not alone._is_ours(before)
    again = {"taken_until": NOW + timedelta(minutes=1), "now": NOW + timedelta(seconds=1)}
    same = both.pending(sender, "k-1", "order", "A1", {"a": 1})
    assert (await register.requests.take(same, **again)).outcome == "taken"
    for other in (
        both.pending(sender, "k-1", "order", "A1", {"a": 2}),
        alone.pending(sender, "k-1", "order", "A1", {"a": 1}),
    ):
        assert (await register.requests.take(other, **again)).outcome == "other"


@pytest.mark.parametrize("text", ["", "x", "x,y", ",", f"{'A' * 43}=,{'A' * 43}=,{'A' * 43}="])
def test_a_pepper_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="DAKUAN_PEPPER"):
        parse_peppers(text)


async def test_what_is_being_carried_out_ends_before_the_gateway(register: Register) -> None:
    changes, ended = Changes(register, NOTHING, (b"p" * 32,)), asyncio.Event()

    async def one_try() -> None:
        await asyncio.sleep(0)
        ended.set()

    async def endless() -> None:
        await asyncio.Event().wait()

    tries: list[Any] = [asyncio.create_task(one_try()), asyncio.create_task(endless())]
    changes._trying.update(tries)
    await changes.drain(0.05)
    assert ended.is_set()
    assert tries[1].cancelled()


# --- the document ----------------------------------------------------------------------------------------


def test_the_document_says_what_is_refused() -> None:
    service: Any = SimpleNamespace(settings=Settings())
    document = document_of(application(service))
    post = document["paths"]["/v1/orders"]["post"]
    assert {"408", "413", "415", "429"} <= post["responses"].keys()
    body = post["requestBody"]["content"]["application/json"]["schema"]
    assert body["additionalProperties"] is False
    inside = document["components"]["schemas"]
    assert {inside[name]["additionalProperties"] for name in ("Line", "Payment", "Actor")} == {False}
    assert "additionalProperties" not in inside["HttpProblem"]
    assert "409" in document["paths"]["/v1/requests/{idempotency_key}"]["get"]["responses"]


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from [part["$ref"]] if isinstance(part.get("$ref"), str) else ()
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from _references(one)


def test_the_document_is_whole() -> None:
    service: Any = SimpleNamespace(settings=Settings())
    document = document_of(application(service))
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(_references(document)) <= known
    assert known <= set(_references(document)), "a schema that nothing uses"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            named = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path)), path
            assert ("Idempotency-Key" in str(operation.get("parameters"))) <= (method == "post"), path
            assert all(answer["description"] for answer in operation["responses"].values()), path


def test_a_name_on_a_socket_is_of_the_family_of_its_address() -> None:
    if not socket.has_ipv6:
        return
    try:
        found = listen("::1", 0)
    except Misconfigured:
        return  # a machine without IPv6
    with found:
        assert found.family == socket.AF_INET6


# --- the console's address ---------------------------------------------------------------------------------------


async def test_no_answer_leads_to_the_host_that_a_request_names(database: Database) -> None:
    """A cache in front would keep it for the next one, and a proxy that ends TLS elsewhere is asked as http://."""
    async with in_process(database, Settings(world_url="http://127.0.0.1:9")) as gateway:
        answer = await gateway.asker.get("/console?q=1", headers={"Host": "evil.example"})
        assert (answer.status_code, answer.headers["location"]) == (307, "/console/?q=1")
        for path in ("/consoles", "/v1/orders/"):
            assert "location" not in (await gateway.asker.get(path, headers={"Host": "evil.example"})).headers
        assert (await gateway.asker.get("/v1/orders/")).json()["code"] == "not_found"
