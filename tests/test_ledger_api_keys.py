"""Keys of the API in the register: one that follows another is there with the other's end, or not at all."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import pytest
from databases import Database
from ledger_samples import NOW

from ledger.register import Register

TOMORROW = NOW + timedelta(days=1)


async def test_a_rotation_that_fails_leaves_the_old_key_as_it_was(database: Database, register: Register) -> None:
    """Else it would end in a day, and nobody have another."""
    keys = Register(database.owner).api_keys
    await keys.add(
        "abcdefgh", "shop", b"1" * 32, merchant_id=None, scopes=["orders:read"], by="ann", expires_at=None, now=NOW
    )
    old = await keys.get("abcdefgh")
    assert old is not None
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await keys.follow(old, TOMORROW, "no form!", b"2" * 32, by="bob", expires_at=None, now=NOW)
    assert await keys.get("abcdefgh") == old
    await keys.follow(old, TOMORROW, "ijklmnop", b"2" * 32, by="bob", expires_at=None, now=NOW + timedelta(seconds=1))
    ended, new = await keys.get("abcdefgh"), await keys.get("ijklmnop")
    assert ended is not None
    assert new is not None
    assert (ended.expires_at, ended.ended_by) == (TOMORROW, "bob")
    assert (new.line, new.expires_at, new.scopes) == (old.line, None, old.scopes)
