"""What is done for merchants by itself, once a day: operators are called for overdue debts, deposits are given back."""

from __future__ import annotations

from datetime import datetime, timedelta

from core.fields import Message
from ledger.register import Register


class Upkeep(Message):
    """What was done: debts for which people were called, and deposits that were given back."""

    called: int = 0
    paid_back: int = 0


async def look_after_merchants(register: Register, now: datetime, overdue_after: timedelta) -> Upkeep:
    """Call for each debt that is older than this, and give back each deposit whose time has come. Safe to repeat.

    Raises:
        Unavailable: the database did not answer; a retry helps, and does nothing twice.
    """
    called = [await _call(register, merchant, now, overdue_after) for merchant in await register.receivables.owing()]
    back = [await _pay_back(register, merchant, now) for merchant in await register.merchants.leaving()]
    return Upkeep(called=sum(called), paid_back=sum(back))


async def _call(register: Register, merchant: str, now: datetime, overdue_after: timedelta) -> int:
    debts = await register.receivables.of_merchant(merchant, now)
    overdue = [debt for debt in debts if now - debt.oldest_at >= overdue_after]
    return sum([await register.receivables.call(merchant, debt, now) for debt in overdue])


async def _pay_back(register: Register, merchant: str, now: datetime) -> int:
    held = await register.merchants.deposits(merchant)
    paid = [await register.merchants.pay_deposit_back(merchant, deposit.currency, now) for deposit in held]
    return sum(one.outcome == "paid_back" for one in paid)
