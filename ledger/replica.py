"""Reads that may be a moment old, from a replica where there is one: lists, pages of the console, statements.

No decision about money reads here, nor what someone asks for right after a change of their own. Where the replica is
away, or too far behind, the primary answers: a list is late at worst, and never missing.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple, cast

import asyncpg

from core.errors import DakuanError, Misconfigured, Unavailable
from ledger.inspecting import cluster_of
from ledger.pool import TROUBLE, Pool, open_pool, translate_errors

AWAY_FOR = 10.0
"""Seconds for which the primary answers, before the replica is tried again."""
LOOK_EVERY = 5.0
"""Seconds between two measurements of the lag."""
PRIMARY_ANSWERS_WITHIN = 1.0
"""Seconds for what it has written. While it is away, what arrives from it counts alone."""
LOOKS_WITHIN = 3.0
"""Seconds for one: a replica behind a dead line must not hold a page for longer."""
ANSWERS_WITHIN = 5.0
"""Seconds for one query of a list, and for a free connection: lists take milliseconds."""
LAG_MOST = 10.0
"""Seconds. One that is further behind shows what is long over."""
CONNECTIONS = 5

_CANNOT = (
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
)
"""What a replica refuses that has not replayed a migration yet, or that a statement needs to write for."""
_WRITTEN = "SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::BIGINT"
_LAG = """
    SELECT CASE WHEN NOT pg_is_in_recovery() THEN 0
                WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
                     AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE pid IS NOT NULL) THEN 0
                ELSE extract(EPOCH FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END::FLOAT8 AS lag,
           pg_wal_lsn_diff(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), '0/0')::BIGINT AS arrived
"""
"""Without a receiver that runs, all that came may be replayed and the replica still be hours behind. Behind a line that
is dead and silent the receiver runs for a minute more (wal_receiver_timeout): what the primary has written tells.
"""
ARRIVES_WITHIN, ARRIVAL_LOOKS = 0.2, 4
"""Seconds that what the primary wrote last has to arrive, and how often that is looked at. It takes milliseconds."""

log = logging.getLogger("dakuan.replica")


class Followed(NamedTuple):
    """How a replica follows.

    `lag`: seconds by which what has arrived waits; 0 for one that follows, and for a server that takes writes.
    `has_all`: all that the primary had written has arrived; None: the primary did not say what it had.
    """

    lag: float
    has_all: bool | None


async def follow(primary: Pool, replica: Pool) -> Followed:
    """Measure how far a replica is behind."""
    written = await _written(primary)
    found = await _followed(replica, written)
    for _ in range(ARRIVAL_LOOKS):
        if found.has_all is not False:
            break
        await asyncio.sleep(ARRIVES_WITHIN / ARRIVAL_LOOKS)
        found = await _followed(replica, written)
    return found


async def _followed(replica: Pool, written: int | None) -> Followed:
    found = await replica.fetchrow(_LAG, timeout=LOOKS_WITHIN)
    assert found is not None  # one row
    lag = math.inf if found["lag"] is None else max(found["lag"], 0.0)
    known = written is not None and found["arrived"] is not None
    return Followed(lag, found["arrived"] >= written if known else None)


async def _written(primary: Pool) -> int | None:
    """How much the primary has written; None: it does not answer, or takes no writes now."""
    try:
        return cast(int, await primary.fetchval(_WRITTEN, timeout=PRIMARY_ANSWERS_WITHIN))
    except (*TROUBLE, asyncpg.ObjectNotInPrerequisiteStateError):
        return None


class Compared(NamedTuple):
    """A replica beside its primary. `lag`: seconds, as of `Followed`; without end where nothing arrives."""

    same_cluster: bool
    takes_writes: bool
    lag: float


async def compare_replica(primary: str, replica: str) -> Compared:
    """Look at both addresses.

    Raises:
        Unavailable: one does not answer; the message names it.
        Misconfigured: an address cannot be read.
    """
    async with AsyncExitStack() as stack:
        pools = []
        for dsn in (primary, replica):
            pools.append(await open_pool(dsn, size=1, writable=False))
            stack.push_async_callback(pools[-1].close)
        here, there = [(await cluster_of(pool)).partition("/")[0] for pool in pools]
        async with translate_errors():
            standby, followed = await pools[1].fetchval("SELECT pg_is_in_recovery()"), await follow(*pools)
        return Compared(here == there, not standby, math.inf if followed.has_all is False else followed.lag)


@asynccontextmanager
async def _taken(pool: Pool) -> AsyncIterator[Any]:
    """A connection of a pool. After a time-out it is closed at once: the driver would first wait until its statement is
    cancelled, over a line that may be dead.
    """
    connection = await pool.acquire(timeout=ANSWERS_WITHIN)
    try:
        yield connection
    except TimeoutError:
        connection.terminate()
        raise
    finally:
        await pool.release(connection)


class ReadPool:
    """Asks the replica, and the primary where that is away. It answers queries as a pool does.

    Args:
        address: of the replica; None: the primary is asked.
    """

    def __init__(self, primary: Pool, address: str | None) -> None:
        self.is_set = address is not None
        """Whether there is to be a replica, of use or not."""
        self._primary, self._address = primary, address
        self._replica: Pool | None = None
        self._away_until = self._look_at = 0.0
        self._whole_at = -math.inf
        """When it was last seen that all had arrived that the primary had written."""
        self._looking = asyncio.Lock()
        self.lag = math.inf
        """Seconds, when it was last measured."""

    @property
    def as_pool(self) -> Pool:
        """For the parts of the register, which read and nothing more here."""
        return cast(Pool, self)

    @property
    def is_away(self) -> bool:
        """Whether the primary answers instead."""
        return self._replica is None or time.monotonic() < self._away_until

    async def close(self) -> None:
        """Close the connections to the replica; the primary's pool is its owner's."""
        if self._replica is not None:
            await self._replica.close()

    # --- as a pool -----------------------------------------------------------------------------------------

    async def fetch(self, query: str, *args: Any, **more: Any) -> list[asyncpg.Record]:
        """As asyncpg's."""
        return list(await self._ask("fetch", query, *args, **more))

    async def fetchrow(self, query: str, *args: Any, **more: Any) -> asyncpg.Record | None:
        """As asyncpg's."""
        return cast("asyncpg.Record | None", await self._ask("fetchrow", query, *args, **more))

    async def fetchval(self, query: str, *args: Any, **more: Any) -> Any:
        """As asyncpg's."""
        return await self._ask("fetchval", query, *args, **more)

    async def _ask(self, how: str, *args: Any, **more: Any) -> Any:
        replica = await self._at_hand()
        if replica is not None:
            try:
                async with _taken(replica) as connection:
                    return await getattr(connection, how)(*args, **{"timeout": ANSWERS_WITHIN, **more})
            except _CANNOT:
                pass  # the primary can
            except TROUBLE as error:
                self._note_away(error)
        return await getattr(self._primary, how)(*args, **more)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        """A connection for several reads of one snapshot.

        Raises:
            Unavailable: the replica has not replayed a migration yet; the next try is the primary's, as after a
                connection that breaks in the middle.
        """
        replica = await self._at_hand()
        async with AsyncExitStack() as stack:
            connection = None
            if replica is not None:
                try:
                    connection = await stack.enter_async_context(_taken(replica))
                except TROUBLE as error:
                    self._note_away(error)
            if connection is None:
                yield await stack.enter_async_context(self._primary.acquire())
                return
            try:
                yield connection
            except _CANNOT as error:
                self._note_away(error)
                raise Unavailable(f"The replica cannot answer it: {error}. The same again asks the primary.") from error
            except TROUBLE as error:
                self._note_away(error)
                raise

    # --- whether it is of use ------------------------------------------------------------------------------

    async def look(self) -> None:
        """Connect where that is not done, and measure the lag."""
        if self._address is None:
            return
        try:
            if self._replica is None:
                async with asyncio.timeout(LOOKS_WITHIN):
                    self._replica = await self._opened(self._address)
            self.lag = await self._measured(self._replica)
        except Misconfigured as error:
            log.error("DATABASE_READ_URL is not used: %s", error)
            self._address = None
        except (DakuanError, *TROUBLE) as error:
            self.lag = math.inf
            self._note_away(error)
        else:
            self._look_at = time.monotonic() + LOOK_EVERY
            if self.lag > LAG_MOST:
                behind = "far" if math.isinf(self.lag) else f"{self.lag:.0f} s"
                self._note_away(f"it is {behind} behind")

    async def _measured(self, replica: Pool) -> float:
        asked_at = time.monotonic()
        followed = await follow(self._primary, replica)
        if followed.has_all:
            self._whole_at = asked_at
        return max(followed.lag, asked_at - self._whole_at) if followed.has_all is False else followed.lag

    async def _at_hand(self) -> Pool | None:
        if self._address is None or time.monotonic() < self._away_until:
            return None
        if time.monotonic() >= self._look_at:
            async with self._looking:
                if time.monotonic() >= self._look_at and time.monotonic() >= self._away_until:
                    await self.look()
        return None if self._address is None or self.is_away else self._replica

    async def _opened(self, address: str) -> Pool:
        """The replica's pool.

        Raises:
            Misconfigured: it is no copy of the primary: its rows are others.
        """
        pool = await open_pool(address, size=CONNECTIONS, writable=False)
        try:
            here, there = [(await cluster_of(one)).partition("/")[0] for one in (self._primary, pool)]
            if here != there:
                raise Misconfigured(f"it is of another cluster ({there}) than DATABASE_URL ({here})")
        except BaseException:
            pool.terminate()
            raise
        return pool

    def _note_away(self, why: object) -> None:
        self._away_until = time.monotonic() + AWAY_FOR
        log.warning("the replica is not asked for %.0f s, and the primary answers: %s", AWAY_FOR, why)
