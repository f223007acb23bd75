"""Composition root: settings → pool, carriers, channels, rails → activities → Worker.

`python worker.py` runs until SIGTERM or Ctrl-C, drains, and ends with 0; where Temporal or PostgreSQL does not answer,
with 1 and a sentence that names the address. `running_worker` is the same inside another program.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import asyncpg
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import PollerBehaviorAutoscaling, Worker, WorkerDeploymentConfig

import client as door
from activities.account_drops import AccountDropActivities
from activities.callbacks import CallbackDesk
from activities.carriers.base import Carrier, PushReader, Subscribing, TraceQuery, check
from activities.carriers.chosen import ChosenCarriers
from activities.carriers.easypost import EasyPostCarrier
from activities.carriers.kdniao import KdniaoCarrier
from activities.carriers.kuaidi100 import Kuaidi100Carrier
from activities.carriers.paced import PacedCarrier
from activities.carriers.pushes import PushDesk
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
from activities.wechatpay.notifications import WechatPayCallbacks
from activities.wechatpay.signing import MerchantSigner, PlatformKeys
from activities.withdrawal import WithdrawalActivities
from config import Settings, load
from core.errors import BadInput, DakuanError, Misconfigured, Unavailable
from core.messages import TASK_QUEUE, ReportScan, order_workflow_id
from core.policy import Policy, parse_policy
from core.providers import Provider, Providers
from core.rails import RAIL_KINDS, MerchantAccount, RailEntry, Rails
from core.search_attributes import SEARCH_ATTRIBUTES
from ledger.book import Book
from ledger.inspecting import refuse_unready
from ledger.migrate import WORKER as WORKER_ROLE
from ledger.migrate import migrate
from ledger.pool import open_pool
from ledger.register import Register
from ledger.vault import Vault

STICKY_TIMEOUT = timedelta(seconds=2)
"""How long a task waits for the worker that has its workflow in memory: after a kill that worker is gone."""
DRAIN_WITHIN = timedelta(seconds=20)
"""What runs when we are told to end may end; by default the SDK would cancel it at once."""
ATTRIBUTES_WITHIN = timedelta(seconds=10)
CHECKED_WITHIN = timedelta(seconds=5)
_TRANSFER, _WITHDRAW = RAIL_KINDS

log = logging.getLogger("dakuan.worker")


async def main(settings: Settings) -> int:
    """Run until told to end; the exit code."""
    stop = on_signals()
    async with running_worker(settings):
        log.info("polling task queue %s", TASK_QUEUE)
        await stop.wait()
        log.info("draining, at most %s", DRAIN_WITHIN)
    return 0


@asynccontextmanager
async def running_worker(settings: Settings) -> AsyncIterator[Client]:
    """A worker that polls while the block runs, and its client. Drains at the end.

    Raises:
        Unavailable: Temporal or PostgreSQL does not answer at the address that the message names; a retry may help.
        Misconfigured: a setting is missing, a search attribute has another type, or migrations are missing.
    """
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(ready_database(settings))
        client = await door.connect(settings)
        await register_search_attributes(client)
        activities = await wire(settings, stack, pool, client)
        async with build_worker(client, activities, settings):
            yield client


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
    payout = PayoutActivities(register, lambda withdrawal: door.start_withdrawal(client, withdrawal))
    vault = Vault(settings.account_keys)
    drops = AccountDropActivities(register, rails, vault)
    recheck = partial(door.recheck_withdrawal, client)
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
    return CallbackDesk(register, readers, partial(door.report_payout, client))


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
        await door.signal(client, order_workflow_id(order_id), ReportScan.verb, command)

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
    return unquote(urlsplit(dsn).username or WORKER_ROLE)


async def register_policies(register: Register, settings: Settings) -> None:
    """Register every policy file of the folder.

    Raises:
        Misconfigured: a file cannot be read; the sentence names it.
    """
    for policy, text in policies_in(settings):
        await register.register_policy(policy.name, policy.content_hash, text)


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


def build_worker(client: Client, activities: Sequence[Callable[..., Any]], settings: Settings) -> Worker:
    """The worker, not yet running."""
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        plugins=[door.plugin(activities)],
        sticky_queue_schedule_to_start_timeout=STICKY_TIMEOUT,
        graceful_shutdown_timeout=DRAIN_WITHIN,
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
        deployment_config=_deployment(settings),
    )


def _deployment(settings: Settings) -> WorkerDeploymentConfig | None:
    """With a build id, tasks come only once an operator makes that version current; open orders then move to it."""
    if settings.build_id is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name="dakuan", build_id=settings.build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )


# --- search attributes -----------------------------------------------------------------------------------

_TYPES = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    "Int": IndexedValueType.INDEXED_VALUE_TYPE_INT,
    "Datetime": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
}


async def search_attributes(client: Client) -> dict[str, str]:
    """Ours by name, each `present`, `missing`, or the type it has instead.

    Raises:
        Unavailable: Temporal did not answer.
        Misconfigured: this Temporal does not let us ask.
    """
    request = ListSearchAttributesRequest(namespace=client.namespace)
    try:
        listed = await client.operator_service.list_search_attributes(request, timeout=ATTRIBUTES_WITHIN)
    except RPCError as error:
        raise _operator_refused(client, error) from None
    found = {}
    for name, kind in SEARCH_ATTRIBUTES.items():
        type_ = listed.custom_attributes.get(name)
        found[name] = "missing" if type_ is None else "present" if type_ == _TYPES[kind] else _type_name(type_)
    return found


async def register_search_attributes(client: Client) -> None:
    """Add what is missing. Without them a workflow that sets one would be stuck.

    Raises:
        Misconfigured: one exists with another type; adding it again would silently change nothing.
        Unavailable: Temporal did not answer.
    """
    try:
        found = await search_attributes(client)
    except Misconfigured as error:
        # A managed service keeps this to its own console; there the attributes are added once, by hand.
        log.warning("%s", error)
        return
    clashes = [
        f"{name} is {state}, not {SEARCH_ATTRIBUTES[name]}"
        for name, state in found.items()
        if state not in {"present", "missing"}
    ]
    if clashes:
        raise Misconfigured(f"Search attributes of namespace {client.namespace} clash: {'; '.join(clashes)}.")
    missing = {name: _TYPES[SEARCH_ATTRIBUTES[name]] for name, state in found.items() if state == "missing"}
    if not missing:
        return
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
    try:
        await client.operator_service.add_search_attributes(request, timeout=ATTRIBUTES_WITHIN)
    except RPCError as error:
        if error.status != RPCStatusCode.ALREADY_EXISTS:  # another worker that starts beside us was first
            raise _operator_refused(client, error) from None


def _type_name(value: Any) -> str:
    return IndexedValueType.Name(value).removeprefix("INDEXED_VALUE_TYPE_")


def _operator_refused(client: Client, error: RPCError) -> DakuanError:
    if error.status in {RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED}:
        needed = ", ".join(f"{name} ({kind})" for name, kind in SEARCH_ATTRIBUTES.items())
        return Misconfigured(
            f"Temporal does not let us register search attributes in {client.namespace} ({error.message}). "
            f"Have them added by whoever may: {needed}."
        )
    return Unavailable(f"Temporal did not answer: {error.message}")


# --- as a program ----------------------------------------------------------------------------------------


def on_signals() -> asyncio.Event:
    """Set by SIGTERM and SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def cli() -> int:
    """`python worker.py`."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    try:
        return door.run(main(load()))
    except DakuanError as error:
        print(f"worker: {error}", file=sys.stderr)
        return 2 if isinstance(error, Misconfigured) else 1  # a supervisor need not start it again


if __name__ == "__main__":
    sys.exit(cli())
