"""The headers of every request and answer: under which name we are asked, which version of the interface, and an id."""

from __future__ import annotations

import re
from collections.abc import Container
from urllib.parse import unquote

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import Scope

from storefront.problems import ProblemError

VERSION = "2026-12-01"
VERSION_HEADER = "Dakuan-Version"
REQUEST_ID = "X-Request-Id"
_ABSOLUTE = re.compile(rb"https?://([^/?#@]+)(/.*)?", re.IGNORECASE)
_CHECKS = frozenset({"/healthz", "/readyz"})
"""Load balancers ask for these by address."""


def check_headers(request: Request, hosts: Container[str]) -> None:
    """Refuse a request for another host, for another version of the interface, or with two ends.

    A page elsewhere whose name points at this machine could otherwise ask as if it were ours.

    Raises:
        ProblemError: `unknown_host`, `unknown_version`, or `unreadable`.
    """
    if "content-length" in request.headers and "transfer-encoding" in request.headers:
        # A proxy in front may end the body elsewhere, and take the rest for another request (RFC 9112, 6.3).
        why = "Send Content-Length or Transfer-Encoding, not both."
        raise ProblemError("unreadable", why, headers={"Connection": "close"})
    path = request.url.path
    # The console has a check of its own, with a page as the answer.
    if (
        path not in _CHECKS
        and not f"{path}/".startswith("/console/")
        and host_in(request.headers.get("host", "")) not in hosts
    ):
        raise ProblemError("unknown_host", "The setting DAKUAN_HTTP_HOSTS names the hosts that are served.")
    version = request.headers.get(VERSION_HEADER, VERSION)
    if version != VERSION:
        raise ProblemError("unknown_version", f"{VERSION_HEADER}: {version[:40]!r} is not served; {VERSION} is.")


def read_absolute(scope: Scope) -> None:
    """Take the path and the host out of a target such as `http://pay.example/v1/orders`, as proxies write it. Such a
    host counts, not the one of the header (RFC 9112, 3.2.2).
    """
    found = _ABSOLUTE.fullmatch(scope["raw_path"]) if scope.get("raw_path") else None
    if found is None:
        return
    host, path = found[1], found[2] or b"/"
    scope["path"], scope["raw_path"] = unquote(path.decode("ascii")), path
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"host"] + [(b"host", host)]


def host_in(header: str) -> str:
    """The name in a Host header, without its port."""
    name = header.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].rstrip(".")


def add_headers(headers: MutableHeaders, request_id: str) -> None:
    """What every answer says."""
    headers[REQUEST_ID] = request_id
    headers[VERSION_HEADER] = VERSION
    headers["X-Content-Type-Options"] = "nosniff"
    headers.setdefault("Cache-Control", "no-store")
