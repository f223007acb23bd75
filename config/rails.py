"""The file of DAKUAN_RAILS: rails and payment channels, and our accounts with them.

[accounts.wechatpay]
mchid = "1900000109"
serial = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"     # of the merchant's certificate
private_key = "apiclient_key.pem"                       # a file beside this one
apiv3_key = "$WECHATPAY_APIV3_KEY"                      # "$NAME" is a variable of the environment

[accounts.wechatpay.platform_keys]                      # WeChat Pay's public keys; names are encrypted for the first
PUB_KEY_ID_0114232134912410000000000000 = "pub_key.pem"

[rails.wechatpay_transfer]                              # what a payout account names as its rail
account = "wechatpay"
appid = "wx8888888888888888"
scene = "1000"
reports = { "活动名称" = "提现", "奖励说明" = "货款" }
notify_url = "https://example.com/callbacks/wechatpay"

[channels.wechat]                                       # what an order names as its payment's channel
account = "wechatpay"

[disputes.stripe]                                       # whose webhooks report chargebacks, of payments of this channel
channel = "card"
secret = "$STRIPE_WEBHOOK_SECRET"

A rail or channel that is not named here uses DAKUAN_BANK_URL or DAKUAN_CHANNEL_URL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from core.errors import Misconfigured
from core.fields import Id
from core.toml_lines import read_toml

AccountKind = Literal["wechatpay"]
RailKind = Literal["wechatpay_transfer", "wechatpay_withdraw"]
RAIL_KINDS: tuple[RailKind, ...] = ("wechatpay_transfer", "wechatpay_withdraw")
URLS: Mapping[str, str] = {"wechatpay": "https://api.mch.weixin.qq.com"}
APIV3_KEY_BYTES = 32

Line = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class MerchantAccount(_Part):
    """Our account with a provider that both takes payments and makes payouts.

    In the file `private_key` and `platform_keys` name files; resolved, they are the files' content. `url` may be a path
    of the stand-ins, such as "/wechatpay".
    """

    kind: AccountKind | None = None
    url: str = Field(default="", repr=False)
    mchid: Line
    serial: Line
    private_key: str = Field(repr=False)
    apiv3_key: str = Field(repr=False)
    platform_keys: Annotated[dict[str, str], Field(min_length=1, repr=False)]


class RailEntry(_Part):
    """A rail: the account that pays, and the provider's other required data.

    `appid`, `scene` and `reports` are a merchant transfer's; `bank_memo` an e-commerce withdraw's.
    """

    kind: RailKind | None = None
    account: Id
    appid: str = ""
    scene: str = ""
    reports: dict[str, str] = {}
    remark: str = ""
    bank_memo: str = ""
    notify_url: str = ""


class ChannelEntry(_Part):
    """A payment channel: the account that was paid."""

    account: Id
    notify_url: str = ""


class DisputesEntry(_Part):
    """A provider that reports by itself that a payment was taken back; `secret` signs its webhooks."""

    kind: Literal["stripe"] | None = None
    channel: Id
    secret: Line = Field(repr=False)


class Rails(_Part):
    """The whole file, resolved: no `$NAME` left, keys read, every rail and account with its kind and address."""

    accounts: dict[Id, MerchantAccount] = {}
    rails: dict[Id, RailEntry] = {}
    channels: dict[Id, ChannelEntry] = {}
    disputes: dict[Id, DisputesEntry] = {}


def parse_rails(text: str, variables: Mapping[str, str], read: Callable[[str], str]) -> Rails:
    """Read the file.

    Args:
        variables: the environment, for `$NAME`.
        read: the content of a file beside it; raises OSError if it cannot be read.

    Raises:
        Misconfigured: it cannot be read, names an unknown account, variable or file, or lacks something.
    """
    found, problems = read_toml(Rails, text)
    if found is None:
        raise Misconfigured("; ".join(map(str, problems)))
    accounts = {name: _account(name, account, variables, read) for name, account in found.accounts.items()}
    rails = {name: _rail(name, rail, accounts) for name, rail in found.rails.items()}
    _check_channels(found.channels, accounts)
    disputes = {name: _disputes(name, one, accounts, variables) for name, one in found.disputes.items()}
    return found.model_copy(update={"accounts": accounts, "rails": rails, "disputes": disputes})


def _account(
    name: str, account: MerchantAccount, variables: Mapping[str, str], read: Callable[[str], str]
) -> MerchantAccount:
    where = f"accounts.{name}"
    kind = account.kind or name
    if kind not in URLS:
        raise Misconfigured(f"{where}: say its kind: {', '.join(URLS)}")
    plain = {field: _value(where, getattr(account, field), variables) for field in ("mchid", "serial", "apiv3_key")}
    if len(plain["apiv3_key"].encode()) != APIV3_KEY_BYTES:
        raise Misconfigured(f"{where}.apiv3_key: must be of {APIV3_KEY_BYTES} bytes")
    private_key = _file(f"{where}.private_key", _value(where, account.private_key, variables), read)
    platform_keys = {
        serial: _file(f"{where}.platform_keys.{serial}", file, read) for serial, file in account.platform_keys.items()
    }
    keys = {"private_key": private_key, "platform_keys": platform_keys}
    return account.model_copy(update={**plain, **keys, "kind": kind, "url": account.url or URLS[kind]})


def _rail(name: str, rail: RailEntry, accounts: Mapping[str, MerchantAccount]) -> RailEntry:
    kind = rail.kind or name
    if kind not in RAIL_KINDS:
        raise Misconfigured(f"rails.{name}: say its kind: {', '.join(RAIL_KINDS)}")
    if rail.account not in accounts:
        raise Misconfigured(f"rails.{name}: there is no account {rail.account!r}")
    for field in ("appid", "scene") if kind == "wechatpay_transfer" else ():
        if not getattr(rail, field):
            raise Misconfigured(f"rails.{name}.{field} is missing")
    return rail.model_copy(update={"kind": kind})


def _check_channels(channels: Mapping[str, ChannelEntry], accounts: Mapping[str, MerchantAccount]) -> None:
    """Each channel has an account of its own: of two with the same one, each would claim a payment whole."""
    taken: dict[tuple[str, str], str] = {}
    for name, channel in channels.items():
        account = accounts.get(channel.account)
        if account is None:
            raise Misconfigured(f"channels.{name}: there is no account {channel.account!r}")
        first = taken.setdefault((account.url.rstrip("/"), account.mchid), name)
        if first != name:
            raise Misconfigured(
                f"channels.{name}: its account is that of channels.{first}, and a payment would count once for each:"
                " give all orders one channel, or name another account"
            )


def _disputes(
    name: str, entry: DisputesEntry, accounts: Mapping[str, MerchantAccount], variables: Mapping[str, str]
) -> DisputesEntry:
    where = f"disputes.{name}"
    if (entry.kind or name) != "stripe":
        raise Misconfigured(f'{where}: say its kind: "stripe"')
    if name in accounts:
        raise Misconfigured(f"{where}: an account has this name already, and callbacks name either")
    return entry.model_copy(update={"kind": "stripe", "secret": _value(where, entry.secret, variables)})


def _value(where: str, written: str, variables: Mapping[str, str]) -> str:
    if not written.startswith("$"):
        return written
    if written[1:] not in variables:
        raise Misconfigured(f"{where}: {written[1:]} is not set")
    return variables[written[1:]]


def _file(where: str, file: str, read: Callable[[str], str]) -> str:
    try:
        return read(file)
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{where}: {file} cannot be read: {type(error).__name__}") from None
