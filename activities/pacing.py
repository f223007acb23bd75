"""How long to wait before asking the world again."""

from __future__ import annotations

from datetime import timedelta

_REFUND_QUERIES = (timedelta(seconds=1), timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1))


def refund_query_delay(attempt: int) -> timedelta:
    """1 s, 1 min, 5 min, 1 h, then daily: as payouts are queried, with one quick look first.

    Args:
        attempt: of the activity, from 1.
    """
    return _REFUND_QUERIES[attempt - 1] if attempt <= len(_REFUND_QUERIES) else timedelta(days=1)


UNREACHED_DELAY = timedelta(minutes=1)
"""Before an instruction goes out again that certainly did not reach the other side."""
UNREACHED_TRIES = 60
"""So often a penny drop is tried that never left us; with the growing pauses between, about an hour."""
