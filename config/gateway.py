"""Settings of the HTTP gateway: what API keys are hashed with, and the names under which it answers."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from core.errors import Misconfigured

PEPPER, HOSTS = "DAKUAN_PEPPER", "DAKUAN_HTTP_HOSTS"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|[0-9a-f:]*:[0-9a-f:.]+")


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
