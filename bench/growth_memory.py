"""`python -m bench.growth_memory`: all comparisons from the beginning on; prints the MB that they took at most in all.

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
from ledger.pool import Pool, open_pool
from ledger.register import Register


async def compare(pool: Pool, *, whole: bool) -> None:
    """Make all comparisons and keep what they find, so that the next ones begin where these ended."""
    register = Register(pool)
    wanted = await register.breaks.comparisons()
    assert {scope for scope, _ in wanted} == set(get_args(Scope))
    for scope, name in wanted:
        now = datetime.now(UTC)
        sides = await differing(pool, scope, name, now, whole=whole)
        assert (sides.since is None) == whole
        found = breaks(scope, name, sides.ours, sides.theirs, now, covered=sides.covered)
        await register.breaks.record(scope, name, found, ours=sides.our_count, theirs=sides.their_count, now=now)
        assert sides.standing is not None
        await register.breaks.note_compared(scope, name, sides.standing)


async def _in_mb(dsn: str) -> float:
    pool = await open_pool(dsn, size=1)
    try:
        await compare(pool, whole=True)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    finally:
        await pool.close()


if __name__ == "__main__":
    print(asyncio.run(_in_mb(sys.stdin.readline().strip())))
