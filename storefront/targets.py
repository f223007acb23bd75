"""Where a webhook may go. The address that was checked is the one that is connected to.

Consumers choose the addresses, so a post could be aimed at what only this machine can reach: a database, a cloud's
metadata, the console. A name may also answer differently the second time it is asked. Therefore the name is resolved
here, each of its addresses is checked, and the connection goes to such an address. TLS and the Host header still have
the name.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpcore2

from config import Settings
from config.webhooks import WEBHOOK_PORTS, IpNetwork
from core.errors import Refused

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, as text."""

LONGEST_URL = 2_000
LONGEST_NAME, LONGEST_LABEL = 253, 63
"""Of a host and of each part of it (RFC 1035, 2.3.4)."""
ADDRESSES_TRIED = 3
LOOKUPS_AT_ONCE = 8
"""A resolver that hangs holds a thread: these are apart from those of the rest of the process."""
_LOOPBACKS = frozenset({"localhost", "127.0.0.1", "::1"})
_FORBIDDEN_4 = (
    IPv4Network("168.63.129.16/32"),  # the wire server of Azure, which looks public
    IPv4Network("192.0.0.0/24"),  # protocols; Python's own table has parts of it alone. Oracle's metadata is in it
    IPv4Network("192.88.99.0/24"),  # relays of 6to4
)
_PUBLIC_6 = IPv6Network("2000::/3")
_FORBIDDEN_6 = (
    IPv6Network("2001::/23"),  # Teredo and other protocols
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("2002::/16"),  # 6to4: it holds an IPv4 address
    IPv6Network("3fff::/20"),  # documentation
)


class TargetForbidden(Exception):
    """An address that no webhook may go to. A retry helps only if the name's addresses change."""


@dataclass(frozen=True)
class Reach:
    """What webhooks may reach: public addresses, and what is named here."""

    ports: frozenset[int] = WEBHOOK_PORTS
    networks: tuple[IpNetwork, ...] = ()
    """Networks that are not public, where consumers of ours are."""
    loopback: bool = False
    """Also plain HTTP to this machine, any port; for a local stack only."""

    def why_not(self, address: str) -> str | None:
        """Why no webhook may go to an IP address; None where it may."""
        found = ip_address(address.partition("%")[0])
        return None if any(found in network for network in self.networks) else why_forbidden(address)


def reach_of(settings: Settings) -> Reach:
    """What webhooks of this gateway may reach."""
    return Reach(settings.webhook_ports, settings.webhook_networks, loopback=settings.webhooks_to_this_machine)


def check_url(url: str, reach: Reach) -> str:
    """The URL of an endpoint, if a webhook may go there. What its name resolves to is checked at every connection.

    Raises:
        Refused: `malformed`, with what would be right.
    """
    parts = _parts(url)
    host = parts.hostname or ""
    if parts.username is not None or parts.password is not None:
        raise _wrong("has a login in it; a webhook is proven by its signature")
    if parts.fragment:
        raise _wrong("has a fragment (#…), which is never sent")
    if reach.loopback and host in _LOOPBACKS:
        return url
    if parts.scheme != "https":
        raise _wrong("must begin with https://")
    port = parts.port or 443
    if port not in reach.ports:
        raise _wrong(f"has the port {port}; allowed are {', '.join(map(str, sorted(reach.ports)))}")
    literal = _address_in(host)
    why = reach.why_not(literal) if literal else _why_no_host(host)
    if why is not None:
        raise _wrong(why)
    return url


def _parts(url: str) -> SplitResult:
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url or len(url) > LONGEST_URL:
        raise _wrong(
            f"must be printable ASCII without spaces, at most {LONGEST_URL:,} characters; write names in punycode"
        )
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts
    except ValueError:
        pass
    raise _wrong("is not an address such as https://shop.example/webhooks")


def _wrong(why: str) -> Refused:
    return Refused("malformed", f"url: {why}.", "url")


def _address_in(host: str) -> str | None:
    try:
        return str(ip_address(host))
    except ValueError:
        return None


def _why_no_host(host: str) -> str | None:
    name = host.rstrip(".")
    if name == "localhost" or name.endswith((".localhost", ".local", ".internal")):
        return "names a machine that is not public"
    if "." not in name:
        return "must have a full name, such as shop.example"
    if len(name) > LONGEST_NAME or not all(0 < len(label) <= LONGEST_LABEL for label in name.split(".")):
        return f"has a name with an empty part, or one of more than {LONGEST_LABEL} characters"
    return None


def why_forbidden(address: str) -> str | None:
    """Why no webhook may go to an IP address; None where it may: it is public, and not one of this machine's."""
    found = ip_address(address.partition("%")[0])
    public = _is_public_4(found) if isinstance(found, IPv4Address) else _is_public_6(found)
    if not public:
        return f"leads to {found}, which is not a public address"
    return f"leads to {found}, which is this machine" if _is_own(str(found)) else None


def _is_public_4(address: IPv4Address) -> bool:
    return address.is_global and not address.is_multicast and not any(address in net for net in _FORBIDDEN_4)


def _is_public_6(address: IPv6Address) -> bool:
    """Only global unicast: mapped, translated and local addresses all lie outside of it."""
    return address in _PUBLIC_6 and not any(address in net for net in _FORBIDDEN_6)


def _is_own(address: str) -> bool:
    """Whether an address is this machine's: the kernel then sends from it. Nothing is sent: UDP only notes the peer."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return bool(probe.getsockname()[0] == address)
    except OSError:
        return False


async def resolve(host: str, port: int) -> Sequence[str]:
    """The system's resolver, on threads of its own."""
    found = await asyncio.get_running_loop().run_in_executor(
        _lookups, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    )
    return list(dict.fromkeys(str(where[0]) for _, _, _, _, where in found))


_lookups = ThreadPoolExecutor(LOOKUPS_AT_ONCE, "webhook-lookup")


class CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that were checked, and to no others.

    Args:
        reach: what may be reached.
        resolver: how a name becomes addresses; asked once a connection.
    """

    def __init__(self, reach: Reach, resolver: Resolver = resolve) -> None:
        self._reach, self._resolver, self._network = reach, resolver, httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address of the host that answers.

        Raises:
            TargetForbidden: one of its addresses is forbidden, or the port is.
            httpcore2.ConnectError: none answers, or the name is not known; a retry may help.
        """
        error: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in (await self._checked(host, port))[:ADDRESSES_TRIED]:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore2.ConnectError as refused:
                error = refused
        raise error

    async def _checked(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = [host] if _address_in(host) else await self._resolver(host, port)
        except (OSError, UnicodeError) as error:
            # The resolver cannot even ask for some names: Python raises UnicodeError for these.
            why = getattr(error, "strerror", None) or error
            raise httpcore2.ConnectError(f"{host} cannot be resolved: {why}") from None
        if self._reach.loopback and host in _LOOPBACKS and all(ip_address(one).is_loopback for one in addresses):
            return addresses
        if port not in self._reach.ports:
            raise TargetForbidden(f"the port {port} is not allowed")
        # One forbidden address among others is an attempt to get there by chance.
        for why in map(self._reach.why_not, addresses):
            if why is not None:
                raise TargetForbidden(f"{host} {why}")
        return addresses
