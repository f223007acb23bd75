"""Composition: settings → database, carriers, channels, rails → the activities and desks that use them.

A new carrier, channel or rail is one more line here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import asyncpg
from temporalio.client import Client

import gateway
from activities.account_drops import AccountDropActivities
from activities.carriers.base import Carrier, PushReader, Subscribing, TraceQuery, check
from activities.carriers.chosen import ChosenCarriers
from activities.carriers.easypost import EasyPostCarrier
from activities.carriers.kdniao import KdniaoCarrier
from activities.carriers.kuaidi100 import Kuaidi100Carrier
from activities.carriers.paced import PacedCarrier
from activities.carriers.sandbox import SandboxCarrier
from activities.carriers.subscribed import Subscriber
from activities.channels.base import PaymentChannel
from activities.channels.sandbox import SandboxChannel
from activities.channels.wechatpay import WechatPayChannel
from activities.http import HttpClient
from activities.logistics import LogisticsActivities
from activities.money import MoneyActivities
from activities.opening import OpeningActivities
from activities.payout import PayoutActivities
from activities.rails.base import Rail
from activities.rails.sandbox import SandboxRail
from activities.rails.wechatpay_transfer import WechatPayTransfer
from activities.rails.wechatpay_withdraw import WechatPayWithdraw
from activities.reconciliation import ReconciliationActivities
from activities.screening import ScreeningActivities, ScreeningRules, parse_rules
from activities.wechatpay.client import WechatPayClient
from activities.wechatpay.signing import MerchantSigner, PlatformKeys
from activities.withdrawal import WithdrawalActivities
from config import Settings
from core.addresses import parse_database_address
from core.errors import BadInput, Misconfigured
from core.messages import ReportScan, order_workflow_id
from core.policy import Policy, parse_policy
from core.providers import Provider, Providers
from core.rails import RAIL_KINDS, MerchantAccount, RailEntry, Rails
from inbound.callbacks import CallbackDesk
from inbound.pushes import PushDesk
from inbound.wechatpay import WechatPayCallbacks
from ledger.book import Book
from ledger.inspecting import refuse_unready
from ledger.migrate import WORKER as WORKER_ROLE
from ledger.migrate import migrate
from ledger.pool import open_pool
from ledger.register import Register
from ledger.vault import Vault

CHECKED_WITHIN = timedelta(seconds=5)
_TRANSFER, _WITHDRAW = RAIL_KINDS


async def wire(
    settings: Settings, stack: AsyncExitStack, pool: asyncpg.Pool[Any], client: Client
) -> list[Callable[..., Any]]:
    """All activities on their ports. A new channel or rail is one more line in its mapping.

    Args:
        stack: closes the connections that are opened here.
    """
    channels, rails = await open_channels(settings, stack), await open_rails(settings, stack)
    register, book = Register(pool), Book(pool)
    carriers = await open_carriers(settings, stack, register)
    opening = OpeningActivities(register, channels)
    screening = ScreeningActivities(screening_in(settings))
    logistics = LogisticsActivities(register, carriers)
    money = MoneyActivities(book, channels)
    payout = PayoutActivities(register, lambda withdrawal: gateway.start_withdrawal(client, withdrawal))
    vault = Vault(settings.account_keys)
    drops = AccountDropActivities(register, rails, vault)
    recheck = partial(gateway.recheck_withdrawal, client)
    withdrawal = WithdrawalActivities(register, book, rails, recheck, vault)
    return [
        *(opening.open, opening.record, opening.rescue),
        screening.screen,
        *(logistics.claim_waybills, logistics.release_claims, logistics.audit, logistics.look),
        *(money.fund, money.credit, money.settle, money.refund, money.refund_arrived, money.pay_refund),
        *(payout.start_withdrawal, payout.start_scheduled_withdrawal),
        *withdrawal.all,
        *drops.all,
        *ReconciliationActivities(register, rails, channels).all,
    ]


async def open_channels(settings: Settings, stack: AsyncExitStack) -> dict[str, PaymentChannel]:
    """The payment channels by name; `*` is any other.

    Args:
        stack: closes the connections that are opened here.
    """
    http = await stack.enter_async_context(HttpClient(settings.needed("channel_url"), name="channel"))
    accounts = await open_accounts(settings, stack)
    given = (settings.rails or Rails()).channels
    named = {name: WechatPayChannel(accounts[one.account], notify_url=one.notify_url) for name, one in given.items()}
    return {"*": SandboxChannel(http), **named}


async def open_rails(settings: Settings, stack: AsyncExitStack) -> dict[str, Rail]:
    """The rails by name; `*` is any other.

    Args:
        stack: closes the connections that are opened here.
    """
    http = await stack.enter_async_context(HttpClient(settings.needed("bank_url"), name="bank"))
    accounts = await open_accounts(settings, stack)
    given = (settings.rails or Rails()).rails
    return {"*": SandboxRail(http), **{name: rail_of(name, one, accounts[one.account]) for name, one in given.items()}}


@asynccontextmanager
async def reconciliation_desk(
    settings: Settings, register: Register, *, fetching: bool = True
) -> AsyncIterator[ReconciliationActivities]:
    """Where both sides are compared, outside of a worker; without `fetching` only what is stored."""
    async with AsyncExitStack() as stack:
        if not fetching:
            yield ReconciliationActivities(register, {}, {})
            return
        rails, channels = await open_rails(settings, stack), await open_channels(settings, stack)
        yield ReconciliationActivities(register, rails, channels)


async def open_accounts(settings: Settings, stack: AsyncExitStack) -> dict[str, WechatPayClient]:
    """A connection for each account of DAKUAN_RAILS, by name.

    Args:
        stack: closes the connections that are opened here.
    """
    accounts = {}
    for name, account in (settings.rails or Rails()).accounts.items():
        url = _url_of(settings, account.url, "DAKUAN_RAILS")
        http = await stack.enter_async_context(HttpClient(url, name=f"WeChat Pay ({name})"))
        accounts[name] = wechatpay_client(account, http)
    return accounts


def wechatpay_client(account: MerchantAccount, http: HttpClient) -> WechatPayClient:
    """A merchant's connection to WeChat Pay, with its keys.

    Raises:
        Misconfigured: a key is none; the sentence names account and key, and repeats nothing of it.
    """
    try:
        signer = MerchantSigner(account.mchid, account.serial, account.private_key)
        return WechatPayClient(http, signer, PlatformKeys(account.platform_keys))
    except Misconfigured as error:
        raise Misconfigured(f"DAKUAN_RAILS: account of merchant {account.mchid}: {error}") from None


def callback_desk(settings: Settings, register: Register, client: Client) -> CallbackDesk:
    """Where the callbacks of the accounts of DAKUAN_RAILS are taken; withdrawals are told, also those that are over."""
    given = settings.rails or Rails()
    readers = {
        name: WechatPayCallbacks(
            name,
            PlatformKeys(account.platform_keys),
            account.apiv3_key,
            transfers=[rail for rail, one in given.rails.items() if (one.account, one.kind) == (name, _TRANSFER)],
            withdraws=[rail for rail, one in given.rails.items() if (one.account, one.kind) == (name, _WITHDRAW)],
        )
        for name, account in given.accounts.items()
    }
    return CallbackDesk(register, readers, partial(gateway.report_payout, client))


def rail_of(name: str, entry: RailEntry, client: WechatPayClient) -> Rail:
    """The adapter of a rail. A new one is one more line here, and in `core.rails`."""
    said = {"remark": entry.remark} if entry.remark else {}
    if entry.kind == _TRANSFER:
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


async def open_carriers(settings: Settings, stack: AsyncExitStack, register: Register) -> ChosenCarriers:
    """The tracking providers, each behind its interval, in their order.

    Args:
        stack: closes the connections that are opened here.
    """
    chosen = settings.providers or Providers(default=("sandbox",))
    carriers: dict[str, Carrier] = {}
    subscribers: dict[str, Subscriber] = {}
    for name in _named(chosen):
        provider = chosen.providers.get(name) or Provider(kind="sandbox")
        http = await stack.enter_async_context(HttpClient(_url(settings, provider), name=name))
        interval = provider.interval or timedelta()
        adapter = carrier_of(provider, http)
        carriers[name] = PacedCarrier(adapter, name, register, interval)
        if provider.callback and isinstance(adapter, Subscribing):
            subscribers[name] = Subscriber(adapter, name, register, provider.callback)
    return ChosenCarriers(carriers, chosen.default, chosen.carriers, subscribers)


class ProviderCheck(NamedTuple):
    """A provider, its address, and whether it answers and takes our account: the outcome of `carriers.base.Checked`."""

    name: str
    url: str
    outcome: str
    detail: str


async def check_providers(settings: Settings, now: datetime) -> list[ProviderCheck]:
    """Try each configured provider.

    Kuaidi100 and Kdniao are asked for one number that no parcel has, which counts as a query; of each second another.
    """
    chosen = settings.providers or Providers(default=("sandbox",))
    probe = TraceQuery(carrier="yto", waybill=f"YT{int(now.timestamp()):013}")
    found = []
    for name in _named(chosen):
        provider = chosen.providers.get(name) or Provider(kind="sandbox")
        url = _url(settings, provider)
        async with HttpClient(url, name=name, answers_within=CHECKED_WITHIN) as http:
            checked = await check(carrier_of(provider, http), probe)
        found.append(ProviderCheck(name, url, checked.outcome, checked.detail))
    return found


async def check_accounts(settings: Settings) -> list[ProviderCheck]:
    """Try each account of DAKUAN_RAILS: whether WeChat Pay takes our signature, and we its."""
    found = []
    for name, account in (settings.rails or Rails()).accounts.items():
        url = _url_of(settings, account.url, "DAKUAN_RAILS")
        async with HttpClient(url, name=name, answers_within=CHECKED_WITHIN) as http:
            checked = await wechatpay_client(account, http).check()
        found.append(ProviderCheck(name, url, checked.outcome, checked.detail))
    return found


def _named(chosen: Providers) -> tuple[str, ...]:
    """Every provider that is asked about some carrier, once."""
    return tuple(dict.fromkeys((*chosen.default, *(one for order in chosen.carriers.values() for one in order))))


def _url(settings: Settings, provider: Provider) -> str:
    return _url_of(settings, provider.url, "DAKUAN_CARRIERS") or settings.needed("carrier_url")


def _url_of(settings: Settings, url: str, variable: str) -> str:
    """An address as it is written, or a path of the stand-ins."""
    if not url.startswith("/"):
        return url
    if settings.world_url is None:
        raise Misconfigured(f"{variable}: {url} is a path of the stand-ins, and none are up")
    return settings.world_url + url


def carrier_of(provider: Provider, http: HttpClient) -> Carrier:
    """The adapter of a provider. A new one is one more line here, and in `core.providers`."""
    match provider.kind:
        case "kuaidi100":
            return Kuaidi100Carrier(http, key=provider.key, customer=provider.customer, salt=provider.salt)
        case "kdniao":
            return KdniaoCarrier(http, key=provider.key, business_id=provider.customer)
        case "easypost":
            return EasyPostCarrier(http, key=provider.key, secret=provider.salt)
    return SandboxCarrier(http)


@asynccontextmanager
async def push_desk(settings: Settings, register: Register, client: Client) -> AsyncIterator[PushDesk]:
    """Where the pushes of the configured providers are taken; scans go to their orders as Signals."""

    async def report(order_id: str, command: dict[str, Any]) -> None:
        await gateway.signal(client, order_workflow_id(order_id), ReportScan.verb, command)

    async with AsyncExitStack() as stack:
        readers: dict[str, PushReader] = {}
        for name, provider in (settings.providers.providers if settings.providers else {}).items():
            http = await stack.enter_async_context(HttpClient(_url(settings, provider), name=name))
            carrier = carrier_of(provider, http)
            if isinstance(carrier, PushReader):
                readers[name] = carrier
        yield PushDesk(register, readers, report)


@asynccontextmanager
async def ready_database(settings: Settings) -> AsyncIterator[asyncpg.Pool[Any]]:
    """A pool on a migrated database that knows the policies of the folder.

    Migrations are applied where the owner's address is known too; a worker that has only its own says what is missing.
    """
    if settings.database_owner_url is not None:
        await migrate(settings.database_owner_url, worker=role_in(settings.needed("database_url")))
    pool = await open_pool(settings.needed("database_url"))
    try:
        await refuse_unready(pool)
        await register_policies(Register(pool), settings)
        yield pool
    finally:
        await pool.close()


def role_in(dsn: str) -> str:
    """The role that a database address logs in as."""
    return parse_database_address(dsn).user or WORKER_ROLE


async def register_policies(register: Register, settings: Settings) -> None:
    """Register every policy file of the folder.

    Raises:
        Misconfigured: a file cannot be read; the sentence names it.
    """
    for policy, text in policies_in(settings):
        await register.policies.keep(policy.name, policy.content_hash, text)


def policies_in(settings: Settings) -> list[tuple[Policy, str]]:
    """The policies of the folder with their texts, save the screening rules and drafts (`name.draft.toml`).

    Raises:
        Misconfigured: a file cannot be read; the sentence names it.
    """
    found = []
    for file in sorted(settings.policies.glob("*.toml")):
        if file == settings.screening or "." in file.stem:
            continue
        try:
            text = file.read_text(encoding="utf-8")
            found.append((parse_policy(text), text))
        except (BadInput, OSError, UnicodeDecodeError) as error:
            raise Misconfigured(f"{file}: {error}") from None
    return found


def screening_in(settings: Settings) -> ScreeningRules:
    """The screening rules.

    Raises:
        Misconfigured: the file cannot be read; the sentence names it.
    """
    try:
        return parse_rules(settings.screening.read_text(encoding="utf-8"))
    except (Misconfigured, OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{settings.screening}: {error}") from None
