"""Connections to PostgreSQL, and the translation of its errors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from pydantic import BaseModel

from core.addresses import DatabaseAddress, hide_passwords, parse_database_address
from core.errors import DakuanError, DatabaseUnavailable, Misconfigured, Unavailable
from ledger.sessions import SCHEMA, SIGNS_OF_A_POOLER, Session, arguments, shares_sessions

__all__ = ["SCHEMA", "TROUBLE", "Connected", "Pool", "clean", "connect", "encode", "open_pool", "translate_errors"]

ANSWER_WITHIN = 30.0
ENCODING = "UTF8"

Connected: TypeAlias = "asyncpg.Pool[Any] | asyncpg.Connection[Any] | PoolConnectionProxy[Any]"
"""Anything that can run a query."""

TROUBLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # an answer that came while the connection was being closed
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
)
"""Errors after which the same call may be made again: every call carries a key that makes a second one harmless."""

_REFUSED = (
    asyncpg.InvalidAuthorizationSpecificationError,  # also a subclass of it: a wrong password
    asyncpg.InvalidCatalogNameError,
    asyncpg.UndefinedObjectError,  # a setting that the server does not know
    asyncpg.InvalidParameterValueError,
    asyncpg.ClientConfigurationError,
)
"""Errors that a retry cannot mend: the address or a setting is wrong."""

_NO_TLS = "rejected SSL upgrade"
"""The driver's words for a server without TLS, and for one that is no PostgreSQL."""

_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")

QueryNote: TypeAlias = Callable[[Any], None]
"""Takes asyncpg's `LoggedQuery` of a statement that has ended."""

Pool: TypeAlias = "asyncpg.Pool[Any]"
"""For modules that pass a pool on and do not import the driver."""


def encode(value: Any) -> str:
    """JSON for PostgreSQL, of a model or of plain values. NUL, which a JSONB text cannot hold, becomes U+FFFD."""
    body = value.model_dump_json() if isinstance(value, BaseModel) else json.dumps(value, ensure_ascii=False)
    # Looking for the text first is much faster: almost no body has it, and the pattern tries each character.
    return _NUL.sub(r"\1\\ufffd", body) if r"\u0000" in body else body


def clean(text: str) -> str:
    """As `encode`, for a single text."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


async def _prepare(connection: asyncpg.Connection[Any]) -> None:
    await connection.set_type_codec("jsonb", encoder=encode, decoder=json.loads, schema="pg_catalog")


async def _leave_as_it_is(_: asyncpg.Connection[Any]) -> None:
    """We set no session state, so asyncpg need not reset the connection when it is released."""


async def open_pool(dsn: str, *, size: int = 10, writable: bool = True, note: QueryNote | None = None) -> Pool:
    """A pool for one process and event loop. It detects a pooler in front of the server and adapts to it.

    Args:
        writable: connect only to a server that takes writes.
        note: called after each statement, in the context of its caller; for tracing.

    Raises:
        Unavailable: nothing answers at the address, or only servers that take no writes (`DatabaseUnavailable`); the
            message names the address, without its password. A retry may help.
        Misconfigured: the address cannot be read, or the server refuses what it says.
    """
    address = parse_database_address(dsn)
    if not address.pooled:
        try:
            pool = await _open_checked(address, size, shared=False, writable=writable, note=note)
        except SIGNS_OF_A_POOLER:
            pass
        else:
            if not await _is_shared(pool):
                return pool
            pool.terminate()
    return await _open_checked(address, size, shared=True, writable=writable, note=note)


async def _open_checked(
    address: DatabaseAddress, size: int, *, shared: bool, writable: bool, note: QueryNote | None
) -> Pool:
    async def prepare(connection: asyncpg.Connection[Any]) -> None:
        if isinstance(connection, Session):
            connection.pool = pool
        if note is not None:
            connection.add_query_logger(note)
        await _prepare(connection)

    with _translate_first_errors(address, shared=shared):
        pool: Pool = asyncpg.create_pool(
            **arguments(address, shared=shared, writable=writable),
            min_size=1,
            max_size=size,
            command_timeout=ANSWER_WITHIN,
            init=prepare,
            reset=_leave_as_it_is,
        )
        await pool
    return pool


async def _is_shared(pool: Pool) -> bool:
    try:
        async with translate_errors(), pool.acquire() as connection:
            return await shares_sessions(connection)
    except SIGNS_OF_A_POOLER:
        return True
    except BaseException:
        pool.terminate()
        raise


async def connect(dsn: str, variable: str = "DATABASE_URL") -> asyncpg.Connection[Any]:
    """One connection, for work that needs no pool; the caller closes it.

    Raises:
        Unavailable: as of `open_pool`.
        Misconfigured: as of `open_pool`.
    """
    address = parse_database_address(dsn, variable)
    for shared in (False, True) if not address.pooled else (True,):
        try:
            with _translate_first_errors(address, shared=shared):
                connection: asyncpg.Connection[Any] = await asyncpg.connect(
                    **arguments(address, shared=shared, writable=True)
                )
                if shared or not await shares_sessions(connection):
                    return connection
                connection.terminate()
        except SIGNS_OF_A_POOLER:
            continue
    raise AssertionError("the second form raises or returns")


@contextmanager
def _translate_first_errors(address: DatabaseAddress, *, shared: bool) -> Iterator[None]:
    """Translate the errors of a first connection into sentences without a password. Signs of a pooler pass unchanged if
    none was expected.
    """
    try:
        yield
    except DakuanError:
        raise
    except SIGNS_OF_A_POOLER as error:
        if not shared:
            raise
        raise Misconfigured(_pooler_refuses(address, error)) from None
    except asyncpg.TargetServerAttributeNotMatched:
        if address.wanted not in (None, "primary", "read-write"):
            raise Misconfigured(
                f"PostgreSQL at {address.shown} is not what the address asks for by target_session_attrs="
                f"{address.wanted}. Dakuan writes: remove the parameter"
            ) from None
        raise DatabaseUnavailable(
            f"PostgreSQL at {address.shown} is read-only, not the primary. A retry helps once it is promoted, "
            "or name all servers in the address: postgresql://user@a,b/dakuan"
        ) from None
    except (*_REFUSED, ValueError) as error:
        raise Misconfigured(_refuses(address, error)) from None
    except (*TROUBLE, asyncpg.PostgresError) as error:
        if isinstance(error.__cause__, _REFUSED):  # the first of two tries, where the address leaves TLS open
            raise Misconfigured(_refuses(address, error.__cause__)) from None
        if address.wants_tls and _NO_TLS in str(error):
            raise Misconfigured(
                f"PostgreSQL at {address.shown} does not speak TLS, and the address wants it: "
                "set its sslmode= to prefer, or let the server have a certificate"
            ) from None
        raise Unavailable(f"PostgreSQL does not answer at {address.shown}: {_message_of(error)}") from None


def _refuses(address: DatabaseAddress, error: BaseException) -> str:
    return f"PostgreSQL at {address.shown} refuses the connection: {_message_of(error)}"


def _pooler_refuses(address: DatabaseAddress, error: Exception) -> str:
    return (
        f"the pooler at {address.shown} (PgBouncer or alike) refuses the session: {_message_of(error)}. "
        "Remove such parameters from the address, or have the pooler ignore them"
    )


def _message_of(error: BaseException) -> str:
    return hide_passwords(str(error) or type(error).__name__)


class translate_errors:
    """Turn connection errors into `Unavailable`; every other error is a defect and passes unchanged.

    It stands around each call of the database. As an `asynccontextmanager` it would cost five times as much.
    """

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None or isinstance(error, asyncpg.DataError):
            return  # a DataError is an InterfaceError too, but about our own arguments
        if isinstance(error, (asyncpg.ReadOnlySQLTransactionError, asyncpg.TargetServerAttributeNotMatched)):
            raise DatabaseUnavailable(
                "PostgreSQL is read-only here: not the primary, or not any more. Its sessions are given up, "
                "and the next try connects again"
            ) from error
        if isinstance(error, TROUBLE):
            raise Unavailable(f"PostgreSQL: {type(error).__name__}: {_message_of(error)}") from error


def refuse_encoding(connection: Any) -> None:
    """Raise unless the database can store every text.

    Raises:
        Misconfigured: the database has another encoding than UTF-8, which cannot be changed afterwards.
    """
    encoding = connection.get_settings().server_encoding
    if encoding != ENCODING:
        raise Misconfigured(
            f"The database is encoded in {encoding}, and Dakuan needs {ENCODING}: make another one with "
            "`createdb -E UTF8 -T template0`, and name it in the address"
        )
