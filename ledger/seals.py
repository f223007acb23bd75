"""Seals of the books: a chain of hashes over what was booked, and the first movement that was changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Literal

from core.fields import Message
from ledger.long_reads import LongReads, long_reads
from ledger.register_part import RegisterPart

BLOCK = 1_000
"""Movements that a check hashes at once."""
MOST = 20_000
"""Movements that one seal covers at most: hashing them takes seconds. A longer day has several seals."""
_MARK = 8
_BEFORE_ALL = -(2**63)
"""Below every number: an owner may write a movement under a number that no sequence gives."""


class Seal(Message):
    """What was booked from one movement to another, chained to the seal before. The hashes are hexadecimal."""

    number: int
    first_movement: int
    last_movement: int
    movements: int
    sums: dict[str, int]
    sealed_at: datetime
    previous: str | None
    hash: str

    @property
    def head(self) -> str:
        """`NUMBER:HASH`: kept elsewhere, it finds a chain that was written anew as a whole."""
        return f"{self.number}:{self.hash}"


class SealFault(Message):
    """Where the books are not as they were sealed. `movement` is the first that differs, where one can be named."""

    number: int
    what: Literal["changed", "missing", "added", "rewritten"]
    movement: int | None = None
    message: str


class CheckedSeal(Message):
    """A sealed range that was read again, and its fault."""

    seal: Seal
    fault: SealFault | None = None


_SEAL = (
    "SELECT number, first_movement, last_movement, movements, sums, sealed_at, encode(previous, 'hex') AS previous,"
    " encode(hash, 'hex') AS hash, encode(seal_hash(s), 'hex') AS now FROM seals s"
)


class Seals(RegisterPart):
    """The chain of seals."""

    async def seal(self) -> Seal | None:
        """Seal what was booked since the last seal, and return the last seal made; None where nothing was booked.

        Two that seal at once make one seal. One that ends half-way leaves whole seals, and the next goes on.
        """
        # Apart: the lock that finds the bound must not last for as long as the hashing does.
        await self._call("SELECT note_seal_bound()")
        last = None
        while (number := await self._call("SELECT seal_books($1, $2)", BLOCK, MOST)) is not None:
            last = number
        return await self._one(Seal, f"{_SEAL} WHERE number = $1", last) if last is not None else None

    async def last(self) -> Seal | None:
        """The head of the chain."""
        return await self._one(Seal, f"{_SEAL} ORDER BY number DESC LIMIT 1")

    async def head_of(self, number: int) -> str | None:
        """The head of a seal by its number; None: there is no such seal."""
        seal = await self._one(Seal, f"{_SEAL} WHERE number = $1", number)
        return seal.head if seal is not None else None

    async def verify(self) -> AsyncIterator[CheckedSeal]:
        """Read every sealed range again, in order, each with its first fault."""
        async with long_reads(self._pool) as reads:
            number, hash_before, read_to = 0, None, _BEFORE_ALL
            # One by one: each is hashed anew when it is read.
            while rows := await reads.fetch(f"{_SEAL} WHERE number > $1 ORDER BY number LIMIT 1", number):
                seal = Seal.model_validate(dict(rows[0]))
                fault = _fault_of_chain(seal, str(rows[0]["now"]), number, hash_before)
                yield CheckedSeal(seal=seal, fault=fault or await _fault_of_movements(reads, seal, read_to))
                number, hash_before, read_to = seal.number, seal.hash, seal.last_movement


def _fault_of_chain(seal: Seal, hash_now: str, number_before: int, hash_before: str | None) -> SealFault | None:
    if seal.number != number_before + 1:
        return _fault(seal, "missing", f"Seal {number_before + 1} is gone.")
    if seal.previous != hash_before:
        return _fault(seal, "rewritten", f"It does not follow seal {number_before} as that one is now.")
    if hash_now != seal.hash:
        return _fault(seal, "rewritten", "Its numbers, its blocks or its closing balances were changed.")
    return None


async def _fault_of_movements(reads: LongReads, seal: Seal, read_to: int) -> SealFault | None:
    """The first fault of a range. It is read from the end of the one before: a number in between may have been used."""
    for block in await reads.fetch(
        "SELECT last_movement, marks, hash FROM seal_blocks WHERE number = $1 ORDER BY block", seal.number
    ):
        rows = await reads.fetch(
            "SELECT movement_id, hash FROM movement_hashes($1, $2) ORDER BY movement_id",
            read_to + 1,
            block["last_movement"],
        )
        found = [(int(row["movement_id"]), bytes(row["hash"])) for row in rows]
        if sha256(b"".join(digest for _, digest in found)).digest() != block["hash"]:
            marks = [block["marks"][at : at + _MARK] for at in range(0, len(block["marks"]), _MARK)]
            return _first_difference(seal, found, marks)
        read_to = block["last_movement"]
    return None


def _first_difference(seal: Seal, found: Sequence[tuple[int, bytes]], marks: Sequence[bytes]) -> SealFault:
    """The first movement that is not as it was sealed."""
    now = [digest[:_MARK] for _, digest in found]
    at = next((at for at, (one, other) in enumerate(zip(now, marks, strict=False)) if one != other), None)
    at = min(len(now), len(marks)) if at is None else at
    if at == len(now) == len(marks):
        return _fault(seal, "rewritten", "The marks of its movements were changed, and one of the movements.")
    if at == len(now) or now[at] in marks[at + 1 :]:
        if at < len(found):
            return _fault(seal, "missing", f"A movement before movement {found[at][0]} is gone.")
        return _fault(seal, "missing", f"A movement up to movement {seal.last_movement} is gone.")
    if at == len(marks) or marks[at] in now[at + 1 :]:
        return _fault(seal, "added", f"Movement {found[at][0]} was not there.", found[at][0])
    return _fault(seal, "changed", f"Movement {found[at][0]} is not as it was booked.", found[at][0])


def _fault(
    seal: Seal, what: Literal["changed", "missing", "added", "rewritten"], message: str, movement: int | None = None
) -> SealFault:
    return SealFault(number=seal.number, what=what, movement=movement, message=message)
