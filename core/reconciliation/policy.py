"""How long something may be under way before its absence from the other side is a break.

Every number is configuration; `policies/default.toml` says where each comes from.
"""

from __future__ import annotations

from datetime import timedelta

from core.durations import Duration
from core.fields import Message


class ReconciliationPolicy(Message):
    """Tolerances of a comparison, all counted from when a side says that it happened.

    `missing_after`: we booked it, and a statement that covers the time does not have it. `late_after`: a statement has
    it, and we were not notified. `stuck_after`: sent, and its outcome is unknown. `overdue_after`: a deadline of an
    order or a withdrawal passed without effect. `unclaimed_after`: a part of a payment that no order has
    claimed since its first one. `receivable_overdue`: a merchant has owed something for so long. `states_kept`: after
    its end an order keeps its journal and its audit's findings in the register for so long, and at least 30 days, and a
    withdrawal its journal.
    """

    missing_after: Duration = timedelta(hours=1)
    late_after: Duration = timedelta(hours=1)
    stuck_after: Duration = timedelta(days=3)
    overdue_after: Duration = timedelta(hours=6)
    unclaimed_after: Duration = timedelta(days=3)
    receivable_overdue: Duration = timedelta(days=31)
    states_kept: Duration = timedelta(days=180)
