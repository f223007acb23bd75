"""People of the console in the register."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from databases import Database

from core.votes import Voters
from ledger.people import PersonRole
from ledger.register import Register

MANY = 1_001
NOW = datetime(2026, 11, 29, tzinfo=UTC)
LATER = NOW + timedelta(hours=12)
ANN: dict[str, Any] = {"merchant_id": None, "issuer": "https://id.example", "subject": "ann@id", "by": "owner"}


async def test_everyone_is_listed_and_each_is_known(database: Database, register: Register) -> None:
    await database.owner.execute(
        "INSERT INTO people (person_id, name, role, added_by, added_at)"
        " SELECT 'p' || n, 'Ann', 'operator', 'owner', now()"
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


# --- a new subject ---------------------------------------------------------------------------------------------


async def _signs_in(database: Database, subject: str) -> str | None:
    found = await Register(database.owner).people.of_subject(ANN["issuer"], subject)
    return found.person_id if found is not None else None


async def _link(database: Database, person: str, subject: str, *, beside: bool = False) -> str:
    people = Register(database.owner).people
    return await people.link(person, ANN["issuer"], subject, beside=beside, by="root", now=NOW)


async def test_who_has_a_new_subject_comes_back_under_the_old_id(database: Database) -> None:
    people = Register(database.owner).people
    await people.add("ann", "Ann", "operator", **ANN, now=NOW)
    await people.end("ann", NOW, "bob")
    new = {**ANN, "subject": "ann@new"}
    assert not await people.add("ann", "Ann", "operator", **new, now=NOW, again=True)
    assert [await _link(database, "ann", "ann@new") for _ in range(2)] == ["linked", "same"]
    assert await _signs_in(database, "ann@new") is None, "a subject lets no one in whose access has ended"
    assert not await people.add("ann", "Ann", "operator", **ANN, now=NOW, again=True), "it is theirs no more"
    assert await people.add("ann", "Ann", "operator", **new, now=NOW, again=True)
    assert [await _signs_in(database, subject) for subject in ("ann@new", "ann@id")] == ["ann", None]
    *_, ann = await people.everyone()
    assert [(one.subject, one.linked_by, one.ended_by) for one in ann.subjects] == [
        ("ann@id", "owner", "root"),
        ("ann@new", "root", None),
    ]


async def test_one_subject_signs_in_unless_two_are_asked_for_and_sessions_end_with_the_old_one(
    database: Database,
) -> None:
    people = Register(database.owner).people
    await people.add("ann", "Ann", "operator", **ANN, now=NOW)
    opened: dict[str, Any] = {"replaces": None, "signed_in_at": NOW, "ends_at": LATER, "now": NOW}
    assert await people.open_session(b"a" * 32, "ann", **opened)
    assert await _link(database, "ann", "ann@two", beside=True) == "linked"
    assert [await _signs_in(database, subject) for subject in ("ann@id", "ann@two")] == ["ann", "ann"]
    assert await people.signed_in(b"a" * 32, NOW) is not None
    assert await _link(database, "ann", "ann@three") == "linked"
    signs_in = [await _signs_in(database, subject) for subject in ("ann@id", "ann@two", "ann@three")]
    assert signs_in == [None, None, "ann"]
    assert await people.signed_in(b"a" * 32, NOW) is None
    assert await _link(database, "ann", "ann@id") == "linked", "a mistake is taken back"
    assert [await _signs_in(database, subject) for subject in ("ann@id", "ann@three")] == ["ann", None]


async def test_a_subject_that_is_replaced_during_a_sign_in_opens_no_session(database: Database) -> None:
    people = Register(database.owner).people
    await people.add("ann", "Ann", "operator", **ANN, now=NOW)
    opened: dict[str, Any] = {"replaces": None, "signed_in_at": NOW, "ends_at": LATER, "now": NOW}
    assert await people.open_session(b"a" * 32, "ann", **opened, by=(ANN["issuer"], "ann@id"))
    await _link(database, "ann", "ann@new")
    assert not await people.open_session(b"b" * 32, "ann", **opened, by=(ANN["issuer"], "ann@id"))
    assert await people.open_session(b"c" * 32, "ann", **opened, by=(ANN["issuer"], "ann@new"))


async def test_a_subject_is_one_persons_for_ever_and_linking_changes_no_side(database: Database) -> None:
    people = Register(database.owner).people
    await people.add("ann", "Ann", "operator", **ANN, now=NOW)
    await people.add("mei", "Mei", "merchant", **{**ANN, "merchant_id": "m-7", "subject": "mei@id"}, now=NOW)
    assert await _link(database, "ann", "mei@id", beside=True) == "anothers"
    assert await _link(database, "mei", "mei@new") == "linked"
    assert await _link(database, "ann", "mei@id") == "anothers", "also once it signs no one in"
    assert not await people.add("bob", "Bob", "operator", **{**ANN, "subject": "mei@id"}, now=NOW)
    assert await _link(database, "joe", "joe@id") == "unknown_person"
    mei = await people.of_subject(ANN["issuer"], "mei@new")
    assert mei is not None
    assert (mei.role, mei.merchant_id) == ("merchant", "m-7")


async def test_two_who_link_one_subject_at_once_give_it_to_one(database: Database) -> None:
    people = Register(database.owner).people
    for person in ("ann", "bob"):
        await people.add(person, person, "operator", **{**ANN, "subject": person}, now=NOW)
    answers = await asyncio.gather(*(_link(database, person, "new") for person in ("ann", "bob")))
    assert sorted(answers) == ["anothers", "linked"]


async def test_two_spellings_of_an_id_are_not_two_people(database: Database) -> None:
    people = Register(database.owner).people
    await people.add("ann", "Ann", "operator", **ANN, now=NOW)
    await people.end("ann", NOW, "bob")
    assert not await people.add("Ann", "Ann", "operator", **{**ANN, "subject": "new"}, now=NOW)
    assert [one.person_id for one in await people.everyone()] == ["ann"]


# --- whose word counts -------------------------------------------------------------------------------------------


async def test_no_word_counts_of_who_has_left_and_a_stranger_is_believed(database: Database) -> None:
    people = Register(database.owner).people
    roles: dict[str, PersonRole] = {"ann": "operator", "bob": "reviewer", "Cleo": "reviewer"}
    for person, role in roles.items():
        await people.add(person, person, role, **{**ANN, "subject": person}, now=NOW)
    await people.end("ann", NOW, "owner")
    both = ("operator", "reviewer")
    everyone = ("ann", "ANN", "bob", "cleo", "key-of-a-program")
    assert await people.left(Voters(people=everyone, roles=both)) == ["ann", "ANN"]
    await people.end("Cleo", NOW, "owner")
    await people.add("Cleo", "Cleo", "operator", **{**ANN, "subject": "Cleo"}, now=NOW, again=True)
    assert await people.left(Voters(people=everyone, roles=both)) == ["ann", "ANN"], "who came back is believed"
    assert await people.left(Voters(people=everyone, roles=("reviewer",))) == ["ann", "ANN", "cleo"]


async def test_each_decision_of_two_in_the_database_asks_whether_both_may_still_decide(database: Database) -> None:
    """What keeps a first word for a second one compares their transactions; and it must ask this, too."""
    found = await database.owner.fetch(
        "SELECT proname, prosrc LIKE '%may_decide(p_by)%' AND prosrc LIKE '%may_decide(v_%.asked_by)%' AS asks"
        " FROM pg_proc WHERE pronamespace = 'dakuan'::REGNAMESPACE AND prosrc LIKE '%PERFORM refuse_in_one_breath(%'"
    )
    assert len(found) == 4
    assert [row["proname"] for row in found if not row["asks"]] == []
