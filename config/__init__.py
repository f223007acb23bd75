"""Settings from the environment; nothing else reads it.

    DATABASE_URL, DATABASE_OWNER_URL   PostgreSQL: as the worker's role, and as the owner's, for migrations
    DATABASE_READ_URL                  a replica of it, for lists, pages of the console and statements; none by default
    TEMPORAL_ADDRESS, TEMPORAL_…       Temporal, as the `temporal` command line reads them (profiles, TLS, API key)
    DAKUAN_CARRIER_URL                 tracking provider     (the sandbox dialect of the stand-ins)
    DAKUAN_CARRIERS                    file of tracking providers and their order (`config.providers`); on a local stack
                                       `local/carriers.toml`, elsewhere the sandbox dialect, where it is not set
    DAKUAN_CHANNEL_URL                 payment channel
    DAKUAN_BANK_URL                    rail for payouts
    DAKUAN_RAILS                       file of further rails and channels, and our accounts with them (`config.rails`)
    DAKUAN_ACCOUNT_KEYS                ID:KEY,ID:KEY…: what seals account numbers; 32 bytes in base64, the newest first
    DAKUAN_PEPPER                      what API keys are hashed with: 32 bytes in base64, the same for all gateways;
                                       NEW,OLD while the keys are rotated to a new one
    DAKUAN_HTTP_HOSTS                  HOST,HOST…: names under which the HTTP gateway answers, beside this machine's own
    DAKUAN_HTTP_CONNECTIONS            MOST,EACH: connections of a gateway at one time, and of one address; 1000,200
    DAKUAN_PAYMENT_EVENTS              file that says how a storefront's payment events start orders
    DAKUAN_CONSOLE_URL, DAKUAN_OIDC_…  the console's public address, and where people sign in (`config.console`)
    DAKUAN_SIGNING_KEY                 file of the key that signs what this process sends (`keys certify` writes it)
    DAKUAN_CODEC_KEYS                  file of the keys that seal payloads in Temporal (`keys codec` makes it); none by
                                       default: then they are plain
    DAKUAN_TEMPORAL_UI                 address of Temporal's Web UI, which may then ask this gateway to open payloads
    DAKUAN_LOG                         `json`: each record of the log is one line of JSON
    DAKUAN_METRICS                     HOST:PORT at which this process shows its metrics to Prometheus; none by default
    DAKUAN_OTLP                        address of a receiver of traces (OTLP over HTTP), such as http://127.0.0.1:4318;
                                       none by default; needs the extra `otel`
    DAKUAN_POLICIES                    folder of policy files; default `policies/`
    DAKUAN_SCREENING                   screening rules; default `screening.toml` in that folder
    DAKUAN_HOME                        folder of the local stack; default `var/` beside the sources
    DAKUAN_BUILD_ID                    name of this build, where worker versioning is used
    DAKUAN_PLAIN_HTTP                  HOST,HOST…: other machines that may be asked without TLS
    DAKUAN_WEBHOOK_PORTS               PORT,PORT…: ports that webhooks may go to; default 443,8443
    DAKUAN_WEBHOOK_NETWORKS            NETWORK,NETWORK…: your own networks that webhooks may go to

Unset addresses come from the local stack under DAKUAN_HOME while it is up, either all or none: a worker must not
combine your own database with the local stack's Temporal.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from config.account_keys import account_keys_of
from config.codec import CODEC_KEYS, CodecKeys, parse_temporal_ui, read_codec_keys
from config.console import ConsoleSettings, parse_console
from config.gateway import (
    CONNECTIONS,
    EVENTS,
    LOCAL_EVENTS,
    LOOPBACK,
    PEPPER,
    Connections,
    parse_connections,
    parse_hosts,
    parse_peppers,
    read_payment_events,
)
from config.providers import Providers, parse_providers
from config.rails import Rails, parse_rails
from config.watching import parse_metrics, parse_otlp
from config.webhooks import WEBHOOK_PORTS, IpNetwork, parse_networks, parse_ports
from core.addresses import is_http, is_plain_remote, parse_database_address
from core.errors import Misconfigured
from core.payment_events import EventMapping

PROJECT = Path(__file__).resolve().parents[1]
STANDIN_CARRIERS = PROJECT / "local" / "carriers.toml"
"""The tracking providers of a local stack: the stand-ins, in the vendors' own dialects."""
STACK_FILE = "stack.json"
"""The file that a running local stack writes into its home: a JSON object of this module's settings, and `pids`."""

PEPPER_FILE = "pepper"
"""The file in which a local stack keeps its own DAKUAN_PEPPER."""

_VARIABLES = {
    "database_url": "DATABASE_URL",
    "database_owner_url": "DATABASE_OWNER_URL",
    "database_read_url": "DATABASE_READ_URL",
    "temporal_address": "TEMPORAL_ADDRESS",
    "carrier_url": "DAKUAN_CARRIER_URL",
    "channel_url": "DAKUAN_CHANNEL_URL",
    "bank_url": "DAKUAN_BANK_URL",
}
_DATABASES = ("database_url", "database_owner_url", "database_read_url")
_PROVIDERS = ("carrier_url", "channel_url", "bank_url")


class Settings(BaseModel):
    """The addresses and files of this process. None: not set, and no local stack provides it; `needed` then raises."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    database_url: str | None = Field(default=None, repr=False)
    database_owner_url: str | None = Field(default=None, repr=False)
    database_read_url: str | None = Field(default=None, repr=False)
    """None: the primary answers all."""
    temporal_address: str | None = None
    """There is no default address, unlike in Temporal's own tools: a server on this machine may belong to another
    project.
    """
    temporal_namespace: str = "default"
    temporal_options: Mapping[str, Any] = Field(default={}, repr=False)
    """Further arguments of `Client.connect`: TLS, API key, metadata."""
    temporal_ui_url: str | None = None
    carrier_url: str | None = Field(default=None, repr=False)
    providers: Providers | None = Field(default=None, repr=False)
    """None: the sandbox for every carrier."""
    channel_url: str | None = Field(default=None, repr=False)
    bank_url: str | None = Field(default=None, repr=False)
    account_keys: Mapping[str, bytes] = Field(default={}, repr=False)
    """The keys that seal account numbers, by id; the first seals, all open."""
    peppers: tuple[bytes, ...] = Field(default=(), repr=False)
    """What API keys are hashed with; while they are rotated, also the one before."""
    http_hosts: frozenset[str] = LOOPBACK
    """The names under which the HTTP gateway answers."""
    http_connections: Connections = Connections()
    payment_events: Mapping[str, EventMapping] = {}
    """How payment events start orders, by channel."""
    console: ConsoleSettings | None = None
    """None: no one signs in, but on a local stack."""
    metrics: str | None = None
    """HOST:PORT of the Prometheus endpoint."""
    otlp: str | None = Field(default=None, repr=False)
    """Where spans are sent, without the path; None: nothing is traced."""
    signing_key: Path | None = None
    """None: what this process sends carries no proof."""
    codec_keys: CodecKeys | None = Field(default=None, repr=False)
    """None: payloads are plain."""
    rails: Rails | None = Field(default=None, repr=False)
    """None: every rail is the bank, every channel the payment channel above."""
    rails_file: Path | None = None
    """The file that `rails` was read from."""
    world_url: str | None = None
    """The stand-ins' own address; None if the carrier, the channel and the bank are real."""
    policies: Path = PROJECT / "policies"
    screening: Path = PROJECT / "policies" / "screening.toml"
    home: Path = PROJECT / "var"
    build_id: str | None = None
    webhook_ports: frozenset[int] = WEBHOOK_PORTS
    webhook_networks: tuple[IpNetwork, ...] = ()
    webhooks_to_this_machine: bool = False
    """Also without TLS, as on a local stack, whose consumers a developer runs beside it."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment, and the local stack's file if a stack is up.

        Args:
            environ: the variables; by default those of this process.

        Raises:
            Misconfigured: a variable has an impossible value; the sentence names it.
        """
        variables = {name: value for name, value in (os.environ if environ is None else environ).items() if value}
        home = _path(variables, "DAKUAN_HOME", PROJECT / "var", must_exist=False)
        policies = _path(variables, "DAKUAN_POLICIES", PROJECT / "policies", folder=True)
        given = {field: variables[variable] for field, variable in _VARIABLES.items() if variable in variables}
        for field, value in given.items():
            _check_address(field, value)
        if (form := variables.get("DAKUAN_LOG", "text")) not in ("json", "text"):
            raise Misconfigured(f"DAKUAN_LOG: {form} is not json; leave it out for lines of text")
        if "TEMPORAL_NAMESPACE" in variables:
            given["temporal_namespace"] = variables["TEMPORAL_NAMESPACE"]
        if (ui := parse_temporal_ui(variables)) is not None:
            given["temporal_ui_url"] = ui
        stack = _stack(home)
        _refuse_security(variables, given, stack)
        found = _with_stack(given, _temporal(variables), stack)
        providers = _providers(variables)
        if providers is None and "world_url" in found and "carrier_url" not in given:
            providers = standin_providers()
        rails_file = _rails_file(variables, found.pop("rails_file", None))
        settings = cls(
            **found,
            rails=read_rails(rails_file, variables) if rails_file else None,
            rails_file=rails_file,
            account_keys=account_keys_of(variables, home if "world_url" in found else None),
            peppers=_peppers(variables, home if "world_url" in found else None),
            http_hosts=parse_hosts(variables),
            http_connections=parse_connections(variables.get(CONNECTIONS, "1000,200")),
            payment_events=_payment_events(variables, local="world_url" in found),
            console=parse_console(variables),
            signing_key=_path(variables, "DAKUAN_SIGNING_KEY", home) if "DAKUAN_SIGNING_KEY" in variables else None,
            codec_keys=_codec_keys(variables),
            metrics=parse_metrics(variables),
            otlp=parse_otlp(variables),
            policies=policies,
            providers=providers,
            screening=_path(variables, "DAKUAN_SCREENING", policies / "screening.toml"),
            home=home,
            build_id=variables.get("DAKUAN_BUILD_ID"),
            webhook_ports=parse_ports(variables.get("DAKUAN_WEBHOOK_PORTS")),
            webhook_networks=parse_networks(variables.get("DAKUAN_WEBHOOK_NETWORKS", "")),
            webhooks_to_this_machine="world_url" in found,
        )
        _refuse_plain(settings, variables.get("DAKUAN_PLAIN_HTTP", ""))
        return settings

    def needed(self, field: str) -> str:
        """The address in a field, for callers that require it.

        Raises:
            Misconfigured: it is not set, and no local stack is up.
        """
        value = getattr(self, field)
        if value is None:
            raise Misconfigured(
                f"{_VARIABLES[field]} is not set, and no local stack is up under {self.home}: "
                "set it, or run `python starter.py up`"
            )
        return str(value)

    @property
    def pepper_needed(self) -> bytes:
        """The pepper, for callers that require it.

        Raises:
            Misconfigured: it is not set, and no local stack is up.
        """
        return self.peppers_needed[0]

    @property
    def peppers_needed(self) -> tuple[bytes, ...]:
        """The pepper, and the one before it while keys are rotated; raises as `pepper_needed`."""
        if not self.peppers:
            raise Misconfigured("DAKUAN_PEPPER is not set: 32 bytes in base64; `openssl rand -base64 32` makes it")
        return self.peppers

    def temporal_connect_config(self) -> dict[str, Any]:
        """Keyword arguments of `temporalio.client.Client.connect`.

        Raises:
            Misconfigured: no address is set, and no local stack is up.
        """
        address = self.needed("temporal_address")
        return {**self.temporal_options, "target_host": address, "namespace": self.temporal_namespace}


def log_form() -> str:
    """`json` where DAKUAN_LOG says so, else `text`.

    Read apart from the settings: the log begins before they are known to be right.
    """
    return "json" if os.environ.get("DAKUAN_LOG") == "json" else "text"


def load() -> Settings:
    """The settings of this process; see `Settings.from_env`."""
    return Settings.from_env()


# --- from the environment ----------------------------------------------------------------------------------


def _temporal(variables: Mapping[str, str]) -> dict[str, Any]:
    """Temporal's own variables and profiles: address, namespace, and other options of its client."""
    try:
        from temporalio.envconfig import ClientConfig  # only here: commands of the database alone do not load Temporal

        read = dict(ClientConfig.load_client_connect_config(override_env_vars=dict(variables)))
    except (RuntimeError, ValueError, OSError) as error:
        raise Misconfigured(f"TEMPORAL_…: the settings of Temporal cannot be read: {error}") from None
    found: dict[str, Any] = {}
    if address := read.pop("target_host", None):
        found["temporal_address"] = address
    if namespace := read.pop("namespace", None):
        found["temporal_namespace"] = namespace
    return {**found, "temporal_options": read} if read else found


def _with_stack(given: dict[str, str], temporal: dict[str, Any], stack: dict[str, Any]) -> dict[str, Any]:
    """The given settings, completed from the stack; the stack's addresses are never mixed with others."""
    own = {**temporal, **given}
    if not stack:
        return own
    both = ("database_url", "temporal_address")
    foreign = [name for name in both if given.get(name, stack.get(name)) != stack.get(name)]
    # A profile's address is used with your own database, and ignored if the stack is used.
    missing = [name for name in both if name not in own]
    if foreign and missing:
        raise Misconfigured(
            f"{_VARIABLES[foreign[0]]} is set and {_VARIABLES[missing[0]]} is not: "
            "set both, or neither to use the local stack that is up"
        )
    return own if foreign else {**stack, **given}


def _refuse_security(variables: Mapping[str, str], given: Mapping[str, str], stack: Mapping[str, Any]) -> None:
    """Refuse TLS or a key for the local stack's own Temporal, which has neither: it would be silently ignored, and the
    user would believe that the service behind it was used.
    """
    if not stack or given.get("temporal_address", stack["temporal_address"]) != stack["temporal_address"]:
        return
    named = [name for name in variables if name == "TEMPORAL_API_KEY" or re.fullmatch(r"TEMPORAL_TLS(_[A-Z_]+)?", name)]
    wanted = [name for name in named if variables[name].lower() not in ("false", "0", "no")]
    if wanted:
        raise Misconfigured(
            f"{wanted[0]} is set, and the local stack that is up has neither TLS nor keys: "
            f"set TEMPORAL_ADDRESS and DATABASE_URL to what it is for, or unset {wanted[0]}"
        )


def _stack(home: Path) -> dict[str, Any]:
    """The settings of the local stack that is up under this folder; empty if none is."""
    try:
        written = json.loads((home / STACK_FILE).read_text())
        pids = written.pop("pids")
        return dict(written) if all(_is_alive(pid) for pid in pids.values()) else {}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise Misconfigured(
            f"{home / STACK_FILE} cannot be read ({error}): delete it, and start the stack again"
        ) from None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it runs as another user
    return True


def standin_providers() -> Providers:
    """The default tracking providers of a local stack."""
    return parse_providers(STANDIN_CARRIERS.read_text(encoding="utf-8"), {})


def _peppers(variables: Mapping[str, str], home: Path | None) -> tuple[bytes, ...]:
    """The pepper that is set; otherwise that of the local stack in use."""
    if PEPPER in variables:
        return parse_peppers(variables[PEPPER])
    if home is None or not (home / PEPPER_FILE).exists():
        return ()
    return parse_peppers((home / PEPPER_FILE).read_text(encoding="ascii"))


def _codec_keys(variables: Mapping[str, str]) -> CodecKeys | None:
    return read_codec_keys(_path(variables, CODEC_KEYS, PROJECT)) if CODEC_KEYS in variables else None


def _payment_events(variables: Mapping[str, str], *, local: bool) -> Mapping[str, EventMapping]:
    if EVENTS in variables or local:
        return read_payment_events(_path(variables, EVENTS, LOCAL_EVENTS))
    return {}


def _providers(variables: Mapping[str, str]) -> Providers | None:
    if "DAKUAN_CARRIERS" not in variables:
        return None
    file = _path(variables, "DAKUAN_CARRIERS", PROJECT)
    try:
        return parse_providers(file.read_text(encoding="utf-8"), variables)
    except (Misconfigured, OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"DAKUAN_CARRIERS: {file}: {error}") from None


def read_rails(file: Path, variables: Mapping[str, str]) -> Rails:
    """The rails and channels of a file, with the key files beside it.

    Raises:
        Misconfigured: it or a key cannot be read; the sentence names the file.
    """
    try:
        return parse_rails(
            file.read_text(encoding="utf-8"),
            variables,
            lambda name: (file.parent / Path(name).expanduser()).read_text(encoding="utf-8"),
        )
    except (Misconfigured, OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"DAKUAN_RAILS: {file}: {error}") from None


def _rails_file(variables: Mapping[str, str], stacks: str | None) -> Path | None:
    """The file that is set; otherwise that of the local stack in use."""
    if "DAKUAN_RAILS" in variables:
        return _path(variables, "DAKUAN_RAILS", PROJECT)
    return Path(stacks) if stacks and Path(stacks).is_file() else None


def _check_address(field: str, value: str) -> None:
    variable = _VARIABLES[field]
    if field in _DATABASES:
        parse_database_address(value, variable)
        return
    if field in _PROVIDERS:
        right, example = is_http(value), "https://host/path"
    else:
        host, _, port = value.rpartition(":")
        right = bool(host) and port.isascii() and port.isdecimal() and int(port) < 65536
        example = "temporal.example:7233"
    if not right:
        # Do not repeat the value: it may hold a password.
        raise Misconfigured(f"{variable} is not an address such as {example}")


def _refuse_plain(settings: Settings, allowed: str) -> None:
    """Refuse plain HTTP to other machines that are not named: keys and personal data would go unencrypted.

    Raises:
        Misconfigured: an address is plain HTTP to a machine that is not named; the sentence has only its host.
    """
    named = {host.strip() for host in allowed.split(",")}
    given = {"DAKUAN_OTLP": settings.otlp, **{_VARIABLES[field]: getattr(settings, field) for field in _PROVIDERS}}
    for name, provider in (settings.providers.providers if settings.providers else {}).items():
        given[f"DAKUAN_CARRIERS: providers.{name}.url"] = provider.url
    for name, account in (settings.rails.accounts if settings.rails else {}).items():
        given[f"DAKUAN_RAILS: accounts.{name}.url"] = account.url
    for where, url in given.items():
        host = urlsplit(url).hostname if url and is_plain_remote(url) else None
        if host is not None and host not in named:
            raise Misconfigured(
                f"{where} is plain http:// to {host}, so that anyone on the way reads and changes what is sent: "
                f"use https://, or allow it by name: DAKUAN_PLAIN_HTTP={host}"
            )


def _path(
    variables: Mapping[str, str], variable: str, default: Path, *, must_exist: bool = True, folder: bool = False
) -> Path:
    path = Path(variables[variable]).expanduser().absolute() if variable in variables else default
    if must_exist and variable in variables and not (path.is_dir() if folder else path.is_file()):
        raise Misconfigured(f"{variable}: there is no {'folder' if folder else 'file'} {path}")
    return path
