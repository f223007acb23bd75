"""Sessions with PostgreSQL: our own, or a pooler's, which is shared with other clients between transactions.

A session whose server stopped taking writes (an old primary after a failover) expires all sessions of its pool, so the
next call connects again and finds the new primary. Behind a pooler in transaction mode (PgBouncer, Supabase, Neon)
every statement runs in a transaction that sets its own settings, because the next transaction may get another session.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from ssl import get_default_verify_paths
from typing import Any, TypeAlias
from urllib.parse import urlencode

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from core.addresses import DatabaseAddress
from core.errors import Misconfigured

SCHEMA = "dakuan"
SETTINGS: Mapping[str, str] = {"search_path": SCHEMA, "timezone": "UTC", "jit": "off", "random_page_cost": "1.1"}
"""The settings of every session. With the usual 4 for a random page, a number for disks that turn, the planner reads
all rows of a filter and sorts them instead of reading the first of an index in that order.
"""
_AT_START = frozenset({"application_name", "options"})
"""The settings that poolers accept when a session begins; they refuse the others there."""

_FILES = frozenset({"sslrootcert", "sslcert", "sslkey", "sslcrl"})
"""Parameters that name a file."""

SIGNS_OF_A_POOLER = (
    asyncpg.ProtocolViolationError,  # "unsupported startup parameter: search_path"
    asyncpg.DuplicatePreparedStatementError,
    asyncpg.InvalidSQLStatementNameError,  # "prepared statement … does not exist"
)
"""Errors of a first connection that only a pooler raises."""

CANCELS_WITHIN = 1.0
"""Seconds that a server has to cancel a statement; after that its line counts as dead."""

_Connection: TypeAlias = "asyncpg.Connection[Any] | PoolConnectionProxy[Any]"


class Session(asyncpg.Connection):
    """A session of our own."""

    pool: asyncpg.Pool[Any] | None = None
    """The session's pool, once the session is prepared."""

    async def execute(self, *args: Any, **more: Any) -> Any:
        """As asyncpg's; see `_run`."""
        return await self._run(super().execute, *args, **more)

    async def executemany(self, *args: Any, **more: Any) -> Any:
        """As asyncpg's; see `_run`."""
        return await self._run(super().executemany, *args, **more)

    async def fetch(self, *args: Any, **more: Any) -> Any:
        """As asyncpg's; see `_run`."""
        return await self._run(super().fetch, *args, **more)

    async def fetchrow(self, *args: Any, **more: Any) -> Any:
        """As asyncpg's; see `_run`."""
        return await self._run(super().fetchrow, *args, **more)

    async def fetchval(self, *args: Any, **more: Any) -> Any:
        """As asyncpg's; see `_run`."""
        return await self._run(super().fetchval, *args, **more)

    async def _run(self, call: Any, *args: Any, **more: Any) -> Any:
        try:
            return await call(*args, **more)
        except asyncpg.ReadOnlySQLTransactionError:
            # The other sessions may be connected to the same server. Each is closed when it is next released or taken.
            if self.pool is not None:
                await self.pool.expire_connections()
            raise
        except TimeoutError:
            await self._end_where_dead()
            raise

    async def _end_where_dead(self) -> None:
        """End the session unless its server answers soon. After a time-out the driver has the statement cancelled, and
        the next call (a ROLLBACK, the release to the pool) would wait for that: over a dead line, for as long as
        the statement did.
        """
        try:
            await super().execute("SELECT 1", timeout=CANCELS_WITHIN)
        except asyncpg.InFailedSQLTransactionError:
            pass  # it answers
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            self.terminate()


class SharedSession(Session):
    """A session behind a pooler: it belongs to us only during a transaction."""

    local = "".join(f" SET LOCAL {name} = '{value}';" for name, value in SETTINGS.items())

    async def execute(self, *args: Any, **more: Any) -> Any:
        """As asyncpg's; a BEGIN carries our settings in the same message."""
        query, *given = args
        if not given and query.startswith("BEGIN"):
            return await super().execute(f"{query.rstrip().removesuffix(';')};{self.local}", **more)
        return await super().execute(*args, **more)

    async def _run(self, call: Any, *args: Any, **more: Any) -> Any:
        if self.is_in_transaction() or str(args[0]).startswith("BEGIN"):
            return await super()._run(call, *args, **more)
        async with self.transaction():
            return await super()._run(call, *args, **more)


def arguments(address: DatabaseAddress, *, shared: bool, writable: bool) -> dict[str, Any]:
    """Keyword arguments of `asyncpg.connect` and `asyncpg.create_pool`.

    Args:
        shared: a pooler stands before the server.
        writable: skip servers that take no writes, unless the address itself says which are wanted.
    """
    query = urlencode(_with_files(address.driver))
    settings = {**address.settings, **({} if shared else SETTINGS)}
    if shared:
        settings = {name: value for name, value in settings.items() if name in _AT_START}
    wanted = {"target_session_attrs": "read-write"} if writable and "target_session_attrs" not in address.driver else {}
    return {
        "dsn": f"postgresql://?{query}" if query else "postgresql://",
        "host": list(address.hosts) or None,
        "port": list(address.ports) or None,
        "user": address.user,
        "password": address.password,
        "database": address.database,
        "timeout": address.connect_within,
        "connection_class": SharedSession if shared else Session,
        "server_settings": settings,
        # A statement prepared in one transaction may be unknown in the next.
        **({"statement_cache_size": 0} if shared else {}),
        **wanted,
    }


def _with_files(driver: Mapping[str, str]) -> dict[str, str]:
    """The driver's parameters, with the machine's own authorities for `sslrootcert=system`.

    Raises:
        Misconfigured: a file of certificates or keys is not there; the driver would not say which.
    """
    found = dict(driver)
    if found.get("sslrootcert") == "system":
        found["sslrootcert"] = get_default_verify_paths().cafile or "system"
    for name in found.keys() & _FILES:
        found[name] = str(Path(found[name]).expanduser())
        if not Path(found[name]).is_file():
            raise Misconfigured(f"the database's address names the file {found[name]} as {name}=, which is not there")
    return found


async def shares_sessions(connection: _Connection) -> bool:
    """Whether a pooler answered: it reports another process id for the session than the server does."""
    return bool(await connection.fetchval("SELECT pg_backend_pid()") != connection.get_server_pid())
