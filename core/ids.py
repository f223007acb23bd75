"""Names that several processes must agree on: task queue, workflow types, ids and keys.

An id is derived from its subject alone, so that a second try finds the first.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

TASK_QUEUE = "dakuan"
DEPLOYMENT = "dakuan"
"""The worker deployment whose builds DAKUAN_BUILD_ID names."""
ORDER_WORKFLOW = "OrderWorkflow"
WITHDRAWAL_WORKFLOW = "WithdrawalWorkflow"
AUTO_WITHDRAWAL_WORKFLOW = "AutoWithdrawalWorkflow"
RECONCILIATION_WORKFLOW = "ReconciliationWorkflow"
ASKED_TOO_EARLY = "new events wait for their workflow task; ask again"
"""How a worker fails a query that came before the task of newer events; our clients ask again."""


def order_workflow_id(order_id: str) -> str:
    """`order-{order_id}`; no `/`, which the HTTP API cannot route."""
    return f"order-{order_id}"


def withdrawal_workflow_id(withdrawal_id: str) -> str:
    """`withdrawal-{withdrawal_id}`."""
    return f"withdrawal-{withdrawal_id}"


def reconciliation_workflow_id(scope: str, name: str) -> str:
    """`reconciliation-{scope}-{name}`; a schedule of this id adds the time to the workflow's."""
    return f"reconciliation-{scope}-{name}"


def refund_key(order_id: str, cause: str) -> str:
    """The key of a refund at its channel: short enough for every channel, and it never changes."""
    return hashlib.sha256(f"order/{order_id}/refund/{cause}".encode()).hexdigest()[:32]


def charge_key(order_id: str, case_id: int) -> str:
    """The key, at its channel, of what a buyer is asked to pay again; it never changes."""
    return hashlib.sha256(f"order/{order_id}/claim_back/{case_id}".encode()).hexdigest()[:32]


PAYMENT_RETURN_WORKFLOW = "PaymentReturnWorkflow"


def payment_return_workflow_id(return_id: str) -> str:
    """`payment-return-{return_id}`."""
    return f"payment-return-{return_id}"


def rest_key(return_id: str) -> str:
    """The key, at its channel, of the refund of what no order claims of a payment; it never changes."""
    return hashlib.sha256(f"payment/{return_id}/rest".encode()).hexdigest()[:32]


def command_of_order(command_id: str, order_id: str) -> str:
    """The id of the command that one order of several gets, for a command about all of them."""
    return hashlib.sha256(f"{command_id}/{order_id}".encode()).hexdigest()[:32]


def automatic_withdrawal_id(order_id: str) -> str:
    """The id of the withdrawal that an order starts for its own proceeds: one an order."""
    direct = f"auto-{order_id}"
    return direct if len(direct) <= 64 else f"auto-{hashlib.sha256(order_id.encode()).hexdigest()[:40]}"


def auto_withdrawal_schedule_id(merchant_id: str, currency: str) -> str:
    """The schedule of a merchant's automatic withdrawals in one currency, and the beginning of its workflows' ids."""
    return f"auto-withdrawal-{merchant_id}-{currency}"


def scheduled_withdrawal_id(merchant_id: str, currency: str, due_at: datetime) -> str:
    """The id of the withdrawal that a schedule starts at this nominal time. A retry has the same id."""
    name = f"{merchant_id}/{currency}/{due_at.astimezone(UTC).isoformat(timespec='seconds')}"
    return f"sched-{due_at.astimezone(UTC):%Y%m%dT%H%M%S}-{hashlib.sha256(name.encode()).hexdigest()[:24]}"
