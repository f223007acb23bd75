"""Settings of the console: its public address, and the provider of identities at which people sign in."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from core.addresses import is_plain_remote
from core.errors import Misconfigured

URL, ISSUER = "DAKUAN_CONSOLE_URL", "DAKUAN_OIDC_ISSUER"
CLIENT_ID, CLIENT_SECRET = "DAKUAN_OIDC_CLIENT_ID", "DAKUAN_OIDC_CLIENT_SECRET"
_ALL = (URL, ISSUER, CLIENT_ID, CLIENT_SECRET)


class ConsoleSettings(BaseModel):
    """Where people reach the console, and who says who they are (OpenID Connect)."""

    model_config = ConfigDict(frozen=True)

    url: str
    """The gateway's public address, without a path: browsers that name another host are refused."""
    issuer: str
    client_id: str
    client_secret: str = Field(repr=False)

    @property
    def host(self) -> str:
        """What a browser's Host header has to say."""
        parts = urlsplit(self.url)
        usual = {"https": ":443", "http": ":80"}[parts.scheme]
        # A browser leaves the usual port out.
        return parts.netloc.lower().removesuffix(usual)


def parse_console(variables: Mapping[str, str]) -> ConsoleSettings | None:
    """The console's settings; None where none of them is set.

    Raises:
        Misconfigured: only some are set, or an address is none. The message repeats no secret.
    """
    given = [name for name in _ALL if name in variables]
    if not given:
        return None
    missing = [name for name in _ALL if name not in variables]
    if missing:
        raise Misconfigured(f"{given[0]} is set and {missing[0]} is not: the console needs all of {', '.join(_ALL)}")
    for name in (URL, ISSUER):
        _check(name, variables[name])
    if urlsplit(variables[URL]).path not in {"", "/"}:
        raise Misconfigured(f"{URL} has a path: give the gateway's own address, such as https://pay.example")
    return ConsoleSettings(
        url=variables[URL].rstrip("/"),
        issuer=variables[ISSUER],
        client_id=variables[CLIENT_ID],
        client_secret=variables[CLIENT_SECRET],
    )


def _check(name: str, value: str) -> None:
    try:
        parts = urlsplit(value)
        right = parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.username and parts.port != 0
    except ValueError:
        right = False
    if not right:
        raise Misconfigured(f"{name} is not an address such as https://pay.example")
    if is_plain_remote(value):
        raise Misconfigured(f"{name} is plain http://, over which anyone on the way could sign in: use https://")
