"""Connections to PostgreSQL, and what its troubles mean to us."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from pydantic import BaseModel

from core.errors import Unavailable

CONNECT_WITHIN = 10.0
ANSWER_WITHIN = 30.0
SCHEMA = "dakuan"

Connected: TypeAlias = "asyncpg.Pool[Any] | asyncpg.Connection[Any] | PoolConnectionProxy[Any]"
"""Whatever can be asked a query."""

TROUBLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # an answer that came when the connection was already being given up
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
)
"""Errors after which the same call may be made again: every call carries a key that makes a second one harmless."""

_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")

Pool: TypeAlias = "asyncpg.Pool[Any]"
"""For those who pass it on and know nothing of the driver."""


def encode(value: Any) -> str:
    """JSON for PostgreSQL, of a model or of plain values. NUL, which a JSONB text cannot hold, becomes U+FFFD."""
    body = value.model_dump_json() if isinstance(value, BaseModel) else json.dumps(value, ensure_ascii=False)
    return _NUL.sub(r"\1\\ufffd", body)


def clean(text: str) -> str:
    """The same for a text of its own."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


async def _prepare(connection: asyncpg.Connection[Any]) -> None:
    await connection.set_type_codec("jsonb", encoder=encode, decoder=json.loads, schema="pg_catalog")


async def _leave_as_it_is(_: asyncpg.Connection[Any]) -> None:
    """Nothing of ours outlives its statement in a session, so that giving a connection back costs no round trip."""


async def open_pool(dsn: str, *, size: int = 10) -> Pool:
    """A pool for one process and event loop.

    Raises:
        Unavailable: nothing answers at the address; the message names it, without its password.
    """
    try:
        return await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=size,
            timeout=CONNECT_WITHIN,
            command_timeout=ANSWER_WITHIN,
            init=_prepare,
            reset=_leave_as_it_is,
            server_settings={"search_path": SCHEMA, "timezone": "UTC", "jit": "off"},
        )
    except (*TROUBLE, asyncpg.PostgresError) as error:
        raise Unavailable(f"PostgreSQL does not answer at {address_of(dsn)}: {error}") from None


def address_of(dsn: str) -> str:
    """Host, port and database of a DSN: what may be shown."""
    return dsn.rpartition("@")[2] or dsn


@asynccontextmanager
async def troubles() -> AsyncIterator[None]:
    """Turn trouble with the connection into `Unavailable`; everything else is a defect and stays loud."""
    try:
        yield
    except asyncpg.DataError:
        raise  # an interface error too, but about what we gave
    except TROUBLE as error:
        raise Unavailable(f"PostgreSQL: {type(error).__name__}: {error}") from error
