"""`python -m bench.growth_memory`: the comparisons of one reconciliation; prints the MB that it took at most in all.

A process of its own: the highest mark of a process never falls again. The address is the first line of input.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from datetime import UTC, datetime
from typing import get_args

from core.reconciliation.breaks import breaks
from core.reconciliation.lines import Scope
from ledger.differing import differing
from ledger.pool import open_pool
from ledger.register import Register


async def _compare(dsn: str) -> float:
    pool = await open_pool(dsn, size=1)
    try:
        wanted = await Register(pool).breaks.comparisons()
        assert {scope for scope, _ in wanted} <= set(get_args(Scope))
        for scope, name in wanted:
            now = datetime.now(UTC)
            sides = await differing(pool, scope, name, now)
            breaks(scope, name, sides.ours, sides.theirs, now, covered=sides.covered)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    finally:
        await pool.close()


if __name__ == "__main__":
    print(asyncio.run(_compare(sys.stdin.readline().strip())))
