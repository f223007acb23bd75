"""What `doctor` says of a database that works only in part, and what it says to do."""

from __future__ import annotations

from typing import Any

import pytest
from databases import Database

from commands.postgres_findings import DoctorFinding, look_at_database
from config import Settings
from core.errors import Misconfigured
from ledger import inspecting
from ledger.inspecting import Inspection, refuse_unready

SOUND = Inspection(
    role="dakuan_worker",
    server_version="18.1",
    superuser=False,
    migrations_known=3,
    migrations_missing=(),
    policies=("default",),
)


async def found(monkeypatch: pytest.MonkeyPatch, owner: str | None = None, **fields: Any) -> dict[str, DoctorFinding]:
    async def inspect(_: str) -> Inspection:
        return SOUND.model_copy(update=fields)

    monkeypatch.setattr(inspecting, "inspect_database", inspect)
    given = {"database_url": "postgresql://x@127.0.0.1/x", "database_owner_url": owner}
    settings = Settings(**given, account_keys={"k2": b"0" * 32})
    return {one.name: one for one in await look_at_database(settings)}


async def test_a_sound_database_is_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = await found(monkeypatch, sealed_with=("k2",))
    assert [(row.name, row.ok) for row in rows.values()] == [("database", True)]


async def test_numbers_sealed_with_a_key_that_is_gone_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    row = (await found(monkeypatch, sealed_with=("k1", "k2")))["keys of sealed numbers"]
    assert (row.ok, row.required) == (False, True)
    assert "sealed with k1," in row.found
    assert "DAKUAN_ACCOUNT_KEYS" in row.helps


async def test_lacking_rights_are_named_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    rights = tuple(f"table_{number} (read)" for number in range(5))
    row = (await found(monkeypatch, lacking_rights=rights))["database"]
    assert (row.ok, row.required) == (False, True)
    assert "it may not use table_0 (read), table_1 (read), table_2 (read) and 2 more" in row.found
    assert "migrate" in row.helps


async def test_a_role_that_may_do_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for fields in ({"superuser": True}, {"too_powerful": ("transfers",)}):
        row = (await found(monkeypatch, **fields))["database"]
        assert (row.ok, "past their functions" in row.found) == (False, True)


@pytest.mark.parametrize("owner", [None, "postgresql://o@127.0.0.1/x"])
async def test_an_empty_database_is_called_that_with_the_next_command(
    monkeypatch: pytest.MonkeyPatch, owner: str | None
) -> None:
    row = (await found(monkeypatch, owner, migrations_missing=("0000", "0001", "0002"), policies=()))["database"]
    assert (row.ok, row.required, row.found.endswith("; it is empty")) == (False, True, True)
    assert "`python starter.py migrate`" in row.helps
    assert ("set DATABASE_OWNER_URL" in row.helps) == (owner is None)


@pytest.mark.parametrize(
    ("fields", "said", "cure"),
    [
        ({"encoding": "LATIN1"}, "encoded in LATIN1, not UTF8", "createdb -E UTF8"),
        ({"read_only": True}, "read-only, not the primary", "name the primary"),
        ({"migrations_missing": ("0002_later",)}, "lacks 0002_later", "migrate"),
        ({"unknown_migrations": ("0009_later",)}, "newer than this version: 0009_later", "run the version"),
        ({"edited_migrations": ("0001_books",)}, "made by another build: its 0001_books are", "make another database"),
        (
            {"edited_migrations": ("0001_books",), "migrations_missing": ("0002_later",)},
            "made by another build: its 0001_books are",
            "make another database",
        ),
        ({"policies": ()}, "no policy `default`", "python worker.py"),
    ],
)
async def test_what_must_be_put_right_is_named_with_its_cure(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], said: str, cure: str
) -> None:
    row = (await found(monkeypatch, **fields))["database"]
    assert (row.ok, row.required) == (False, True)
    assert said in row.found
    assert cure in row.helps


async def test_another_time_zone_is_worth_a_remark(monkeypatch: pytest.MonkeyPatch) -> None:
    row = (await found(monkeypatch, timezone="Asia/Shanghai"))["time zone"]
    assert (row.ok, row.required) == (False, False)
    assert "Asia/Shanghai" in row.found


async def test_an_older_worker_refuses_a_newer_schema(database: Database) -> None:
    await database.owner.execute("INSERT INTO schema_migrations (name, checksum) VALUES ('9999_later', 'x')")
    try:
        with pytest.raises(Misconfigured, match="newer than this version of Dakuan: 9999_later"):
            await refuse_unready(database.pool)
        row = (await look_at_database(Settings(database_url=database.worker_dsn)))[0]
    finally:
        await database.owner.execute("DELETE FROM schema_migrations WHERE name = '9999_later'")
    assert (row.ok, row.required) == (False, True)
    assert "it is newer than this version: 9999_later" in row.found
    assert row.helps == "run the version that applied them"
