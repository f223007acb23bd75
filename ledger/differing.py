"""`differing`: of two sides of a comparison only what may be a break. All that plainly agrees stays in the database.

So a comparison of a million lines takes the memory of its breaks. `core.reconciliation.breaks` judges what is returned:
a line that is plainly right is left out, and none that could be judged otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from core.reconciliation.breaks import MAY_BE_AHEAD, breaks
from core.reconciliation.lines import Covered, OurLine, Scope, TheirLine
from core.reconciliation.policy import ReconciliationPolicy
from ledger import stated_scope
from ledger.compared_scope import COMPARED, STANDING, ComparedTo, Open, is_too_long, part_of
from ledger.long_reads import long_reads
from ledger.pool import Connected
from ledger.reconciling import ours, theirs


class Sides(NamedTuple):
    """The lines of both sides whose key may be a break, and how many lines each side has.

    `covered` are the times that theirs covers completely, adjoining ones as one; None: all time.
    """

    ours: list[OurLine]
    theirs: list[TheirLine]
    covered: list[Covered] | None
    our_count: int
    their_count: int
    standing: ComparedTo | None = None
    """Where a comparison of our own books may begin after this one, once its breaks are kept."""
    since: ComparedTo | None = None
    """Where this one began; None: it read everything."""


_AHEAD = ", ".join(f"'{kind}'" for kind in sorted(MAY_BE_AHEAD))
PLAIN = f"""
    coalesce(o.lines = 1 AND NOT o.back AND o.family <> 'deadline', FALSE) AND (
        -- One line each, of the same money. Of some kinds they may know before us.
        (t.lines = 1 AND NOT t.back AND (o.stand = 'booked' OR o.stand = 'under_way' AND o.family IN ({_AHEAD}))
            AND o.amount_minor = t.amount_minor AND o.currency = t.currency)
        OR (t.lines IS NULL AND CASE o.stand
            WHEN 'given_back' THEN TRUE
            WHEN 'under_way' THEN coalesce(o.at >= $4, FALSE)
            -- Their statements do not tell of all its time.
            ELSE $3 AND NOT coalesce((SELECT c.times FROM covered c)
                                     @> tstzrange(least(o.begun_at, o.at), o.at, '[]'), FALSE) END))
    OR coalesce(o.lines = 1 AND o.family = 'deadline' AND t.lines IS NULL AND o.at >= $5, FALSE)
"""
"""$3: there are statements. $4, $5: what began after it is not yet stuck, not yet overdue; none: all is looked at."""

_COVERED = """
    SELECT unnest(range_agg(tstzrange(since, until))) AS times FROM statement_periods WHERE scope = $1 AND name = $2
"""
"""Each day has a period of its own, and most adjoin."""
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)
_FAMILY = "CASE kind WHEN 'return' THEN 'payout' ELSE kind END"


def _query(scope: Scope, part: str = "", of_theirs: str = "") -> str:
    # A channel gives a payment two numbers, and the storefront reports either of them.
    return f"""
    WITH {part}{", " if part else ""}ours AS MATERIALIZED (SELECT {_FAMILY} AS family, q.* FROM ({ours(scope)}) AS q),
    {of_theirs}{", " if of_theirs else ""}paid AS MATERIALIZED (SELECT DISTINCT key FROM ours WHERE kind = 'payment'),
    theirs AS MATERIALIZED (
        SELECT {_FAMILY} AS family,
               CASE WHEN q.kind = 'payment' AND k.key IS NULL AND r.key IS NOT NULL THEN r.key
                    ELSE coalesce(q.key, 'line:' || q.line_id) END AS case_key, q.*
        FROM ({theirs(scope)}) AS q
        LEFT JOIN paid k ON k.key = q.key AND q.kind = 'payment'
        LEFT JOIN paid r ON r.key = q.reference AND q.kind = 'payment'
    ), covered AS (
        SELECT range_agg(tstzrange(since, until)) AS times FROM statement_periods WHERE scope = $1 AND name = $2
    ), o AS (
        SELECT family, key, count(*) AS lines, bool_or(kind = 'return') AS back, min(stand) AS stand,
               min(amount_minor) AS amount_minor, min(currency) AS currency, min(at) AS at, min(begun_at) AS begun_at
        FROM ours GROUP BY family, key
    ), t AS (
        SELECT family, case_key AS key, count(*) AS lines, bool_or(kind = 'return') AS back,
               min(amount_minor) AS amount_minor, min(currency) AS currency
        FROM theirs GROUP BY family, case_key
    ), open AS MATERIALIZED (
        SELECT family, key FROM o FULL JOIN t USING (family, key) WHERE ({PLAIN}) IS NOT TRUE
    )
    SELECT 'ours' AS side, to_jsonb(l) AS line FROM ours l JOIN open USING (family, key)
    UNION ALL
    SELECT 'theirs', to_jsonb(l) FROM theirs l JOIN open ON open.family = l.family AND open.key = l.case_key
    UNION ALL
    SELECT 'counts', jsonb_build_array((SELECT count(*) FROM ours), (SELECT count(*) FROM theirs))
    """


async def differing(
    source: Connected,
    scope: Scope,
    name: str,
    now: datetime,
    policy: ReconciliationPolicy | None = None,
    *,
    whole: bool = True,
) -> Sides:
    """What may be a break, read at one moment: a movement posted during the read is seen whole or not at all.

    Args:
        now, policy: as for `breaks`: what is not yet stuck or overdue is left out.
        whole: read everything. Otherwise what is open and what changed since the last comparison.

    Raises:
        Unavailable: the database does not answer; a retry helps.
    """
    stated, waits = scope in stated_scope.PARTS, policy or ReconciliationPolicy()
    async with long_reads(source) as connection:
        [standing] = await connection.fetch(STANDING)
        compared = stated_scope.COMPARED if stated else COMPARED
        known = [] if whole else await connection.fetch(compared, scope, name)
        since = ComparedTo.model_validate(dict(known[0])) if known else None
        if since is not None and is_too_long(since.movement, standing["movement"]):
            since = None  # an old period was loaded, or very much was booked since
        # What is under way with another party is looked at from its first second on: it is what stays open.
        limits = (None, None) if stated else (now - waits.stuck_after, now - waits.overdue_after)
        query = _query(scope, *_parts(scope, since))
        reads = connection if since is not None else connection.of_all()
        rows = await reads.fetch(query, scope, name, stated, *limits, *_bounds(scope, since))
        periods = await connection.fetch(_COVERED, scope, name) if stated else []
    [counts] = [row["line"] for row in rows if row["side"] == "counts"]
    sides = Sides(
        [OurLine.model_validate(row["line"]) for row in rows if row["side"] == "ours"],
        [TheirLine.model_validate(row["line"]) for row in rows if row["side"] == "theirs"],
        [Covered(since=row["times"].lower, until=row["times"].upper) for row in periods] if stated else None,
        our_count=counts[0],
        their_count=counts[1],
        since=since,
    )
    return sides._replace(standing=_standing(standing, _open(scope, name, sides) if stated else ()))


def _parts(scope: Scope, since: ComparedTo | None) -> tuple[str, str]:
    if since is None:
        return "", ""
    return stated_scope.PARTS[scope] if scope in stated_scope.PARTS else (part_of(scope), "")


def _bounds(scope: Scope, since: ComparedTo | None) -> tuple[object, ...]:
    if since is None:
        return ()
    return (since.movement, since.position, *([since.covered_since] if scope in stated_scope.PARTS else []))


def _open(scope: Scope, name: str, sides: Sides) -> tuple[Open, ...]:
    """What differs, or will once it has lasted for long enough: a break at the end of time is one that may come."""
    found = breaks(scope, name, sides.ours, sides.theirs, _END_OF_TIME, covered=sides.covered)
    return tuple(sorted({Open(one.key, one.subject) for one in found}, key=str))


def _standing(row: Mapping[str, Any], still_open: tuple[Open, ...]) -> ComparedTo | None:
    """Where the next one may begin; None while nothing is sealed."""
    if row["seal"] is None:
        return None
    return ComparedTo(seal=row["seal"], movement=0, position=row["position"], open=still_open)
