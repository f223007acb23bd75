"""Safeguards: limits that no caller can go below, such as the time that a new payout account cools off.

A worker's role reads them. Only the owner's role sets them; each value is stored with who set it and why.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from ledger.pool import open_pool, translate_errors

Safeguard = Literal["cooling", "clock_skew", "kept"]
"""`cooling`: no money goes to a payout account before it was bound, or changed, for so long. `clock_skew`: how far a
caller's clock may be ahead of the database's. `kept`: how old pushes, callbacks and answers are before they are purged.
"""


async def set_safeguard(owner_dsn: str, name: Safeguard, value: timedelta, *, who: str, why: str) -> bool:
    """Give a safeguard a value, as the owner; False if it has this value already.

    Raises:
        Unavailable: the database does not answer; a retry helps.
    """
    pool = await open_pool(owner_dsn, size=1)
    try:
        async with translate_errors():
            return bool(await pool.fetchval("SELECT set_safeguard($1, $2, $3, $4)", name, value, who, why))
    finally:
        await pool.close()
