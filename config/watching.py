"""The settings of those who watch: where metrics are shown, and where traces are sent."""

from __future__ import annotations

import re
from collections.abc import Mapping

from core.addresses import is_http
from core.errors import Misconfigured

METRICS, OTLP = "DAKUAN_METRICS", "DAKUAN_OTLP"


def parse_metrics(variables: Mapping[str, str]) -> str | None:
    """The SDK takes an IP address with a port; a name is none.

    Raises:
        Misconfigured: it has another form.
    """
    address = variables.get(METRICS)
    if address is not None and not re.fullmatch(r"(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-fA-F:]+\]):\d{1,5}", address):
        raise Misconfigured(f"{METRICS}: {address} is not IP:PORT, such as 127.0.0.1:9464")
    return address


def parse_otlp(variables: Mapping[str, str]) -> str | None:
    """The address of the receiver of traces; the path is added where they are sent.

    Raises:
        Misconfigured: it has another form; the value is not repeated, since it may hold a password.
    """
    address = variables.get(OTLP)
    if address is None:
        return None
    if not is_http(address) or address.rstrip("/").endswith("/v1/traces"):
        raise Misconfigured(f"{OTLP} is not an address such as http://127.0.0.1:4318, without /v1/traces")
    return address.rstrip("/")
