"""Addresses of PostgreSQL and of HTTP providers as people write them, and which part of them may be shown.

An address may hold a password, so no function here repeats a part that it could not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field

from core.errors import Misconfigured

POSTGRES_PORT = 5432
CONNECT_WITHIN = 10.0
"""Seconds to wait for a connection where the address does not say (`connect_timeout=`)."""

_SCHEMES = ("postgresql", "postgres")
_EXAMPLE = "postgresql://user:password@host:5432/dakuan"
_ESCAPES = "in a password write @ as %40, / as %2F, : as %3A, # as %23, ? as %3F and % as %25"

_DRIVERS = frozenset(
    {"passfile", "sslmode", "sslcert", "sslkey", "sslrootcert", "sslnegotiation", "sslcrl", "sslpassword"}
    | {"ssl_min_protocol_version", "ssl_max_protocol_version", "target_session_attrs", "krbsrvname", "gsslib"}
    | {"service"}
)
"""Parameters that the driver understands itself."""
_PARTS = frozenset({"host", "port", "user", "password", "dbname", "database"})
"""Parts of the address that may be written as parameters."""
_TLS_MODES = frozenset({"require", "verify-ca", "verify-full"})
"""Values of `sslmode=` that take no session without TLS."""
_SERVER_KINDS = ("any", "primary", "standby", "read-write", "read-only", "prefer-standby")
_SERVERS = frozenset({"application_name", "options", "statement_timeout", "lock_timeout", "work_mem"})
"""Settings that the server takes when a session begins."""
_NOTHING = frozenset(
    {"channel_binding", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"}
    | {"tcp_user_timeout", "gssencmode", "sslcompression", "sslsni", "load_balance_hosts", "client_encoding"}
    | {"fallback_application_name", "schema", "connection_limit", "pool_timeout", "socket_timeout", "supa"}
    | {"workaround"}
)
"""Parameters of other drivers and of hosting companies. They are accepted and change nothing here."""
_BINDING = ("channel_binding", "gssencmode")
"""Of these, the ones that the driver does not support where an address requires them."""
_OURS = frozenset({"connect_timeout", "pgbouncer", "statement_cache_size", "prepared_statements"})

_CREDENTIALS = re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]*://)(?:\S*@|[^\s@/:]+:(?!\d+[\s/])[^@/\n]*@)")
"""To the last `@` before a space: a password may hold any other character unescaped."""
_SECRET_FIELDS = re.compile(
    r"(?i)\b(password|passwd|sslpassword|api_?key)(\s*=\s*|[\"']\s*:\s*)(\"[^\"]*\"|'[^']*'|[^\s&,;'\")}]+)"
)
_ROWS = re.compile(r"(Failing row contains )\(.*\)\.?", re.DOTALL)
"""PostgreSQL quotes the row that a constraint refuses: a name, the digest of a key, an amount."""
HIDDEN = "***"


class DatabaseAddress(BaseModel):
    """A PostgreSQL address, taken apart. `shown` is what people may see of it."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    hosts: tuple[str, ...] = ()
    """Empty: what the driver takes where an address names none."""
    ports: tuple[int, ...] = ()
    """One a host."""
    database: str | None = None
    user: str | None = None
    password: str | None = Field(default=None, repr=False)
    driver: Mapping[str, str] = Field(default={}, repr=False)
    """Parameters for the driver, as they were written."""
    settings: Mapping[str, str] = {}
    connect_within: float = CONNECT_WITHIN
    wanted: str | None = None
    """Which of several servers it asks for (`target_session_attrs=`)."""
    pooled: bool = False
    """Whether a pooler stands before the server and shares one session among many clients (`pgbouncer=true`)."""
    unkept: tuple[str, ...] = ()
    """What it asks for and the driver does not support."""

    @property
    def shown(self) -> str:
        """Hosts, ports and database."""
        named = zip(self.hosts, self.ports, strict=True)
        where = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in named)
        return f"{where or 'the usual place'}/{self.database or ''}"

    @property
    def wants_tls(self) -> bool:
        """Whether it takes no session without TLS."""
        return self.driver.get("sslmode") in _TLS_MODES


def parse_database_address(text: str, variable: str = "DATABASE_URL") -> DatabaseAddress:
    """Take a PostgreSQL address apart, one host or several.

    Args:
        variable: the setting that holds it, for the sentences.

    Raises:
        Misconfigured: it cannot be read, or has an unknown parameter. No part that may hold a password is repeated.
    """
    try:
        parts = urlsplit(text)
    except ValueError:
        raise _unreadable(variable) from None
    if parts.scheme not in _SCHEMES:
        raise _unreadable(variable)
    login, hosts, ports = _authority(parts, variable)
    query = _query(parts, variable)
    if "host" in query or "port" in query:
        hosts, ports = _listed(query, hosts, ports, variable)
    if not hosts and not parts.query:
        raise _unreadable(variable)
    user, _, password = login.partition(":")
    if "/" in (path := parts.path.removeprefix("/")):
        raise _unreadable(variable, _ESCAPES)
    database = query.get("dbname") or query.get("database") or unquote(path)
    return DatabaseAddress(
        hosts=hosts,
        ports=ports,
        database=database or None,
        user=query.get("user") or unquote(user) or None,
        password=query.get("password") or unquote(password) or None,
        driver={name: value for name, value in query.items() if name in _DRIVERS},
        settings={name: value for name, value in query.items() if name in _SERVERS},
        connect_within=_seconds(query.get("connect_timeout"), variable),
        wanted=_wanted(query.get("target_session_attrs"), variable),
        pooled=_says_pooled(query, hosts, ports),
        unkept=tuple(f"{name}=require" for name in _BINDING if query.get(name) == "require"),
    )


def _unreadable(variable: str, why: str = "") -> Misconfigured:
    """The value may hold a password, so it is not repeated."""
    return Misconfigured(f"{variable} is not an address such as {_EXAMPLE}" + (f": {why}" if why else ""))


def _authority(parts: SplitResult, variable: str) -> tuple[str, tuple[str, ...], tuple[int, ...]]:
    """The login, the hosts and their ports."""
    login, _, listed = parts.netloc.rpartition("@")
    # An `@`, `/`, `#` or `?` that stands unescaped in a password cuts the address elsewhere than was meant.
    if "@" in login or parts.fragment or "@" in parts.path:
        raise _unreadable(variable, _ESCAPES)
    hosts, ports = [], []
    for one in listed.split(",") if listed else ():
        host, port = _host(one, variable)
        hosts.append(host)
        ports.append(port)
    return login, tuple(hosts), tuple(ports)


def _host(text: str, variable: str) -> tuple[str, int]:
    matched = re.fullmatch(r"(?:\[(?P<six>[0-9A-Fa-f:.%]+)\]|(?P<name>[^:\[\]@]+))(?::(?P<port>[0-9]{1,5}))?", text)
    if matched is None:
        raise _unreadable(variable, _ESCAPES)
    return unquote(matched["six"] or matched["name"]), _port(matched["port"], variable)


def _port(text: str | None, variable: str) -> int:
    if not text:
        return POSTGRES_PORT
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 65536):
        raise _unreadable(variable, "a port is a number from 1 to 65535")
    return int(text)


def _query(parts: SplitResult, variable: str) -> dict[str, str]:
    """The parameters. Of two with one name the last counts.

    Raises:
        Misconfigured: one is unknown. Its name is repeated only if it certainly is a name and no part of a password.
    """
    if not parts.query:
        return {}
    try:
        query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
    except ValueError:
        raise _unreadable(variable, f"parameters are written ?name=value&name=value; {_ESCAPES}") from None
    known = _DRIVERS | _PARTS | _SERVERS | _NOTHING | _OURS
    for name in query:
        if name in known:
            continue
        if "@" in parts.query or not re.fullmatch(r"[a-z_]{2,40}", name):
            raise _unreadable(variable, _ESCAPES)
        raise Misconfigured(
            f"{variable}: the address has a parameter that Dakuan does not know: {name}=; remove it"
            f" (known are {', '.join(sorted(known - _NOTHING))})"
        )
    return query


def _listed(
    query: Mapping[str, str], hosts: tuple[str, ...], ports: tuple[int, ...], variable: str
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Hosts and ports of `?host=a,b&port=1,2`. They replace those of the address itself, as in PostgreSQL's own tools;
    an address that was ignored in part would reach another server than was meant.
    """
    if query.get("host"):
        named = tuple(query["host"].split(","))
        ports = ports * len(named) if len(ports) == 1 else ports
        hosts = named
    if query.get("port"):
        if not hosts:
            raise _unreadable(variable, "port= needs a host: name it before the port, or as host=")
        given = tuple(_port(one, variable) for one in query["port"].split(","))
        ports = given * len(hosts) if len(given) == 1 else given
    ports = ports or (POSTGRES_PORT,) * len(hosts)
    if len(hosts) != len(ports) or not all(hosts):
        raise _unreadable(variable, "name one port for all hosts, or one for each")
    return hosts, ports


def _seconds(text: str | None, variable: str) -> float:
    if text is None:
        return CONNECT_WITHIN
    if not (text.isascii() and text.isdecimal()) or len(text) > 4:
        raise Misconfigured(f"{variable}: connect_timeout= is a whole number of seconds")
    return float(text) or CONNECT_WITHIN  # 0 would mean to wait without a limit


def _wanted(text: str | None, variable: str) -> str | None:
    if text is not None and text not in _SERVER_KINDS:
        raise Misconfigured(f"{variable}: target_session_attrs= is one of {', '.join(_SERVER_KINDS)}")
    return text


def _says_pooled(query: Mapping[str, str], hosts: tuple[str, ...], ports: tuple[int, ...]) -> bool:
    """Supabase's shared pooler keeps a session for a client on port 5432 and shares them on 6543."""
    said = query.get("pgbouncer") in ("true", "1", "yes", "on") or query.get("statement_cache_size") == "0"
    hosted = any(
        (host.endswith(".pooler.supabase.com") and port == 6543) or re.search(r"-pooler\.[a-z0-9.-]*neon\.tech$", host)
        for host, port in zip(hosts, ports, strict=True)
    )
    return said or hosted or query.get("prepared_statements") in ("false", "0", "no", "off")


# --- over HTTP ---------------------------------------------------------------------------------------------


class HttpAddress(NamedTuple):
    """A provider's address without its login, and the login."""

    url: str
    login: tuple[str, str] | None


def split_login(url: str) -> HttpAddress:
    """The address without user and password, and the two apart. A client logs every address that it asks."""
    parts = urlsplit(url)
    login, at, where = parts.netloc.rpartition("@")
    if not at:
        return HttpAddress(url, None)
    user, _, password = login.partition(":")
    return HttpAddress(urlunsplit(parts._replace(netloc=where)), (unquote(user), unquote(password)))


def shown_url(url: str) -> str:
    """An HTTP address as people may see it: without login, parameters and fragment, which may hold keys."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(an address that cannot be read)"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def is_http(value: str) -> bool:
    """Whether this is an `http://` or `https://` address with a host."""
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def is_plain_remote(url: str) -> bool:
    """Whether others on the way can read and change what is sent: plain HTTP to another machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = parts.hostname or ""
    local = host in ("localhost", "::1") or host.endswith(".localhost") or re.fullmatch(r"127(\.\d{1,3}){3}", host)
    return parts.scheme == "http" and not local


# --- in any text -------------------------------------------------------------------------------------------


def hide_passwords(text: str) -> str:
    """A text without the passwords of the addresses in it. Error texts of libraries may repeat an address."""
    # Fields first: an `@` in the value of one would end what looks like a login.
    hidden = _SECRET_FIELDS.sub(rf"\1\2{HIDDEN}", text)
    return _CREDENTIALS.sub(rf"\1{HIDDEN}@", _ROWS.sub(rf"\1{HIDDEN}", hidden))
