"""The register: the state of every workflow, for lists and for rescues.

Each part is an attribute: `register.orders.open(…)`, `register.claims.claim(…)`. Each call makes one or two round trips
and may be repeated.
"""

from __future__ import annotations

from ledger.account_drops import AccountDrops
from ledger.balances import Balances
from ledger.breaks import Breaks
from ledger.callbacks import Callbacks
from ledger.claims import Claims
from ledger.licences import Licences
from ledger.notices import Notices
from ledger.orders import Orders
from ledger.payout_accounts import PayoutAccounts
from ledger.payouts import Payouts
from ledger.policies import Policies
from ledger.pool import Pool
from ledger.provider_log import ProviderLog
from ledger.pushes import Pushes
from ledger.reviews import Reviews
from ledger.statements import Statements
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
        self.licences = Licences(pool)
        self.notices = Notices(pool)
        self.accounts = PayoutAccounts(pool)
        self.drops = AccountDrops(pool)
        self.withdrawals = Withdrawals(pool)
        self.payouts = Payouts(pool)
        self.balances = Balances(pool)
        self.providers = ProviderLog(pool)
        self.pushes = Pushes(pool)
        self.callbacks = Callbacks(pool)
        self.statements = Statements(pool)
        self.breaks = Breaks(pool)
