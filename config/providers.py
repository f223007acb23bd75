"""The file of DAKUAN_CARRIERS: the tracking providers, and which of them are asked about which carrier.

default = ["kuaidi100", "kdniao"]      # asked in this order

[carriers]
ups = ["easypost"]

[providers.kuaidi100]
customer = "$KUAIDI100_CUSTOMER"       # "$NAME" is a variable of the environment
key = "$KUAIDI100_KEY"
salt = "$KUAIDI100_SALT"               # for what it pushes
interval = "30m"                       # the shortest time between two queries of one number
callback = "https://shop.example/push/kuaidi100"   # where it pushes to; without it, numbers are only queried

[keep]
details = "30d"                        # bodies of pushes, answers with the digits that were sent
numbers = "180d"                       # pushed traces (masked), subscriptions, the journal of pushes
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from core.audit.waybills import CARRIERS
from core.durations import Duration
from core.errors import Misconfigured
from core.fields import Id
from core.toml_lines import read_toml

Kind = Literal["sandbox", "kuaidi100", "kdniao", "easypost", "17track", "aftership"]

URLS: Mapping[str, str] = {
    "kuaidi100": "https://poll.kuaidi100.com",
    "kdniao": "https://api.kdniao.com",
    "easypost": "https://api.easypost.com",
    "17track": "https://api.17track.net",
    "aftership": "https://api.aftership.com",
}
INTERVALS: Mapping[str, timedelta] = {"kuaidi100": timedelta(minutes=30)}
"""The intervals that the vendors demand; a number that is queried more often is locked."""
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "kuaidi100": ("key", "customer"),
    "kdniao": ("key", "customer"),
    "easypost": ("key",),
    "17track": ("key",),
    "aftership": ("key",),
}


_SUBSCRIBED = ("kuaidi100",)
"""EasyPost, 17TRACK and AfterShip push every number that was queried once; Kdniao pushes by contract."""


def _address(text: str) -> str:
    if text and not re.fullmatch(r"https?://[^\s/?#]+\S*", text):
        raise ValueError("must be an address such as https://pay.example/kuaidi100")
    return text


class Provider(BaseModel):
    """One provider and our account there.

    `customer` is Kuaidi100's customer or Kdniao's business id; `salt` is what Kuaidi100, EasyPost and AfterShip sign
    pushes with; 17TRACK signs with the key.
    `callback` is the address that Kuaidi100 is asked to push to. `url` may be a path of the stand-ins, such as
    "/kuaidi100".
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: Kind | None = None
    url: str = Field(default="", repr=False)
    key: str = Field(default="", repr=False)
    customer: str = Field(default="", repr=False)
    salt: str = Field(default="", repr=False)
    callback: Annotated[str, StringConstraints(max_length=500), AfterValidator(_address)] = ""
    interval: Duration | None = None


class Keep(BaseModel):
    """How long the providers' data is kept; `starter.py purge` uses it. At least a week."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    details: Duration = timedelta(days=30)
    """Bodies of pushes, which may name people, and answers with the digits that were sent."""
    numbers: Duration = timedelta(days=180)
    """Pushed traces (masked), subscriptions, and the journal of pushes."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not timedelta(days=7) <= self.details <= self.numbers:
            raise ValueError("details must be at least 7 days, and numbers not less than details")
        return self


class Providers(BaseModel):
    """The whole file, resolved: no `$NAME` left, and every provider with its kind, address and interval."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    default: Annotated[tuple[Id, ...], Field(min_length=1)]
    carriers: dict[str, Annotated[tuple[Id, ...], Field(min_length=1)]] = {}
    providers: dict[Id, Provider] = {}
    keep: Keep = Keep()


def parse_providers(text: str, variables: Mapping[str, str]) -> Providers:
    """Read the file.

    Args:
        variables: the environment, for `$NAME`.

    Raises:
        Misconfigured: it cannot be read, names an unknown carrier, provider or variable, or lacks a key.
    """
    read, problems = read_toml(Providers, text)
    if read is None:
        raise Misconfigured("; ".join(map(str, problems)))
    for carrier, order in (("default", read.default), *read.carriers.items()):
        if carrier not in ("default", "other") and CARRIERS.carrier(carrier) is None:
            raise Misconfigured(f"carriers: there is no carrier {carrier!r}")
        for name in order:
            if name not in read.providers and name != "sandbox":
                raise Misconfigured(f"{carrier}: there is no provider {name!r}")
    providers = {name: _resolved(name, provider, variables) for name, provider in read.providers.items()}
    return read.model_copy(update={"providers": providers})


def _resolved(name: str, provider: Provider, variables: Mapping[str, str]) -> Provider:
    kind = provider.kind or name
    if kind not in ("sandbox", *URLS):
        raise Misconfigured(f"providers.{name}: say its kind: sandbox, {', '.join(URLS)}")
    fields = {field: _value(name, getattr(provider, field), variables) for field in ("key", "customer", "salt")}
    for field in _NEEDS.get(kind, ()):
        if not fields[field]:
            raise Misconfigured(f"providers.{name}.{field} is missing")
    if provider.callback and kind not in _SUBSCRIBED:
        raise Misconfigured(
            f"providers.{name}.callback: only {', '.join(_SUBSCRIBED)} is asked to push number by number"
        )
    if provider.callback and not fields["salt"]:
        raise Misconfigured(f"providers.{name}.salt is missing: what comes to the callback could not be verified")
    interval = provider.interval if provider.interval is not None else INTERVALS.get(kind, timedelta())
    return provider.model_copy(
        update={**fields, "kind": kind, "url": provider.url or URLS.get(kind, ""), "interval": interval}
    )


def _value(provider: str, written: str, variables: Mapping[str, str]) -> str:
    if not written.startswith("$"):
        return written
    if written[1:] not in variables:
        raise Misconfigured(f"providers.{provider}: {written[1:]} is not set")
    return variables[written[1:]]
