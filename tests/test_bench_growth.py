"""The books that `bench growth` fills are as the product would have written them, and its chart shows each figure."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from databases import Database

from bench.growing import EVENTS, grow
from bench.growth import MEASURED, picture, short, sizes_up_to, slope
from core.reconciliation.breaks import breaks
from ledger.differing import differing
from ledger.proofs import prove
from ledger.proving import prove_and_note
from ledger.register import Register


async def test_grown_books_hold_agree_with_their_statements_and_go_on(database: Database) -> None:
    register = Register(database.pool)
    there: list[int] = []
    async with database.owner.acquire() as owner:
        await grow(owner, 1, 250, there.append)
        await register.seals.seal()
        assert (await prove_and_note(database.pool)).hold
        await grow(owner, 251, 50, there.append)
        assert await owner.fetchval("SELECT count(*) FROM events WHERE subject LIKE 'order/%'") == 300 * EVENTS
        assert await owner.fetchval("SELECT avg(length(state ->> 'padding')) FROM orders") > 7_000
    assert there == [250, 300]
    found = await prove_and_note(database.pool)
    assert found.since is not None
    assert [proof for proof in found.proofs if not proof.holds] == []
    assert [proof for proof in await prove(database.pool) if not proof.holds] == []
    assert len(await register.reviews.waiting()) == 9
    now = datetime(2024, 1, 20, tzinfo=UTC)
    for scope, name in await register.breaks.comparisons():
        sides = await differing(database.pool, scope, name, now)
        assert sides.our_count > 200
        found_breaks = breaks(scope, name, sides.ours, sides.theirs, now, covered=sides.covered)
        assert {one.kind for one in found_breaks} <= {"deadline"}
        assert len(sides.ours) == len(found_breaks), "what agrees stays in the database"


def test_a_figure_that_grows_as_the_books_do_has_the_slope_one() -> None:
    found = {size: dict.fromkeys(MEASURED, 1.0) for size in (30_000, 100_000, 300_000)}
    for size, of in found.items():
        of["statement_buffers"] = float(size)
    assert (slope("prove_s", found), slope("statement_buffers", found)) == ("+0.00", "+1.00")
    drawn = picture(found)
    assert all(f">{name}</text>" in drawn for name in MEASURED)
    assert drawn.count("<polyline") == len(MEASURED)


@pytest.mark.parametrize(
    ("orders", "names"),
    [
        (3_000, ["3k"]),
        (30_000, ["30k"]),
        (100_000, ["30k", "100k"]),
        (123_456, ["30k", "100k", "123456"]),
        (3_000_000, ["30k", "100k", "300k", "1m", "3m"]),
    ],
)
def test_the_books_grow_over_the_usual_sizes_to_the_one_that_was_asked_for(orders: int, names: list[str]) -> None:
    assert [short(size) for size in sizes_up_to(orders)] == names
