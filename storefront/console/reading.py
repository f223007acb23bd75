"""What pages read: orders and withdrawals that the person may see, with their states."""

from __future__ import annotations

import re

from core.order.state import OrderState
from core.withdrawal.recovering import resume
from core.withdrawal.state import WithdrawalState
from ledger.orders import OrderInHand, StoredOrder
from ledger.withdrawals import StoredWithdrawal
from storefront.console.visits import Visit
from storefront.problems import ProblemError

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def id_in(visit: Visit, name: str = "id") -> str:
    """An id of the address.

    Raises:
        ProblemError: `not_found`: nothing can have it.
    """
    given: str = visit.request.path_params[name]
    if not ID.fullmatch(given):
        raise ProblemError("not_found")
    return given


async def known_order(visit: Visit) -> StoredOrder:
    """The order of the address.

    Raises:
        ProblemError: `unknown_order`, also for another merchant's.
    """
    found = await visit.register.orders.known(id_in(visit))
    if found is None or not visit.who.sees(found.order.merchant_id):
        raise ProblemError("unknown_order")
    return found


def state_of_order(known: StoredOrder) -> OrderState | None:
    """Its last recorded state; None while it is being opened."""
    return OrderState.model_validate({**known.state, "order": known.order}) if known.state is not None else None


async def known_withdrawal(visit: Visit) -> StoredWithdrawal:
    """The withdrawal of the address.

    Raises:
        ProblemError: `unknown_withdrawal`, also for another merchant's.
    """
    found = await visit.register.withdrawals.known(id_in(visit))
    if found is None or not visit.who.sees(found.withdrawal.merchant_id):
        raise ProblemError("unknown_withdrawal")
    return found


def state_of_withdrawal(known: StoredWithdrawal) -> WithdrawalState | None:
    """Its last recorded state; None while it is being reserved."""
    return resume(known.state, known.revision) if known.state is not None else None


def state_of_open(row: OrderInHand) -> OrderState | None:
    """The state of an open order in a list."""
    return OrderState.model_validate({**row.state, "order": row.body}) if row.state is not None else None
