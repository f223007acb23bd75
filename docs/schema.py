"""Writes `ledger/schema.sql` from the catalogue of a database that was migrated for it: `make schema`."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from ledger.migrate import migrate
from ledger.schema import schema_of
from local.postgres import WORKER, Postgres

FILE = Path(__file__).parents[1] / "ledger" / "schema.sql"


async def _schema(owner_dsn: str) -> str:
    await migrate(owner_dsn, worker=WORKER)
    return await schema_of(owner_dsn, WORKER)


def main() -> None:
    """Start a PostgreSQL of its own, migrate, write the file, and remove the server."""
    with tempfile.TemporaryDirectory(prefix="dakuan-schema-") as home:
        server = Postgres(Path(home), durable=False)
        server.start()
        try:
            FILE.write_text(asyncio.run(_schema(server.owner_dsn)), encoding="utf-8")
        finally:
            server.remove()


if __name__ == "__main__":
    main()
