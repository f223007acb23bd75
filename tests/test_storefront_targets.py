"""Where a webhook may go: public addresses over TLS, and the address that was checked is the one connected to."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
import trustme
from consumer import FAILING, OK, Consumer, Reply, consuming, status
from waiting import WITHIN

from core.errors import Refused
from core.webhooks import PostAnswer
from storefront.posting import LARGEST_ANSWER, Poster, retry_after_of
from storefront.targets import Reach, check_url, why_forbidden

BODY = b'{"type": "order.opened", "data": {}}'
STRICT, LOCAL = Reach(), Reach(loopback=True)
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _bodies_come_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an answer whose body is late, only the status counts."""
    monkeypatch.setattr("storefront.posting.REST_WITHIN", WITHIN)


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/webhooks",
        "https://shop.example:8443/a?b=c",
        "https://8.8.8.8/x",
        "https://[2606:4700::1]/x",
    ],
)
def test_a_public_address_over_tls_is_taken(url: str) -> None:
    assert check_url(url, STRICT) == url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://shop.example/webhooks", "must begin with https"),
        ("ftp://shop.example/", "is not an address"),
        ("https://", "is not an address"),
        ("shop.example/webhooks", "is not an address"),
        ("https://ann:pw@shop.example/", "has a login"),
        ("https://ann@shop.example/", "has a login"),
        ("https://shop.example/#part", "has a fragment"),
        ("https://shop.example:22/", "has the port 22"),
        ("https://shop.example:0/", "is not an address"),
        ("https://shop.example:99999/", "is not an address"),
        ("https://shop.example/a b", "printable ASCII"),
        ("https://shop.example\\@127.0.0.1/", "printable ASCII"),
        ("https://商店.example/", "printable ASCII"),
        ("https://shop.example/\r\nHost: x", "printable ASCII"),
        ("https://shop.example/" + "a" * 2_000, "at most 2,000"),
        ("https://localhost/", "not public"),
        ("https://db.internal/", "not public"),
        ("https://printer.local./", "not public"),
        ("https://postgres/", "full name"),
        ("https://shop..example/", "empty part"),
        (f"https://{'a' * 64}.example/", "empty part, or one of more than 63"),
        ("https://2130706433/", "full name"),
        ("https://127.0.0.1/", "not a public address"),
        ("https://[::1]/", "not a public address"),
        ("https://169.254.169.254/latest/meta-data", "not a public address"),
        ("http://127.0.0.1:3000/", "must begin with https"),
    ],
)
def test_any_other_is_refused_with_its_reason(url: str, why: str) -> None:
    with pytest.raises(Refused, match=why) as refused:
        check_url(url, STRICT)
    assert (refused.value.code, refused.value.field) == ("malformed", "url")


def test_a_local_stack_takes_plain_http_to_this_machine_alone() -> None:
    assert check_url("http://127.0.0.1:3000/hooks", LOCAL)
    assert check_url("http://localhost:3000/hooks", LOCAL)
    for url in ("http://192.168.1.4/", "http://shop.example/", "https://10.0.0.1/"):
        with pytest.raises(Refused):
            check_url(url, LOCAL)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "127.0.0.1", "127.255.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254"),
        *("100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1", "224.0.0.1"),
        *("240.0.0.1", "255.255.255.255", "192.88.99.1", "203.0.113.9", "198.51.100.1"),
        *("::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808"),
        *("fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "2002:7f00:1::", "2001::1"),
        *("fec0::1", "3fff::1", "100::1"),
    ],
)
def test_an_address_that_is_not_public_is_forbidden(address: str) -> None:
    assert why_forbidden(address) is not None


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450::1"])
def test_a_public_address_is_allowed(address: str) -> None:
    assert why_forbidden(address) is None


def test_an_own_public_address_is_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storefront.targets._is_own", lambda address: address == "8.8.8.8")
    assert "this machine" in str(why_forbidden("8.8.8.8"))


# --- posts -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _server_side(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


def _client_side(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def _to_this_machine(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


async def _asked(reply: Reply | AsyncIterator[bytes], within: float = WITHIN) -> tuple[PostAnswer, Consumer]:
    async with consuming(Consumer(lambda event, count: reply)) as consumer, Poster(LOCAL, within=within) as poster:
        return await poster.post(consumer.url, BODY, {"webhook-id": "x"}), consumer


async def test_a_post_arrives_with_name_and_certificate_of_the_host(authority: trustme.CA) -> None:
    async with consuming(Consumer(), _server_side(authority, "shop.example")) as consumer:
        reach = Reach(ports=frozenset({consumer.port}), networks=(ip_network("127.0.0.0/8"),))
        async with Poster(reach, resolver=_to_this_machine, trusted=_client_side(authority)) as poster:
            answer = await poster.post(f"https://shop.example:{consumer.port}/hooks", BODY, {})
    assert (answer.status, answer.text, consumer.hosts) == (200, "ok", [f"shop.example:{consumer.port}"])


async def test_a_certificate_of_another_name_is_refused(authority: trustme.CA) -> None:
    async with consuming(Consumer(), _server_side(authority, "other.example")) as consumer:
        reach = Reach(ports=frozenset({consumer.port}), networks=(ip_network("127.0.0.0/8"),))
        async with Poster(reach, resolver=_to_this_machine, trusted=_client_side(authority)) as poster:
            answer = await poster.post(f"https://shop.example:{consumer.port}/hooks", BODY, {})
    assert (answer.status, consumer.asked) == (None, 0)
    assert "CERTIFICATE_VERIFY_FAILED" in answer.error


async def test_a_name_that_changes_its_answer_leads_nowhere() -> None:
    """The first answer was public when the endpoint was made; the second is this machine."""
    async with consuming(Consumer()) as consumer:
        reach = Reach(ports=frozenset({consumer.port}))
        async with Poster(reach, resolver=_to_this_machine) as poster:
            answer = await poster.post(f"https://shop.example:{consumer.port}/hooks", BODY, {})
    assert (answer.status, consumer.connections) == (None, 0)
    assert "127.0.0.1, which is not a public address" in answer.error


async def test_a_name_is_resolved_once_a_connection() -> None:
    """An address that was checked and another that is connected to would be two questions."""
    questions = []

    async def resolver(host: str, port: int) -> Sequence[str]:
        questions.append(host)
        return ["127.0.0.1"] if len(questions) == 1 else ["192.168.0.1"]

    async with consuming(Consumer(lambda event, count: status(200, "Connection: close"))) as consumer:
        reach = Reach(ports=frozenset({consumer.port}), networks=(ip_network("127.0.0.0/8"),))
        async with Poster(reach, resolver=resolver) as poster:
            first = await poster.post(f"http://shop.example:{consumer.port}/hooks", BODY, {})
            second = await poster.post(f"http://shop.example:{consumer.port}/hooks", BODY, {})
    assert (first.status, second.status, len(questions), consumer.connections) == (200, None, 2, 1)


async def test_one_private_address_among_public_ones_forbids_the_name() -> None:
    async def resolver(host: str, port: int) -> Sequence[str]:
        return ["8.8.8.8", "10.0.0.1"]

    async with Poster(STRICT, resolver=resolver) as poster:
        answer = await poster.post("https://shop.example/hooks", BODY, {})
    assert "10.0.0.1, which is not a public address" in answer.error


async def test_a_name_that_is_not_known_is_a_failure() -> None:
    async def resolver(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    async with Poster(STRICT, resolver=resolver) as poster:
        answer = await poster.post("https://shop.example/hooks", BODY, {})
    assert answer.error == "ConnectError: shop.example cannot be resolved: Name or service not known"


async def test_a_resolver_that_hangs_is_ended_by_the_time_limit() -> None:
    async def resolver(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async with Poster(STRICT, resolver=resolver, within=0.05) as poster:
        answer = await poster.post("https://shop.example/hooks", BODY, {})
    assert answer.error == "no answer within 0.05 s"


async def test_a_redirect_is_not_followed() -> None:
    async with consuming(Consumer()) as elsewhere:
        answer, consumer = await _asked(status(302, f"Location: {elsewhere.url}"))
    assert (answer.status, consumer.asked, elsewhere.connections) == (302, 1, 0)


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    answer, _ = await _asked(OK)
    assert answer.status == 200


async def test_a_consumer_that_never_answers_is_ended_by_the_time_limit() -> None:
    for within in (0.1, 1.0, 10.0):  # where the machine stands still, a short one passes before anything is sent
        answer, consumer = await _asked(None, within)
        assert (answer.status, answer.error) == (None, f"no answer within {within:g} s")
        if consumer.asked:
            return
    pytest.fail("nothing was ever sent")


async def test_an_endless_answer_is_cut() -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        while True:
            yield b"400\r\n" + b"x" * 1024 + b"\r\n"

    answer, _ = await _asked(endless())
    assert (answer.status, len(answer.text)) == (200, LARGEST_ANSWER)


async def test_endless_headers_are_a_failure() -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        while True:
            yield b"X: " + b"x" * 1024 + b"\r\n"

    answer, _ = await _asked(endless())
    assert answer.status is None
    assert "ProtocolError" in answer.error


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nConnection: close\r\n\r\nshort", 200),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (FAILING, 500),
    ],
)
async def test_an_answer_that_lies_raises_nothing(raw: bytes, code: int | None) -> None:
    answer, _ = await _asked(raw)
    assert answer.status == code


async def test_an_answer_is_shown_without_control_characters() -> None:
    answer, _ = await _asked(status(500, body="\x1b[31mred\x00"))
    assert answer.text == "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}"


async def test_nothing_listens() -> None:
    with socket.socket() as deaf:  # it keeps its port, which another program would get
        deaf.bind(("127.0.0.1", 0))
        async with Poster(LOCAL) as poster:
            answer = await poster.post(f"http://127.0.0.1:{deaf.getsockname()[1]}/", BODY, {})
    assert (answer.status, answer.error.partition(":")[0]) == (None, "ConnectError")


@pytest.mark.parametrize(
    ("header", "delay"),
    [
        ("120", timedelta(minutes=2)),
        ("0", timedelta(0)),
        ("Tue, 01 Dec 2026 12:02:00 GMT", timedelta(minutes=2)),
        ("Tue, 01 Dec 2026 11:00:00 GMT", timedelta(0)),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("99999999999999999999", None),
        ("Tue, 99 Dec 2026 12:02:00 GMT", None),
    ],
)
def test_a_delay_is_read_in_seconds_or_as_a_date(header: str | None, delay: timedelta | None) -> None:
    assert retry_after_of(header, NOW) == delay


async def test_a_delay_comes_with_the_answer() -> None:
    answer, _ = await _asked(status(503, "Retry-After: 120"))
    assert answer.retry_after == timedelta(minutes=2)
