"""`prove_new`: the proofs over what is open and what moved since the last proof, in books of any length.

A proof of all is the start. Each further one stands on it: what was proven up to a seal and is closed has not moved
since, else it is in the part. So nothing is skipped while software writes the books. What an owner changes by hand in
them is found by `verify-chain` (movements and transfers) or by `prove` over all (the rest).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from core.fields import Message
from ledger.long_reads import LongReads, long_reads
from ledger.pool import Pool, translate_errors
from ledger.proof_scope import ENTRIES_OF_ACCOUNTS, FAULTS, IDS, PART
from ledger.proofs import CLAIMS, EVIDENCE_MAX, Proof, ProofClaim, look_for, proof_of, prove
from ledger.statement_proof import against_since


class Proven(Message):
    """Up to which seal all proofs held, and when that was found. `position` is that of the first event after it."""

    seal: int
    movement: int
    position: int
    proven_at: datetime


class Proofs(Message):
    """All proofs. `since` is what they stand on; None: they read the whole books."""

    proofs: tuple[Proof, ...]
    since: Proven | None

    @property
    def hold(self) -> bool:
        """Whether each of them holds."""
        return not self.broken

    @property
    def broken(self) -> tuple[str, ...]:
        """The names of those that do not."""
        return tuple(proof.name for proof in self.proofs if not proof.holds)


_PROVEN = """
    SELECT p.seal, s.last_movement AS movement, p.position, p.proven_at FROM proven p JOIN seals s ON s.number = p.seal
"""
_STANDING = "SELECT (SELECT max(number) FROM seals) AS seal, events_end() AS position"


async def last_proven(reads: LongReads) -> Proven | None:
    """What the next proof can stand on; None if nothing was sealed and proven."""
    rows = await reads.fetch(_PROVEN)
    return Proven.model_validate(dict(rows[0])) if rows else None


async def prove_and_note(pool: Pool, *, whole: bool = False) -> Proofs:
    """Prove, and where all holds let the next proof stand on the last seal. The seals themselves are not read. A proof
    that held in the run before and is broken now becomes a notice to the operators.

    Args:
        whole: read all books. They are read also where nothing was proven yet.

    Raises:
        Unavailable: the database does not answer; a retry helps.
    """
    async with long_reads(pool) as reads:
        [standing] = await reads.fetch(_STANDING)
        since = None if whole else await last_proven(reads)
        proofs = await prove_part(reads, since) if since is not None else await prove(reads.connection)
    found = Proofs(proofs=tuple(proofs), since=since)
    async with translate_errors():
        await pool.execute("SELECT note_proof_run($1)", list(found.broken))
        if found.hold and standing["seal"] is not None:
            await pool.execute("SELECT note_proven($1, $2)", standing["seal"], standing["position"])
    return found


async def prove_part(reads: LongReads, since: Proven) -> list[Proof]:
    """Look for counterexamples to each proof in what is open and what moved since."""
    found: dict[str, list[dict[str, Any]]] = {claim.name: [] for claim in CLAIMS}
    of_part = [claim for claim in CLAIMS if claim.reads in {"subjects", "accounts"}]
    looks = " UNION ALL ".join(f"({_look(claim)})" for claim in of_part)
    bounds = (since.movement, since.position, since.seal)
    for row in await reads.fetch(f"{PART} {looks}", *bounds):
        found[row["name"]].append(row["evidence"])
    async with reads.with_nested_loops():
        ids = [row["id"] for row in await reads.fetch(f"{PART} {IDS}", *bounds)]
        found["chart"] += [row["evidence"] for row in await reads.fetch(f"{FAULTS} LIMIT {EVIDENCE_MAX}", ids)]
    for claim in CLAIMS:
        if claim.reads == "statements":
            found[claim.name] = await against_since(reads, since.movement, since.position, EVIDENCE_MAX)
    return [
        await look_for(claim, reads) if claim.reads == "all" else proof_of(claim, found[claim.name]) for claim in CLAIMS
    ]


def _look(claim: ProofClaim) -> str:
    entries = ENTRIES_OF_ACCOUNTS if claim.reads == "accounts" else ""
    return (
        f"SELECT '{claim.name}' AS name, to_jsonb(against) AS evidence"
        f" FROM ({entries} {claim.of_part or claim.against}) AS against LIMIT {EVIDENCE_MAX}"
    )
