"""Settings → the desks that take pushes, callbacks and statements."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from temporalio.client import Client

import gateway
from activities.by_name import ByName
from activities.carriers.base import PushReader
from activities.http import HttpClient
from activities.reconciliation import ReconciliationActivities
from activities.wechatpay.signing import PlatformKeys
from config import Settings
from config.rails import Rails
from core.errors import Refused
from core.ids import order_workflow_id
from core.messages import ReportScan
from inbound.callbacks import CallbackDesk, CallbackReader
from inbound.pushes import PushDesk
from inbound.stripe import StripeDisputes
from inbound.wechatpay import WechatPayCallbacks
from ledger.register import Register
from wiring.carriers import carrier_of, provider_url
from wiring.rails import open_channels, open_rails


@asynccontextmanager
async def push_desk(settings: Settings, register: Register, client: Client) -> AsyncIterator[PushDesk]:
    """The desk for the pushes of the configured providers; scans go to their orders as Signals, also to closed ones."""

    async def report(order_id: str, command: dict[str, Any]) -> None:
        try:
            await gateway.signal(client, order_workflow_id(order_id), ReportScan.verb, command)
        except Refused as refusal:
            known = await register.orders.known(order_id)
            if known is None or not known.closed:
                raise refusal from None
            await gateway.signal_reopening(client, known.order, ReportScan.verb, command)

    async with AsyncExitStack() as stack:
        readers: dict[str, PushReader] = {}
        for name, provider in (settings.providers.providers if settings.providers else {}).items():
            http = await stack.enter_async_context(HttpClient(provider_url(settings, provider), name=name))
            carrier = carrier_of(provider, http)
            if isinstance(carrier, PushReader):
                readers[name] = carrier
        yield PushDesk(register, readers, report)


def callback_desk(settings: Settings, register: Register, client: Client) -> CallbackDesk:
    """The desk for the callbacks of DAKUAN_RAILS; it notifies withdrawals and orders, including closed ones."""
    given = settings.rails or Rails()

    def rails_of(account: str, kind: str) -> list[str]:
        return [rail for rail, one in given.rails.items() if (one.account, one.kind) == (account, kind)]

    readers: dict[str, CallbackReader] = {
        name: StripeDisputes(name, one.channel, one.secret) for name, one in given.disputes.items()
    }
    readers |= {
        name: WechatPayCallbacks(
            name,
            PlatformKeys(account.platform_keys),
            account.apiv3_key,
            transfers=rails_of(name, "wechatpay_transfer"),
            withdraws=rails_of(name, "wechatpay_withdraw"),
        )
        for name, account in given.accounts.items()
    }
    report, charge = partial(gateway.report_payout, client), partial(gateway.report_chargeback, client)
    return CallbackDesk(register, readers, report, charge)


@asynccontextmanager
async def reconciliation_desk(
    settings: Settings, register: Register, *, fetching: bool = True
) -> AsyncIterator[ReconciliationActivities]:
    """The desk that compares both sides outside of a worker; without `fetching` it uses stored statements only."""
    async with AsyncExitStack() as stack:
        if not fetching:
            yield ReconciliationActivities(register, ByName(), ByName())
            return
        rails, channels = await open_rails(settings, stack), await open_channels(settings, stack)
        yield ReconciliationActivities(register, rails, channels)
