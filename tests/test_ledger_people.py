"""People of the console in the register."""

from __future__ import annotations

from databases import Database

from ledger.register import Register

MANY = 1_001


async def test_everyone_is_listed_and_each_is_known(database: Database, register: Register) -> None:
    await database.owner.execute(
        "INSERT INTO people (person_id, name, role, issuer, subject, added_by, added_at)"
        " SELECT 'p' || n, 'Ann', 'operator', 'https://id.example', 's' || n, 'owner', now()"
        " FROM generate_series(1, $1) AS n",
        MANY,
    )
    assert len(await register.people.everyone()) == MANY
    assert await register.people.known("p999"), "the last by id: one that a bounded list leaves out"
    assert not await register.people.known("p1002")
