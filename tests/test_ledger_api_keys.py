"""Keys of the API in the register: one that follows another is there with the other's end, or not at all."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import pytest
from databases import Database
from ledger_samples import NOW

from ledger.register import Register

TOMORROW = NOW + timedelta(days=1)


async def test_a_rotation_that_fails_leaves_the_old_key_as_it_was(database: Database, register: Register) -> None:
    """Otherwise it would end in a day, and no other would be there."""
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


async def test_of_two_rotations_at_one_moment_the_second_is_told_the_first(
    database: Database, register: Register
) -> None:
    """Otherwise one sender has two newest keys, of which one is not known to the other person."""
    keys = Register(database.owner).api_keys
    await keys.add(
        "abcdefgh", "shop", b"1" * 32, merchant_id=None, scopes=["orders:read"], by="ann", expires_at=None, now=NOW
    )
    old = await keys.get("abcdefgh")
    assert old is not None
    names, at = ("ijklmnop", "qrstuvwx"), NOW + timedelta(seconds=1)
    told = await asyncio.gather(
        *(keys.follow(old, TOMORROW, name, name[:1].encode() * 32, by=name, expires_at=None, now=at) for name in names)
    )
    (made,) = (name for name, first in zip(names, told, strict=True) if first is None)
    assert {*told} == {None, made}
    assert {key.key_id for key in await register.api_keys.list()} == {"abcdefgh", made}
    ended = await keys.get("abcdefgh")
    assert ended is not None
    assert ended.ended_by == made


async def test_a_key_that_was_revoked_meanwhile_gets_no_heir(database: Database, register: Register) -> None:
    keys = Register(database.owner).api_keys
    await keys.add(
        "abcdefgh", "shop", b"1" * 32, merchant_id=None, scopes=["orders:read"], by="ann", expires_at=None, now=NOW
    )
    seen = await keys.get("abcdefgh")
    assert seen is not None
    assert await keys.end("abcdefgh", NOW, "bob")
    at = NOW + timedelta(seconds=1)
    assert await keys.follow(seen, TOMORROW, "ijklmnop", b"2" * 32, by="cy", expires_at=None, now=at) == "abcdefgh"
    (left,) = await register.api_keys.list()
    assert (left.key_id, left.expires_at, left.ended_by) == ("abcdefgh", NOW, "bob")
