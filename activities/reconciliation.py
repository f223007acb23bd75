"""The activities of a reconciliation: fetch statements, compare both sides, keep and report the breaks, prove.

Each may be repeated: lines are stored once under their own ids, and a known break is only marked as seen again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from temporalio import activity

from activities.by_name import ByName
from activities.channels.base import PaymentChannel
from activities.rails.base import Rail
from activities.statements import StatementSource
from core.errors import Misconfigured, Refused
from core.fields import Message
from core.policy import parse_policy
from core.reasons import SENTENCES
from core.reconciliation.breaks import breaks, by_reason
from core.reconciliation.lines import Break, Comparison, Statement, Summary
from core.reconciliation.policy import ReconciliationPolicy
from ledger.differing import differing
from ledger.inspecting import cluster_of
from ledger.proving import prove_and_note
from ledger.register import Register
from ledger.upkeep import Upkeep, look_after_merchants

StartReturn = Callable[[str], Awaitable[object]]
"""Starts the return of an unclaimed rest, by its id; one that runs or ran is left alone."""
BREAKS_IN_A_SUMMARY = 50
"""How many breaks a workflow's result shows; the register has all of them. A result of megabytes would be refused."""


class Fetched(Message):
    """The outcome of fetching statements.

    `offered` False: this rail or channel has none, or the comparison is of our books.
    """

    offered: bool = False
    lines: int = 0
    added: int = 0


class ProvenBooks(Message):
    """What a proof of the books found: the names of the broken proofs, and what it read.

    `head` is that of the chain of seals, kept here outside the database: one that was restored to an earlier moment,
    or whose chain was written anew, has another. `cluster` is PostgreSQL's system identifier and timeline.
    `since_seal` None: the whole books were read.
    """

    broken: tuple[str, ...] = ()
    since_seal: int | None = None
    head: str | None = None
    cluster: str | None = None


class ReconciliationActivities:
    """Compares the books with statements of rails and channels, and with the register."""

    def __init__(
        self,
        register: Register,
        rails: ByName[Rail],
        channels: ByName[PaymentChannel],
        start_return: StartReturn | None = None,
    ) -> None:
        self._register = register
        self._start_return = start_return
        self._sources: dict[str, ByName[Any]] = {"rail": rails, "channel": channels}

    @activity.defn
    async def fetch_statements(self, asked: Comparison) -> Fetched:
        """Fetch and store the statements of some days.

        Raises:
            Unavailable, UnreadableAnswer: no answer, or an unreadable one; a retry may help.
            BadInput: a line was stored before with other content. A retry does not help; the comparison runs without
                it.
            Refused: `unknown_rail` or `unknown_channel`: nothing knows the name; nothing was fetched or stored.
        """
        known = asked.name in self._sources.get(asked.scope, {})
        if (
            asked.scope in self._sources
            and not known
            and not await self._register.statements.knows(asked.scope, asked.name)
        ):
            raise Refused(f"unknown_{asked.scope}", f"{SENTENCES[f'unknown_{asked.scope}']} {asked.name}", "name")
        fetched = Fetched()
        for back in reversed(range(asked.days)):
            statement = await self._fetch(asked, asked.now - timedelta(days=back))
            if statement is None:
                return fetched
            added = await self._register.statements.load(asked.scope, asked.name, statement, asked.now)
            fetched = Fetched(offered=True, lines=fetched.lines + len(statement.lines), added=fetched.added + added)
        return fetched

    async def _fetch(self, asked: Comparison, at: datetime) -> Statement | None:
        sources = self._sources.get(asked.scope)
        source = sources.of(asked.name) if sources is not None else None
        return await source.statement(at.date()) if isinstance(source, StatementSource) else None

    @activity.defn
    async def compare(self, asked: Comparison) -> Summary:
        """Compare both sides in one snapshot of the database, and keep the breaks. With our own orders come merchants
        and the states of what ended long ago, with a channel the returns through it that were agreed on and
        never started.

        Raises:
            Unavailable: the database did not answer; a retry helps.
        """
        found, ours, theirs, new = await self._compare(asked)
        if asked.scope == "orders":
            await self.look_after_merchants(asked.now)
            await self._register.seals.seal()
            await self._register.rests.empty(asked.now - (await self._policy()).states_kept)
        if asked.scope == "channel" and self._start_return is not None:
            # The command that agreed may have died before it started the return. One that runs is left alone.
            for return_id in await self._register.payments.owed(asked.name):
                await self._start_return(return_id)
        return Summary(
            scope=asked.scope,
            name=asked.name,
            at=asked.now,
            ours=ours,
            theirs=theirs,
            count=len(found),
            by_reason=by_reason(found),
            breaks=tuple(found[:BREAKS_IN_A_SUMMARY]),
            new=tuple(new[:BREAKS_IN_A_SUMMARY]),
            new_count=len(new),
        )

    @activity.defn
    async def prove_books(self) -> ProvenBooks:
        """Prove what is open and what moved since the last proof. A broken proof is a notice to the operators.

        Raises:
            Unavailable: the database did not answer, or not in time; a retry helps.
        """
        proofs = await prove_and_note(self._register.pool)
        last = await self._register.seals.last()
        return ProvenBooks(
            broken=proofs.broken,
            since_seal=proofs.since.seal if proofs.since is not None else None,
            head=last.head if last is not None else None,
            cluster=await cluster_of(self._register.pool),
        )

    async def look_after_merchants(self, now: datetime) -> Upkeep:
        """Call for overdue debts and give deposits back: once a day, with the comparison of our own orders."""
        return await look_after_merchants(self._register, now, (await self._policy()).receivable_overdue)

    async def compare_all(self, asked: Comparison) -> tuple[list[Break], int, int]:
        """As `compare`: all breaks, and how many lines each side has."""
        found, ours, theirs, _ = await self._compare(asked)
        return found, ours, theirs

    async def _compare(self, asked: Comparison) -> tuple[list[Break], int, int, list[str]]:
        policy = await self._policy()
        sides = await differing(self._register.pool, asked.scope, asked.name, asked.now, policy, whole=asked.whole)
        found = breaks(asked.scope, asked.name, sides.ours, sides.theirs, asked.now, policy, covered=sides.covered)
        ours, theirs = sides.our_count, sides.their_count
        if asked.scope == "channel":
            await self._register.payments.note_rests(asked.name, asked.now - policy.unclaimed_after, asked.now)
        new = await self._register.breaks.record(
            asked.scope, asked.name, found, ours=ours, theirs=theirs, now=asked.now
        )
        if sides.standing is not None:
            # Only once the breaks are kept: the next comparison reads what they are about again.
            await self._register.breaks.note_compared(asked.scope, asked.name, sides.standing)
        return found, ours, theirs, new

    async def _policy(self) -> ReconciliationPolicy:
        stored = await self._register.policies.newest(None)
        if stored is None:
            raise Misconfigured("no policy `default` is registered: is DAKUAN_POLICIES the folder of the policies?")
        return parse_policy(stored.text).reconciliation

    @property
    def all(self) -> list[Any]:
        """All activities, for a worker."""
        return [self.fetch_statements, self.compare, self.prove_books]
