"""People of the console in the register."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from databases import Database

from ledger.people import PersonRole
from ledger.register import Register

MANY = 1_001
NOW = datetime(2026, 11, 29, tzinfo=UTC)
LATER = NOW + timedelta(hours=12)
ANN: dict[str, Any] = {"merchant_id": None, "issuer": "https://id.example", "subject": "ann@id", "by": "owner"}


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


async def test_who_comes_back_signs_in_again_and_what_takes_two_people_counts_one(database: Database) -> None:
    people = Register(database.owner).people
    assert await people.add("ann", "Ann", "reviewer", **ANN, now=NOW)
    assert await people.open_session(b"a" * 32, "ann", replaces=None, signed_in_at=NOW, ends_at=LATER, now=NOW)
    assert await people.end("ann", NOW, "bob")
    assert not await people.add("ann", "Ann", "reviewer", **ANN, now=NOW), "not by the same words again"
    # A sign-in of the moment in which the access ended.
    await database.owner.execute(
        "INSERT INTO sessions (digest, person_id, signed_in_at, seen_at, ends_at) VALUES ($1, 'ann', $2, $2, $3)",
        *(b"b" * 32, NOW, LATER),
    )
    assert await people.add("ann", "Ann Li", "operator", **ANN, now=NOW - timedelta(seconds=1), again=True)
    found = await people.of_subject(ANN["issuer"], ANN["subject"])
    assert found is not None
    assert (found.person_id, found.role, found.added_at) == ("ann", "operator", NOW), "no period begins before the last"
    assert await people.signed_in(b"b" * 32, NOW) is None
    as_both = "SELECT count(DISTINCT person_of(n)) FROM unnest($1::TEXT[]) AS n"
    assert await database.owner.fetchval(as_both, ["reviewer:ann", "operator:ann"]) == 1
    for number in (2, 3):
        assert await people.end("ann", NOW, "bob")
        assert await people.add("ann", "Ann Li", "operator", **ANN, now=NOW, again=True)
        assert len(await people.everyone()) == number + 1


@pytest.mark.parametrize(
    "other", [{"person_id": "ann2"}, {"subject": "new@id"}, {"issuer": "https://other.example"}], ids=str
)
async def test_no_one_comes_back_under_another_id_or_subject(database: Database, other: dict[str, str]) -> None:
    people = Register(database.owner).people
    await people.add("ann", "Ann", "reviewer", **ANN, now=NOW)
    await people.end("ann", NOW, "bob")
    given: dict[str, Any] = {"person_id": "ann", "name": "Ann", "role": "operator", **ANN, **other}
    for again in (True, False):
        assert not await people.add(**given, now=NOW, again=again)
    (only,) = await people.everyone()
    assert only.ended_by == "bob"


@pytest.mark.parametrize(
    ("was", "comes_as"), [("merchant", "operator"), ("merchant", "reviewer"), ("operator", "merchant")]
)
async def test_no_one_changes_between_a_merchant_and_the_platform(
    database: Database, was: PersonRole, comes_as: PersonRole
) -> None:
    """Staff act under the merchant's id: who asked for money as staff would be another person as an operator."""
    people = Register(database.owner).people
    of: dict[str, str | None] = {"merchant": "m-7"}
    await people.add("mei", "Mei", was, **{**ANN, "merchant_id": of.get(was)}, now=NOW)
    await people.end("mei", NOW, "bob")
    assert not await people.add("mei", "Mei", comes_as, **{**ANN, "merchant_id": of.get(comes_as)}, now=NOW, again=True)
    assert await people.add("mei", "Mei", was, **{**ANN, "merchant_id": of.get(was)}, now=NOW, again=True)
