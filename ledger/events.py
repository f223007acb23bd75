"""The stream of events, in an order in which a reader can go on and misses none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.events import START, Cursor, EventPage, StoredEvent, subject_of
from ledger.register_part import Conditions, RegisterPart

LOOKED_AT = 1_000
"""Rows that one call looks at, at most. A filter that fits few events answers with a short page and a cursor."""

_COLUMNS = ", ".join(StoredEvent.model_fields)


class Events(RegisterPart):
    """The register's events."""

    async def after(
        self,
        cursor: Cursor = START,
        *,
        types: Sequence[str] = (),
        subject: str | None = None,
        merchant_id: str | None = None,
        limit: int = 100,
    ) -> EventPage:
        """The events after this place, in order.

        None is ever passed over: what a transaction that still runs may add comes before nothing that was given out.
        Each call looks at a bounded number of rows, so that a page may be short, or empty, and not the last.

        Args:
            types: such as `order.credited`, or `order.*` for all that begin so; none lets all through.
        """
        wanted = Conditions()
        wanted.add("position >= {}", cursor.position)
        wanted.add(f"(position, id) > (${len(wanted.arguments)}, {{}})", cursor.id)
        wanted.add("subject = {}", subject)
        wanted.add("merchant_id = {}", merchant_id)
        looked_at = max(limit, LOOKED_AT) if types else limit
        seen = await self._all(
            StoredEvent,
            f"SELECT {_COLUMNS} FROM events{wanted.text} AND position < events_end()"
            f" ORDER BY position, id{wanted.limit(looked_at)}",
            *wanted.arguments,
        )
        found = [event for event in seen if fits(event.type, types)]
        last = found[limit - 1] if len(found) >= limit else seen[-1] if seen else None
        return EventPage(
            events=tuple(found[:limit]),
            next=str(last.cursor if last is not None else cursor),
            more=len(seen) == looked_at or len(found) > limit,
        )

    async def has_place(self, cursor: Cursor) -> bool:
        """Whether a reader can go on after this place: an event stands there, or stood there until it was purged.

        False after the database was set back, as by a restore: what the reader has seen is not all that there was.
        """
        # Of the last 30 days nothing is purged. Before that, events are kept beside others that are gone.
        return bool(
            await self._call(
                "SELECT $1::BIGINT = 0 OR EXISTS (SELECT FROM events e WHERE e.position = $1 AND e.id = $2::BIGINT)"
                " OR $1 < coalesce((SELECT e.position FROM events e WHERE e.recorded_at > now() - INTERVAL '30 days'"
                "                   ORDER BY e.recorded_at LIMIT 1),"
                "                  (SELECT min(e.position) FROM events e), events_end())",
                *cursor,
            )
        )

    async def newest(self) -> Cursor:
        """The place of the last event, for a reader that wants only what comes."""
        row = await self._row(
            "SELECT position, id FROM events WHERE position < events_end() ORDER BY position DESC, id DESC LIMIT 1"
        )
        return Cursor(row["position"], row["id"]) if row is not None else START

    async def before(self, at: datetime) -> Cursor:
        """A place before all events that were recorded at this time or later."""
        # A transaction that began earlier may record its events later than others; none takes a minute.
        first = await self._call(
            "SELECT min(e.position) FROM events e"
            " WHERE e.recorded_at >= $1 AND e.recorded_at < INTERVAL '1 minute'"
            " + (SELECT min(f.recorded_at) FROM events f WHERE f.recorded_at >= $1)",
            at,
        )
        return Cursor(first, 0) if first is not None else await self.newest()

    async def find(self, event_id: str) -> StoredEvent | None:
        """The event of this id; None where there is none, or no longer one."""
        named = subject_of(event_id)
        if named is None:
            return None
        return await self._one(StoredEvent, f"SELECT {_COLUMNS} FROM events WHERE subject = $1 AND seq = $2", *named)

    async def of_subject(self, subject: str, *, after_seq: int = 0, limit: int = 100) -> list[StoredEvent]:
        """The events of one subject after a number, in order."""
        return await self._all(
            StoredEvent,
            f"SELECT {_COLUMNS} FROM events WHERE subject = $1 AND seq > $2 ORDER BY seq LIMIT $3",
            subject,
            after_seq,
            limit,
        )

    async def purge(self, before: datetime) -> int:
        """Remove older events, after 30 days at the earliest, and none that an endpoint waits for; returns how many."""
        return int(await self._call("SELECT purge_events($1)", before))


def fits(kind: str, types: Sequence[str]) -> bool:
    """Whether an event of this type is wanted: by name, or by the beginning of its name as in `order.*`."""
    return not types or any(kind == one or (one.endswith(".*") and kind.startswith(one[:-1])) for one in types)
