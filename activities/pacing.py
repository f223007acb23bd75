"""How long to wait before a query is repeated."""

from __future__ import annotations

from datetime import timedelta

_REFUND_QUERIES = (timedelta(seconds=1), timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1))


def refund_query_delay(attempt: int) -> timedelta:
    """1 s, 1 min, 5 min, 1 h, then daily: as for payouts, with one quick query first.

    Args:
        attempt: of the activity, from 1.
    """
    return _REFUND_QUERIES[attempt - 1] if attempt <= len(_REFUND_QUERIES) else timedelta(days=1)


UNREACHED_DELAY = timedelta(minutes=1)
"""The wait before an instruction is resent that certainly did not reach the other side."""
UNREACHED_TRIES = 60
"""How often a penny drop that never left us is tried; with the growing pauses between, about an hour."""
