"""The register: the state of every workflow, for lists and for rescues.

Each part is an attribute: `register.orders.open(…)`, `register.claims.claim(…)`. Each call makes one or two round trips
and may be repeated.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, cast

from core.account_commands import AccountCommand
from ledger.account_drops import AccountDrops
from ledger.api_keys import ApiKeys
from ledger.balances import Balances
from ledger.breaks import Breaks
from ledger.callbacks import Callbacks
from ledger.cases import Cases
from ledger.claims import Claims
from ledger.corrections import Corrections
from ledger.endpoints import Endpoints
from ledger.events import Events
from ledger.figures import Figures
from ledger.gauges import Gauges
from ledger.grades import Grades
from ledger.licences import Licences
from ledger.looks import Looks
from ledger.merchants import Merchants
from ledger.notices import Notices
from ledger.orders import Orders
from ledger.payments import Payments
from ledger.payout_accounts import PayoutAccounts
from ledger.payouts import Payouts
from ledger.people import People
from ledger.policies import Policies
from ledger.pool import Pool, translate_errors
from ledger.provider_log import ProviderLog
from ledger.pushes import Pushes
from ledger.receivables import Receivables
from ledger.requests import Requests
from ledger.rests import Rests
from ledger.reviews import Reviews
from ledger.seals import Seals
from ledger.shifting import Shifting
from ledger.statements import Statements
from ledger.verdicts import Verdicts
from ledger.withdrawals import Withdrawals


class Register:
    """The register behind one pool. Every method of a part raises `Unavailable` where the database does not answer; a
    retry helps.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        """For reads across register and books, such as the proofs."""
        self.orders = Orders(pool)
        self.policies = Policies(pool)
        self.claims = Claims(pool)
        self.reviews = Reviews(pool)
        self.verdicts = Verdicts(pool)
        self.grades = Grades(pool)
        self.licences = Licences(pool)
        self.merchants = Merchants(pool)
        self.notices = Notices(pool)
        self.events = Events(pool)
        self.endpoints = Endpoints(pool)
        self.accounts = PayoutAccounts(pool)
        self.drops = AccountDrops(pool)
        self.withdrawals = Withdrawals(pool)
        self.payouts = Payouts(pool)
        self.balances = Balances(pool)
        self.payments = Payments(pool)
        self.receivables = Receivables(pool)
        self.corrections = Corrections(pool)
        self.providers = ProviderLog(pool)
        self.looks = Looks(pool)
        self.pushes = Pushes(pool)
        self.callbacks = Callbacks(pool)
        self.shifting = Shifting(pool)
        self.statements = Statements(pool)
        self.breaks = Breaks(pool)
        self.api_keys = ApiKeys(pool)
        self.requests = Requests(pool)
        self.people = People(pool)
        self.gauges = Gauges(pool)
        self.cases = Cases(pool)
        self.figures = Figures(pool)
        self.seals = Seals(pool)
        self.rests = Rests(pool)

    @asynccontextmanager
    async def once(self, command: AccountCommand | None, now: datetime) -> AsyncIterator[Register | None]:
        """The register in a transaction in which this command is taken; None where it was carried out before.

        What is raised inside undoes the change, and the command with it: it may be sent again. Without a command the
        register is as it is, with no transaction around.

        Raises:
            Refused: `command_id_used_with_different_content`; a retry does not help.
        """
        if command is None:
            yield self
            return
        async with translate_errors(), self.pool.acquire() as connection, connection.transaction():
            # A connection answers queries as a pool does.
            inside = Register(cast(Any, connection))
            yield inside if await inside.accounts.take(command, now) else None
