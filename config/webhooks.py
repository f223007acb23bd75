"""Where webhooks may go, beside public addresses on the usual ports."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TypeAlias

from core.errors import Misconfigured

IpNetwork: TypeAlias = IPv4Network | IPv6Network
WEBHOOK_PORTS = frozenset({443, 8443})


def parse_ports(text: str | None) -> frozenset[int]:
    """The ports of DAKUAN_WEBHOOK_PORTS; the usual ones where it is not set.

    Raises:
        Misconfigured: one is no port.
    """
    if text is None:
        return WEBHOOK_PORTS
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and 0 < int(part[:6]) < 65536 for part in parts):
        raise Misconfigured("DAKUAN_WEBHOOK_PORTS is not PORT,PORT… such as 443,8443")
    return frozenset(map(int, parts))


def parse_networks(text: str) -> tuple[IpNetwork, ...]:
    """The networks of DAKUAN_WEBHOOK_NETWORKS.

    Raises:
        Misconfigured: one is no network, or has bits beyond its prefix.
    """
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise Misconfigured(f"DAKUAN_WEBHOOK_NETWORKS is not NETWORK,NETWORK… such as 10.8.0.0/16: {error}") from None
