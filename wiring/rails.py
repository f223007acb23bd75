"""Settings → payment channels and rails, on our accounts with them."""

from __future__ import annotations

from contextlib import AsyncExitStack

from activities.by_name import ByName
from activities.channels.base import PaymentChannel
from activities.channels.sandbox import SandboxChannel
from activities.channels.wechatpay import WechatPayChannel
from activities.http import HttpClient
from activities.rails.base import Rail
from activities.rails.sandbox import SandboxRail
from activities.rails.wechatpay_transfer import WechatPayTransfer
from activities.rails.wechatpay_withdraw import WechatPayWithdraw
from activities.wechatpay.client import WechatPayClient
from activities.wechatpay.signing import MerchantSigner, PlatformKeys
from config import Settings
from config.rails import MerchantAccount, RailEntry, Rails
from core.addresses import shown_url
from core.errors import Misconfigured
from wiring.addresses import CHECKED_WITHIN, ProviderCheck, vendor_url


async def open_channels(settings: Settings, stack: AsyncExitStack) -> ByName[PaymentChannel]:
    """The payment channels by name; a stand-in for any other, if DAKUAN_CHANNEL_URL is set.

    Args:
        stack: closes the connections that are opened here.
    """
    accounts = await open_accounts(settings, stack)
    given = (settings.rails or Rails()).channels
    channels: dict[str, PaymentChannel] = {
        name: WechatPayChannel(accounts[one.account], notify_url=one.notify_url) for name, one in given.items()
    }
    if settings.channel_url is None and channels:
        return ByName(channels)
    http = await stack.enter_async_context(HttpClient(settings.needed("channel_url"), name="channel"))
    return ByName(channels, lambda name: SandboxChannel(http, name))


async def open_rails(settings: Settings, stack: AsyncExitStack) -> ByName[Rail]:
    """The rails by name; a stand-in for any other, if DAKUAN_BANK_URL is set.

    Args:
        stack: closes the connections that are opened here.
    """
    accounts = await open_accounts(settings, stack)
    given = (settings.rails or Rails()).rails
    rails = {name: rail_of(name, one, accounts[one.account]) for name, one in given.items()}
    if settings.bank_url is None and rails:
        return ByName(rails)
    bank = SandboxRail(await stack.enter_async_context(HttpClient(settings.needed("bank_url"), name="bank")))
    return ByName(rails, lambda _: bank)


async def open_accounts(settings: Settings, stack: AsyncExitStack) -> dict[str, WechatPayClient]:
    """A connection for each account of DAKUAN_RAILS, by name.

    Args:
        stack: closes the connections that are opened here.
    """
    accounts = {}
    for name, account in (settings.rails or Rails()).accounts.items():
        url = vendor_url(settings, account.url, "DAKUAN_RAILS")
        http = await stack.enter_async_context(HttpClient(url, name=f"WeChat Pay ({name})"))
        accounts[name] = wechatpay_client(account, http)
    return accounts


def wechatpay_client(account: MerchantAccount, http: HttpClient) -> WechatPayClient:
    """A merchant's connection to WeChat Pay, with its keys.

    Raises:
        Misconfigured: a key is invalid; the sentence names the account and the key, but not its content.
    """
    try:
        signer = MerchantSigner(account.mchid, account.serial, account.private_key)
        return WechatPayClient(http, signer, PlatformKeys(account.platform_keys))
    except Misconfigured as error:
        raise Misconfigured(f"DAKUAN_RAILS: account of merchant {account.mchid}: {error}") from None


def rail_of(name: str, entry: RailEntry, client: WechatPayClient) -> Rail:
    """The adapter of a rail. A new kind is one more branch here, and a line in `config.rails`."""
    said = {"remark": entry.remark} if entry.remark else {}
    if entry.kind == "wechatpay_transfer":
        return WechatPayTransfer(
            client,
            name=name,
            appid=entry.appid,
            scene=entry.scene,
            reports=entry.reports,
            notify_url=entry.notify_url,
            **said,
        )
    return WechatPayWithdraw(client, name=name, bank_memo=entry.bank_memo, notify_url=entry.notify_url, **said)


async def check_accounts(settings: Settings) -> list[ProviderCheck]:
    """Check each account of DAKUAN_RAILS: whether WeChat Pay accepts our signature and we accept its."""
    found = []
    for name, account in (settings.rails or Rails()).accounts.items():
        url = vendor_url(settings, account.url, "DAKUAN_RAILS")
        async with HttpClient(url, name=name, answers_within=CHECKED_WITHIN) as http:
            checked = await wechatpay_client(account, http).check()
        found.append(ProviderCheck(name, shown_url(url), checked.outcome, checked.detail))
    return found
