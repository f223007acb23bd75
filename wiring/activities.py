"""Settings → all activities of a worker, on their ports."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from temporalio.client import Client

import gateway
from activities.account_drops import AccountDropActivities
from activities.logistics import LogisticsActivities
from activities.money import MoneyActivities
from activities.opening import OpeningActivities
from activities.payments import PaymentActivities
from activities.payout import PayoutActivities
from activities.policies import ParsedPolicies
from activities.reconciliation import ReconciliationActivities
from activities.screening import ScreeningActivities
from activities.withdrawal import WithdrawalActivities
from config import Settings
from ledger.book import Book
from ledger.pool import Pool
from ledger.register import Register
from ledger.vault import Vault
from wiring.carriers import open_carriers
from wiring.rails import open_channels, open_rails
from wiring.screening import screener_in


async def wire(settings: Settings, stack: AsyncExitStack, pool: Pool, client: Client) -> list[Callable[..., Any]]:
    """All activities on their ports. A new channel or rail is one more line in its mapping.

    Args:
        stack: closes the connections that are opened here.
    """
    channels, rails = await open_channels(settings, stack), await open_rails(settings, stack)
    register, book = Register(pool), Book(pool)
    carriers = await open_carriers(settings, stack, register)
    policies = ParsedPolicies(register.policies)
    screening = ScreeningActivities(screener_in(settings), register.licences)
    opening = OpeningActivities(register, policies, channels, screening)
    logistics = LogisticsActivities(register, policies, carriers)
    money = MoneyActivities(book, channels)
    payments = PaymentActivities(register, channels)
    payout = PayoutActivities(register, lambda withdrawal: gateway.start_withdrawal(client, withdrawal))
    vault = Vault(settings.account_keys)
    drops = AccountDropActivities(register, rails, vault)
    recheck = partial(gateway.recheck_withdrawal, client)
    withdrawal = WithdrawalActivities(register, rails, recheck, vault)
    return [
        *(opening.open, opening.record, opening.rescue, opening.who_left),
        screening.screen,
        *(logistics.claim_waybills, logistics.release_claims, logistics.audit, logistics.judge, logistics.look),
        *(money.post, money.pay_refund, money.charge_buyer),
        *(payments.pay_rest, payments.close_rest),
        *(payout.start_withdrawal, payout.start_scheduled_withdrawal),
        *withdrawal.all,
        *drops.all,
        *ReconciliationActivities(register, rails, channels, partial(gateway.start_payment_return, client)).all,
    ]
