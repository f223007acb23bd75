"""The register: what the workflows know, where it can be listed and where a rescue finds it.

One front for its parts; each call is one or two round trips and may be repeated.
"""

from __future__ import annotations

from ledger.account_drops import AccountDrops
from ledger.callbacks import Callbacks
from ledger.claims import Claims
from ledger.lists import Lists
from ledger.looks import Looks
from ledger.notices import Notices
from ledger.orders import Orders
from ledger.payout_accounts import PayoutAccounts
from ledger.payouts import Payouts
from ledger.policies import Policies
from ledger.reviews import Reviews
from ledger.statements import Statements
from ledger.withdrawals import Withdrawals


class Register(
    Orders,
    Policies,
    Claims,
    Withdrawals,
    PayoutAccounts,
    AccountDrops,
    Payouts,
    Notices,
    Reviews,
    Looks,
    Lists,
    Statements,
    Callbacks,
):
    """The register behind one pool. Raises `Unavailable` where the database does not answer; a retry helps."""
