"""Settings of the HTTP gateway: what keys are hashed with, the names it answers under, which events start orders."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from core.errors import Misconfigured
from core.payment_events import EventMapping, parse_mappings

PEPPER, HOSTS, EVENTS = "DAKUAN_PEPPER", "DAKUAN_HTTP_HOSTS", "DAKUAN_PAYMENT_EVENTS"
CONNECTIONS = "DAKUAN_HTTP_CONNECTIONS"
LOCAL_EVENTS = Path(__file__).parents[1] / "local" / "payment_events.toml"
"""The mapping of a local stack."""
CONNECTIONS_MOST = 100_000
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_WHOLE = re.compile(r"[0-9]{1,6}")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|[0-9a-f:]*:[0-9a-f:.]+")


class Connections(NamedTuple):
    """Connections and requests of a gateway at one time; beyond, the answer is 503 at once."""

    most: int = 1_000
    each: int = 200
    """Of one address, so that it cannot take all. This machine is not counted: the proxy in front is there."""


def parse_connections(text: str) -> Connections:
    """`MOST,EACH`.

    Raises:
        Misconfigured: it is not two whole numbers, or one address may have more than there are.
    """
    most, _, each = (part.strip() for part in text.partition(","))
    if not (_WHOLE.fullmatch(most) and _WHOLE.fullmatch(each) and 1 <= int(each) <= int(most) <= CONNECTIONS_MOST):
        raise Misconfigured(
            f"{CONNECTIONS}: {text[:80]!r} is not MOST,EACH, two whole numbers up to {CONNECTIONS_MOST:,} of which the "
            "second is not above the first, such as 1000,200"
        )
    return Connections(int(most), int(each))


def parse_peppers(text: str) -> tuple[bytes, ...]:
    """The pepper of API keys, and the one before it while keys are rotated: `NEW,OLD`.

    Raises:
        Misconfigured: one is not 32 bytes in base64, or there are more than two. The message repeats none.
    """
    found = tuple(_pepper(part) for part in text.split(","))
    if len(found) > 2:
        raise Misconfigured(f"{PEPPER} has {len(found)} entries: the newest, and at most the one before it")
    return found


def _pepper(text: str) -> bytes:
    try:
        pepper = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        pepper = b""
    if len(pepper) != 32:
        raise Misconfigured(f"{PEPPER} is not 32 bytes in base64; `openssl rand -base64 32` makes it")
    return pepper


def parse_hosts(variables: Mapping[str, str]) -> frozenset[str]:
    """The names of `HOST,HOST…`, beside this machine's own.

    Raises:
        Misconfigured: one is no host's name. A port or a scheme is none of it.
    """
    names = [name.strip().strip("[]").lower() for name in variables.get(HOSTS, "").split(",") if name.strip()]
    for name in names:
        if not _NAME.fullmatch(name):
            raise Misconfigured(f"{HOSTS}: {name[:80]!r} is no name of a host, such as pay.example")
    return frozenset(names) | LOOPBACK


def read_payment_events(file: Path) -> dict[str, EventMapping]:
    """The mappings of a file of payment events.

    Raises:
        Misconfigured: it cannot be read; the sentence names the file.
    """
    try:
        return parse_mappings(file.read_text(encoding="utf-8"))
    except (Misconfigured, OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{EVENTS}: {file}: {error}") from None
